// SPDX-License-Identifier: Apache-2.0

// Package webhook delivers events to customers' URLs: what became of messages to the endpoints of API keys, and what happens
// to credentials to the endpoint of an account. An event is queued in the transaction that it happened in, and posted by
// [Webhook.Run], signed by the Standard Webhooks specification, until the endpoint answers with 2xx or a day has passed.
//
// There is one lane for each endpoint that something waits for (lane.go). A lane bounds the requests that are under way to
// its endpoint, and endpoints do not wait for each other. Within a lane, events about one subject (a message, or the key
// that an account is notified about) are delivered in the order in which they happened; between subjects there is no order.
// A failure puts off the subjects that were in the request, all others go on. After three failures in a row an endpoint is
// only probed, and after a day of failures its webhooks are disabled: a backup takes over, or what waits is dropped.
//
// What is under way is known in memory alone, since one server has the store. When it stops or is killed the rows are as
// they were, and what was not recorded is delivered again under the same webhook-id.
//
// The URLs are strangers': each address that is connected to is looked at after the name was looked up, no redirect is
// followed, no proxy used, answers are bounded and thrown away.
package webhook

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/credential"
	"postern/internal/store"
)

// Times of delivery.
const (
	Timeout    = 10 * time.Second // for one attempt, the answer included
	RetryEvery = 30 * time.Second
	Lifetime   = 24 * time.Hour // how long a delivery is tried, and an endpoint may fail

	retryJitter = 5 * time.Second // at most so much later, so that what failed together does not come back together
	recordAgain = 2 * time.Second
	busyAgain   = 250 * time.Millisecond
	look        = 15 * time.Second // how often at least Run looks for what is due
	sweepEvery  = 10 * time.Minute
	attemptsFor = 7 * 24 * time.Hour // how long the log of attempts is kept
)

// Bounds of delivery.
const (
	perEndpoint   = 16 // requests under way
	perHost       = 64
	inAll         = 512       // where Config.Calls does not say it
	maxBatch      = 100       // events in one request of version 2
	maxBody       = 256 << 10 // bytes of a request, about
	maxAnswer     = 64 << 10  // bytes that are read of an answer
	probedAfter   = 3         // failures in a row after which an endpoint is only probed, every RetryEvery
	togetherUntil = 10        // attempts after which events that went together go each alone
	moveAtOnce    = 1000      // events that one transaction hands to a backup, or drops
	sweepAtOnce   = 1000
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
	seal      *credential.Sealer
	digestKey []byte // finds a URL that is sealed
	client    *http.Client
	slots     slots
	running   sync.WaitGroup
	wake      chan struct{}

	mu    sync.Mutex
	lanes map[int64]*lane // by endpoint

	// disabled notifies of webhooks that are disabled, in the transaction of that. Package webhooks sets it.
	disabled func(ctx context.Context, tx *store.Tx, d Disabled) error

	ofKeys, ofAccounts counters
}

// New makes a deliverer.
func New(c Config) (*Webhook, error) {
	seal, err := credential.NewSealer(c.ServerKey)
	if err != nil {
		return nil, err
	}
	digestKey, err := hkdf.Key(sha256.New, c.ServerKey, nil, "postern webhook URL 1", sha256.Size)
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
		Config: c, seal: seal, digestKey: digestKey, wake: make(chan struct{}, 1), lanes: map[int64]*lane{},
		slots: slots{most: c.Calls, hosts: map[string]int{}},
		client: &http.Client{
			Timeout: Timeout,
			Transport: &http.Transport{
				Proxy:       nil, // a proxy would connect where we may not
				DialContext: dialer.DialContext, TLSHandshakeTimeout: Timeout / 2, ForceAttemptHTTP2: true, DisableCompression: true,
				MaxIdleConns: min(200, c.Calls), MaxIdleConnsPerHost: perEndpoint, IdleConnTimeout: time.Minute,
				MaxResponseHeaderBytes: maxAnswer,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.Store.OnDeliveries(w.wakeLanes)
	return w, nil
}

// counters count since the start, for one kind of owners.
type counters struct {
	requests                    [3]atomic.Int64 // by store.AttemptOutcome
	events, dropped, disabledOf atomic.Int64
}

// Stats are counts since the start.
type Stats struct {
	Delivered, Failed, Dropped     int64 // requests
	EventsDelivered, EventsDropped int64
	Disabled                       int64 // webhooks whose endpoint failed for a day
}

func (c *counters) stats() Stats {
	return Stats{
		Delivered: c.requests[store.AttemptDelivered].Load(), Failed: c.requests[store.AttemptFailed].Load(),
		Dropped:         c.requests[store.AttemptDropped].Load(),
		EventsDelivered: c.events.Load(), EventsDropped: c.dropped.Load(), Disabled: c.disabledOf.Load(),
	}
}

// KeyStats reads the counts of keys' webhooks.
func (w *Webhook) KeyStats() Stats { return w.ofKeys.stats() }

// AccountStats reads the counts of accounts' webhooks.
func (w *Webhook) AccountStats() Stats { return w.ofAccounts.stats() }

func (w *Webhook) counters(o store.Owner) *counters {
	if o.OfAccount() {
		return &w.ofAccounts
	}
	return &w.ofKeys
}

// Run delivers until ctx ends, and then lets the attempts under way end within the grace time.
func (w *Webhook) Run(ctx context.Context) error {
	attempts, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	w.serveUntil(ctx, attempts)
	end := time.AfterFunc(w.Grace, breakOff)
	defer end.Stop()
	w.running.Wait()
	w.client.CloseIdleConnections()
	return nil
}

func (w *Webhook) serveUntil(ctx, attempts context.Context) {
	timer, sweep := time.NewTimer(0), time.NewTicker(sweepEvery)
	defer timer.Stop()
	defer sweep.Stop()
	known := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			w.sweep(ctx)
			continue
		case <-timer.C:
		case <-w.wake:
		}
		if !known {
			known = w.findLanes(ctx)
		}
		timer.Reset(min(look, max(w.serveLanes(ctx, attempts).Sub(w.Now()), 5*time.Millisecond)))
	}
}

// sweep removes what is left over.
func (w *Webhook) sweep(ctx context.Context) {
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = w.Store.SweepWebhooks(ctx, w.Now().Add(-attemptsFor), sweepAtOnce); err != nil && ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "what is left over of webhooks could not be removed; it is tried again in ten minutes", "error", err)
		}
	}
}
