// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"time"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/keys"
)

type keyCreateCmd struct {
	Name      string `arg:"" help:"Name of the subaccount: a team, a product or a customer."`
	Account   string `placeholder:"ACCOUNT" help:"Under this account, by number or name; needed when there are several."`
	Reference string `placeholder:"ID" help:"Your own ID for it, unique in the account."`
	asJSON
}

// Help teaches.
func (keyCreateCmd) Help() string {
	return `Examples:
  postern key create Newsletter --json | jq -r .SecretKey
  postern key create "Bakery Miller" --reference customer-4711`
}

// Run makes a subaccount.
func (c *keyCreateCmd) Run(common *config.Common, s *streams) error {
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		made, err := calls.CreateKey(ctx, control.NewKey{Account: c.Account, Name: c.Name, Reference: c.Reference})
		if err != nil {
			return err
		}
		return s.credential(made, c.JSON)
	})
}

type keyResetCmd struct {
	which
	Overlap   span     `placeholder:"TIME" help:"Let the old secret work on for 1m to 30d, such as 24h or 7d, so that the clients can be changed meanwhile."`
	EndSecret counting `placeholder:"SECRET" help:"With --overlap, when two secrets are live already: end this one at once, by its number."`
	asJSON
}

// Help teaches.
func (keyResetCmd) Help() string {
	return `Without --overlap the old secret is dead when this returns: no request with it is accepted, and the SMTP sessions that it opened are closed. With --overlap both work until the overlap's end, or until 'postern key retire'. See before what uses the old one: 'postern key show'.

Examples:
  postern key reset Newsletter
  postern key reset Newsletter --overlap 7d
  postern key reset Newsletter --overlap 24h --json | jq -r .SecretKey`
}

// Run resets a key's secret.
func (c *keyResetCmd) Run(common *config.Common, s *streams) error {
	if c.EndSecret != 0 && c.Overlap == 0 {
		return &usageError{fmt.Errorf("--end-secret: only with --overlap; a reset without one ends all old secrets")}
	}
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		made, err := calls.ResetKey(ctx, c.Key, keys.Reset{Overlap: time.Duration(c.Overlap), EndSecretID: int64(c.EndSecret)})
		if err != nil {
			return err
		}
		if err := s.credential(made, c.JSON); err != nil || c.JSON {
			return err
		}
		if len(made.Old) == 0 {
			return s.printf("The old one is dead.\n")
		}
		old := made.Old[0]
		return s.printf("The old one, …%s, works until %s UTC. When nothing uses it any more: postern key retire %s\n", old.Hint,
			when(old.ExpiresAt, ""), made.APIKey)
	})
}

type keyRetireCmd struct {
	which
	Secret counting `arg:"" optional:"" help:"Number of the secret to end. Default: the one that has an end."`
	asJSON
}

// Help teaches.
func (keyRetireCmd) Help() string {
	return `When this returns, no request with that secret is accepted, and the SMTP sessions that it opened are closed. The last live secret is not retired, but reset.

Examples:
  postern key show Newsletter        says what still uses the old one
  postern key retire Newsletter`
}

// Run retires a secret.
func (c *keyRetireCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (keys.Details, error) {
		return calls.RetireSecret(ctx, c.Key, int64(c.Secret))
	}, func(k keys.Details) error {
		return s.printf("%s  %s  what works is %s\n", k.APIKey, plain(k.Name), hints(k.Key))
	})
}

type keyLeakedCmd struct {
	URL string `name:"url" help:"Where it was found. It is kept in the audit log and told to the owners, and never fetched."`
	asJSON
}

// Help teaches.
func (keyLeakedCmd) Help() string {
	return `The secret is asked for, or read from the standard input: it is never an argument. If it is live it ends at once, and the key's owners are told by mail. They need not be asked: whoever has the secret could send with it.

Examples:
  postern key leaked
  postern key leaked < found.txt
  postern key leaked --url https://example.com/repository/config.yaml < found.txt`
}

// Run reports a leak.
func (c *keyLeakedCmd) Run(common *config.Common, s *streams) error {
	secret, err := s.secret("Secret key that leaked")
	if err != nil {
		return err
	}
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.LeakAnswer, error) {
		return calls.ReportLeak(ctx, secret, c.URL)
	}, func(a control.LeakAnswer) error {
		switch {
		case a.Live:
			return s.printf("It was live, and is dead now. The key's owners are told.\n")
		}
		return s.printf("It is not a live secret of this server: nothing was changed.\n")
	})
}

