// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/webhooks"
)

type accountWebhookCmd struct {
	Show   accountWebhookShowCmd   `cmd:"" help:"Show where an account is told of its secrets, and how that fares."`
	Set    accountWebhookSetCmd    `cmd:"" help:"Have a URL told when an account's secrets are due, overdue or leaked; prints its signing secret, once."`
	Test   accountWebhookTestCmd   `cmd:"" help:"Post a sample to an account's webhook, and say what it answered."`
	Log    accountWebhookLogCmd    `cmd:"" help:"List the latest requests to an account's webhook."`
	Remove accountWebhookRemoveCmd `cmd:"" help:"Tell nobody by HTTP of an account's secrets any more."`
}

type accountWebhookShowCmd struct {
	whose
	asJSON
}

// Help teaches.
func (accountWebhookShowCmd) Help() string {
	return `The webhook works, fails (it is tried again), is dead (it failed for a day; set it again) or is unused. A password in its URL reads xxxxx. Where a key's messages are told is listed by 'postern webhook list'.

Example:
  postern account webhook show "Acme Ltd"`
}

// Run shows an account's webhook.
func (c *accountWebhookShowCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (webhooks.AccountWebhook, error) {
		return calls.ShowAccountWebhook(ctx, c.Account)
	}, s.accountWebhook)
}

// accountWebhook prints an account's webhook.
func (s *streams) accountWebhook(w webhooks.AccountWebhook) error {
	to, state := w.URL, w.State
	if to == "" {
		to = "(cannot be read under this server key: set it again)"
	}
	switch w.State {
	case "dead":
		state += " since " + when(w.DisabledAt, "")
	case "fails":
		state += " since " + when(w.FailingSince, "")
	}
	if w.LastError != "" {
		state += ": " + w.LastError
	}
	return s.table([]string{"Account", fmt.Sprintf("%s (%d)", w.AccountName, w.AccountID)}, [][]string{
		{"URL", to},
		{"Set", when(w.CreatedAt, "")},
		{"State", state},
		{"Last told", when(w.LastAt, "never")},
		{"Waiting", number(w.Waiting)},
		{"Given up", number(w.Dropped)},
	})
}

type accountWebhookSetCmd struct {
	whose
	URL string `arg:"" name:"url" help:"The URL; a user and password in it are sent as basic auth. - reads it from the standard input, where nobody else sees the password."`
	asJSON
}

// Help teaches.
func (accountWebhookSetCmd) Help() string {
	return `An account has one: another takes its place, and what waits goes to the new URL. Each time it is set it gets a new signing secret, and the one before ends at once; set it again as it is shown to change the secret alone. xxxxx for the password keeps the password.

Examples:
  postern account webhook set "Acme Ltd" https://hooks.example.com/postern
  postern account webhook set "Acme Ltd" - --json < url.txt | jq -r .Secret`
}

// Run sets an account's webhook.
func (c *accountWebhookSetCmd) Run(common *config.Common, s *streams) error {
	to, err := s.urlOrHidden(c.URL)
	if err != nil {
		return err
	}
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (webhooks.AccountWebhook, error) {
		return calls.SetAccountWebhook(ctx, c.Account, to)
	}, func(w webhooks.AccountWebhook) error {
		return s.printf("%s is told at %s\n  Signing secret  %s\nIt is shown once: keep it now.\n", plain(w.AccountName), plain(w.URL),
			w.Secret)
	})
}

// urlOrHidden is a webhook's URL as it was given, or for - read where nobody else sees it.
func (s *streams) urlOrHidden(given string) (string, error) {
	if given != "-" {
		return given, nil
	}
	return s.hidden("URL of the webhook", "URL")
}

type accountWebhookTestCmd struct {
	whose
	asJSON
}

// Help teaches.
func (accountWebhookTestCmd) Help() string {
	return `A sample has the type webhook.test, and is not tried again. The exit code is 1 if the webhook did not answer with 2xx.

Example:
  postern account webhook test "Acme Ltd"`
}

// Run tries an account's webhook.
func (c *accountWebhookTestCmd) Run(common *config.Common, s *streams) error {
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		x, err := calls.TestAccountWebhook(ctx, c.Account)
		if err != nil {
			return err
		}
		if c.JSON {
			err = s.printJSON(x)
		} else {
			err = s.table([]string{"TO", "RESULT", "ANSWER", "TOOK", "REASON"},
				[][]string{{x.Target, x.Result, answer(x.Status), number(x.TookMS) + " ms", x.Error}})
		}
		if err == nil && x.Error != "" {
			err = errors.New("the sample was not taken")
		}
		return err
	})
}

type accountWebhookLogCmd struct {
	whose
	Failed bool `help:"Only what failed."`
	Limit  int  `default:"50" placeholder:"N" help:"How many, newest first; at most 1000."`
	asJSON
}

// Help teaches.
func (accountWebhookLogCmd) Help() string {
	return `Requests are kept for a week, the last 1,000 of an account. A failed one is tried again; a dropped one is not. 'postern webhook log' shows one with what was posted, and 'postern webhook replay' repeats one, by its number.

Examples:
  postern account webhook log "Acme Ltd" --failed
  postern webhook log 42
  postern webhook replay 42`
}

// Run lists requests to an account's webhook.
func (c *accountWebhookLogCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]webhooks.Delivery, error) {
		return calls.ListAccountDeliveries(ctx, c.Account, control.DeliveryQuery{Failed: c.Failed, Limit: &c.Limit})
	}, s.deliveries)
}

type accountWebhookRemoveCmd struct {
	whose
	asJSON
}

// Help teaches.
func (accountWebhookRemoveCmd) Help() string {
	return `What waits for it is not told. Mail to the owners goes on.

Example:
  postern account webhook remove "Acme Ltd"`
}

// Run removes an account's webhook.
func (c *accountWebhookRemoveCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (webhooks.AccountWebhook, error) {
		return calls.RemoveAccountWebhook(ctx, c.Account)
	}, func(was webhooks.AccountWebhook) error {
		to := ""
		if was.URL != "" {
			to = " at " + was.URL
		}
		return s.printf("%s is told no more%s\n", plain(was.AccountName), plain(to))
	})
}
