// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"postern/internal/config"
	"postern/internal/control"
)

type keyRestrictCmd struct {
	which
	Permissions *string `placeholder:"LIST" help:"What it may be used for: send, statistics, manage, with commas between; or all."`
	Networks    *string `placeholder:"LIST" help:"Where it may be used from: addresses and networks (192.0.2.0/24) with commas between; or none, for everywhere."`
	Suggest     bool    `help:"Change nothing, but say which networks hold all addresses that used it in the last 30 days."`
	Senders     *string `placeholder:"LIST" help:"As whom it may send, of its senders: addresses and domains with commas between; or none, for all."`
	Hour        *int64  `placeholder:"N" help:"Messages an hour; 0 for no limit."`
	Day         *int64  `placeholder:"N" help:"Messages a day; 0 for the account's limit."`
	Month       *int64  `placeholder:"N" help:"Messages a month; 0 for no limit."`
	OverHour    string  `enum:"wait,refuse," default:"" placeholder:"WHAT" help:"Mail over the hourly limit: wait for the next hour, or refuse."`
	Clear       bool    `help:"Take all restrictions away first."`
	asJSON
}

// Help teaches.
func (keyRestrictCmd) Help() string {
	return `A restriction is in force when this returns. What is not said stays as it is. Without options it shows what restricts the key: so does 'postern key show'. Hours, days and months are UTC's.

Examples:
  postern key restrict Newsletter --permissions send --hour 500 --over-hour wait
  postern key restrict Newsletter --suggest
  postern key restrict Newsletter --networks 192.0.2.0/24,2001:db8::/64
  postern key restrict Newsletter --networks none
  postern key restrict Newsletter --clear`
}

// Run restricts a key.
func (c *keyRestrictCmd) Run(common *config.Common, s *streams) error {
	change, err := c.change()
	if err != nil {
		return &usageError{err}
	}
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		if c.Suggest {
			return c.suggest(ctx, calls, s)
		}
		k, err := calls.ChangeKey(ctx, c.Key, change)
		if err != nil {
			return err
		}
		if c.JSON {
			return s.printJSON(k)
		}
		if err := s.table([]string{"Key", fmt.Sprintf("%s (%d)", k.Name, k.ID)}, restrictions(k.Details)); err != nil ||
			len(k.ShutOut) == 0 {
			return err
		}
		return s.connections("\nThese used it within seven days and are shut out now:\n", k.ShutOut)
	})
}

// change is what the options ask for.
func (c *keyRestrictCmd) change() (control.KeyChange, error) {
	out := control.KeyChange{HourLimit: c.Hour, DayLimit: c.Day, MonthLimit: c.Month}
	if c.Clear {
		none, all := int64(0), everything()
		nothing, off := "", false
		out.Permissions, out.Networks, out.AllowedSenders, out.OverHourWaits = &all, &nothing, &nothing, &off
		for _, p := range []**int64{&out.HourLimit, &out.DayLimit, &out.MonthLimit} {
			if *p == nil {
				*p = &none
			}
		}
	}
	permissions, err := list("--permissions", c.Permissions, nil)
	if err != nil {
		return out, err
	}
	if permissions != nil {
		names := strings.Split(*permissions, ",")
		if strings.EqualFold(*permissions, "all") {
			names = everything()
		}
		out.Permissions = &names
	}
	if out.Networks, err = list("--networks", c.Networks, out.Networks); err != nil {
		return out, err
	}
	if out.AllowedSenders, err = list("--senders", c.Senders, out.AllowedSenders); err != nil {
		return out, err
	}
	if c.OverHour != "" {
		waits := c.OverHour == "wait"
		out.OverHourWaits = &waits
	}
	if c.Suggest && out != (control.KeyChange{}) {
		return out, errors.New("--suggest: it changes nothing, and stands alone")
	}
	return out, nil
}

// word is an argument as a shell takes it for one.
func word(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("-_.@", r) && (r < '0' || r > '9' && r < 'A' || r > 'Z' && r < 'a' || r > 'z')
	}) {
		return "'" + strings.ReplaceAll(plain(s), "'", `'\''`) + "'"
	}
	return s
}

func everything() []string { return []string{"send", "statistics", "manage"} }

// list reads a list, or "none". An empty one is refused: it may be a variable that is not set, and would open the key.
func list(flag string, given, otherwise *string) (*string, error) {
	if given == nil {
		return otherwise, nil
	}
	text := strings.TrimSpace(*given)
	switch {
	case text == "":
		return nil, errors.New(flag + ": it is empty; say none to take the restriction away")
	case strings.EqualFold(text, "none"):
		text = ""
	}
	return &text, nil
}

func (c *keyRestrictCmd) suggest(ctx context.Context, calls control.Calls, s *streams) error {
	out, err := calls.SuggestNetworks(ctx, c.Key)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.printJSON(out)
	}
	if len(out.Networks) == 0 {
		return s.printf("Nothing has used it from an address in the last 30 days: there is nothing to suggest.\n")
	}
	if err := s.printf("It was used from %s in the last 30 days, all in these networks:\n  postern key restrict %s --networks %s\n",
		count(out.Addresses, "address", "addresses"), word(c.Key), strings.Join(out.Networks, ",")); err != nil || out.Unknown == 0 {
		return err
	}
	return s.printf("%s without an address would be shut out.\n", count(out.Unknown, "connection", "connections"))
}
