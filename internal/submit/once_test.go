// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

// once sends a batch of mails to some recipients under an idempotency key.
func (d *desk) once(t *testing.T, key string, whole bool, from ...string) (answer []byte, got []submit.Outcome) {
	t.Helper()
	hash := [32]byte{byte(len(from))}
	answer, end, err := d.Begin(t.Context(), d.p, key, hash)
	if err != nil {
		t.Fatal(err)
	}
	if answer != nil {
		return answer, nil
	}
	defer end()
	b := submit.Batch{Whole: whole, Once: &submit.Once{Key: key, Hash: hash, Answer: func(got []submit.Outcome) []byte {
		var ids []string
		for _, o := range got {
			if o.Err != nil {
				ids = append(ids, "refused")
				continue
			}
			ids = append(ids, fmt.Sprint(o.Receipt.Messages[0].ID))
		}
		return []byte(strings.Join(ids, " "))
	}}}
	for _, f := range from {
		b.Items = append(b.Items, submit.Item{
			Envelope: submit.Envelope{From: f, Recipients: []submit.Recipient{{Email: "r@example.net"}}},
			Message:  submit.Message{Raw: []byte("From: " + f + "\r\n\r\nx\r\n"), From: mail.Address{Email: f}, Source: "http", Priority: 2},
		})
	}
	return nil, d.AcceptBatch(t.Context(), d.p, b)
}

func TestBatches(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	const good, bad = "news@example.org", "stranger@example.org"
	_, got := d.once(t, "mixed", false, good, bad, good)
	if got[0].Err != nil || code(got[1].Err) != submit.SenderNotAllowed || got[2].Err != nil || d.count(t) != 2 {
		t.Fatalf("%+v, %d messages", got, d.count(t))
	}
	want := fmt.Sprintf("%d refused %d", got[0].Receipt.Messages[0].ID, got[2].Receipt.Messages[0].ID)
	if answer, _ := d.once(t, "mixed", false, good, bad, good); string(answer) != want {
		t.Errorf("remembered %q, want %q", answer, want)
	}
	// All or none, and an error is not remembered.
	for range 2 {
		if answer, got := d.once(t, "whole", true, good, bad); answer != nil || got[0].Err == nil || code(got[1].Err) != submit.SenderNotAllowed {
			t.Errorf("%q %+v", answer, got)
		}
	}
	if answer, _ := d.once(t, "whole", false, bad, bad); answer != nil {
		t.Errorf("an error is remembered: %q", answer)
	}
	if d.count(t) != 2 || d.woken != 1 {
		t.Errorf("%d messages, woken %d times", d.count(t), d.woken)
	}
	if s := d.Stats(); s.Accepted != 2 || s.Refused != 5 || s.Repeated != 1 {
		t.Errorf("%+v", s)
	}
}

func TestBeginning(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	_, end, err := d.Begin(t.Context(), d.p, "k", [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := d.Begin(ctx, d.p, "k", [32]byte{1}); code(err) != submit.Unavailable {
		t.Errorf("a twin that hangs up: %v", err)
	}
	if _, other, err := d.Begin(t.Context(), d.p, "l", [32]byte{1}); err != nil {
		t.Error(err)
	} else {
		other()
	}
	// A twin goes on when the first has ended without an answer.
	began := make(chan error, 1)
	go func() {
		_, end, err := d.Begin(context.WithoutCancel(ctx), d.p, "k", [32]byte{2})
		if err == nil {
			end()
		}
		began <- err
	}()
	end()
	if err := <-began; err != nil {
		t.Error(err)
	}
	d.once(t, "k", false, "news@example.org")
	if _, _, err := d.Begin(t.Context(), d.p, "k", [32]byte{9}); code(err) != submit.KeyReused {
		t.Errorf("another body: %v", err)
	}
}

func TestAnswersPastTheirTimeGo(t *testing.T) {
	s := storetest.New(t)
	d := newDesk(t, s)
	d.once(t, "k", false, "news@example.org")
	late := time.Now().Add(store.OnceLifetime + time.Hour)
	sweeper := submit.NewAt(s, func() {}, slog.New(slog.DiscardHandler), func() time.Time { return late })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sweeper.Run(ctx) }()
	for sweeper.Stats().Forgotten == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	hash := [32]byte{1}
	if _, err := s.Answered(t.Context(), store.OfKey(d.p.AccountID, d.p.KeyID), "k", hash, time.Now()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestCheckKey(t *testing.T) {
	for key, ok := range map[string]bool{"a": true, "~!": true, strings.Repeat("k", 255): true, strings.Repeat("k", 256): false, "": false, "a b": false, "ä": false, "a\n": false, "\x7f": false} {
		if (submit.CheckKey(key) == "") != ok {
			t.Errorf("%q: %q", key, submit.CheckKey(key))
		}
	}
}
