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

var errBusy = errors.New("too many requests to this host are under way")

// lane is what is under way to one receiver, a URL of a key. Receivers do not wait for each other.
type lane struct {
	id   int64
	look time.Time      // when there may be something to do
	busy int            // requests under way
	rows map[int64]bool // events in them
	bad  int            // failures in a row
	rest time.Time      // when it fails: not before then

	since time.Time // its first failure since the last success, while it fails

	loaded           bool
	single           bool // lately there was nothing but version 1: one event a request
	accountID, keyID int64
	token            string
	to               *url.URL
	broken           error // why it has no URL
}

// never is when a lane is looked at that waits for its own requests.
var never = time.Unix(1<<40, 0)

// room is how many requests more may be under way. One that fails is asked one thing at a time.
func (l *lane) room() int {
	if l.bad > 0 {
		return 1 - l.busy
	}
	return perReceiver - l.busy
}

// wakeHooks has receivers looked at now.
func (w *Webhook) wakeHooks(receiverIDs []int64) {
	h := &w.hooks
	h.mu.Lock()
	for _, id := range receiverIDs {
		if l := h.lanes[id]; l != nil {
			l.look = time.Time{}
		} else {
			h.lanes[id] = &lane{id: id, rows: map[int64]bool{}}
		}
	}
	h.mu.Unlock()
	h.nudge()
}

// revive has a receiver looked at as if it had never failed.
func (w *Webhook) revive(receiverID int64) {
	h := &w.hooks
	h.mu.Lock()
	if l := h.lanes[receiverID]; l != nil {
		l.bad, l.since, l.rest, l.look = 0, time.Time{}, time.Time{}, time.Time{}
	}
	h.mu.Unlock()
	h.nudge()
}

func (h *hooks) nudge() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// runHooks tells keys' hooks until ctx ends.
func (w *Webhook) runHooks(ctx, attempts context.Context) {
	timer, sweep := time.NewTimer(0), time.NewTicker(sweepEvery)
	defer timer.Stop()
	defer sweep.Stop()
	known := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			w.sweepHooks(ctx)
			continue
		case <-timer.C:
		case <-w.hooks.wake:
		}
		if !known {
			known = w.findLanes(ctx)
		}
		timer.Reset(min(lookHooks, max(w.serveLanes(ctx, attempts).Sub(w.Now()), 5*time.Millisecond)))
	}
}

// findLanes makes lanes of what waited when the server stopped, and says whether they could be read.
func (w *Webhook) findLanes(ctx context.Context) bool {
	ids, err := w.Store.WaitingReceivers(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "what waits to be told to webhooks could not be read; it is tried again", "error", err)
		}
		return false
	}
	w.wakeHooks(ids)
	return true
}

// serveLanes begins what may begin, and says when to look again.
func (w *Webhook) serveLanes(ctx, attempts context.Context) (next time.Time) {
	h, now := &w.hooks, w.Now()
	var due []*lane
	next = never
	h.mu.Lock()
	for _, l := range h.lanes {
		if !l.look.After(now) {
			due = append(due, l)
			l.look = never // unless it is woken meanwhile
		}
	}
	h.mu.Unlock()
	for _, l := range due {
		if ctx.Err() != nil {
			return never
		}
		look, err := w.serve(ctx, attempts, l)
		if err != nil && ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "what is due to be told to a webhook could not be read; it is tried again", "receiver", l.id, "error", err)
			look = now.Add(recordAgain)
		}
		w.settle(l, look)
	}
	h.mu.Lock()
	for _, l := range h.lanes {
		if l.look.Before(next) {
			next = l.look
		}
	}
	h.mu.Unlock()
	return next
}

// settle keeps when a lane is to be looked at, and forgets one that has nothing to do.
func (w *Webhook) settle(l *lane, look time.Time) {
	h := &w.hooks
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !l.look.Equal(never): // woken meanwhile
	case look.IsZero() && l.busy == 0:
		delete(h.lanes, l.id)
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
	h, now := &w.hooks, w.Now()
	h.mu.Lock()
	room, rest, busy := l.room(), l.rest, len(l.rows)
	h.mu.Unlock()
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
	return w.Store.NextHookEvent(ctx, l.id, now)
}

