// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/webhooks"
)

type webhookCmd struct {
	List   webhookListCmd   `cmd:"" help:"List webhooks, and how they fare."`
	Set    webhookSetCmd    `cmd:"" help:"Have a URL told of a key's events."`
	Remove webhookRemoveCmd `cmd:"" help:"Tell a key's events to nobody any more."`
	Test   webhookTestCmd   `cmd:"" help:"Post a sample to a webhook, and say what it answered."`
	Log    webhookLogCmd    `cmd:"" help:"List the latest requests to webhooks, or show one with what was posted."`
	Replay webhookReplayCmd `cmd:"" help:"Tell again what a webhook was told, or failed to be told."`
	Secret webhookSecretCmd `cmd:"" help:"Show since when a key's webhooks are signed, or make a new signing secret."`
}

// events names types of events of a key, in one of its two sets of webhooks.
type events struct {
	Events []string `arg:"" name:"event" enum:"sent,open,click,bounce,blocked,spam,unsub,all" help:"Types of events: sent, open, click, bounce, blocked, spam, unsub, or all."`
	ofKey
	Backup bool `help:"The backup, which takes over when the other URL is dead."`
	asJSON
}

func (e events) of() control.WebhookOf {
	return control.WebhookOf{Key: e.Key, Events: e.Events, Backup: e.Backup}
}

type webhookListCmd struct {
	Key string `placeholder:"KEY" help:"Only of this key, by API key, name or number."`
	asJSON
}

// Help teaches.
func (webhookListCmd) Help() string {
	return `A webhook works, fails (it is tried again), is dead (it failed for a day; set it again) or unused. A password in its URL reads xxxxx.

A URL stands once for each type of event that it is told of, and fares as one: LAST ATTEMPT, TOLD, DROPPED and STATE are the URL's own, of all these types together. WAITING is of the type. The last attempt may be one that was not taken.

Example:
  postern webhook list --key Newsletter`
}

// Run lists webhooks.
func (c *webhookListCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]webhooks.Webhook, error) {
		return calls.ListWebhooks(ctx, c.Key)
	}, s.webhooks)
}

func (s *streams) webhooks(list []webhooks.Webhook) error {
	rows := make([][]string, 0, len(list))
	for _, h := range list {
		event, state, to := h.Event, h.State, h.URL
		if h.Backup {
			event += " (backup)"
		}
		switch h.State {
		case "dead":
			state += " since " + when(h.DisabledAt, "")
		case "fails":
			state += " since " + when(h.FailingSince, "")
		}
		if h.LastError != "" {
			state += ": " + h.LastError
		}
		waiting := number(int64(h.Waiting))
		if h.Waiting >= webhooks.WaitingCounted {
			waiting += "+"
		}
		if to == "" {
			to = "(cannot be read under this server key: set it again)"
		}
		rows = append(rows, []string{event, to, number(int64(h.Version)), h.KeyName, when(h.LastAt,
			"never"), number(h.Delivered), waiting, number(h.Dropped), state})
	}
	return s.table([]string{"EVENT", "URL", "VERSION", "KEY", "LAST ATTEMPT (UTC)", "TOLD", "WAITING", "DROPPED", "STATE"}, rows)
}

type webhookSetCmd struct {
	URL string `arg:"" name:"url" help:"The URL; a user and password in it are sent as basic auth. - reads it from the standard input, where nobody else sees the password."`
	events
	Version counting `placeholder:"N" help:"1: an event a request. 2: up to a second's events in an array. Default: as it is, or 2."`
}

// Help teaches.
func (webhookSetCmd) Help() string {
	return `There is one URL for each type of event, and one backup. What is there is changed, what waits goes to the new URL, and a dead one is alive again. xxxxx for the password, as it is listed, keeps the password. Only what happens from then on is told.

Examples:
  postern webhook set https://hooks.example.com/mail bounce blocked spam unsub --key Newsletter
  postern webhook set - all --key Newsletter < url.txt
  postern webhook set https://backup.example.com/mail bounce --backup`
}

// Run sets webhooks.
func (c *webhookSetCmd) Run(common *config.Common, s *streams) error {
	to, err := s.urlOrHidden(c.URL)
	if err != nil {
		return err
	}
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]webhooks.Webhook, error) {
		return calls.SetWebhooks(ctx, control.WebhookSet{Key: c.Key, URL: to, Events: c.Events, Version: int(c.Version), Backup: c.Backup})
	}, s.webhooks)
}

