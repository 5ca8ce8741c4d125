// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"time"

	"postern/internal/store"
)

// lane is what is under way to one endpoint. Lanes do not wait for each other.
//
// A lane exists while something waits for its endpoint. [Webhook.serve] reads what is due, makes requests of it (group) and
// begins as many as there is room for; what is in a request that is under way stays in the table and is known by rows. When a
// request ends, what came of it is recorded first and its rows leave the lane afterwards, so that a look in between finds
// them either in the lane or not due any more, and nothing is delivered twice.
//
// After probedAfter failures in a row the lane rests until the last of them is due again, and has one request at a time
// (room). When it has failed for a day, by what was queued and not by samples, its webhooks are disabled (disable.go).
type lane struct {
	id   int64
	look time.Time      // when there may be something to do
	busy int            // requests under way
	rows map[int64]bool // events in them
	bad  int            // failures in a row
	rest time.Time      // when it fails: not before then

	since time.Time // its first failure since the last success, while it fails

	loaded bool
	single bool // lately there was nothing but version 1: one event a request
	owner  store.Owner
	token  string
	to     *url.URL
	broken error // why it has no URL
}

// never is when a lane is looked at that waits for its own requests.
var never = time.Unix(1<<40, 0)

// room is how many requests more may be under way. One that fails is asked one thing at a time.
func (l *lane) room() int {
	if l.bad > 0 {
		return 1 - l.busy
	}
	return perEndpoint - l.busy
}

// wakeLanes has endpoints looked at now.
func (w *Webhook) wakeLanes(endpointIDs []int64) {
	w.mu.Lock()
	for _, id := range endpointIDs {
		if l := w.lanes[id]; l != nil {
			l.look = time.Time{}
		} else {
			w.lanes[id] = &lane{id: id, rows: map[int64]bool{}}
		}
	}
	w.mu.Unlock()
	w.nudge()
}

// revive has an endpoint looked at as if it had never failed.
func (w *Webhook) revive(endpointID int64) {
	w.mu.Lock()
	if l := w.lanes[endpointID]; l != nil {
		l.bad, l.since, l.rest, l.look = 0, time.Time{}, time.Time{}, time.Time{}
	}
	w.mu.Unlock()
	w.nudge()
}

func (w *Webhook) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// findLanes makes lanes of what waited when the server stopped, and says whether they could be read.
func (w *Webhook) findLanes(ctx context.Context) bool {
	ids, err := w.Store.WaitingEndpoints(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "what waits for webhooks could not be read; it is tried again", "error", err)
		}
		return false
	}
	w.wakeLanes(ids)
	return true
}

// serveLanes begins what may begin, and says when to look again.
func (w *Webhook) serveLanes(ctx, attempts context.Context) (next time.Time) {
	now := w.Now()
	var due []*lane
	next = never
	w.mu.Lock()
	for _, l := range w.lanes {
		if !l.look.After(now) {
			due = append(due, l)
			l.look = never // unless it is woken meanwhile
		}
	}
	w.mu.Unlock()
	for _, l := range due {
		if ctx.Err() != nil {
			return never
		}
		look, err := w.serve(ctx, attempts, l)
		if err != nil && ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "what is due for a webhook could not be read; it is tried again", "endpoint", l.id, "error", err)
			look = now.Add(recordAgain)
		}
		w.settle(l, look)
	}
	w.mu.Lock()
	for _, l := range w.lanes {
		if l.look.Before(next) {
			next = l.look
		}
	}
	w.mu.Unlock()
	return next
}

// settle keeps when a lane is to be looked at, and forgets one that has nothing to do.
func (w *Webhook) settle(l *lane, look time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !l.look.Equal(never): // woken meanwhile
	case look.IsZero() && l.busy == 0:
		delete(w.lanes, l.id)
	case !look.IsZero():
		l.look = look
	}
}

// serve begins the requests of a lane that may begin, and says when to look at it again; zero: there is nothing due, or
// what is under way will have it looked at.
func (w *Webhook) serve(ctx, attempts context.Context, l *lane) (look time.Time, err error) {
	if err := w.load(ctx, l); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return time.Time{}, nil // swept away
		}
		return time.Time{}, err
	}
	now := w.Now()
	w.mu.Lock()
	room, rest, busy := l.room(), l.rest, len(l.rows)
	w.mu.Unlock()
	if now.Before(rest) {
		return rest, nil
	}
	if room <= 0 {
		return time.Time{}, nil
	}
	groups, cut, err := w.groups(ctx, l, now, busy, room)
	if err != nil {
		return time.Time{}, err
	}
	for _, g := range groups[:min(room, len(groups))] {
		if !w.launch(attempts, l, g) {
			return now.Add(busyAgain), nil
		}
	}
	switch {
	case len(groups) > room:
		return time.Time{}, nil // when one of them ends
	case cut:
		return now, nil
	}
	return w.Store.NextDelivery(ctx, l.id, now)
}

