// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"postern/test/program"
)

// http measures durable acceptance by the Send API.
func (b *bench) http() error {
	var rows [][]string
	for _, per := range []int{1, 50} {
		for _, conns := range []int{1, 16, 64} {
			var got []float64
			for range b.rounds {
				r, err := b.ourHTTP(conns, per)
				if err != nil {
					return err
				}
				got = append(got, r)
			}
			rows = append(rows, []string{fmt.Sprint(conns), fmt.Sprint(per), rate(median(got))})
		}
	}
	fmt.Println("Accepted durably by POST /v3.1/send")
	table("connections|messages a request|messages", rows)
	return nil
}

func (b *bench) ourHTTP(conns, per int) (r float64, err error) {
	err = b.within(func(s *scope) error {
		p := b.start(s, "--hold")
		elapsed, err := b.post(p, conns, per)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, p.Tail())
		}
		n, err := b.held(s, p)
		r = float64(n) / elapsed.Seconds()
		return err
	})
	return r, err
}

func (b *bench) post(p *program.Server, conns, per int) (time.Duration, error) {
	msg := map[string]any{"From": map[string]string{"Email": "a@example.com", "Name": "A"}, "To": []any{map[string]string{"Email": "b@example.net", "Name": "B"}}, "Subject": "bench", "TextPart": text}
	msgs := make([]any, per)
	for i := range msgs {
		msgs[i] = msg
	}
	body, err := json.Marshal(map[string]any{"Messages": msgs})
	if err != nil {
		return 0, err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(b.ctx, b.each)
	defer cancel()
	var wg sync.WaitGroup
	var first atomic.Pointer[error]
	start := time.Now()
	for range conns {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := b.request(client, p, body); err != nil {
					first.CompareAndSwap(nil, &err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := first.Load(); err != nil {
		return 0, *err
	}
	return time.Since(start), b.ctx.Err()
}

func (b *bench) request(client *http.Client, p *program.Server, body []byte) error {
	req, err := http.NewRequestWithContext(b.ctx, http.MethodPost, "http://"+p.HTTP+"/v3.1/send", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(p.APIKey, p.SecretKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read whole
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d: %.300s", res.StatusCode, answer)
	}
	return err
}
