// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/messages"
	"postern/internal/store"
)

// messageBody is one message with its history and its mail.
type messageBody struct {
	messages.Message
	Steps   []step
	View    *mail.View
	Parts   []part
	Show    string // "html", "text", "headers" or "source"
	Tabs    []string
	Source  string
	Cut     bool // Source is its beginning only
	Problem string
	Can     messages.Possible
	Nonce   string // of the form that sends again: reloading the answer does not do it twice
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
	m, raw, err := c.messageOf(v, c.Messages.Show)
	if err != nil {
		return err
	}
	b := messageBody{Message: m, Steps: c.steps(m)}
	if v.may(access.SendTest, m.Record.KeyID) {
		if b.Can, err = c.Messages.Possible(ctx, m, raw != nil); err != nil {
			return err
		}
	}
	if b.Can.Why != "" {
		b.Can.Why = sentence(b.Can.Why)
	}
	if b.Can.Resend {
		b.Nonce = c.forms.nonce(v.user.ID)
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

func titleOf(m messages.Message) string {
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

// messageOf reads the message that the address names, within the user's account, by a question of Messages; and its source,
// nil when that is not kept any more.
func (c *console) messageOf(v *visit, ask askMessage) (messages.Message, []byte, error) {
	f, err := v.messageNamed()
	if err != nil {
		return messages.Message{}, nil, err
	}
	m, err := ask(v.r.Context(), v.scope, f)
	if err != nil {
		return m, nil, messageError(err)
	}
	raw, err := c.Messages.Source(v.r.Context(), v.scope, m.ID)
	if e := (*change.Error)(nil); errors.As(err, &e) && e.Kind == change.NotFound {
		return m, nil, nil
	}
	return m, raw, err
}

// askMessage is a question of Messages about one message.
type askMessage = func(context.Context, store.Scope, store.MessageFilter) (messages.Message, error)

// messageNamed reads which message the address names, by ID or UUID.
func (v *visit) messageNamed() (store.MessageFilter, error) {
	f, ok := messages.Named(v.r.PathValue("id"))
	if !ok {
		return f, messageError(change.Missing("message"))
	}
	return f, nil
}

// steps is the life of a message in lines, from its acceptance to what comes next.
func (c *console) steps(m messages.Message) []step {
	by := map[string]string{
		"http": "Accepted by the HTTP API", "smtp": "Accepted by SMTP", "console": "Accepted from these pages",
		"cli": "Accepted from the command line",
	}[m.Source]
	if by == "" {
		by = "Accepted"
	}
	out := []step{{At: m.ArrivedAt, Level: "plain", Title: by, Reply: store.Reply{Line: m.Client}}}
	for _, e := range m.History {
		out = append(out, stepOf(e.Record))
	}
	out = append(out, noticeSteps(m)...)
	switch {
	case !m.Queued:
	case m.NextAttempt.IsZero():
		out = append(out, step{Level: "next", Title: "Being tried now"})
	case m.NextAttempt.After(c.Now()):
		out = append(out, step{At: m.NextAttempt, Level: "next", Title: "Next attempt"})
	default:
		out = append(out, step{Level: "next", Title: "Waiting for its turn"})
	}
	return out
}

// noticeSteps are what the return path was notified of, and what it is to be notified of.
func noticeSteps(m messages.Message) (out []step) {
	if m.Notify != "" {
		out = append(out, step{At: m.ArrivedAt, Level: "plain", Title: "Delivery status notifications requested: " + m.Notify})
	}
	for _, n := range m.Notices {
		title := "Delivery status notification (" + n.Kind + ") "
		switch store.NoticeState(n.State) {
		case store.NoticeSent:
			title += "sent to " + m.Record.MailFrom
		case store.NoticeWaiting:
			title += "waiting to be sent to " + m.Record.MailFrom
		case store.NoticeDropped:
			title += "not sent: too many in that hour, turned off, or impossible to send"
		}
		out = append(out, step{At: n.At, Level: "plain", Title: title})
	}
	return out
}

// stepOf is one event: what happened, and in whose words.
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
