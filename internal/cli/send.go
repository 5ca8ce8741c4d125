// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/messages"
)

type sendCmd struct {
	To      []string `arg:"" help:"Recipients: addresses, or \"Name <address>\"."`
	From    string   `placeholder:"ADDRESS" help:"From this address. Default: one that the key may use."`
	Subject string   `help:"Its subject. Default: that it is a test, and with which key."`
	Text    string   `help:"What it says. Default: likewise."`
	ofKey
	JSON bool `name:"json" help:"Print JSON."`
}

// Help teaches.
func (sendCmd) Help() string {
	return `The mail goes the way of all mail: the sender must be one of the key's, and it is queued, delivered and kept in the
history like any other.

Examples:
  postern send friend@example.org
  postern send friend@example.org --from news@example.com --key Newsletter --subject Hello`
}

// Run sends a mail.
func (c *sendCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (messages.Sent, error) {
		return calls.Send(ctx, c.Key, messages.Test{From: c.From, To: c.To, Subject: c.Subject, Text: c.Text})
	}, func(sent messages.Sent) error {
		for _, m := range sent.Messages {
			err := s.printf("accepted: message %d from %s to %s; see postern messages %d\n", m.ID, sent.From, plain(m.To), m.ID)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
