// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/webhooks"
)

type webhookLogCmd struct {
	Delivery string `arg:"" optional:"" help:"Show this one with what was posted, by its number."`
	Key      string `placeholder:"KEY" help:"Only of this key, by API key, name or number."`
	Event    string `placeholder:"TYPE" enum:"sent,open,click,bounce,blocked,spam,unsub," default:"" help:"Only with events of this type: sent, open, click, bounce, blocked, spam or unsub."`
	Failed   bool   `help:"Only what failed."`
	From     string `placeholder:"TIME" help:"From this day (2026-01-31) or time (2026-01-31T12:00:00Z) on, in UTC."`
	To       string `placeholder:"TIME" help:"To the end of this day, or before this time."`
	Limit    int    `default:"50" placeholder:"N" help:"How many, newest first; at most 1000."`
	asJSON
}

// Help teaches.
func (webhookLogCmd) Help() string {
	return `Requests are kept for a week, the last 1,000 of each key. A failed one is tried again; a dropped one is not.

Examples:
  postern webhook log --key Newsletter --failed
  postern webhook log 42
  postern webhook replay 42`
}

// Run lists requests, or shows one.
func (c *webhookLogCmd) Run(common *config.Common, s *streams) error {
	list := []bound{{"key", c.Key != ""}, {"event", c.Event != ""}, {"failed", c.Failed}, {"from", c.From != ""}, {"to", c.To != ""}}
	if err := oneOrList("<delivery>", c.Delivery, list...); err != nil {
		return err
	}
	if c.Delivery != "" {
		return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (webhooks.Delivery, error) {
			return calls.ShowDelivery(ctx, c.Delivery)
		}, s.delivery)
	}
	q := control.DeliveryQuery{Key: c.Key, Event: c.Event, Failed: c.Failed, Limit: &c.Limit}
	var err error
	if q.From, err = moment("--from", c.From, false); err != nil {
		return err
	}
	if q.To, err = moment("--to", c.To, true); err != nil {
		return err
	}
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]webhooks.Delivery, error) {
		return calls.ListDeliveries(ctx, q)
	}, s.deliveries)
}

// deliveries prints requests, one a line.
func (s *streams) deliveries(list []webhooks.Delivery) error {
	owner := "KEY"
	rows := make([][]string, 0, len(list))
	for _, x := range list {
		name := x.KeyName
		if x.Account != "" {
			owner, name = "ACCOUNT", x.Account
		}
		rows = append(rows, []string{number(x.ID), when(x.At,
			""), name, eventsOf(x), number(int64(x.Attempt)), outcome(x), answer(x.Status), took(x), x.Target, x.Error})
	}
	return s.table([]string{"DELIVERY", "TIME (UTC)", owner, "EVENTS", "ATTEMPT", "RESULT", "ANSWER", "TOOK", "TO", "REASON"}, rows)
}

// delivery prints one request with what was posted.
func (s *streams) delivery(x webhooks.Delivery) error {
	owner := []string{"Key", x.KeyName + " (" + x.APIKey + ")"}
	if x.Account != "" {
		owner = []string{"Account", x.Account}
	}
	err := s.table([]string{"Delivery", number(x.ID)}, [][]string{
		{"Time", when(x.At, "")},
		owner,
		{"To", x.Target},
		{"webhook-id", x.WebhookID},
		{"Events", eventsOf(x)},
		{"Version", number(int64(x.Version))},
		{"Attempt", number(int64(x.Attempt))},
		{"Result", strings.TrimSuffix(outcome(x)+": "+x.Error, ": ")},
		{"Answer", answer(x.Status)},
		{"Took", took(x)},
	})
	if err != nil {
		return err
	}
	var pretty bytes.Buffer
	switch {
	case x.Kept == 0:
		return s.printf("\nIts events are not kept any more.\n")
	case json.Indent(&pretty, []byte(x.Body), "", "  ") != nil:
		return s.printf("\n%s\n", plain(x.Body))
	}
	if err := s.printf("\n%s\n", printable(pretty.String())); err != nil || x.Kept == x.Count {
		return err
	}
	return s.printf("Of its %s %d are kept.\n", count(x.Count, "event", "events"), x.Kept)
}

// printable is plain for a text of several lines.
func printable(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	return strings.Join(lines, "\n")
}

// eventsOf is what was in a request.
func eventsOf(x webhooks.Delivery) string {
	switch {
	case x.Sample:
		return strings.Join(x.Events, ", ") + " (a sample)"
	case x.Count == 1:
		return strings.Join(x.Events, ", ")
	}
	return fmt.Sprintf("%d: %s", x.Count, strings.Join(x.Events, ", "))
}

// outcome is what came of a request. A sample is not tried again, and nothing is lost with it.
func outcome(x webhooks.Delivery) string {
	if x.Sample && x.Result != "delivered" {
		return "failed"
	}
	return x.Result
}

// answer is the status of the answer.
func answer(status int) string {
	if status == 0 {
		return "none"
	}
	return number(int64(status))
}

func took(x webhooks.Delivery) string { return number(x.TookMS) + " ms" }

type webhookReplayCmd struct {
	Delivery string `arg:"" optional:"" help:"The request whose events are told again, by its number in the log."`
	Since    string `placeholder:"TIME" help:"Tell a key's webhooks again what failed since this day (2026-01-31), time (2026-01-31T12:00:00Z) or so long ago (90m, 24h), and was not told after."`
	ofKey
	asJSON
}

// Help teaches.
func (webhookReplayCmd) Help() string {
	return `The events go to the URLs that are set now, at once or when a server runs. What waits already is left as it is.

Examples:
  postern webhook replay 42
  postern webhook replay --since 24h --key Newsletter`
}

// Run tells events again.
func (c *webhookReplayCmd) Run(common *config.Common, s *streams) error {
	switch {
	case c.Delivery == "" && c.Since == "":
		return &usageError{errors.New("say what is to be told again: a delivery's number, or --since")}
	case c.Delivery != "" && (c.Since != "" || c.Key != ""):
		return &usageError{errors.New("<delivery>: it goes without --since and --key")}
	}
	from, err := since(c.Since, time.Now())
	if err != nil {
		return err
	}
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (webhooks.Replayed, error) {
		if c.Delivery != "" {
			return calls.ReplayDelivery(ctx, c.Delivery)
		}
		return calls.ReplayFailed(ctx, c.Key, from)
	}, func(got webhooks.Replayed) error {
		if got.Events == 0 {
			return s.printf("Nothing is told again: nothing failed, it waits already, or no webhook takes it now.\n")
		}
		return s.printf("%s told again.\n", count(got.Events, "event is", "events are"))
	})
}

// since is a date, a time, or a time that is said as so long ago; zero for none.
func since(text string, now time.Time) (time.Time, error) {
	var ago span
	if ago.UnmarshalText([]byte(text)) == nil {
		return now.Add(-time.Duration(ago)).UTC().Truncate(time.Second), nil
	}
	t, err := moment("--since", text, false)
	if err != nil {
		err = &usageError{fmt.Errorf("--since: %q is neither a date (2026-01-31), a time (2026-01-31T12:00:00Z) nor so long ago "+
			"(90m, 24h)", text)}
	}
	return t, err
}
