// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

// desk is the way in, with a key that may send from an address and a domain.
type desk struct {
	*submit.Submit
	store *store.Store
	p     gate.Principal
	woken int
	hour  time.Time // that the clock of limits began with
}

func newDesk(t *testing.T, s *store.Store) *desk {
	t.Helper()
	d := &desk{store: s}
	d.Submit = submit.New(s, func() { d.woken++ }, slog.New(slog.DiscardHandler))
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(t.Context(), "one")
		if err != nil {
			return err
		}
		k, err := tx.AddKey(t.Context(), store.Key{AccountID: a.ID, APIKey: "0123456789abcdef0123456789abcdef", Name: "one", Master: true, State: store.KeyActive})
		if err != nil {
			return err
		}
		d.p = gate.Principal{KeyID: k.ID, AccountID: a.ID}
		for _, x := range [][2]string{{"news@example.org", "example.org"}, {"*@xn--bcher-kva.example", "xn--bcher-kva.example"}} {
			if _, err := tx.PutSender(t.Context(), store.Sender{KeyID: k.ID, Email: x[0], Domain: x[1], Status: store.SenderActive}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) send(t *testing.T, from string, change func(*submit.Message), to ...submit.Recipient) (submit.Receipt, error) {
	t.Helper()
	m := submit.Message{Raw: []byte("From: " + from + "\r\n\r\nx\r\n"), From: mail.Address{Email: from}, Source: "http", Priority: 2}
	if change != nil {
		change(&m)
	}
	if len(to) == 0 {
		to = []submit.Recipient{{Email: "r@example.net"}}
	}
	return d.Accept(t.Context(), d.p, submit.Envelope{From: from, Recipients: to}, m)
}

func (d *desk) count(t *testing.T) int {
	t.Helper()
	n, err := d.store.CountMessages(t.Context(), store.OfOperator(), store.MessageFilter{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func code(err error) submit.Code {
	var e *submit.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestSenders(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		for from, ok := range map[string]bool{
			"news@example.org": true, "News@EXAMPLE.org": true, "other@example.org": false, "news+tag@example.org": false, "news@sub.example.org": false,
			"any@bücher.example": true, "any@xn--bcher-kva.example": true, "any@sub.xn--bcher-kva.example": false, "": false, "*@xn--bcher-kva.example": true,
		} {
			_, err := d.send(t, from, nil)
			if ok && err != nil || !ok && code(err) != submit.SenderNotAllowed {
				t.Errorf("%q: %v", from, err)
			}
		}
		other := d.p
		other.KeyID++
		if _, err := d.CheckSender(t.Context(), other, "news@example.org"); code(err) != submit.KeyMayNotSend {
			t.Errorf("another key: %v", err)
		}
		err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteSender(t.Context(), d.p.KeyID, "news@example.org") })
		if err != nil {
			t.Fatal(err)
		}
		d.Forget(d.p.KeyID)
		if _, err := d.send(t, "news@example.org", nil); code(err) != submit.SenderNotAllowed {
			t.Errorf("a removed sender: %v", err)
		}
	})
}

func TestOneAddressGetsOneMail(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	r, err := d.send(t, "news@example.org", nil, submit.Recipient{Email: "A@Example.net"}, submit.Recipient{Email: "b@example.net", Kind: store.Cc}, submit.Recipient{Email: "a@example.net", Kind: store.Bcc})
	if err != nil || len(r.Messages) != 2 || d.count(t) != 2 || d.woken != 1 {
		t.Fatalf("%+v, %v; %d kept, woken %d times", r, err, d.count(t), d.woken)
	}
	if r.Of("a@example.net") != r.Of("A@Example.net") || r.Of("b@example.net").ID == r.Of("a@example.net").ID {
		t.Errorf("receipt %+v", r)
	}
}

func TestRefusalsKeepNothing(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	many := make([]submit.Recipient, submit.MaxRecipients+1)
	for i := range many {
		many[i].Email = fmt.Sprintf("r%d@example.net", i)
	}
	for name, c := range map[string]struct {
		to     []submit.Recipient
		change func(*submit.Message)
		want   submit.Code
	}{
		"no address":   {[]submit.Recipient{{Email: "r@example.net"}, {Email: "nobody"}}, nil, submit.BadRecipient},
		"an injection": {[]submit.Recipient{{Email: "r@example.net>\r\nRCPT TO:<x@example.net"}}, nil, submit.BadRecipient},
		"too many":     {many, nil, submit.TooManyRecipients},
		"too large":    {nil, func(m *submit.Message) { m.Raw = make([]byte, submit.MaxSize+1) }, submit.TooLarge},
	} {
		if _, err := d.send(t, "news@example.org", c.change, c.to...); code(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := d.send(t, "news@example.org", func(m *submit.Message) { m.Sandbox = true })
	if err != nil || len(r.Messages) != 1 || r.Messages[0].ID != 0 || r.Messages[0].UUID != "" {
		t.Errorf("sandbox: %+v, %v", r, err)
	}
	if n := d.count(t); n != 0 || d.woken != 0 {
		t.Errorf("%d messages were kept, the queue was woken %d times", n, d.woken)
	}
}

// PostgreSQL takes neither NUL nor broken UTF-8: what is kept for listings is cleaned, the source is not.
func TestOddTexts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		odd := "a\x00b\xff" + strings.Repeat("ü", 2000)
		r, err := d.send(t, "news@example.org", func(m *submit.Message) {
			m.Subject, m.CustomID, m.EventPayload, m.Campaign, m.Client, m.MessageID, m.From.Name = odd, odd, odd, odd, odd, odd, odd
			m.Raw = []byte("X: \x00\xff\r\n\r\n")
		})
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: r.Messages[0].ID})
		if err != nil || !strings.HasPrefix(m.Subject, "abü") || len(m.Subject) > 1024 {
			t.Errorf("subject %.20q of %d bytes, %v", m.Subject, len(m.Subject), err)
		}
		raw, err := s.Source(t.Context(), store.OfOperator(), m.ID)
		if err != nil || string(raw) != "X: \x00\xff\r\n\r\n" {
			t.Errorf("source %q, %v", raw, err)
		}
	})
}

