// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/mail"
	"postern/internal/store"
)

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
	Can     doable
	Resent  []int64 // messages that send this one again
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
	store.Doing
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
	if b.Can, err = c.doable(v, m, raw != nil); err != nil {
		return err
	}
	if b.Resent, err = c.Store.Resent(ctx, v.scope, m.ID); err != nil {
		return err
	}
	if b.Steps, err = c.steps(ctx, v, m); err != nil {
		return err
	}
	b.View = &mail.View{}
	if raw == nil {
		return c.show(v, http.StatusOK, "message", titleOf(m), "messages", b)
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
	return c.show(v, http.StatusOK, "message", titleOf(m), "messages", b)
}

func titleOf(m store.Message) string {
	if m.Subject == "" {
		return "(no subject)"
	}
	return m.Subject
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

// messageOf reads the message that the address names, within the user's account, and its source, nil when that is not
// kept any more.
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
	if errors.Is(err, store.ErrNotFound) {
		return m, nil, nil
	}
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
		out = append(out, stepOf(e))
	}
	notices, err := c.noticeSteps(ctx, v, m)
	if err != nil {
		return nil, err
	}
	out = append(out, notices...)
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

// noticeSteps are what the return path was notified of, and what it is to be notified of.
func (c *console) noticeSteps(ctx context.Context, v *visit, m store.Message) ([]step, error) {
	asked, err := c.Store.AskedOf(ctx, v.scope, m.ID)
	if err != nil {
		return nil, err
	}
	sent, err := c.Store.SentNotices(ctx, v.scope, m.ID)
	if err != nil {
		return nil, err
	}
	var out []step
	if asked.Notify != 0 {
		out = append(out, step{At: m.ArrivedAt, Level: "plain", Title: "Delivery status notifications requested: " + asked.Notify.String()})
	}
	for _, n := range sent {
		title := "Delivery status notification (" + n.Kind.String() + ") "
		switch n.State {
		case store.NoticeSent:
			title += "sent to " + m.MailFrom
		case store.NoticeWaiting:
			title += "waiting to be sent to " + m.MailFrom
		case store.NoticeDropped:
			title += "not sent: too many in that hour, turned off, or impossible to send"
		}
		out = append(out, step{At: n.At, Level: "plain", Title: title})
	}
	return out, nil
}

// stepOf tells one event: what happened, and in whose words.
func stepOf(e store.Event) step {
	s := step{At: e.At, Attempt: e.Attempt, Reply: e.Reply, State: mail.State(e.StateID).String(), Level: "ok", Doing: e.Doing}
	switch e.Type {
	case store.EventSent:
		s.Title = "Sent"
	case store.EventDeferred:
		s.Level, s.Title = "wait", "Put off by the other side"
	case store.EventBounce:
		s.Level, s.Title = "bad", "Bounced"
		if e.GaveUp() {
			s.Title = "Given up"
		}
	case store.EventBlocked:
		s.Level, s.Title = "bad", "Blocked"
	case store.EventOpen:
		s.Title = "Opened"
	case store.EventClick:
		s.Title = "Clicked"
	case store.EventSpam:
		s.Level, s.Title = "bad", "Reported as spam"
	case store.EventUnsub:
		s.Level, s.Title = "wait", "Unsubscribed"
	default:
		s.Level, s.Title = "plain", e.Type.String()
	}
	if e.Machine {
		s.Level, s.Title = "plain", s.Title+" by a machine"
	}
	return s
}
