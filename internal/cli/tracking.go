// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/keys"
)

type accountTrackingCmd struct {
	whose
	Opens       *bool  `negatable:"" help:"Put a pixel into HTML mail that does not say otherwise, or none."`
	Clicks      *bool  `negatable:"" help:"Lead the links of HTML mail that does not say otherwise through this server, or leave them."`
	Unsubscribe string `enum:"never,campaigns,all," default:"" placeholder:"WHAT" help:"Give a List-Unsubscribe field that this server answers to no mail (never), to mail of campaigns, or to all."`
	asJSON
}

// Help teaches.
func (accountTrackingCmd) Help() string {
	return `What is not said stays as it is; a new account tracks nothing. What a mail itself says (TrackOpens, TrackClicks) goes before. Recipients must be able to reach the server under its base URL, or under the key's own host name (postern key track-host), or their links lead nowhere.

Examples:
  postern account tracking "Acme Ltd" --opens --clicks --unsubscribe campaigns
  postern account tracking "Acme Ltd" --no-clicks`
}

// Run changes an account's tracking.
func (c *accountTrackingCmd) Run(common *config.Common, s *streams) error {
	if c.Opens == nil && c.Clicks == nil && c.Unsubscribe == "" {
		return &usageError{errors.New("say what to change: --opens, --clicks (or --no-…) or --unsubscribe")}
	}
	change := control.AccountChange{TrackOpens: c.Opens, TrackClicks: c.Clicks}
	if c.Unsubscribe != "" {
		change.Unsubscribe = &c.Unsubscribe
	}
	return c.change(common, s, change, c.JSON)
}

// tells is an account's tracking in words.
func tells(t control.Tracking) string {
	var out []string
	if t.Opens {
		out = append(out, "opens")
	}
	if t.Clicks {
		out = append(out, "clicks")
	}
	text := "nothing"
	if len(out) > 0 {
		text = strings.Join(out, ", ")
	}
	switch t.Unsubscribe {
	case "all":
		text += "; all has List-Unsubscribe"
	case "campaigns":
		text += "; that of campaigns has List-Unsubscribe"
	}
	return text
}

type keyTrackHostCmd struct {
	which
	Host string `arg:"" help:"The host name, such as links.example.com; or none, for the server's."`
	asJSON
}

// Help teaches.
func (keyTrackHostCmd) Help() string {
	return `The name must lead to this server (a CNAME), with a certificate where the server's base URL is https. Nothing but tracked links is answered under it.

Examples:
  postern key track-host Newsletter links.example.com
  postern key track-host Newsletter none`
}

// Run changes a key's host name.
func (c *keyTrackHostCmd) Run(common *config.Common, s *streams) error {
	host := strings.TrimSpace(c.Host)
	switch {
	case host == "":
		return &usageError{errors.New("<host>: it is empty; say none for the server's name")}
	case strings.EqualFold(host, "none"):
		host = ""
	}
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.ChangedKey, error) {
		return calls.ChangeKey(ctx, c.Key, control.KeyChange{TrackHost: &host})
	}, func(k control.ChangedKey) error {
		return s.table([]string{"Key", fmt.Sprintf("%s (%d)", k.Name, k.ID)}, [][]string{{"Links are under", linkHost(k.Key)}})
	})
}

func linkHost(k keys.Key) string {
	if k.TrackHost == "" {
		return "the server's name"
	}
	return k.TrackHost
}