// groups reads what is due and makes requests of it; cut says that there may be more.
func (w *Webhook) groups(ctx context.Context, l *lane, now time.Time, busy, room int) (groups [][]store.HookEvent, cut bool, err error) {
	limit := busy + room + 1
	if !l.single {
		limit = busy + 2*maxBatch
	}
	for {
		w.hooks.mu.Lock()
		under := maps.Clone(l.rows) // before the look: what ends meanwhile is still read by it
		w.hooks.mu.Unlock()
		due, err := w.Store.DueHookEvents(ctx, l.id, now, limit)
		if err != nil {
			return nil, false, err
		}
		l.single = len(due) > 0 && !slices.ContainsFunc(due, func(e store.HookEvent) bool { return e.Version != 1 })
		cut = len(due) == limit
		groups = l.group(due, under, cut)
		if len(groups) > 0 || !cut || limit > 1<<16 {
			return groups, cut && len(groups) > 0, nil
		}
		limit *= 8 // all of these wait for one that stands behind them
	}
}

// load reads what a lane needs to know of its receiver.
func (w *Webhook) load(ctx context.Context, l *lane) error {
	if l.loaded {
		return nil
	}
	accountID, keyID, x, err := w.Store.Receiver(ctx, l.id)
	if err != nil {
		return err
	}
	l.accountID, l.keyID, l.token = accountID, keyID, x.Token
	l.to, l.broken = w.HookURL(keyID, x.URL)
	if l.broken != nil {
		l.to = &url.URL{Scheme: "https", Host: "unreadable"}
	}
	w.hooks.mu.Lock()
	l.since, l.loaded = x.FailingSince, true
	if !l.since.IsZero() {
		l.bad = opensAfter // it failed when the server stopped: ask it one thing
	}
	w.hooks.mu.Unlock()
	return nil
}

// group makes requests of what is due: what went together goes together again, new events of version 2 go together, others
// alone. What is under way is left out. cut says that there may be more, so that the last batch may not be whole.
func (l *lane) group(due []store.HookEvent, under map[int64]bool, cut bool) [][]store.HookEvent {
	var out [][]store.HookEvent
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
			continue // what is before it of its message goes first
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
func (w *Webhook) launch(attempts context.Context, l *lane, events []store.HookEvent) bool {
	if !w.work.enter(l.to.Host) {
		return false
	}
	h := &w.hooks
	h.mu.Lock()
	l.busy++
	for _, e := range events {
		l.rows[e.EventID] = true
	}
	h.mu.Unlock()
	w.work.running.Go(func() {
		told, err := w.tell(attempts, l, events)
		if err == nil && attempts.Err() == nil {
			err = w.recordHook(attempts, l, told)
		}
		w.work.leave(l.to.Host)
		h.mu.Lock()
		l.busy--
		for _, e := range events {
			delete(l.rows, e.EventID)
		}
		if err == nil {
			l.note(told)
		} else {
			l.rest = w.Now().Add(recordAgain)
		}
		l.look = time.Time{}
		dead := err == nil && told.Outcome != store.HookDelivered && !l.since.IsZero() && told.At.Sub(l.since) >= Lifetime && l.busy == 0
		since := l.since
		h.mu.Unlock()
		if dead && attempts.Err() == nil {
			w.bury(attempts, l, since, told.Error)
		}
		h.nudge()
	})
	return true
}

// note keeps what a request says of its receiver.
func (l *lane) note(x *store.HookTold) {
	switch {
	case len(x.EventIDs) == 0: // nothing was asked
	case x.Outcome == store.HookDelivered:
		l.bad, l.since, l.rest = 0, time.Time{}, time.Time{}
	default:
		if l.since.IsZero() {
			l.since = x.At
		}
		if l.bad++; l.bad >= opensAfter {
			l.rest = x.Again
		}
	}
}
