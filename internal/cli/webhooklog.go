// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"postern/internal/config"
	"postern/internal/control"
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
	return door(common, s, func(ctx context.Context, d *control.Client) error {
		if c.Delivery != "" {
			return c.show(ctx, d, s)
		}
		q := url.Values{"key": {c.Key}, "event": {c.Event}, "from": {c.From}, "to": {c.To}, "limit": {number(int64(c.Limit))}}
		if c.Failed {
			q.Set("failed", "yes")
		}
		var list []control.Delivery
		if err := d.Get(ctx, "/deliveries?"+q.Encode(), &list); err != nil {
			return err
		}
		if c.JSON {
			return s.printJSON(list)
		}
		rows := make([][]string, 0, len(list))
		for _, x := range list {
			rows = append(rows, []string{number(x.ID), when(x.At, ""), x.KeyName, told(x), number(int64(x.Attempt)), outcome(x), answer(x.Status), took(x), x.Target, x.Error})
		}
		return s.table([]string{"DELIVERY", "TIME (UTC)", "KEY", "EVENTS", "ATTEMPT", "RESULT", "ANSWER", "TOOK", "TO", "REASON"}, rows)
	})
}

func (c *webhookLogCmd) show(ctx context.Context, d *control.Client, s *streams) error {
	var x control.Delivery
	if err := d.Get(ctx, "/deliveries/"+url.PathEscape(c.Delivery), &x); err != nil {
		return err
	}
	if c.JSON {
		return s.printJSON(x)
	}
	err := s.table([]string{"Delivery", number(x.ID)}, [][]string{
		{"Time", when(x.At, "")},
		{"Key", x.KeyName + " (" + x.APIKey + ")"},
		{"To", x.Target},
		{"webhook-id", x.WebhookID},
		{"Events", told(x)},
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

// told is what a request told of.
func told(x control.Delivery) string {
	switch {
	case x.Sample:
		return strings.Join(x.Events, ", ") + " (a sample)"
	case x.Count == 1:
		return strings.Join(x.Events, ", ")
	}
	return fmt.Sprintf("%d: %s", x.Count, strings.Join(x.Events, ", "))
}

// outcome is what came of a request. A sample is not tried again, and nothing is lost with it.
func outcome(x control.Delivery) string {
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

func took(x control.Delivery) string { return number(x.TookMS) + " ms" }

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
	path, in := "/deliveries/replay", any(control.ReplayFailed{Key: c.Key, Since: since(c.Since, time.Now())})
	switch {
	case c.Delivery == "" && c.Since == "":
		return &usageError{errors.New("say what is to be told again: a delivery's number, or --since")}
	case c.Delivery != "" && (c.Since != "" || c.Key != ""):
		return &usageError{errors.New("<delivery>: it goes without --since and --key")}
	case c.Delivery != "":
		path, in = "/deliveries/"+url.PathEscape(c.Delivery)+"/replay", struct{}{}
	}
	return door(common, s, func(ctx context.Context, d *control.Client) error {
		var got control.Replayed
		if err := d.Post(ctx, path, in, &got); err != nil {
			return err
		}
		if c.JSON {
			return s.printJSON(got)
		}
		if got.Events == 0 {
			return s.printf("Nothing is told again: nothing failed, it waits already, or no webhook takes it now.\n")
		}
		return s.printf("%s told again.\n", count(got.Events, "event is", "events are"))
	})
}

// since is a time that is said as so long ago; any other text is left to the door.
func since(text string, now time.Time) string {
	var ago span
	if ago.UnmarshalText([]byte(text)) != nil {
		return text
	}
	return now.Add(-time.Duration(ago)).UTC().Format(time.RFC3339)
}
