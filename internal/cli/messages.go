// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"postern/internal/config"
	"postern/internal/control"
)

type messagesCmd struct {
	Message  string `arg:"" optional:"" help:"Show this one with its history: its number or UUID."`
	Source   bool   `help:"Print the message's source instead."`
	Search   string `placeholder:"TEXT" help:"Only messages with this in a recipient or the subject."`
	CustomID string `placeholder:"ID" help:"Only messages with this CustomID."`
	Key      string `placeholder:"KEY" help:"Only of this key, by API key, name or number."`
	Limit    int    `default:"50" placeholder:"N" help:"How many, newest first; at most 1000."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

// Help teaches.
func (messagesCmd) Help() string {
	return `Examples:
  postern messages --search example.org
  postern messages 1234
  postern messages 1234 --source > message.eml`
}

// Run lists messages or shows one.
func (c *messagesCmd) Run(common *config.Common, s *streams) error {
	if c.Source && c.Message == "" {
		return &usageError{fmt.Errorf("--source: say of which message")}
	}
	return door(common, s, func(ctx context.Context, d *control.Client) error {
		switch {
		case c.Source:
			return c.source(ctx, d, s)
		case c.Message != "":
			return c.show(ctx, d, s)
		}
		return c.list(ctx, d, s)
	})
}

func (c *messagesCmd) list(ctx context.Context, d *control.Client, s *streams) error {
	q := url.Values{"limit": {strconv.Itoa(c.Limit)}, "search": {c.Search}, "custom-id": {c.CustomID}, "key": {c.Key}}
	var list []control.Message
	if err := d.Get(ctx, "/messages?"+q.Encode(), &list); err != nil {
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

func (c *messagesCmd) source(ctx context.Context, d *control.Client, s *streams) error {
	var src control.Source
	if err := d.Get(ctx, "/messages/"+url.PathEscape(c.Message)+"/source", &src); err != nil {
		return err
	}
	_, err := s.out.Write(src.Raw)
	return err
}

func (c *messagesCmd) show(ctx context.Context, d *control.Client, s *streams) error {
	var m control.Message
	if err := d.Get(ctx, "/messages/"+url.PathEscape(c.Message), &m); err != nil {
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
		{"Key", m.KeyName + " (" + m.APIKey + ")"},
		{"Came by", m.Source + " (" + m.Client + ")"},
		{"Size", fmt.Sprintf("%d bytes", m.Size)},
		{"Arrived", when(m.ArrivedAt, "")},
		{"Done", when(m.DoneAt, "not yet")},
	}
	if !m.NextAttempt.IsZero() {
		rows = append(rows, []string{"Next attempt", when(m.NextAttempt, "")})
	}
	if err := s.table([]string{"Message", strconv.FormatInt(m.ID, 10)}, rows); err != nil {
		return err
	}
	if len(m.History) == 0 {
		return s.printf("\nNothing has happened to it yet.\n")
	}
	rows = nil
	for _, e := range m.History {
		said := e.Reply
		if e.Host != "" {
			said = e.Host + ": " + said
		}
		if e.State != "" && !strings.EqualFold(e.State, status) {
			said += " (" + e.State + ")"
		}
		rows = append(rows, []string{when(e.At, ""), e.Type, strconv.Itoa(e.Attempt), said})
	}
	if err := s.printf("\n"); err != nil {
		return err
	}
	return s.table([]string{"TIME (UTC)", "EVENT", "ATTEMPT", "REPLY"}, rows)
}