// groups reads what is due and makes requests of it; cut says that there may be more.
func (w *Webhook) groups(ctx context.Context, l *lane, now time.Time, busy, room int) (groups [][]store.Delivery, cut bool, err error) {
	limit := busy + room + 1
	if !l.single {
		limit = busy + 2*maxBatch
	}
	for {
		w.mu.Lock()
		under := maps.Clone(l.rows) // before the look: what ends meanwhile is still read by it
		w.mu.Unlock()
		due, err := w.Store.DueDeliveries(ctx, l.id, now, limit)
		if err != nil {
			return nil, false, err
		}
		l.single = len(due) > 0 && !slices.ContainsFunc(due, func(e store.Delivery) bool { return e.Version != 1 })
		cut = len(due) == limit
		groups = l.group(due, under, cut)
		if len(groups) > 0 || !cut || limit > 1<<16 {
			return groups, cut && len(groups) > 0, nil
		}
		limit *= 8 // all of these wait for one that stands behind them
	}
}

// load reads what a lane needs to know of its endpoint.
func (w *Webhook) load(ctx context.Context, l *lane) error {
	if l.loaded {
		return nil
	}
	owner, x, attempted, err := w.Store.Endpoint(ctx, l.id)
	if err != nil {
		return err
	}
	l.owner, l.token = owner, x.Token
	l.to, l.broken = w.URL(owner, x.URL)
	if l.broken != nil {
		l.to = &url.URL{Scheme: "https", Host: "unreadable"}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	l.loaded = true
	if !x.FailingSince.IsZero() {
		l.bad = probedAfter // it failed when the server stopped: ask it one thing
	}
	if l.since = attempted; x.FailingSince.After(attempted) && !attempted.IsZero() {
		l.since = x.FailingSince
	}
	return nil
}

// group makes requests of what is due: what went together goes together again, new events of version 2 go together, others
// alone. What is under way is left out. cut says that there may be more, so that the last batch may not be whole.
func (l *lane) group(due []store.Delivery, under map[int64]bool, cut bool) [][]store.Delivery {
	var out [][]store.Delivery
	together := map[int64]int{} // batch: its place in out, -1 when it must wait
	in := map[int64]int64{}     // event: the batch it goes with
	fresh := int64(0)           // the batch of new events that is being filled
	for _, e := range due {
		batch := e.Batch
		switch {
		case under[e.EventID]:
			continue
		case batch == 0 && e.Version == 1:
			batch = e.EventID
		case batch == 0:
			if at, ok := together[fresh]; fresh == 0 || !ok || len(out[at]) >= maxBatch {
				fresh = e.EventID
			}
			batch = fresh
		}
		if e.Before != 0 && in[e.Before] != batch {
			continue // what is before it of its subject goes first
		}
		at, ok := together[batch]
		if !ok {
			at = len(out)
			together[batch] = at
			out = append(out, nil)
		}
		out[at] = append(out[at], e)
		in[e.EventID] = batch
	}
	if n := len(out); cut && n > 1 && out[n-1][0].Batch != 0 {
		out = out[:n-1]
	}
	return out
}

// launch begins a request, unless too many are under way.
func (w *Webhook) launch(attempts context.Context, l *lane, events []store.Delivery) bool {
	if !w.slots.enter(l.to.Host) {
		return false
	}
	w.mu.Lock()
	l.busy++
	for _, e := range events {
		l.rows[e.EventID] = true
	}
	w.mu.Unlock()
	w.running.Go(func() {
		x, err := w.deliver(attempts, l, events)
		if err == nil && attempts.Err() == nil {
			err = w.record(attempts, l, x)
		}
		w.slots.leave(l.to.Host)
		w.mu.Lock()
		l.busy--
		for _, e := range events {
			delete(l.rows, e.EventID)
		}
		if err == nil {
			l.note(x)
		} else {
			l.rest = w.Now().Add(recordAgain)
		}
		l.look = time.Time{}
		over := err == nil && x.Outcome != store.AttemptDelivered && !l.since.IsZero() && x.At.Sub(l.since) >= Lifetime && l.busy == 0
		since := l.since
		w.mu.Unlock()
		if over && attempts.Err() == nil {
			w.disable(attempts, l, since, x.Error)
		}
		w.nudge()
	})
	return true
}

// note keeps what a request says of its endpoint.
func (l *lane) note(x *store.AttemptResult) {
	switch {
	case len(x.EventIDs) == 0: // nothing was asked
	case x.Outcome == store.AttemptDelivered:
		l.bad, l.since, l.rest = 0, time.Time{}, time.Time{}
	default:
		if l.since.IsZero() {
			l.since = x.At
		}
		if l.bad++; l.bad >= probedAfter {
			l.rest = x.Again
		}
	}
}
