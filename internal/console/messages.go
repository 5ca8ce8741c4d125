// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"postern/internal/credential"
	"postern/internal/mail"
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
	Filtered bool
	Captured bool // mail stays on this server
	Newer    string
	Older    string
	Empty    smtpBody // when there is no mail yet: how to send the first
}

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
	b := messagesBody{Query: clean(q.Get("q")), State: q.Get("state"), Key: clean(q.Get("key"))}
	for _, s := range statesShown() {
		b.States = append(b.States, s.String())
	}
	b.Captured = c.Route == "capture"
	b.Filtered = b.Query != "" || b.State != "" || b.Key != ""
	keys, total, err := c.Store.Keys(ctx, v.scope, store.KeyFilter{}, store.Page{Limit: keysToChoose})
	if err != nil {
		return err
	}
	if b.ManyKeys = total > len(keys); !b.ManyKeys {
		b.Keys = keys
	}
	f, ok, err := c.messageFilter(ctx, v, b)
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
	return c.show(v, http.StatusOK, "messages", "Messages", "messages", b)
}

// messageFilter turns what was typed into a filter. ok is false when it cannot match anything.
func (c *console) messageFilter(ctx context.Context, v *visit, b messagesBody) (f store.MessageFilter, ok bool, err error) {
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
	if id, err := uuid.Parse(b.Query); err == nil && id != uuid.Nil {
		f.UUID = id
	} else if n, err := strconv.ParseInt(b.Query, 10, 64); err == nil && n > 0 {
		f.ID = n
	} else {
		f.Search = b.Query
	}
	return f, true, nil
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
		q := url.Values{name: {strconv.FormatInt(id, 10)}}
		for k, s := range map[string]string{"q": b.Query, "state": b.State, "key": b.Key} {
			if s != "" {
				q.Set(k, s)
			}
		}
		return "/messages?" + q.Encode()
	}
	if newer {
		b.Newer = at("after", list[0].ID)
	}
	if older {
		b.Older = at("before", list[len(list)-1].ID)
	}
	return list, nil
}

func (c *console) messageRows(ctx context.Context, v *visit, list []store.Message) ([]messageRow, error) {
	var ids []int64
	for i := range list {
		if !slices.Contains(ids, list[i].KeyID) {
			ids = append(ids, list[i].KeyID)
		}
	}
	keys, err := c.Store.KeysByID(ctx, v.scope, ids)
	rows := make([]messageRow, 0, len(list))
	for _, m := range list {
		rows = append(rows, messageRow{m, keys[m.KeyID]})
	}
	return rows, err
}

// messageBody is one message with its history and its mail.
type messageBody struct {
	messageRow
	Steps   []step
	View    *mail.View
	Parts   []part
	Show    string // "html", "text", "headers" or "source"
	Tabs    []string
	Source  string
	Cut     bool // Source is its beginning only
	Problem string
}

// part is an attachment, by its number from 1.
type part struct {
	Number     int
	Name, Type string
	Size       int64
}

// step is one line of a message's history.
type step struct {
	At      time.Time
	Level   string // "ok", "wait", "bad", "plain", "next"
	Title   string
	Attempt int
	Reply   store.Reply
	State   string // why, from the catalogue of states
}

// shownSource is how much of a message's source stands on a page, in bytes.
const shownSource = 200_000

