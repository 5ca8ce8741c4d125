// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"postern/internal/keys"
	"postern/internal/messages"
	"postern/internal/store"
)

const (
	messagesAPage = 50
	// keysToChoose is up to how many keys the filter is a list; past it, a key is typed.
	keysToChoose = 100
)

// messagesBody is the list of messages.
type messagesBody struct {
	Rows     []messages.Message
	Query    string
	State    string
	States   []string
	Key      string // API key to filter by, "" for all
	Keys     []keys.Key
	ManyKeys bool
	Period   dates
	Exact    exact
	Filtered bool
	Found    string // how many match, on the first page of a search
	Captured bool   // mail stays on this server
	Newer    string
	Older    string
	Empty    smtpBody // when there is no mail yet: how to send the first
}

// dates are the first and the last day of a period, as a browser sends them: 2026-01-31.
type dates struct{ From, To, Problem string }

// exact are filters that are compared whole.
type exact struct{ CustomID, Campaign string }

// statesShown are the states to filter by, in the order of a message's life.
func statesShown() []store.Status {
	return []store.Status{
		store.StatusQueued, store.StatusDeferred, store.StatusSent, store.StatusOpened, store.StatusClicked, store.StatusHardBounced,
		store.StatusSoftBounced, store.StatusBlocked, store.StatusSpam, store.StatusUnsub,
	}
}

func (c *console) showMessages(v *visit) error {
	ctx, q := v.r.Context(), v.r.URL.Query()
	b := messagesBody{
		Query: clean(q.Get("q")), State: q.Get("state"), Key: clean(q.Get("key")),
		Period: dates{From: clean(q.Get("from")), To: clean(q.Get("to"))},
		Exact:  exact{CustomID: clean(q.Get("custom")), Campaign: clean(q.Get("campaign"))},
	}
	for _, s := range statesShown() {
		b.States = append(b.States, s.String())
	}
	b.Captured = c.Route == "capture"
	b.Filtered = len(b.values()) > 0
	keys, total, err := c.Keys.Keys(ctx, v.scope, store.KeyFilter{}, store.Page{Limit: keysToChoose})
	if err != nil {
		return err
	}
	if b.ManyKeys = total > len(keys); !b.ManyKeys {
		b.Keys = keys
	}
	f, ok, err := c.messageFilter(ctx, v, &b)
	if err != nil {
		return err
	}
	if ok {
		if err := c.pageOfMessages(v, f, &b); err != nil {
			return err
		}
	}
	if len(b.Rows) == 0 && !b.Filtered && len(keys) > 0 {
		if b.Empty, err = c.smtpBody(v, keys[0]); err != nil {
			return err
		}
	}
	status := http.StatusOK
	if b.Period.Problem != "" {
		status = http.StatusUnprocessableEntity
	}
	return c.show(v, status, "messages", "Messages", "messages", b)
}

// messageFilter turns what was typed into a filter. ok is false when it cannot match anything.
func (c *console) messageFilter(ctx context.Context, v *visit, b *messagesBody) (f store.MessageFilter, ok bool, err error) {
	f = store.MessageFilter{CustomID: b.Exact.CustomID, Campaign: b.Exact.Campaign}
	if f.From, f.To, b.Period.Problem = b.Period.times(); b.Period.Problem != "" {
		return f, false, nil
	}
	if b.State != "" {
		status, known := store.ParseStatus(b.State)
		if !known {
			return f, false, nil
		}
		f.Status = &status
	}
	if b.Key != "" {
		k, err := c.chosen(v, b.Key)
		if isMissing(err) {
			return f, false, nil
		}
		if err != nil {
			return f, false, err
		}
		f.KeyID = k.ID
	}
	f, err = c.Messages.Narrow(ctx, v.scope, f, b.Query)
	return f, err == nil, err
}

// times are the beginning of the first day and the end of the last, in UTC.
func (d dates) times() (from, to time.Time, problem string) {
	read := func(s string) time.Time {
		if s == "" {
			return time.Time{}
		}
		t, err := time.Parse(time.DateOnly, s)
		if err != nil || t.Year() < 1970 {
			problem = "“" + s + "” is no day: write it as 2026-01-31."
			return time.Time{}
		}
		return t
	}
	from, to = read(d.From), read(d.To)
	if !to.IsZero() {
		to = to.AddDate(0, 0, 1)
	}
	if problem == "" && !from.IsZero() && !to.IsZero() && !from.Before(to) {
		problem = "The last day is before the first."
	}
	return from, to, problem
}

// values is the search as the page's address has it.
func (b *messagesBody) values() url.Values {
	q := url.Values{}
	for k, s := range map[string]string{
		"q": b.Query, "state": b.State, "key": b.Key, "from": b.Period.From, "to": b.Period.To,
		"custom": b.Exact.CustomID, "campaign": b.Exact.Campaign,
	} {
		if s != "" {
			q.Set(k, s)
		}
	}
	return q
}

// pageOfMessages reads a page, newest first, and sets the ways to its neighbours.
func (c *console) pageOfMessages(v *visit, f store.MessageFilter, b *messagesBody) error {
	q := v.r.URL.Query()
	f.Below, _ = strconv.ParseInt(q.Get("before"), 10, 64) //nolint:errcheck // without a number: from the newest
	f.Above, _ = strconv.ParseInt(q.Get("after"), 10, 64)  //nolint:errcheck // same
	p, err := c.Messages.Page(v.r.Context(), v.scope, f, messagesAPage)
	if err != nil || len(p.Messages) == 0 {
		return err
	}
	b.Rows = p.Messages
	at := func(name string, id int64) string {
		q := b.values()
		q.Set(name, strconv.FormatInt(id, 10))
		return "/messages?" + q.Encode()
	}
	if p.Newer {
		b.Newer = at("after", b.Rows[0].ID)
	} else if b.Filtered {
		b.Found = foundMessages(p.Total)
	}
	if p.Older {
		b.Older = at("before", b.Rows[len(b.Rows)-1].ID)
	}
	return nil
}

// foundMessages says how many messages match.
func foundMessages(n int) string {
	switch {
	case n > messages.MaxCounted:
		return "more than " + number(messages.MaxCounted) + " messages"
	case n == 1:
		return "1 message"
	}
	return number(n) + " messages"
}
