// SPDX-License-Identifier: Apache-2.0

// Package crash_test holds promise 3, "accepted means kept", against SIGKILL: a server is killed at random moments
// under load from both protocols; whatever it answered with 200 or 250 is found after the restart and reaches the
// other side at least once.
package crash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/smtp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/store/storetest"
	"postern/test/program"
	"postern/test/sink"
)

var kills = flag.Int("kills", 25, "how often the server is killed, on each store")

func TestAcceptedMeansKept(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Run("sqlite", func(t *testing.T) { crash(t, "") })
	t.Run("postgres", func(t *testing.T) { crash(t, storetest.Database(t)) })
}

// answered are the mails that the server said it has: by their token, which is their CustomID, with the message's ID
// where the protocol tells it.
type answered struct {
	mu   sync.Mutex
	mail map[string]int64
}

func (a *answered) add(token string, id int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mail[token] = id
}

func crash(t *testing.T, database string) {
	out := sink.Start(t, true)
	s := program.New(t, database, "--route", "smtp://"+out.Addr)
	s.Command(t, "sender", "add", "*@example.com")
	seen := &answered{mail: map[string]int64{}}
	byHTTP, bySMTP := 0, 0
	for round := range *kills {
		s.Start(t)
		ctx, cancel := context.WithCancel(t.Context())
		var load sync.WaitGroup
		for w := range 6 {
			load.Go(func() { byAPI(ctx, s, fmt.Sprintf("h%d-%d", round, w), seen) })
			load.Go(func() { byMail(ctx, s, fmt.Sprintf("s%d-%d", round, w), seen) })
		}
		wait(t, time.Duration(20+rand.IntN(300))*time.Millisecond)
		s.Kill()
		cancel()
		load.Wait()
	}
	s.Start(t)
	arrived := map[string]int{}
	deadline := time.Now().Add(3 * time.Minute)
	for missing := len(seen.mail); missing > 0; {
		clear(arrived)
		for _, m := range out.Mails() {
			arrived[token(m.Raw)]++
		}
		missing = 0
		for tok := range seen.mail {
			if arrived[tok] == 0 {
				missing++
			}
		}
		if missing > 0 && time.Now().After(deadline) {
			t.Fatalf("%d of %d answered mails have not arrived; queue: %s\n%s", missing, len(seen.mail), s.Command(t, "queue"), s.Tail())
		}
		if missing > 0 {
			select {
			case <-out.Got():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	doubled := 0
	for _, n := range arrived {
		doubled += n - 1
	}
	for tok, id := range seen.mail {
		if tok[0] == 'h' {
			byHTTP++
		} else {
			bySMTP++
		}
		found(t, s, tok, id)
	}
	t.Logf("%d kills: %d mails answered (%d by HTTP, %d by SMTP), all found and delivered; %d deliveries of %d were duplicates; %d mails were kept though the answer was cut off",
		*kills, len(seen.mail), byHTTP, bySMTP, doubled, len(arrived)+doubled, len(arrived)-len(seen.mail))
	if byHTTP == 0 || bySMTP == 0 {
		t.Errorf("the load never got through by one protocol (%d by HTTP, %d by SMTP): the test showed nothing", byHTTP, bySMTP)
	}
	if err := s.Stop(t); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// wait lets the load run: the kill's moment is to be a random one.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func token(raw []byte) string {
	_, after, _ := bytes.Cut(raw, []byte("Subject: "))
	line, _, _ := bytes.Cut(after, []byte("\r\n"))
	return string(line)
}

func byAPI(ctx context.Context, s *program.Server, name string, seen *answered) {
	for i := 0; ctx.Err() == nil; i++ {
		tok := name + "-" + strconv.Itoa(i)
		a, err := s.Call(ctx, http.MethodPost, "/v3.1/send", map[string]any{"Messages": []any{map[string]any{
			"From": map[string]string{"Email": "a@example.com"}, "To": []any{map[string]string{"Email": "b@example.net"}},
			"Subject": tok, "CustomID": tok, "TextPart": strings.Repeat("text ", 200),
		}}})
		if err != nil || a.Status != http.StatusOK {
			return // killed
		}
		var got struct {
			Messages []struct{ To []struct{ MessageID int64 } }
		}
		if json.Unmarshal(a.Body, &got) == nil && len(got.Messages) == 1 && len(got.Messages[0].To) == 1 {
			seen.add(tok, got.Messages[0].To[0].MessageID)
		}
	}
}

func byMail(ctx context.Context, s *program.Server, name string, seen *answered) {
	c, err := smtp.Dial(s.SMTP)
	if err != nil {
		return
	}
	defer c.Close() //nolint:errcheck // it was killed
	if c.Auth(smtp.PlainAuth("", s.APIKey, s.SecretKey, "127.0.0.1")) != nil {
		return
	}
	for i := 0; ctx.Err() == nil; i++ {
		tok := name + "-" + strconv.Itoa(i)
		if c.Mail("a@example.com") != nil || c.Rcpt("b@example.net") != nil {
			return
		}
		w, err := c.Data()
		if err != nil {
			return
		}
		fmt.Fprintf(w, "From: a@example.com\r\nTo: b@example.net\r\nSubject: %s\r\nX-MJ-CustomID: %s\r\n\r\n%s\r\n", tok, tok, strings.Repeat("text ", 200)) //nolint:errcheck // Close says
		if w.Close() != nil {
			return
		}
		seen.add(tok, 0)
	}
}

// found looks an answered mail up by its ID and by its CustomID.
func found(t *testing.T, s *program.Server, tok string, id int64) {
	t.Helper()
	path := "/v3/REST/message?ShowCustomID=1&CustomID=" + tok
	if id != 0 {
		path = fmt.Sprintf("/v3/REST/message/%d?ShowCustomID=1", id)
	}
	a, err := s.Call(t.Context(), http.MethodGet, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Data []struct {
			ID       int64
			CustomID string
			Status   string
		}
	}
	if err := json.Unmarshal(a.Body, &got); err != nil || a.Status != http.StatusOK || len(got.Data) != 1 || got.Data[0].CustomID != tok {
		t.Errorf("mail %s was answered and is not found: %d %s", tok, a.Status, a.Body)
	}
}