func (c *console) showMessage(v *visit) error {
	ctx := v.r.Context()
	m, raw, err := c.messageOf(ctx, v)
	if err != nil {
		return err
	}
	rows, err := c.messageRows(ctx, v, []store.Message{m})
	if err != nil {
		return err
	}
	b := messageBody{messageRow: rows[0]}
	if b.Steps, err = c.steps(ctx, v, m); err != nil {
		return err
	}
	if b.View, err = mail.Read(raw); err != nil {
		b.Problem, b.View = "This mail cannot be taken apart: "+err.Error()+". Its source is shown as it was accepted.", &mail.View{}
	}
	for i, p := range b.View.Parts {
		b.Parts = append(b.Parts, part{Number: i + 1, Name: partName(p, i+1), Type: p.ContentType, Size: int64(p.Size)})
	}
	b.tabs(v.r.URL.Query().Get("view"))
	switch b.Show {
	case "source":
		b.Cut = len(raw) > shownSource
		b.Source = strings.ToValidUTF8(lines(string(raw[:min(len(raw), shownSource)])), "\uFFFD")
	case "text":
		b.View.Text = lines(b.View.Text)
	case "html":
		v.w.Header().Set("Content-Security-Policy", policy("'self'"))
	}
	title := m.Subject
	if title == "" {
		title = "(no subject)"
	}
	return c.show(v, http.StatusOK, "message", title, "messages", b)
}

// lines ends lines as HTML does: a browser shows CR LF as two.
func lines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// tabs sets the ways to look at the mail, and which one it is: the one asked for, or the first there is.
func (b *messageBody) tabs(asked string) {
	if b.View.HTML != "" {
		b.Tabs = append(b.Tabs, "html")
	}
	if b.View.Text != "" {
		b.Tabs = append(b.Tabs, "text")
	}
	b.Tabs = append(b.Tabs, "headers", "source")
	if b.Problem != "" {
		b.Tabs = []string{"source"}
	}
	b.Show = b.Tabs[0]
	if slices.Contains(b.Tabs, asked) {
		b.Show = asked
	}
}

// messageOf reads the message that the address names, within the user's account, and its source.
func (c *console) messageOf(ctx context.Context, v *visit) (store.Message, []byte, error) {
	missing := notFound("There is no such message in your account.")
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return store.Message{}, nil, missing
	}
	m, err := c.Store.Message(ctx, v.scope, store.MessageFilter{ID: id})
	if errors.Is(err, store.ErrNotFound) {
		return m, nil, missing
	}
	if err != nil {
		return m, nil, err
	}
	raw, err := c.Store.Source(ctx, v.scope, id)
	return m, raw, err
}

// steps tells the life of a message, from its acceptance to what comes next.
func (c *console) steps(ctx context.Context, v *visit, m store.Message) ([]step, error) {
	events, err := c.Store.Events(ctx, v.scope, m.ID)
	if err != nil {
		return nil, err
	}
	by := map[string]string{"http": "Accepted by the HTTP API", "smtp": "Accepted by SMTP", "console": "Accepted from these pages", "cli": "Accepted from the command line"}[m.Source]
	if by == "" {
		by = "Accepted"
	}
	out := []step{{At: m.ArrivedAt, Level: "plain", Title: by, Reply: store.Reply{Line: m.Client}}}
	for _, e := range events {
		s := step{At: e.At, Attempt: e.Attempt, Reply: e.Reply, State: mail.State(e.StateID).String()}
		switch e.Type {
		case store.EventSent:
			s.Level, s.Title = "ok", "Sent"
		case store.EventDeferred:
			s.Level, s.Title = "wait", "Put off by the other side"
		case store.EventBounce:
			s.Level, s.Title = "bad", "Bounced"
			if !e.Permanent {
				s.Title = "Given up"
			}
		case store.EventBlocked:
			s.Level, s.Title = "bad", "Blocked"
		default:
			s.Level, s.Title = "plain", e.Type.String()
		}
		out = append(out, s)
	}
	if !m.DoneAt.IsZero() {
		return out, nil
	}
	next, err := c.Store.NextAttempt(ctx, v.scope, m.ID)
	switch {
	case errors.Is(err, store.ErrNotFound): // it has just been done
	case err != nil:
		return nil, err
	case next.IsZero():
		out = append(out, step{Level: "next", Title: "Being tried now"})
	case next.After(c.Now()):
		out = append(out, step{At: next, Level: "next", Title: "Next attempt"})
	default:
		out = append(out, step{Level: "next", Title: "Waiting for its turn"})
	}
	return out, nil
}
