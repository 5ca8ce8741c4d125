// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"postern/internal/config"
	"postern/internal/control"
)

type requestCmd struct {
	List    requestListCmd    `cmd:"" help:"List what accounts ask for beyond their plans."`
	Make    requestMakeCmd    `cmd:"" help:"Ask on behalf of an account that asked by other ways."`
	Grant   requestGrantCmd   `cmd:"" help:"Grant a request."`
	Decline requestDeclineCmd `cmd:"" help:"Decline a request."`
}

type requestListCmd struct {
	All bool `help:"Also those that are answered."`
	asJSON
}

// Run lists requests.
func (c *requestListCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]control.Request, error) {
		return calls.ListRequests(ctx, c.All)
	}, func(list []control.Request) error { return s.requests("", list) })
}

func (s *streams) requests(title string, list []control.Request) error {
	rows := make([][]string, 0, len(list))
	for _, q := range list {
		state := q.State
		if q.Answer != "" {
			state += ": " + q.Answer
		}
		rows = append(rows, []string{number(q.ID), when(q.CreatedAt,
			""), q.AccountName, q.AskedBy, q.Kind, number(q.Wanted), q.Reason, state})
	}
	return s.section(title, []string{"REQUEST", "MADE (UTC)", "ACCOUNT", "BY", "OF", "WANTED", "REASON", "STATE"}, rows)
}

type requestMakeCmd struct {
	Kind    string `arg:"" enum:"subaccounts,month,hour,users" help:"What there is to be more of: subaccounts, month or hour (messages), users."`
	Wanted  int64  `arg:"" help:"The limit that is wanted."`
	Account string `placeholder:"ACCOUNT" help:"The account, by number or name; needed when there are several."`
	Email   string `placeholder:"ADDRESS" help:"Where the answer goes. Default: the account's owners."`
	Reason  string `required:"" placeholder:"TEXT" help:"Why."`
	asJSON
}

// Help teaches.
func (requestMakeCmd) Help() string {
	return `Owners ask on the Account page, or by the API. This is for who asked by telephone: the answer is mailed as if they had.

Example:
  postern request make subaccounts 20 --account "Acme Ltd" --reason "Twelve new shops, by telephone"
  postern request grant 1`
}

// Run makes a request.
func (c *requestMakeCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.Request, error) {
		return calls.MakeRequest(ctx,
			control.NewRequest{Account: c.Account, Email: c.Email, Kind: c.Kind, Wanted: c.Wanted, Reason: c.Reason})
	}, s.request)
}

func (s *streams) request(q control.Request) error { return s.requests("", []control.Request{q}) }

type requestGrantCmd struct {
	ID    int64    `arg:"" help:"The request's number."`
	Limit counting `placeholder:"N" help:"The new limit. Default: what was wanted."`
	Note  string   `placeholder:"TEXT" help:"What who asked is told with it."`
	asJSON
}

// Help teaches.
func (requestGrantCmd) Help() string {
	return `The account's limit is raised when this returns, and who asked is told by mail.

Examples:
  postern request grant 7
  postern request grant 7 --limit 10 --note "Half of it for a start"`
}

// Run grants a request.
func (c *requestGrantCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.Request, error) {
		return calls.GrantRequest(ctx, c.ID, int64(c.Limit), c.Note)
	}, s.request)
}

type requestDeclineCmd struct {
	ID     int64  `arg:"" help:"The request's number."`
	Reason string `required:"" placeholder:"TEXT" help:"Why: who asked is told it by mail."`
	asJSON
}

// Help teaches.
func (requestDeclineCmd) Help() string {
	return `Example:
  postern request decline 7 --reason "Please choose a larger plan"`
}

// Run declines a request.
func (c *requestDeclineCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.Request, error) {
		return calls.DeclineRequest(ctx, c.ID, c.Reason)
	}, s.request)
}