type keyDeactivateCmd struct {
	which
	asJSON
}

// Run deactivates a key.
func (c *keyDeactivateCmd) Run(common *config.Common, s *streams) error {
	off := false
	return c.changeKey(common, s, control.KeyChange{Active: &off}, c.JSON)
}

type keyActivateCmd struct {
	which
	asJSON
}

// Run activates a key.
func (c *keyActivateCmd) Run(common *config.Common, s *streams) error {
	on := true
	return c.changeKey(common, s, control.KeyChange{Active: &on}, c.JSON)
}

type keyRenameCmd struct {
	which
	Name      string  `arg:"" help:"Its new name."`
	Reference *string `placeholder:"ID" help:"Your own ID for it; empty for none."`
	asJSON
}

// Run renames a key.
func (c *keyRenameCmd) Run(common *config.Common, s *streams) error {
	return c.changeKey(common, s, control.KeyChange{Name: &c.Name, Reference: c.Reference}, c.JSON)
}

// changeKey asks for a change of a key and says how it is after it.
func (w which) changeKey(common *config.Common, s *streams, change control.KeyChange, asJSON bool) error {
	return show(common, s, asJSON, func(ctx context.Context, calls control.Calls) (control.ChangedKey, error) {
		return calls.ChangeKey(ctx, w.Key, change)
	}, func(k control.ChangedKey) error { return s.keyState(k.Details) })
}

// keyState says in a line how a key is.
func (s *streams) keyState(k keys.Details) error {
	return s.printf("%s  %s  %s\n", k.APIKey, plain(k.Name), k.State)
}

type keySuspendCmd struct {
	which
	Reason string `required:"" placeholder:"TEXT" help:"Why: the key's owners are told it by mail."`
	asJSON
}

// Help teaches.
func (keySuspendCmd) Help() string {
	return `Nothing can be sent with the key, and its SMTP sessions are closed when this returns. Its owners see the reason; they cannot end it.

Example:
  postern key suspend Newsletter --reason "Complaints of 3 recipients: please call us"`
}

// Run suspends a key.
func (c *keySuspendCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (keys.Details, error) {
		return calls.SuspendKey(ctx, c.Key, c.Reason)
	}, s.keyState)
}

type keyRestoreCmd struct {
	which
	asJSON
}

// Run ends a suspension.
func (c *keyRestoreCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (keys.Details, error) {
		return calls.RestoreKey(ctx, c.Key)
	}, s.keyState)
}

type keyDeleteCmd struct {
	which
	Queued string `required:"" enum:"send,cancel" placeholder:"WHAT" help:"What becomes of the mail that waits: it is sent, or cancelled (given up)."`
	Yes    bool   `help:"Do not ask."`
	asJSON
}

// Help teaches.
func (keyDeleteCmd) Help() string {
	return `Its secrets are dead and its sessions closed when this returns. Its name and reference can be used again, its API key never. What it has sent stays in the history. There is no way back; 'postern key deactivate' has one.

Example:
  postern key delete Newsletter --queued send`
}

// Run deletes a key.
func (c *keyDeleteCmd) Run(common *config.Common, s *streams) error {
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		k, err := calls.ShowKey(ctx, c.Key)
		if err != nil {
			return err
		}
		if !c.Yes {
			for _, x := range k.Secrets {
				if x.LastUsedAt.After(time.Now().Add(-24 * time.Hour)) {
					fmt.Fprintf(s.err, "…%s was last used at %s UTC.\n", x.Hint, when(x.LastUsedAt, "")) //nolint:errcheck // the question follows
				}
			}
			if err := s.sure(fmt.Sprintf("Delete %s (%s) for good?", plain(k.Name), k.APIKey)); err != nil {
				return err
			}
		}
		if err := calls.DeleteKey(ctx, k.APIKey, c.Queued == "cancel"); err != nil {
			return err
		}
		if c.JSON {
			return s.printJSON(struct{ Deleted, Name string }{k.APIKey, k.Name})
		}
		return s.printf("%s  %s  deleted\n", k.APIKey, plain(k.Name))
	})
}