type webhookRemoveCmd struct{ events }

// Help teaches.
func (webhookRemoveCmd) Help() string {
	return `What waits for it is not told. The log of what was told stays.

Examples:
  postern webhook remove open click --key Newsletter
  postern webhook remove all --backup --key Newsletter`
}

// Run removes webhooks.
func (c *webhookRemoveCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]webhooks.Webhook, error) {
		return calls.RemoveWebhooks(ctx, c.of())
	}, func(gone []webhooks.Webhook) error {
		for _, h := range gone {
			if err := s.printf("%s: %s events are told no more to %s\n", plain(h.KeyName), h.Event, plain(h.URL)); err != nil {
				return err
			}
		}
		return nil
	})
}

type webhookTestCmd struct{ events }

// Help teaches.
func (webhookTestCmd) Help() string {
	return `A sample has the MessageID 0. The exit code is 1 if a webhook did not answer with 2xx.

Example:
  postern webhook test bounce --key Newsletter`
}

// Run tries webhooks.
func (c *webhookTestCmd) Run(common *config.Common, s *streams) error {
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		tried, err := calls.TestWebhooks(ctx, c.of())
		if err != nil {
			return err
		}
		failed := 0
		var rows [][]string
		for _, x := range tried {
			if x.Error != "" {
				failed++
			}
			rows = append(rows, []string{strings.Join(x.Events, ", "), x.Target, outcome(x), answer(x.Status), took(x), x.Error})
		}
		if c.JSON {
			err = s.printJSON(tried)
		} else {
			err = s.table([]string{"EVENT", "TO", "RESULT", "ANSWER", "TOOK", "REASON"}, rows)
		}
		if err == nil && failed > 0 {
			err = fmt.Errorf("%d of %d samples were not taken", failed, len(tried))
		}
		return err
	})
}

type webhookSecretCmd struct {
	ofKey
	New     bool  `help:"Make a new one, and print it: the one time that it can be read."`
	Overlap *span `placeholder:"TIME" help:"With --new: how long the old one signs beside it, at most 30d; 0s ends it at once. Default: 24h."`
	asJSON
}

// Help teaches.
func (webhookSecretCmd) Help() string {
	return `Requests are signed the Standard Webhooks way from the time on that the key has a secret.

Examples:
  postern webhook secret --key Newsletter
  postern webhook secret --key Newsletter --new --json | jq -r .Secret`
}

// Run shows or makes a signing secret.
func (c *webhookSecretCmd) Run(common *config.Common, s *streams) error {
	overlap := 24 * time.Hour
	if c.Overlap != nil {
		overlap = time.Duration(*c.Overlap)
	}
	switch {
	case c.Overlap != nil && !c.New:
		return &usageError{errors.New("--overlap: it goes with --new: without that nothing is changed")}
	case overlap%time.Second != 0:
		return &usageError{errors.New("--overlap: it is not in whole seconds")}
	}
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (webhooks.SigningSecret, error) {
		if c.New {
			return calls.NewWebhookSecret(ctx, c.Key, overlap)
		}
		return calls.ShowWebhookSecret(ctx, c.Key)
	}, func(x webhooks.SigningSecret) error {
		return s.printf("%s", secretWords(x))
	})
}

func secretWords(x webhooks.SigningSecret) string {
	var b strings.Builder
	switch {
	case x.Secret != "":
		fmt.Fprintf(&b, "%s\n  Signing secret  %s\nIt is shown once: keep it now.\n", plain(x.KeyName), x.Secret)
	case x.CreatedAt.IsZero():
		fmt.Fprintf(&b, "%s has no signing secret: what its webhooks are told is not signed. --new makes one.\n", plain(x.KeyName))
	default:
		fmt.Fprintf(&b, "%s has a signing secret since %s UTC.\n", plain(x.KeyName), when(x.CreatedAt, ""))
	}
	if !x.OldEndsAt.IsZero() {
		fmt.Fprintf(&b, "The one before signs beside it until %s UTC.\n", when(x.OldEndsAt, ""))
	}
	return b.String()
}
