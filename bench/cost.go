// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postern/test/program"
	"postern/test/sink"
)

// page is an HTML mail of 4 KB with five links.
var page = "<html><body>\r\n" + strings.Repeat("<p>The quick brown fox jumps over <a href=\"https://example.com/fox?a=1\">the lazy dog</a>.</p>\r\n"+
	strings.Repeat("<p>Again and again and again, as foxes do, over every dog there is.</p>\r\n", 9), 5) + "</body></html>\r\n"

// extras are what a mail can cost more for.
type extras struct {
	name              string
	tracked, webhooks bool
}

// cost measures the whole way, as sink does, with tracking and webhooks off and on, in turns.
func (b *bench) cost() error {
	variants := []extras{{name: "neither"}, {"tracking", true, false}, {"webhooks", false, true}, {"both", true, true}}
	rates, told := make([][]float64, len(variants)), make([]int64, len(variants))
	var pixels []float64
	for range b.rounds {
		for i, v := range variants {
			r, n, hits, err := b.costOf(v)
			if err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			rates[i] = append(rates[i], r)
			told[i] += n
			if hits > 0 {
				pixels = append(pixels, hits)
			}
		}
	}
	var rows [][]string
	for i, v := range variants {
		rows = append(rows, []string{v.name, rate(median(rates[i])), fmt.Sprintf("%.2f", median(rates[i])/median(rates[0])), fmt.Sprint(told[i])})
	}
	fmt.Println("HTML mail with five links, from acceptance by SMTP (20 sessions) to a local SMTP sink, DKIM-signed")
	table("on|messages|to neither|events told", rows)
	fmt.Printf("Opens: %s of the pixel, over 16 connections\n\n", rate(median(pixels)))
	return nil
}

// costOf delivers with some extras, and says how many events were told and, where mail is tracked, how many opens a
// second the pixel takes.
func (b *bench) costOf(v extras) (r float64, told int64, pixels float64, err error) {
	err = b.within(func(s *scope) error {
		var got atomic.Int64
		receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			var events []json.RawMessage
			if json.NewDecoder(r.Body).Decode(&events) == nil {
				got.Add(int64(len(events)))
			}
		}))
		defer receiver.Close()
		out := sink.Start(s, v.tracked)
		p := b.start(s, "--route", "smtp://"+out.Addr, "--webhook-private")
		if v.webhooks {
			for _, event := range []string{"sent", "open"} {
				a, err := p.Call(b.ctx, "POST", "/v3/REST/eventcallbackurl", map[string]any{"EventType": event, "Url": receiver.URL + "/" + event, "Version": 2})
				if err != nil || a.Status != http.StatusCreated {
					return fmt.Errorf("set the webhook: %d %s %w", a.Status, a.Body, err)
				}
			}
		}
		fields := "MIME-Version: 1.0\r\nContent-Type: text/html; charset=us-ascii\r\n"
		if v.tracked {
			fields += "X-Mailjet-TrackOpen: 1\r\nX-Mailjet-TrackClick: 1\r\n"
		}
		r, err = b.deliver(s, p, out, 20, letter(fields, page))
		if err != nil {
			return err
		}
		p.Start(s) // what was not told yet is told now
		if v.tracked {
			if pixels, err = b.open(p, out); err != nil {
				return err
			}
		}
		if v.webhooks {
			settle(&got)
		}
		told = got.Load()
		return nil
	})
	return r, told, pixels, err
}

// settle waits until a count stands still for a second.
func settle(n *atomic.Int64) {
	for last, still := n.Load(), 0; still < 20; still++ {
		time.Sleep(50 * time.Millisecond)
		if now := n.Load(); now != last {
			last, still = now, 0
		}
	}
}

var pixel = regexp.MustCompile(`/o/[A-Za-z0-9_-]+\.gif`)

// open fetches the pixels of what arrived for as long as a figure takes, and says how many a second.
func (b *bench) open(p *program.Server, out *sink.Sink) (float64, error) {
	var paths []string
	for _, m := range out.Mails() {
		raw := bytes.ReplaceAll(m.Raw, []byte("=\r\n"), nil)
		if x := pixel.Find(raw); x != nil {
			paths = append(paths, string(x))
		}
	}
	if len(paths) == 0 {
		return 0, fmt.Errorf("no pixel in %d mails", out.Count())
	}
	const conns = 16
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns}}
	defer client.CloseIdleConnections()
	var n atomic.Int64
	var first atomic.Pointer[error]
	var wg sync.WaitGroup
	start := time.Now()
	for range conns {
		wg.Go(func() {
			for time.Since(start) < b.each {
				i := n.Add(1)
				res, err := client.Get("http://" + p.HTTP + paths[int(i)%len(paths)]) //nolint:noctx // bounded by the figure's time
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					res.Body.Close() //nolint:errcheck // read whole
					if res.StatusCode != http.StatusOK {
						err = fmt.Errorf("a pixel was answered with %d", res.StatusCode)
					}
				}
				if err != nil {
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
	return float64(n.Load()) / time.Since(start).Seconds(), nil
}
