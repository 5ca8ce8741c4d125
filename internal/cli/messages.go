// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/mail"
	"postern/internal/messages"
	"postern/internal/store"
)

type messagesCmd struct {
	Message  string `arg:"" optional:"" help:"Show this one with its history: its number or UUID."`
	Source   bool   `xor:"do" help:"Print the message's source instead."`
	Retry    bool   `xor:"do" help:"Try this one now, rather than at its next attempt."`
	Cancel   bool   `xor:"do" help:"Take this one back: it is blocked and never sent."`
	Resend   bool   `xor:"do" help:"Send this one again, which did not arrive."`
	Search   string `placeholder:"TEXT" help:"Only messages with these words, or words that begin so; or of this recipient, @domain or UUID."`
	CustomID string `placeholder:"ID" help:"Only messages with this CustomID."`
	Campaign string `placeholder:"NAME" help:"Only messages of this campaign."`
	Status   string `placeholder:"STATUS" help:"Only messages in this state."`
	State    string `placeholder:"STATE" help:"Only messages that did not arrive for this reason, such as 'user unknown'."`
	From     string `placeholder:"TIME" help:"From this day (2026-01-31) or time (2026-01-31T12:00:00Z) on, in UTC."`
	To       string `placeholder:"TIME" help:"To the end of this day, or before this time."`
	Key      string `placeholder:"KEY" help:"Only of this key, by API key, name or number."`
	Limit    int    `default:"50" placeholder:"N" help:"How many, newest first; at most 1000."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

// Help teaches.
func (messagesCmd) Help() string {
	return `Words are looked for in recipient, subject, From, CustomID and campaign. The states are queued, deferred, sent, opened,
clicked, hardbounced, softbounced, blocked, spam and unsub.

Examples:
  postern messages --search "invoice anna"
  postern messages --search @example.org --status hardbounced --from 2026-01-01
  postern messages 1234
  postern messages 1234 --source > message.eml
  postern messages 1234 --resend`
}

// bounds are the flags that bound the list.
func (c *messagesCmd) bounds() []bound {
	return []bound{
		{"search", c.Search != ""},
		{"custom-id", c.CustomID != ""},
		{"campaign", c.Campaign != ""},
		{"status", c.Status != ""},
		{"state", c.State != ""},
		{"from", c.From != ""},
		{"to", c.To != ""},
		{"key", c.Key != ""},
	}
}

// Run lists messages or shows one.
func (c *messagesCmd) Run(common *config.Common, s *streams) error {
	for name, is := range map[string]bool{"source": c.Source, "retry": c.Retry, "cancel": c.Cancel, "resend": c.Resend} {
		if is && c.Message == "" {
			return &usageError{fmt.Errorf("--%s: say of which message", name)}
		}
	}
	if err := oneOrList("<message>", c.Message, c.bounds()...); err != nil {
		return err
	}
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		switch {
		case c.Source:
			return c.source(ctx, calls, s)
		case c.Retry:
			return c.act(ctx, calls.RetryMessage, s, "It is tried now.")
		case c.Cancel:
			return c.act(ctx, calls.CancelMessage, s, "It is taken back.")
		case c.Resend:
			return c.act(ctx, calls.ResendMessage, s, "It is sent again.")
		case c.Message != "":
			return c.show(ctx, calls, s)
		}
		return c.list(ctx, calls, s)
	})
}

func (c *messagesCmd) list(ctx context.Context, calls control.Calls, s *streams) error {
	f, err := c.filter()
	if err != nil {
		return err
	}
	list, err := calls.ListMessages(ctx, c.Search, c.Key, f, c.Limit)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.printJSON(list)
	}
	rows := make([][]string, 0, len(list))
	for _, m := range list {
		rows = append(rows, []string{strconv.FormatInt(m.ID, 10), when(m.ArrivedAt, ""), m.Status, m.From, m.To, m.Subject})
	}
	return s.table([]string{"MESSAGE", "ARRIVED (UTC)", "STATUS", "FROM", "TO", "SUBJECT"}, rows)
}

// filter reads the flags that bound the list, but what is searched for and the key.
func (c *messagesCmd) filter() (f store.MessageFilter, err error) {
	f = store.MessageFilter{CustomID: c.CustomID, Campaign: c.Campaign}
	if c.Status != "" {
		status, ok := store.ParseStatus(c.Status)
		if !ok {
			return f, &usageError{fmt.Errorf("--status: %q is no state of a message", c.Status)}
		}
		f.Status = &status
	}
	if c.State != "" {
		state, ok := mail.ParseState(c.State)
		if !ok {
			return f, &usageError{fmt.Errorf("--state: %q is no reason in the catalogue of states", c.State)}
		}
		f.StateID = int(state)
	}
	if f.From, err = moment("--from", c.From, false); err == nil {
		f.To, err = moment("--to", c.To, true)
	}
	return f, err
}

func (c *messagesCmd) source(ctx context.Context, calls control.Calls, s *streams) error {
	raw, err := calls.ShowSource(ctx, c.Message)
	if err != nil {
		return err
	}
	_, err = s.out.Write(raw)
	return err
}

// changeOf is a call that changes one message.
type changeOf = func(ctx context.Context, message string) (messages.Message, error)

// act does something with one message, and shows the message that it left: sending again makes a new one.
func (c *messagesCmd) act(ctx context.Context, do changeOf, s *streams, done string) error {
	m, err := do(ctx, c.Message)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.printJSON(m)
	}
	return s.printf("%s Message %d to %s is %s.\n", done, m.ID, m.To, m.Status)
}

func (c *messagesCmd) show(ctx context.Context, calls control.Calls, s *streams) error {
	m, err := calls.ShowMessage(ctx, c.Message)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.printJSON(m)
	}
	status := m.Status
	if m.State != "" {
		status += ": " + m.State
	}
	rows := [][]string{
		{"UUID", m.UUID},
		{"Status", status},
		{"From", m.From},
		{"To", m.To},
		{"Subject", m.Subject},
		{"Message-ID", m.MessageID},
		{"CustomID", m.CustomID},
		{"Campaign", m.Campaign},
		{"Key", m.KeyName + " (" + m.APIKey + ")"},
		{"Came by", m.Source + " (" + m.Client + ")"},
		{"Size", fmt.Sprintf("%d bytes", m.Size)},
		{"Arrived", when(m.ArrivedAt, "")},
		{"Done", when(m.DoneAt, "not yet")},
	}
	if m.ResentOf != 0 {
		rows = append(rows, []string{"Sends again", strconv.FormatInt(m.ResentOf, 10)})
	}
	if !m.NextAttempt.IsZero() {
		rows = append(rows, []string{"Next attempt", when(m.NextAttempt, "")})
	}
	if m.Notify != "" {
		rows = append(rows, []string{"Notify", m.Notify})
	}
	for _, n := range m.Notices {
		rows = append(rows, []string{"Notification", strings.TrimSpace(n.Kind + ", " + n.State + " " + when(n.At, ""))})
	}
	if err := s.table([]string{"Message", strconv.FormatInt(m.ID, 10)}, rows); err != nil {
		return err
	}
	if len(m.History) == 0 {
		return s.printf("\nNothing has happened to it yet.\n")
	}
	rows = nil
	for _, e := range m.History {
		reply := e.Reply
		if e.Host != "" {
			reply = e.Host + ": " + reply
		}
		if e.State != "" && !strings.EqualFold(e.State, status) {
			reply += " (" + e.State + ")"
		}
		if e.URL != "" {
			reply = e.URL
		}
		if e.Machine {
			reply += " (a machine)"
		}
		rows = append(rows, []string{when(e.At, ""), e.Type, strconv.Itoa(e.Attempt), reply})
	}
	if err := s.printf("\n"); err != nil {
		return err
	}
	return s.table([]string{"TIME (UTC)", "EVENT", "ATTEMPT", "REPLY"}, rows)
}
