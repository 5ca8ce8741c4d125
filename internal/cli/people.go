// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"postern/internal/config"
	"postern/internal/control"
)

type userListCmd struct {
	Account string `placeholder:"ACCOUNT" help:"Only of this account, by number or name."`
	asJSON
}

// Run lists people.
func (c *userListCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]control.Person, error) {
		return calls.ListPeople(ctx, c.Account)
	}, func(list []control.Person) error {
		return s.people("", list)
	})
}

func (s *streams) people(title string, list []control.Person) error {
	rows := make([][]string, 0, len(list))
	for _, p := range list {
		on := "the account"
		switch {
		case p.KeyName != "":
			on = p.KeyName
		case p.Role == "":
			on = "-"
		}
		last := when(p.LastSignInAt, "never")
		switch {
		case p.Invited:
			last = "invited until " + when(p.Until, "")
		case p.Operator:
			last += ", operator"
		}
		rows = append(rows, []string{p.Email, orDash(p.AccountName), orDash(p.Role), on, when(p.Since, ""), last})
	}
	return s.section(title, []string{"USER", "ACCOUNT", "ROLE", "ON", "SINCE (UTC)", "LAST SIGN-IN (UTC)"}, rows)
}

// sharedWith is whom a share is about.
type sharedWith struct {
	Email   string   `arg:"" help:"The email address."`
	Account string   `placeholder:"ACCOUNT" help:"The account, by number or name; needed when there are several."`
	Key     []string `sep:"none" placeholder:"KEY" help:"Only this key, by API key, name or number; may be given more than once. Default: the whole account."`
}

type userInviteCmd struct {
	sharedWith
	Role string   `required:"" enum:"owner,manager,sender,analyst" placeholder:"ROLE" help:"owner (everything), manager (all but people, policy and plan), sender (sends, and sees what was sent) or analyst (reads)."`
	Days counting `default:"7" placeholder:"N" help:"Days until the invitation ends, 1 to 30."`
	asJSON
}

// Help teaches.
func (userInviteCmd) Help() string {
	return `The link is in the mail alone. 'postern user remove' withdraws an invitation that is not accepted yet.

Examples:
  postern user invite ann@example.com --role manager
  postern user invite bob@example.com --role analyst --key Newsletter --key Shop`
}

// Run invites somebody.
func (c *userInviteCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.Person, error) {
		return calls.Invite(ctx, control.Share{Account: c.Account, Email: c.Email, Role: c.Role, Keys: c.Key, Days: int(c.Days)})
	}, func(p control.Person) error {
		return s.printf("%s is invited to %s as %s; the link is in the mail that is on its way, and is good until %s UTC\n",
			plain(p.Email), plain(p.AccountName), p.Role, when(p.Until, ""))
	})
}

type userAccessCmd struct {
	sharedWith
	Role string `required:"" enum:"owner,manager,sender,analyst" placeholder:"ROLE" help:"The new role: owner, manager, sender or analyst."`
	asJSON
}

// Help teaches.
func (userAccessCmd) Help() string {
	return `It is in force with their next click. Without --key it is the role on all that they have of the account. An account keeps one owner at least.

Example:
  postern user access ann@example.com --role owner --account "Acme Ltd"`
}

// Run changes a role.
func (c *userAccessCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]control.Person, error) {
		return calls.ChangeAccess(ctx, control.Share{Account: c.Account, Email: c.Email, Role: c.Role, Keys: c.Key})
	}, func(list []control.Person) error {
		return s.people("", list)
	})
}

type userRemoveCmd struct {
	sharedWith
	asJSON
}

// Help teaches.
func (userRemoveCmd) Help() string {
	return `What they have open of it ends with their next click, and an open invitation is withdrawn. Keys that they know go on working: reset those.

Examples:
  postern user remove bob@example.com
  postern user remove bob@example.com --key Newsletter`
}

// Run takes access away.
func (c *userRemoveCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.Shared, error) {
		return calls.RemovePerson(ctx, control.Share{Account: c.Account, Email: c.Email, Keys: c.Key})
	}, func(out control.Shared) error {
		return s.printf("%s: accesses removed %d, invitations withdrawn %d\n", plain(c.Email), out.Accesses, out.Invitations)
	})
}

type userOperatorCmd struct {
	Email string `arg:"" help:"Email address of the user."`
	Off   bool   `help:"Take it away."`
	asJSON
}

// Help teaches.
func (userOperatorCmd) Help() string {
	return `An operator sees the operator's pages: all accounts, plans and requests, and is mailed when something is asked for.

Examples:
  postern user operator ops@example.com
  postern user operator ops@example.com --off`
}

// Run makes an operator.
func (c *userOperatorCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.OperatorOf, error) {
		return calls.SetOperator(ctx, c.Email, !c.Off)
	}, func(out control.OperatorOf) error {
		switch {
		case out.Operator:
			return s.printf("%s is an operator\n", plain(out.Email))
		}
		return s.printf("%s is no operator\n", plain(out.Email))
	})
}
