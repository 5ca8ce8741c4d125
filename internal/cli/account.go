// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strconv"
	"strings"

	"postern/internal/config"
	"postern/internal/control"
)

type accountCmd struct {
	Create   accountCreateCmd   `cmd:"" help:"Make a primary account with an owner and a master key; prints its secret, once."`
	List     accountListCmd     `cmd:"" help:"List the primary accounts."`
	Show     accountShowCmd     `cmd:"" help:"Show all of an account: its people, policy, plan and what it uses of it."`
	Policy   accountPolicyCmd   `cmd:"" help:"Say after how many days an account's secrets are due, and what becomes of overdue ones."`
	Limit    accountLimitCmd    `cmd:"" help:"Bound how many messages a day each key of an account sends that has no limit of its own."`
	Tracking accountTrackingCmd `cmd:"" help:"Say what an account's mail tells of its recipients: opens, clicks, and how to unsubscribe."`
	Plan     accountPlanCmd     `cmd:"" help:"Give an account a plan, or none."`
	Webhook  accountWebhookCmd  `cmd:"" help:"A URL that is told of an account's secrets."`
	Rename   accountRenameCmd   `cmd:"" help:"Rename an account."`
	Suspend  accountSuspendCmd  `cmd:"" help:"Close an account with all its keys."`
	Restore  accountRestoreCmd  `cmd:"" help:"End an account's suspension."`
}

type accountCreateCmd struct {
	Name  string `arg:"" help:"Name of the organisation."`
	Email string `required:"" placeholder:"ADDRESS" help:"Email address that its owner signs in with."`
	asJSON
}

// Help teaches.
func (accountCreateCmd) Help() string {
	return `Example:
  postern account create "Acme Ltd" --email ops@acme.example`
}

// Run makes an account.
func (c *accountCreateCmd) Run(common *config.Common, s *streams) error {
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		made, err := calls.CreateAccount(ctx, control.NewAccount{Name: c.Name, Email: c.Email})
		if err != nil {
			return err
		}
		return s.credential(made, c.JSON)
	})
}

// credential prints a key with its secret: the one time that it can be read.
func (s *streams) credential(c control.Credential, asJSON bool) error {
	if asJSON {
		return s.printJSON(c)
	}
	if err := s.printf("%s\n  API key     %s\n  Secret key  %s\n", plain(c.Name), c.APIKey, c.SecretKey); err != nil {
		return err
	}
	if c.SignInURL != "" {
		if err := s.printf("  Owner       %s\n  Sign-in     %s\n              (once, within a day)\n", plain(c.Email),
			c.SignInURL); err != nil {
			return err
		}
	}
	return s.printf("The secret key is shown once: keep it now.\n")
}

type accountListCmd struct{ asJSON }

// Run lists accounts.
func (c *accountListCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]control.Account, error) {
		return calls.ListAccounts(ctx)
	}, func(list []control.Account) error {
		rows := make([][]string, 0, len(list))
		for _, a := range list {
			rows = append(rows, []string{strconv.FormatInt(a.ID, 10), a.Name, strings.Join(a.Users,
				", "), a.APIKey, strconv.Itoa(a.Keys), orDash(a.Plan), when(a.CreatedAt, "")})
		}
		return s.table([]string{"ACCOUNT", "NAME", "USERS", "MASTER KEY", "KEYS", "PLAN", "CREATED (UTC)"}, rows)
	})
}
