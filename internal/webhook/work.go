// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"postern/internal/store"
)

// work is what is under way. One server has the store, so nobody else works on it.
type work struct {
	running sync.WaitGroup

	mu       sync.Mutex
	ids      map[int64]bool // of deliveries
	webhooks map[int64]int  // how many of each
	hosts    map[string]int
	more     bool // something is due that had to wait
}

func newWork() *work {
	return &work{ids: map[int64]bool{}, webhooks: map[int64]int{}, hosts: map[string]int{}}
}

// take says whether an attempt at d may begin, and counts it. A receiver that fails is asked one thing at a time.
func (w *work) take(d store.WebhookDelivery, host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	most := perWebhook
	if d.Failing {
		most = 1
	}
	switch {
	case w.ids[d.ID]:
		return false
	case len(w.ids) >= inAll, w.webhooks[d.WebhookID] >= most, w.hosts[host] >= perHost:
		w.more = true
		return false
	}
	w.ids[d.ID] = true
	w.webhooks[d.WebhookID]++
	w.hosts[host]++
	return true
}

// give ends what take began, and says whether something waits for it.
func (w *work) give(d store.WebhookDelivery, host string) (more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.ids, d.ID)
	if w.webhooks[d.WebhookID]--; w.webhooks[d.WebhookID] == 0 {
		delete(w.webhooks, d.WebhookID)
	}
	if w.hosts[host]--; w.hosts[host] == 0 {
		delete(w.hosts, host)
	}
	more, w.more = w.more, false
	return more
}

// request makes the signed request of an attempt. A user and password in the URL go as basic auth.
func (w *Webhook) request(ctx context.Context, d store.WebhookDelivery, u *url.URL) (*http.Request, error) {
	if _, err := Check(u.String(), w.Private); err != nil { // the setting may have changed since the URL was set
		return nil, fmt.Errorf("the URL %w", err)
	}
	secret, err := w.seal.Open(secretName(d.AccountID), d.Secret)
	if err != nil {
		return nil, fmt.Errorf("the signing secret: %w", err)
	}
	timestamp := strconv.FormatInt(w.Now().Unix(), 10)
	signature, err := Sign(string(secret), d.MessageID, timestamp, d.Body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(d.Body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Postern-Webhook/1")
	req.Header.Set("webhook-id", d.MessageID)
	req.Header.Set("webhook-timestamp", timestamp)
	req.Header.Set("webhook-signature", signature)
	return req, nil
}

// discard reads a bounded part of an answer, so that its connection can be used again.
func discard(r io.Reader) {
	io.Copy(io.Discard, io.LimitReader(r, maxAnswer)) //nolint:errcheck // the status was the answer
}

func jitter() time.Duration {
	return rand.N(retryJitter) //nolint:gosec // spreads load, hides nothing
}