// A full disk: mail is refused for now, in words; what was accepted is there; and with room it goes on.
// What the doors let in is found by what it was given, also where each character has four bytes.
func TestNamesAreKeptWhole(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	name := strings.Repeat("\U0001F4E7", 255)
	r, err := d.send(t, "news@example.org", func(m *submit.Message) { m.CustomID, m.Campaign = name, name })
	if err != nil {
		t.Fatal(err)
	}
	if m := d.message(t, r.Messages[0].ID); m.CustomID != name || m.Campaign != name {
		t.Errorf("%d and %d bytes are kept", len(m.CustomID), len(m.Campaign))
	}
	if n, err := d.store.CountMessages(t.Context(), store.OfOperator(), store.MessageFilter{CustomID: name}); err != nil || n != 1 {
		t.Errorf("%d found by the CustomID, %v", n, err)
	}
}

func TestAFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED ALOUD: a small disk of its own needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("SKIPPED ALOUD: a small disk cannot be mounted: %v", err)
	}
	var ahead atomic.Int64 // of the machine's clock
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	s, err := store.Open(t.Context(), filepath.Join(dir, "postern.db"), store.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	d := newDesk(t, s)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	random := make([]byte, 64<<10)
	for i := range random {
		random[i] = byte(i*i>>3 ^ i*7919>>5)
	}
	accepted := 0
	var full bool
	for i := 0; ; i++ {
		_, err := d.send(t, "news@example.org", func(m *submit.Message) { m.Raw = append([]byte(fmt.Sprintf("X: %d\r\n\r\n", i)), random...) })
		if err == nil {
			accepted++
			continue
		}
		if code(err) != submit.DiskFull && code(err) != submit.Unavailable {
			t.Fatalf("%v", err)
		}
		full = code(err) == submit.DiskFull
		break
	}
	if n := d.count(t); n != accepted || accepted == 0 {
		t.Errorf("%d accepted, %d kept", accepted, n)
	}
	if err := s.Health(t.Context()); !errors.Is(err, store.ErrUnwritable) || s.NoRoom(err) != full || s.WritesFailed() == 0 {
		t.Errorf("on a full disk the store's health is %v, and %d writes have failed", err, s.WritesFailed())
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if _, err := d.send(t, "news@example.org", nil); err != nil {
		t.Errorf("with room again: %v", err)
	}
	ahead.Store(int64(time.Minute))
	if err := s.Health(t.Context()); err != nil {
		t.Errorf("a minute later the store's health is %v", err)
	}
	if n := d.count(t); n != accepted+1 {
		t.Errorf("%d accepted, %d kept", accepted+1, n)
	}
}
