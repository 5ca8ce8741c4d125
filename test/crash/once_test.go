// SPDX-License-Identifier: Apache-2.0

package crash_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/smtp"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/test/program"
)

// TestRepeatedAfterACrash: clients with idempotency keys that were cut off by kill -9 ask again until they are answered.
// Whatever the moment of the kill was, each key then has one message.
func TestRepeatedAfterACrash(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a server ten times")
	}
	s := program.New(t, "")
	s.Command(t, "sender", "add", "*@example.com")
	const workers, kills = 6, 10
	var answered, repeated sync.Map // key → message's UUID; keys that were asked for again
	var next [workers]int
	// ask sends under one key after the other until it is cut off; with last, once more what was cut off before.
	ask := func(ctx context.Context, w int, last bool) {
		for ctx.Err() == nil {
			key := fmt.Sprintf("once-%d-%d", w, next[w])
			uuid, ok := once(ctx, s, key, w%3)
			if !ok {
				repeated.Store(key, true)
				return
			}
			answered.Store(key, uuid)
			next[w]++
			if last {
				return
			}
		}
	}
	for round := range kills + 1 {
		s.Start(t)
		ctx, cancel := context.WithCancel(t.Context())
		var load sync.WaitGroup
		for w := range workers {
			load.Go(func() { ask(ctx, w, round == kills) })
		}
		if round < kills {
			wait(t, time.Duration(50+rand.IntN(200))*time.Millisecond)
			s.Kill()
			cancel()
		}
		load.Wait()
		cancel()
	}
	keys, again := 0, 0
	answered.Range(func(key, uuid any) bool {
		keys++
		if _, twice := repeated.Load(key); twice {
			again++
		}
		a, err := s.Call(t.Context(), http.MethodGet, "/v3/REST/message?CustomID="+key.(string), nil)
		var got struct {
			Total int
			Data  []struct{ UUID string }
		}
		if err != nil || json.Unmarshal(a.Body, &got) != nil || got.Total != 1 || got.Data[0].UUID != uuid {
			t.Errorf("key %s, answered with %s: %v %s", key, uuid, err, a.Body)
		}
		return true
	})
	t.Logf("%d keys, %d of them asked for again after a kill: one message each", keys, again)
	if again == 0 {
		t.Error("no call was cut off: the test showed nothing")
	}
	if err := s.Stop(t); err != nil {
		t.Error(err)
	}
}

// once asks by one of the ways in; uuid is of the message that the answer names.
func once(ctx context.Context, s *program.Server, key string, way int) (uuid string, ok bool) {
	text := strings.Repeat("text ", 200)
	switch way {
	case 0:
		return onceByAPI(ctx, s, "/v3.1/send", key, map[string]any{"Messages": []any{map[string]any{
			"From": map[string]string{"Email": "a@example.com"}, "To": []any{map[string]string{"Email": "b@example.net"}}, "CustomID": key, "TextPart": text,
		}}})
	case 1:
		return onceByAPI(ctx, s, "/v3/send", key, map[string]any{"FromEmail": "a@example.com", "To": "b@example.net", "Mj-CustomID": key, "Text-part": text})
	}
	c, err := smtp.Dial(s.SMTP)
	if err != nil {
		return "", false
	}
	defer c.Close() //nolint:errcheck // it may be killed
	if c.Auth(smtp.PlainAuth("", s.APIKey, s.SecretKey, "127.0.0.1")) != nil || c.Mail("a@example.com") != nil || c.Rcpt("b@example.net") != nil {
		return "", false
	}
	id, err := c.Text.Cmd("DATA")
	if err != nil {
		return "", false
	}
	c.Text.StartResponse(id)
	defer c.Text.EndResponse(id)
	if _, _, err := c.Text.ReadResponse(354); err != nil {
		return "", false
	}
	w := c.Text.DotWriter()
	fmt.Fprintf(w, "From: a@example.com\r\nX-MJ-CustomID: %s\r\nPostern-Idempotency-Key: %s\r\n\r\n%s\r\n", key, key, text) //nolint:errcheck // the answer says
	if w.Close() != nil {
		return "", false
	}
	_, line, err := c.Text.ReadResponse(250)
	return line[strings.LastIndexByte(line, ' ')+1:], err == nil
}

func onceByAPI(ctx context.Context, s *program.Server, path, key string, body any) (uuid string, ok bool) {
	b, err := json.Marshal(body)
	if err != nil {
		return "", false
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.HTTP+path, strings.NewReader(string(b)))
	if err != nil {
		return "", false
	}
	r.SetBasicAuth(s.APIKey, s.SecretKey)
	r.Header.Set("Postern-Idempotency-Key", key)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", false
	}
	defer res.Body.Close() //nolint:errcheck // read whole
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return "", false
	}
	var got struct {
		Messages []struct {
			To []struct{ MessageUUID string }
		}
		Sent []struct{ MessageUUID string }
	}
	if json.Unmarshal(text, &got) != nil {
		return "", false
	}
	if len(got.Sent) == 1 {
		return got.Sent[0].MessageUUID, true
	}
	return got.Messages[0].To[0].MessageUUID, true
}
