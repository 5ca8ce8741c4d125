// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/domain"
	"postern/internal/senders"
)

type senderCmd struct {
	Add     senderAddCmd     `cmd:"" help:"Let a key send from an address, or from a whole domain."`
	List    senderListCmd    `cmd:"" help:"List senders."`
	Check   senderCheckCmd   `cmd:"" help:"Look at the DNS of a sender's domain now, and say what is wrong."`
	Mail    senderMailCmd    `cmd:"" help:"Mail the link that proves an address once more."`
	Rename  senderRenameCmd  `cmd:"" help:"Change the name that is shown for a sender."`
	Default senderDefaultCmd `cmd:"" help:"Make a sender the one that is taken when none is named."`
	Type    senderTypeCmd    `cmd:"" help:"Say what kind of mail a sender is for."`
	Lend    senderLendCmd    `cmd:"" help:"Let all subaccounts send from a sender of the master key."`
	Remove  senderRemoveCmd  `cmd:"" help:"End a key's right to send from an address or a domain."`
}

// ofKey is the option that names a key.
type ofKey struct {
	Key string `placeholder:"KEY" help:"The key, by API key, name or number. Default: the master key, when there is one account."`
}

type senderAddCmd struct {
	Sender string `arg:"" help:"An address (news@example.com), or a domain (example.com or *@example.com)."`
	Name   string `placeholder:"NAME" help:"A name to show."`
	ofKey
	JSON bool `name:"json" help:"Print JSON."`
}

// Help teaches.
func (senderAddCmd) Help() string {
	return `You say by this, as who operates the server, that the address or domain may be used: no proof is asked for, and
mail from a domain is signed. What its owner has to publish in the DNS is on the Senders page, and said by
"postern sender check".

Examples:
  postern sender add news@example.com
  postern sender add example.com --key Newsletter`
}

// Run adds a sender.
func (c *senderAddCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (senders.Sender, error) {
		return calls.AddSender(ctx, c.Key, c.Sender, c.Name)
	}, func(made senders.Sender) error {
		return s.printf("%s may send from %s\n", plain(made.KeyName), made.Email)
	})
}

type senderListCmd struct {
	Key  string `placeholder:"KEY" help:"Only of this key, by API key, name or number."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run lists senders.
func (c *senderListCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]senders.Sender, error) {
		return calls.ListSenders(ctx, c.Key)
	}, func(list []senders.Sender) error {
		rows := make([][]string, 0, len(list))
		for _, x := range list {
			rows = append(rows, []string{x.Email, x.Name, x.Status, proofWords(x), x.EmailType, x.KeyName, x.APIKey, when(x.CreatedAt, "")})
		}
		return s.table([]string{"SENDER", "NAME", "STATUS", "BY", "TYPE", "KEY", "API KEY", "CREATED (UTC)"}, rows)
	})
}

// proofWords says how a sender was proved, and what more it is.
func proofWords(x senders.Sender) string {
	words := x.Proof
	if x.Lent {
		words += ", lent"
	}
	if x.Default {
		words += ", default"
	}
	return strings.TrimPrefix(words, ", ")
}

type senderCheckCmd struct {
	Sender string `arg:"" help:"The address or domain, as it is listed."`
	ofKey
	JSON bool `name:"json" help:"Print JSON."`
}

// Help teaches.
func (senderCheckCmd) Help() string {
	return `Looks for the proof that the domain is its owner's, and at its DKIM, SPF and DMARC records, and prints what there is to
publish. While a server runs it is also looked at by itself: every 15 minutes in the first two days, and daily once all
is in order, or nobody has mended it for a week.

Examples:
  postern sender check example.com
  postern sender check news@example.com --key Newsletter --json`
}

// Run looks at a sender's domain.
func (c *senderCheckCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (domain.Report, error) {
		return calls.CheckSender(ctx, c.Key, c.Sender)
	}, func(is domain.Report) error {
		return s.printf("%s", checkWords(is))
	})
}

// checkWords is a look at a domain as text.
func checkWords(is domain.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s is %s\n", is.Email, plain(is.KeyName), is.Status)
	if is.EmailType != "unknown" {
		fmt.Fprintf(&b, "It is for %s mail.\n", is.EmailType)
	}
	for _, r := range []struct {
		name string
		domain.Record
	}{{"ownership", is.Ownership}, {"DKIM", is.DKIM}, {"SPF", is.SPF}} {
		state := map[string]string{"ok": "in order", "error": "wrong"}[r.Status]
		if state == "" {
			state = "not known: the DNS did not answer"
		}
		fmt.Fprintf(&b, "\n%s: %s\n", r.name, state)
		for _, e := range r.Errors {
			fmt.Fprintf(&b, "  %s\n", plain(e))
		}
		if r.Status != "ok" && r.Value != "" {
			fmt.Fprintf(&b, "  publish: %s TXT \"%s\"\n", r.Name, r.Value)
		}
		for _, have := range r.Current {
			fmt.Fprintf(&b, "  there now: %s\n", plain(have))
		}
	}
	if is.Ownership.Status != "ok" {
		fmt.Fprintf(&b, "\nOr prove the domain by an empty file: %s\n", is.FileURL)
	}
	if is.Advice != "" || is.DMARC != "" {
		fmt.Fprintf(&b, "\nDMARC: %s\n", strings.TrimSpace(plain(is.DMARC)+" "+is.Advice))
	}
	return b.String()
}

type senderRemoveCmd struct {
	Sender string `arg:"" help:"The address or domain, as it is listed."`
	ofKey
	asJSON
}

// Run removes a sender.
func (c *senderRemoveCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (senders.Sender, error) {
		return calls.RemoveSender(ctx, c.Key, c.Sender)
	}, func(gone senders.Sender) error {
		return s.printf("%s may no longer send from %s\n", plain(gone.KeyName), gone.Email)
	})
}
