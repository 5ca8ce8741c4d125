// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"postern/internal/config"
	"postern/internal/control"
)

type keyCmd struct {
	List       keyListCmd       `cmd:"" help:"List keys, with the age of their secrets and when they were last used."`
	Create     keyCreateCmd     `cmd:"" help:"Make a subaccount with a key of its own; prints its secret, once."`
	Reset      keyResetCmd      `cmd:"" help:"Give a key a new secret and print it, once. The old one is dead at once."`
	Deactivate keyDeactivateCmd `cmd:"" help:"Stop a key: nothing can be sent with it."`
	Activate   keyActivateCmd   `cmd:"" help:"Let a deactivated key be used again."`
	Rename     keyRenameCmd     `cmd:"" help:"Rename a key."`
}

type keyListCmd struct {
	Account string `placeholder:"ACCOUNT" help:"Only of this account, by number or name."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Run lists keys.
func (c *keyListCmd) Run(common *config.Common, s *streams) error {
	return door(common, s, func(ctx context.Context, d *control.Client) error {
		var list []control.Key
		if err := d.Get(ctx, "/keys?account="+url.QueryEscape(c.Account), &list); err != nil {
			return err
		}
		if c.JSON {
			return s.printJSON(list)
		}
		rows := make([][]string, 0, len(list))
		for _, k := range list {
			kind := "subaccount"
			if k.Master {
				kind = "master"
			}
			rows = append(rows, []string{strconv.FormatInt(k.ID, 10), k.Name, kind, k.APIKey, k.State, "…" + k.SecretHint, due(k), when(k.LastUsedAt, "never")})
		}
		return s.table([]string{"KEY", "NAME", "KIND", "API KEY", "STATE", "SECRET", "RESET", "LAST USED (UTC)"}, rows)
	})
}

// due says when a key's secret is to be reset.
func due(k control.Key) string {
	if k.SecretDaysLeft < 0 {
		return fmt.Sprintf("overdue by %d days", -k.SecretDaysLeft)
	}
	return fmt.Sprintf("in %d days", k.SecretDaysLeft)
}

type keyCreateCmd struct {
	Name    string `arg:"" help:"Name of the subaccount: a team, a product or a customer."`
	Account string `placeholder:"ACCOUNT" help:"Under this account, by number or name; needed when there are several."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Help teaches.
func (keyCreateCmd) Help() string {
	return `Example:
  postern key create Newsletter --json | jq -r .SecretKey`
}

// Run makes a subaccount.
func (c *keyCreateCmd) Run(common *config.Common, s *streams) error {
	return door(common, s, func(ctx context.Context, d *control.Client) error {
		var made control.Credential
		if err := d.Post(ctx, "/keys", control.NewKey{Account: c.Account, Name: c.Name}, &made); err != nil {
			return err
		}
		return s.credential(made, c.JSON)
	})
}

// which is the argument that names a key.
type which struct {
	Key string `arg:"" help:"The key: its API key, name or number."`
}

func (w which) path(what string) string { return "/keys/" + url.PathEscape(w.Key) + "/" + what }

type keyResetCmd struct {
	which
	JSON bool `name:"json" help:"Print JSON."`
}

// Help teaches.
func (keyResetCmd) Help() string {
	return `When this returns, no request with the old secret is accepted, and the SMTP sessions that it opened are closed.

Example:
  postern key reset Newsletter`
}

// Run resets a key's secret.
func (c *keyResetCmd) Run(common *config.Common, s *streams) error {
	return door(common, s, func(ctx context.Context, d *control.Client) error {
		var made control.Credential
		if err := d.Post(ctx, c.path("reset"), struct{}{}, &made); err != nil {
			return err
		}
		return s.credential(made, c.JSON)
	})
}

type keyDeactivateCmd struct{ which }

// Run deactivates a key.
func (c *keyDeactivateCmd) Run(common *config.Common, s *streams) error {
	off := false
	return changeKey(common, s, c.which, control.KeyChange{Active: &off})
}

type keyActivateCmd struct{ which }

// Run activates a key.
func (c *keyActivateCmd) Run(common *config.Common, s *streams) error {
	on := true
	return changeKey(common, s, c.which, control.KeyChange{Active: &on})
}

type keyRenameCmd struct {
	which
	Name string `arg:"" help:"Its new name."`
}

// Run renames a key.
func (c *keyRenameCmd) Run(common *config.Common, s *streams) error {
	return changeKey(common, s, c.which, control.KeyChange{Name: &c.Name})
}

func changeKey(common *config.Common, s *streams, w which, change control.KeyChange) error {
	return door(common, s, func(ctx context.Context, d *control.Client) error {
		var k control.Key
		if err := d.Post(ctx, w.path("change"), change, &k); err != nil {
			return err
		}
		return s.printf("%s  %s  %s\n", k.APIKey, plain(k.Name), k.State)
	})
}
