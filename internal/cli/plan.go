// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"strings"

	"postern/internal/config"
	"postern/internal/control"
)

type planCmd struct {
	List   planListCmd   `cmd:"" help:"List the plans."`
	Create planCreateCmd `cmd:"" help:"Make a plan."`
	Change planChangeCmd `cmd:"" help:"Change a plan, for all accounts that have it."`
	Remove planRemoveCmd `cmd:"" help:"Remove a plan that no account has."`
}

type planListCmd struct{ asJSON }

// Run lists plans.
func (c *planListCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]control.Plan, error) {
		return calls.ListPlans(ctx)
	}, s.plans)
}

func (s *streams) plans(plans []control.Plan) error {
	rows := make([][]string, 0, len(plans))
	for _, p := range plans {
		kept := "for good"
		if p.RetentionDays > 0 {
			kept = number(int64(p.RetentionDays)) + " days"
		}
		rows = append(rows, []string{
			number(p.ID), p.Name, limit(p.Subaccounts), limit(p.MonthMessages), limit(p.HourMessages), limit(p.Users), kept,
			number(p.Accounts),
		})
	}
	return s.table([]string{"PLAN", "NAME", "SUBACCOUNTS", "A MONTH", "AN HOUR", "PEOPLE", "MESSAGES KEPT", "ACCOUNTS"}, rows)
}

// bounds are what a plan says.
type bounds struct {
	Subaccounts *int64 `placeholder:"N" help:"Subaccounts that an account may have; 0 for no limit."`
	Month       *int64 `placeholder:"N" help:"Messages a month, of all its keys together; 0 for no limit."`
	Hour        *int64 `placeholder:"N" help:"Messages an hour, of all its keys together; 0 for no limit."`
	Users       *int64 `placeholder:"N" help:"People, with open invitations; 0 for no limit."`
	Retention   *int   `placeholder:"DAYS" help:"Days that finished messages are kept; 0 for good."`
}

func (b bounds) change(name *string) control.PlanChange {
	return control.PlanChange{
		Name: name, Subaccounts: b.Subaccounts, MonthMessages: b.Month, HourMessages: b.Hour, Users: b.Users, RetentionDays: b.Retention,
	}
}

type planCreateCmd struct {
	Name string `arg:"" help:"Its name."`
	bounds
	asJSON
}

// Help teaches.
func (planCreateCmd) Help() string {
	return `What is not said is not limited.

Example:
  postern plan create Small --subaccounts 5 --month 10000 --hour 500 --users 3 --retention 30
  postern account plan "Acme Ltd" Small`
}

// Run makes a plan.
func (c *planCreateCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.Plan, error) {
		return calls.CreatePlan(ctx, c.change(&c.Name))
	}, s.plan)
}

func (s *streams) plan(p control.Plan) error { return s.plans([]control.Plan{p}) }

// ofPlan is the argument that names a plan.
type ofPlan struct {
	Plan string `arg:"" help:"The plan: its name or number."`
}

// Validate is asked by kong. An empty name may be a variable that is not set.
func (p ofPlan) Validate() error {
	if strings.TrimSpace(p.Plan) == "" {
		return errors.New("<plan>: it is empty")
	}
	return nil
}

type planChangeCmd struct {
	ofPlan
	Name *string `help:"Its new name."`
	bounds
	asJSON
}

// Help teaches.
func (planChangeCmd) Help() string {
	return `What is not said stays as it is. Accounts that have the plan are bound by it at once; what was granted to one of them beyond the plan stays.

Example:
  postern plan change Small --hour 1000`
}

// Run changes a plan.
func (c *planChangeCmd) Run(common *config.Common, s *streams) error {
	change := c.change(c.Name)
	if change == (control.PlanChange{}) {
		return &usageError{errors.New("say what to change: --name, --subaccounts, --month, --hour, --users or --retention")}
	}
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.Plan, error) {
		return calls.ChangePlan(ctx, c.Plan, change)
	}, s.plan)
}

type planRemoveCmd struct {
	ofPlan
	asJSON
}

// Run removes a plan.
func (c *planRemoveCmd) Run(common *config.Common, s *streams) error {
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		if err := calls.RemovePlan(ctx, c.Plan); err != nil {
			return err
		}
		if c.JSON {
			return s.printJSON(struct{ Removed string }{c.Plan})
		}
		return s.printf("%s removed\n", plain(c.Plan))
	})
}
