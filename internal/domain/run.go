// SPDX-License-Identifier: Apache-2.0

package domain

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"postern/internal/change"

	"postern/internal/store"
)

// When domains are looked at in the background.
const (
	Daily = 24 * time.Hour // a domain whose records are right, and the longest pause of all

	often      = 15 * time.Minute // not all is in order yet, or the DNS gave no answer
	again      = time.Hour        // a record that was right is not: its owners are told of what is so at two looks
	oftenFor   = 48 * time.Hour   // how long that is, before the pauses grow: who mends a domain does it by then, or not soon
	lookEvery  = 30 * time.Second // for what is due
	atATime    = 32               // domains that are claimed
	background = 8                // of them looked at side by side; the other places are people's
)

// Run looks at domains that are due until ctx ends.
func (c *Checker) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := c.Round(ctx); err != nil && ctx.Err() == nil {
			c.Log.ErrorContext(ctx, "domains that are due for a look could not be read; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Round looks at all domains that are due, once.
func (c *Checker) Round(ctx context.Context) error {
	for {
		now := c.Now()
		// What a stop breaks off is due again when its lease ends.
		due, err := c.Store.ClaimDomains(ctx, now, now.Add(2*lookTime), atATime)
		if err != nil || len(due) == 0 {
			return err
		}
		var looks sync.WaitGroup
		places := make(chan struct{}, background)
		for _, d := range due {
			places <- struct{}{}
			looks.Go(func() {
				defer func() { <-places }()
				c.visit(ctx, d)
			})
		}
		looks.Wait()
		if ctx.Err() != nil || len(due) < atATime {
			return ctx.Err()
		}
	}
}

// visit is one look in the background.
func (c *Checker) visit(ctx context.Context, d store.Domain) {
	var err error
	if reserved(d.Domain) {
		err = c.Senders.RecordLook(ctx, d.ID, func(d *store.Domain) (broken, mended []string) {
			d.DueAt = c.Now().Add(jittered(Daily))
			return nil, nil
		})
	} else {
		err = c.look(ctx, change.Actor{Origin: "background"}, d, true)
	}
	var e *change.Error
	if err == nil || errors.Is(err, store.ErrNotFound) || errors.As(err, &e) && e.Kind == change.NotFound {
		return // or it was removed meanwhile
	}
	c.Log.WarnContext(ctx, "a domain could not be looked at; it is tried again", "domain", d.Domain, "error", err)
}

// reserved says whether a domain is never anyone's (RFC 2606, RFC 6761): nothing is to be learned of it.
func reserved(domain string) bool {
	for _, name := range []string{"localhost", "invalid", "example", "example.com", "example.net", "example.org"} {
		if domain == name || strings.HasSuffix(domain, "."+name) {
			return true
		}
	}
	return false
}

// pause is how long until the next look: a day where all is in order. Where it is not, for two days from when the domain
// was added, or broke, the looks are frequent; then they grow rarer, up to one a day, since nobody may ever mend it.
func (c *Checker) pause(d store.Domain, unknown bool) time.Duration {
	if d.OffSince.IsZero() {
		return jittered(Daily)
	}
	ill := func(r store.Record) bool { return r.Status == store.RecordError && r.Health != store.HealthUnknown }
	least := often
	if !unknown && (ill(d.DKIM) || ill(d.SPF)) {
		least = again
	}
	return jittered(min(max((c.Now().Sub(d.OffSince)-oftenFor)/4, least), Daily))
}

// jittered is within a tenth of d, so that domains which were added together are not looked at together for ever.
func jittered(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5) //nolint:gosec // spreads load, hides nothing
}
