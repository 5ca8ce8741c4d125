// SPDX-License-Identifier: Apache-2.0

// Package webhook tells customers' URLs what happened: accounts' URLs what happens to their credentials (account.go), and
// keys' URLs what became of their messages (hooks, lanes). What is to be told is queued in the transaction of what it
// tells of, and posted by [Webhook.Run], signed by the Standard Webhooks specification, until the receiver answers with
// 2xx or a day has passed.
//
// The URLs are strangers': each address that is connected to is looked at after the name was looked up, no redirect is
// followed, no proxy used, answers are bounded and thrown away, and one slow receiver has a bounded part of the
// requests that are under way.
package webhook

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/credential"
	"postern/internal/store"
)

// Times and bounds of delivery.
const (
	Timeout    = 10 * time.Second // for one attempt, the answer included
	RetryEvery = 30 * time.Second
	Lifetime   = 24 * time.Hour // how long a delivery is tried

	retryJitter = 5 * time.Second // at most so much later, so that what failed together does not come back together
	maxAnswer   = 64 << 10        // bytes that are read of an answer
	perWebhook  = 4               // deliveries under way at a time
	perHost     = 64
	inAll       = 512 // where Config.Calls does not say it
	recordAgain = 2 * time.Second
	look        = 15 * time.Second // how often at least Run looks for what is due
)

// Config of a Webhook.
type Config struct {
	Store     *store.Store
	ServerKey []byte        // seals URLs and signing secrets
	Private   bool          // URLs may be http and lead into private networks
	Calls     int           // requests under way at a time; 0: 512
	Grace     time.Duration // how long attempts under way may take at the end; 0: Timeout
	Log       *slog.Logger
	Now       func() time.Time // nil: time.Now

	// Resolver looks names up; nil: the system's. What it answers is checked like any other's answer.
	Resolver *net.Resolver
}

// Webhook delivers. Make it with New.
type Webhook struct {
	Config
	seal   *credential.Sealer
	client *http.Client
	wake   chan struct{}
	work   *work

	delivered, failed, dropped atomic.Int64

	hooks hooks
}

// New makes a deliverer.
func New(c Config) (*Webhook, error) {
	seal, err := credential.NewSealer(c.ServerKey)
	if err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Grace <= 0 {
		c.Grace = Timeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Calls <= 0 {
		c.Calls = inAll
	}
	dialer := &net.Dialer{Timeout: Timeout / 2, Resolver: c.Resolver}
	if !c.Private {
		dialer.Control = control
	}
	w := &Webhook{
		Config: c, seal: seal, wake: make(chan struct{}, 1), work: newWork(c.Calls),
		client: &http.Client{
			Timeout: Timeout,
			Transport: &http.Transport{
				Proxy:       nil, // a proxy would connect where we may not
				DialContext: dialer.DialContext, TLSHandshakeTimeout: Timeout / 2, ForceAttemptHTTP2: true, DisableCompression: true,
				MaxIdleConns: min(200, c.Calls), MaxIdleConnsPerHost: perReceiver, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxAnswer,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if err := w.hooks.init(c.ServerKey); err != nil {
		return nil, err
	}
	c.Store.OnHookEvents(w.wakeHooks)
	return w, nil
}

// Stats are counts since the start.
type Stats struct{ Delivered, Failed, Dropped int64 }

// Stats reads the counts.
func (w *Webhook) Stats() Stats {
	return Stats{Delivered: w.delivered.Load(), Failed: w.failed.Load(), Dropped: w.dropped.Load()}
}

// Wake makes Run look for what is due now.
func (w *Webhook) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends, and then lets the attempts under way end within the grace time.
func (w *Webhook) Run(ctx context.Context) error {
	attempts, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	var loops sync.WaitGroup
	loops.Go(func() { w.runAccounts(ctx, attempts) })
	loops.Go(func() { w.runHooks(ctx, attempts) })
	loops.Wait()
	return w.stop(breakOff)
}

func (w *Webhook) stop(breakOff func()) error {
	end := time.AfterFunc(w.Grace, breakOff)
	defer end.Stop()
	w.work.running.Wait()
	w.client.CloseIdleConnections()
	return nil
}
