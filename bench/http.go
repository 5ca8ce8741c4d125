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

// http measures durable acceptance by the Send API, with one message a request and with fifty.
func (b *bench) http() error {
	programs := []string{""}
	head := "connections|messages a request|Postern|a mail|time to 50 a request"
	if b.before != "" {
		programs, head = append(programs, b.before), head+"|before|a mail|time to 50 a request"
	}
	rows := map[int][]string{}
	for _, conns := range []int{1, 16, 64} {
		rows[conns] = []string{fmt.Sprint(conns), "1"}
		rows[-conns] = []string{fmt.Sprint(conns), "50"}
		got := map[string]map[int][]figure{}
		for range b.rounds {
			for _, path := range programs {
				if got[path] == nil {
					got[path] = map[int][]figure{}
				}
				for _, per := range []int{1, 50} {
					f, err := b.ourHTTP(path, conns, per)
					if err != nil {
						return err
					}
					got[path][per] = append(got[path][per], f)
				}
			}
		}
		for _, path := range programs {
			one, fifty := typical(got[path][1]), typical(got[path][50])
			rows[conns] = append(append(rows[conns], one.cells()...), ratio(one.micros, fifty.micros))
			rows[-conns] = append(append(rows[-conns], fifty.cells()...), "")
		}
	}
	fmt.Println("Accepted durably by POST /v3.1/send, and the server's processor time a mail")
	table(head, [][]string{rows[1], rows[16], rows[64], rows[-1], rows[-16], rows[-64]})
	return nil
}

func (b *bench) ourHTTP(path string, conns, per int) (f figure, err error) {
	err = b.within(func(s *scope) error {
		p := b.startOf(s, path, "--hold")
		f, err = b.measure(s, p, func() (time.Duration, error) { return b.post(p, conns, per) })
		return err
	})
	return f, err
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
