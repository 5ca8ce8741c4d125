// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"net/url"

	"postern/internal/config"
	"postern/internal/control"
)

type senderCmd struct {
	Add    senderAddCmd    `cmd:"" help:"Let a key send from an address, or from a whole domain."`
	List   senderListCmd   `cmd:"" help:"List senders."`
	Remove senderRemoveCmd `cmd:"" help:"End a key's right to send from an address or a domain."`
}

// ofKey is the option that names a key.
type ofKey struct {
	Key string `placeholder:"KEY" help:"The key, by API key, name or number. Default: the master key, when there is one account."`
}

type senderAddCmd struct {
	Sender string `arg:"" help:"An address (news@example.com), or a domain (example.com or *@example.com)."`
	Name   string `help:"A name to show."`
	ofKey
	JSON bool `name:"json" help:"Print JSON."`
}

// Help teaches.
func (senderAddCmd) Help() string {
	return `You say by this that the address or domain is yours to use. A domain gets a DKIM key; mail from it is signed.

Examples:
  postern sender add news@example.com
  postern sender add example.com --key Newsletter`
}

// Run adds a sender.
func (c *senderAddCmd) Run(common *config.Common, s *streams) error {
	return door(common, s, func(ctx context.Context, d *control.Client) error {
		var made control.Sender
		if err := d.Post(ctx, "/senders", control.SenderOf{Key: c.Key, Email: c.Sender, Name: c.Name}, &made); err != nil {
			return err
		}
		if c.JSON {
			return s.printJSON(made)
		}
		return s.printf("%s may send from %s\n", plain(made.KeyName), made.Email)
	})
}

type senderListCmd struct {
	Key  string `placeholder:"KEY" help:"Only of this key, by API key, name or number."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run lists senders.
func (c *senderListCmd) Run(common *config.Common, s *streams) error {
	return door(common, s, func(ctx context.Context, d *control.Client) error {
		var list []control.Sender
		if err := d.Get(ctx, "/senders?key="+url.QueryEscape(c.Key), &list); err != nil {
			return err
		}
		if c.JSON {
			return s.printJSON(list)
		}
		rows := make([][]string, 0, len(list))
		for _, x := range list {
			rows = append(rows, []string{x.Email, x.Name, x.Status, x.KeyName, x.APIKey, when(x.CreatedAt, "")})
		}
		return s.table([]string{"SENDER", "NAME", "STATUS", "KEY", "API KEY", "CREATED (UTC)"}, rows)
	})
}

type senderRemoveCmd struct {
	Sender string `arg:"" help:"The address or domain, as it is listed."`
	ofKey
}

// Run removes a sender.
func (c *senderRemoveCmd) Run(common *config.Common, s *streams) error {
	return door(common, s, func(ctx context.Context, d *control.Client) error {
		return d.Post(ctx, "/senders/remove", control.SenderOf{Key: c.Key, Email: c.Sender}, nil)
	})
}
