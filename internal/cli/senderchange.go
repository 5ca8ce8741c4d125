// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/senders"
)

// ofSender names a sender.
type ofSender struct {
	Sender string `arg:"" help:"The address or domain, as it is listed."`
	ofKey
	asJSON
}

// change asks for a change of a sender, and says what it is after it.
func (o ofSender) change(common *config.Common, s *streams, change senders.SenderChange, say func(senders.Sender) string) error {
	return show(common, s, o.JSON, func(ctx context.Context, calls control.Calls) (senders.Sender, error) {
		return calls.ChangeSender(ctx, o.Key, o.Sender, change)
	}, func(x senders.Sender) error { return s.printf("%s\n", plain(say(x))) })
}

type senderRenameCmd struct {
	ofSender
	Name string `arg:"" help:"Its new name; '' for none."`
}

// Help teaches.
func (senderRenameCmd) Help() string {
	return `The name is for who reads the list; mail is from whom it says.

Example:
  postern sender rename news@example.com "Acme News" --key Newsletter`
}

// Run renames a sender.
func (c *senderRenameCmd) Run(common *config.Common, s *streams) error {
	return c.change(common, s, senders.SenderChange{Name: &c.Name}, func(x senders.Sender) string {
		if x.Name == "" {
			return x.Email + " of " + x.KeyName + " has no name"
		}
		return x.Email + " of " + x.KeyName + " is called " + x.Name
	})
}

type senderDefaultCmd struct {
	ofSender
	Off bool `help:"It is the default no more; then none is."`
}

// Help teaches.
func (senderDefaultCmd) Help() string {
	return `A key has one default sender at most: the one before is it no more.

Examples:
  postern sender default news@example.com --key Newsletter
  postern sender default news@example.com --key Newsletter --off`
}

// Run makes a sender the default.
func (c *senderDefaultCmd) Run(common *config.Common, s *streams) error {
	on := !c.Off
	return c.change(common, s, senders.SenderChange{Default: &on}, func(x senders.Sender) string {
		if x.Default {
			return x.Email + " is the default sender of " + x.KeyName
		}
		return x.Email + " is not the default sender of " + x.KeyName
	})
}

type senderTypeCmd struct {
	ofSender
	Type string `arg:"" enum:"transactional,bulk,unknown" help:"transactional (what somebody's doing asks for: receipts, resets), bulk (newsletters), or unknown."`
}

// Help teaches.
func (senderTypeCmd) Help() string {
	return `The type is for who reads the list; mail is treated alike whatever it says.

Example:
  postern sender type news@example.com bulk --key Newsletter`
}

// Run says what kind of mail a sender is for.
func (c *senderTypeCmd) Run(common *config.Common, s *streams) error {
	return c.change(common, s, senders.SenderChange{EmailType: &c.Type}, func(x senders.Sender) string {
		if x.EmailType == "unknown" {
			return "what " + x.Email + " of " + x.KeyName + " is for is unknown"
		}
		return x.Email + " of " + x.KeyName + " is for " + x.EmailType + " mail"
	})
}

type senderLendCmd struct {
	ofSender
	Off         bool    `help:"It is lent no more."`
	Description *string `placeholder:"TEXT" help:"What it is for."`
}

// Help teaches.
func (senderLendCmd) Help() string {
	return `Only a sender of an account's master key can be lent (a metasender). All subaccounts may send from it while it is active.

Examples:
  postern sender lend example.com --description "all shops"
  postern sender lend example.com --off`
}

// Run lends a sender.
func (c *senderLendCmd) Run(common *config.Common, s *streams) error {
	on := !c.Off
	return c.change(common, s, senders.SenderChange{Lent: &on, Description: c.Description}, func(x senders.Sender) string {
		if x.Lent {
			return "all subaccounts may send from " + x.Email
		}
		return x.Email + " is not lent: only " + x.KeyName + " may send from it"
	})
}

type senderMailCmd struct{ ofSender }

// Help teaches.
func (senderMailCmd) Help() string {
	return `Whoever reads mail at the address follows the link and allows it, within three days. An address is mailed at most five links a day.

Example:
  postern sender mail ann@example.com --key Newsletter`
}

// Run mails the link.
func (c *senderMailCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (senders.Sender, error) {
		return calls.MailSender(ctx, c.Key, c.Sender)
	}, func(x senders.Sender) error { return s.printf("a link is on its way to %s\n", plain(x.Email)) })
}
