// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"postern/internal/credential"
	"postern/internal/search"
	"postern/internal/store"
)

const (
	messagesAPage = 50
	// keysToChoose is up to how many keys the filter is a list; past it, a key is typed.
	keysToChoose = 100
)

// messagesBody is the list of messages.
type messagesBody struct {
	Rows     []messageRow
	Query    string
	State    string
	States   []string
	Key      string // API key to filter by, "" for all
	Keys     []store.Key
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

// maxCounted is up to how many messages a search counts what it finds.
const maxCounted = 1000

type messageRow struct {
	store.Message
	Key store.Key
}

// statesShown are the states to filter by, in the order of a message's life.
func statesShown() []store.Status {
	return []store.Status{store.StatusQueued, store.StatusDeferred, store.StatusSent, store.StatusOpened, store.StatusClicked, store.StatusHardBounced, store.StatusSoftBounced, store.StatusBlocked, store.StatusSpam, store.StatusUnsub}
}

func (c *console) showMessages(v *visit) error {
	ctx, q := v.r.Context(), v.r.URL.Query()
	b := messagesBody{
		Query: clean(q.Get("q")), State: q.Get("state"), Key: clean(q.Get("key")),
		Period: dates{From: clean(q.Get("from")), To: clean(q.Get("to"))}, Exact: exact{CustomID: clean(q.Get("custom")), Campaign: clean(q.Get("campaign"))},
	}
	for _, s := range statesShown() {
		b.States = append(b.States, s.String())
	}
	b.Captured = c.Route == "capture"
	b.Filtered = len(b.values()) > 0
	keys, total, err := c.Store.Keys(ctx, v.scope, store.KeyFilter{}, store.Page{Limit: keysToChoose})
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
	var list []store.Message
	if ok {
		if list, err = c.pageOfMessages(v, f, &b); err != nil {
			return err
		}
	}
	if b.Rows, err = c.messageRows(ctx, v, list); err != nil {
		return err
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
		at := slices.IndexFunc(statesShown(), func(s store.Status) bool { return s.String() == b.State })
		if at < 0 {
			return f, false, nil
		}
		f.Status = &statesShown()[at]
	}
	if b.Key != "" {
		kf := store.KeyFilter{Name: b.Key}
		if _, err := credential.ParseAPIKey(b.Key); err == nil {
			kf = store.KeyFilter{APIKey: b.Key}
		}
		k, err := c.Store.Key(ctx, v.scope, kf)
		if errors.Is(err, store.ErrNotFound) {
			return f, false, nil
		}
		if err != nil {
			return f, false, err
		}
		f.KeyID = k.ID
	}
	f, err = search.Narrow(ctx, c.Store, v.scope, f, b.Query)
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
	for k, s := range map[string]string{"q": b.Query, "state": b.State, "key": b.Key, "from": b.Period.From, "to": b.Period.To, "custom": b.Exact.CustomID, "campaign": b.Exact.Campaign} {
		if s != "" {
			q.Set(k, s)
		}
	}
	return q
}

// pageOfMessages reads a page, newest first, and sets the ways to its neighbours. A page begins at a message, not at
// a number of messages: while mail comes in, nothing is skipped or seen twice.
func (c *console) pageOfMessages(v *visit, f store.MessageFilter, b *messagesBody) ([]store.Message, error) {
	q := v.r.URL.Query()
	f.Below, _ = strconv.ParseInt(q.Get("before"), 10, 64) //nolint:errcheck // without a number: from the newest
	f.Above, _ = strconv.ParseInt(q.Get("after"), 10, 64)  //nolint:errcheck // same
	list, err := c.Store.Messages(v.r.Context(), v.scope, f, store.Page{Limit: messagesAPage + 1, Desc: f.Above == 0})
	if err != nil {
		return nil, err
	}
	more := len(list) > messagesAPage
	list = list[:min(len(list), messagesAPage)]
	newer, older := f.Below != 0, more
	if f.Above != 0 {
		slices.Reverse(list)
		newer, older = more, true
	}
	if len(list) == 0 {
		return nil, nil
	}
	at := func(name string, id int64) string {
		q := b.values()
		q.Set(name, strconv.FormatInt(id, 10))
		return "/messages?" + q.Encode()
	}
	if b.Filtered && !newer {
		if b.Found, err = c.foundMessages(v, f, len(list), more); err != nil {
			return nil, err
		}
	}
	if newer {
		b.Newer = at("after", list[0].ID)
	}
	if older {
		b.Older = at("before", list[len(list)-1].ID)
	}
	return list, nil
}

// foundMessages says how many messages match, of which the first page has so many. Millions are not counted.
func (c *console) foundMessages(v *visit, f store.MessageFilter, onPage int, more bool) (string, error) {
	n := onPage
	if more {
		f.Below, f.Above = 0, 0
		var err error
		if n, err = c.Store.CountMessagesTo(v.r.Context(), v.scope, f, maxCounted+1); err != nil {
			return "", err
		}
	}
	switch {
	case n > maxCounted:
		return "more than " + number(maxCounted) + " messages", nil
	case n == 1:
		return "1 message", nil
	}
	return number(n) + " messages", nil
}

func (c *console) messageRows(ctx context.Context, v *visit, list []store.Message) ([]messageRow, error) {
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].KeyID
	}
	keys, err := c.Store.KeysByID(ctx, v.scope, ids)
	rows := make([]messageRow, 0, len(list))
	for _, m := range list {
		rows = append(rows, messageRow{m, keys[m.KeyID]})
	}
	return rows, err
}
