// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"postern/internal/accounts"
	"postern/internal/config"
	"postern/internal/control"
)

// whose is the argument that names an account.
type whose struct {
	Account string `arg:"" help:"The account: its number or name."`
}

// Validate is asked by kong. An empty name may be a variable that is not set.
func (w whose) Validate() error {
	if strings.TrimSpace(w.Account) == "" {
		return errors.New("<account>: it is empty")
	}
	return nil
}

type accountShowCmd struct {
	whose
	asJSON
}

// Help teaches.
func (accountShowCmd) Help() string {
	return `Example:
  postern account show "Acme Ltd"`
}

// Run shows an account.
func (c *accountShowCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.AccountDetails, error) {
		return calls.ShowAccount(ctx, c.Account)
	}, s.account)
}

// change asks for a change of an account and shows it after it.
func (w whose) change(common *config.Common, s *streams, change control.AccountChange, asJSON bool) error {
	return show(common, s, asJSON, func(ctx context.Context, calls control.Calls) (control.AccountDetails, error) {
		return calls.ChangeAccount(ctx, w.Account, change)
	}, s.account)
}

// account prints all of an account.
func (s *streams) account(a control.AccountDetails) error {
	overdue := "go on working"
	if a.Policy.StopOverdue {
		overdue = "stop working"
	}
	kept := "for good"
	if n := a.Allowance.RetentionDays; n > 0 {
		kept = fmt.Sprintf("%d days", n)
	}
	factor := "optional"
	if a.Policy.SecondFactor {
		factor = "required"
	}
	rows := [][]string{
		{"Master key", a.APIKey},
		{"Created", when(a.CreatedAt, "")},
		{"Keys", fmt.Sprintf("%d active, %d deactivated, %d suspended", a.States["active"], a.States["deactivated"],
			a.States["suspended"])},
		{"Secrets", fmt.Sprintf("are due after %d days, with reminders from %d days before; overdue ones %s", a.Policy.SecretDays,
			a.Policy.RemindDays, overdue)},
		{"Second factor", factor},
		{"A day, each key", limit(a.DayLimit)},
		{"Mail tells of", tells(a.Tracking)},
		{"Plan", orDash(a.Plan)},
		{"Subaccounts", used(a.Used.Subaccounts, a.Allowance.Subaccounts)},
		{"This month", used(a.Used.Month, a.Allowance.Month)},
		{"This hour", used(a.Used.Hour, a.Allowance.Hour)},
		{"People", used(a.Used.Users, a.Allowance.Users)},
		{"Messages kept", kept},
	}
	if err := s.table([]string{"Account", fmt.Sprintf("%s (%d)", a.Name, a.ID)}, rows); err != nil {
		return err
	}
	if err := s.people("\n", a.People); err != nil || len(a.Requests) == 0 {
		return err
	}
	return s.requests("\n", a.Requests)
}

type accountPolicyCmd struct {
	whose
	Days        *int  `placeholder:"N" help:"Days after which a secret is due for a reset, 1 to 3650."`
	Remind      *int  `placeholder:"N" help:"Days before that from which the owners are reminded."`
	StopOverdue *bool `negatable:"" help:"An overdue secret stops working, or goes on."`

	SecondFactor *bool `negatable:"" help:"Everybody who may do something in the account must have a second factor, or need not."`
	asJSON
}

// Help teaches.
func (accountPolicyCmd) Help() string {
	return `What is not said stays as it is; a new account has 90 and 14 days, and overdue secrets go on working. With --stop-overdue those that are overdue are refused when this returns: see 'postern key list --overdue' before.

Examples:
  postern account policy "Acme Ltd" --days 60 --remind 10
  postern account policy "Acme Ltd" --stop-overdue
  postern account policy "Acme Ltd" --second-factor`
}

// Run changes a policy.
func (c *accountPolicyCmd) Run(common *config.Common, s *streams) error {
	if c.Days == nil && c.Remind == nil && c.StopOverdue == nil && c.SecondFactor == nil {
		return &usageError{errors.New("say what to change: --days, --remind, --stop-overdue, --no-stop-overdue, --second-factor or " +
			"--no-second-factor")}
	}
	return c.change(common, s,
		control.AccountChange{SecretDays: c.Days, RemindDays: c.Remind, StopOverdue: c.StopOverdue, SecondFactor: c.SecondFactor}, c.JSON)
}

type accountLimitCmd struct {
	whose
	Day int64 `required:"" placeholder:"N" help:"Messages a day of each key that has no limit of its own; 0 for no limit."`
	asJSON
}

// Help teaches.
func (accountLimitCmd) Help() string {
	return `A key's own limit goes before: postern key restrict KEY --day N. What all keys of an account send together is bound by its plan.

Example:
  postern account limit "Acme Ltd" --day 5000`
}

// Run changes the limit.
func (c *accountLimitCmd) Run(common *config.Common, s *streams) error {
	return c.change(common, s, control.AccountChange{DayLimit: &c.Day}, c.JSON)
}

type accountRenameCmd struct {
	whose
	Name string `arg:"" help:"Its new name."`
	asJSON
}

// Run renames an account.
func (c *accountRenameCmd) Run(common *config.Common, s *streams) error {
	return c.change(common, s, control.AccountChange{Name: &c.Name}, c.JSON)
}

type accountPlanCmd struct {
	whose
	Plan string `arg:"" help:"The plan: its name or number; or none."`
	asJSON
}

// Help teaches.
func (accountPlanCmd) Help() string {
	return `The account is bound by the plan at once. What was granted beyond an earlier plan is void. What there is already stays, even where it is more than the plan allows.

Examples:
  postern account plan "Acme Ltd" Small
  postern account plan "Acme Ltd" none`
}

// Run assigns a plan.
func (c *accountPlanCmd) Run(common *config.Common, s *streams) error {
	plan := c.Plan
	if strings.EqualFold(plan, "none") {
		plan = ""
	}
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.AccountDetails, error) {
		return calls.AssignPlan(ctx, c.Account, plan)
	}, s.account)
}

type accountSuspendCmd struct {
	whose
	Reason string `required:"" placeholder:"TEXT" help:"Why: the owners are told it by mail."`
	asJSON
}

// Help teaches.
func (accountSuspendCmd) Help() string {
	return `The account is suspended as a whole: when this returns nothing can be sent with any of its keys, and their SMTP sessions are closed. Its people see everything, but invite nobody and make no keys. 'postern account restore' ends it, and leaves those keys suspended that were so for themselves.

Example:
  postern account suspend "Acme Ltd" --reason "The last invoice is not paid"`
}

// Run suspends an account.
func (c *accountSuspendCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (accounts.KeysChanged, error) {
		return calls.SuspendAccount(ctx, c.Account, c.Reason)
	}, func(out accounts.KeysChanged) error {
		return s.printf("keys suspended: %d; suspended before: %d\n", out.Changed, out.Left)
	})
}

type accountRestoreCmd struct {
	whose
	asJSON
}

// Run restores an account.
func (c *accountRestoreCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (accounts.KeysChanged, error) {
		return calls.RestoreAccount(ctx, c.Account)
	}, func(out accounts.KeysChanged) error {
		return s.printf("keys restored: %d; suspended for themselves, and still so: %d\n", out.Changed, out.Left)
	})
}
