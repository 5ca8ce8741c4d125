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
	"postern/internal/keys"
)

type keyCmd struct {
	List        keyListCmd        `cmd:"" help:"List keys, with the age of their secrets and when they were last used."`
	Show        keyShowCmd        `cmd:"" help:"Show all of a key: its secrets, who uses them, what restricts it, what would break."`
	Connections keyConnectionsCmd `cmd:"" help:"List who uses a key's live secrets, from where."`
	Create      keyCreateCmd      `cmd:"" help:"Make a subaccount with a key of its own; prints its secret, once."`
	Reset       keyResetCmd       `cmd:"" help:"Give a key a new secret and print it, once. The old one is dead at once, or after an overlap."`
	Retire      keyRetireCmd      `cmd:"" help:"End the old secret of an overlap early."`
	Leaked      keyLeakedCmd      `cmd:"" help:"End a secret that was found where it should not be, whosever it is."`
	Restrict    keyRestrictCmd    `cmd:"" help:"Bound what a key may do, from where, as whom and how much."`
	TrackHost   keyTrackHostCmd   `cmd:"" name:"track-host" help:"Give the links in a key's mail a host name of its own."`
	Deactivate  keyDeactivateCmd  `cmd:"" help:"Stop a key: nothing can be sent with it."`
	Activate    keyActivateCmd    `cmd:"" help:"Let a deactivated key be used again."`
	Suspend     keySuspendCmd     `cmd:"" help:"Close a key by the operator's word, whatever its owner does."`
	Restore     keyRestoreCmd     `cmd:"" help:"End a suspension: the key is again what it was before."`
	Rename      keyRenameCmd      `cmd:"" help:"Rename a key."`
	Delete      keyDeleteCmd      `cmd:"" help:"End a subaccount for good."`
	Import      keyImportCmd      `cmd:"" help:"Bring in pairs of another service, which go on working."`
	Export      keyExportCmd      `cmd:"" help:"Print all keys as CSV, without secrets."`
}

// which is the argument that names a key.
type which struct {
	Key string `arg:"" help:"The key: its API key, name, number or reference; ref:ID is always a reference."`
}

// Validate is asked by kong. An empty name may be a variable that is not set.
func (w which) Validate() error {
	if strings.TrimSpace(w.Key) == "" {
		return errors.New("<key>: it is empty")
	}
	return nil
}

type keyListCmd struct {
	Account string `placeholder:"ACCOUNT" help:"Only of this account, by number or name."`
	Due     bool   `help:"Only those with a secret that is due for a reset."`
	Overdue bool   `help:"Only those with a secret that is overdue."`
	Search  string `placeholder:"TEXT" help:"Only those with this in the name or reference, or at the beginning of the API key."`
	State   string `enum:"active,deactivated,suspended," default:"" placeholder:"STATE" help:"Only those that are active, deactivated or suspended."`
	Deleted bool   `help:"Those that were deleted, instead."`
	asJSON
}

// Help teaches.
func (keyListCmd) Help() string {
	return `RESET says when the newest secret is due by its account's policy. A secret with an end is the old one of an overlap.

Examples:
  postern key list --overdue
  postern key list --account "Acme Ltd" --state suspended
  postern key list --json | jq -r '.[] | select(.SecretDaysLeft < 7) | .Name'`
}

// filter is which keys are wanted.
func (c *keyListCmd) filter() control.KeyList {
	return control.KeyList{Account: c.Account, Search: c.Search, State: c.State, Deleted: c.Deleted, Due: c.Due, Overdue: c.Overdue}
}

// Run lists keys.
func (c *keyListCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]keys.Key, error) {
		return calls.ListKeys(ctx, c.filter())
	}, func(list []keys.Key) error {
		rows := make([][]string, 0, len(list))
		for _, k := range list {
			rows = append(rows, []string{
				number(k.ID), k.Name, kind(k), k.APIKey, state(k), k.Reference, hints(k), due(k), when(k.LastUsedAt, "never"),
			})
		}
		return s.table([]string{"KEY", "NAME", "KIND", "API KEY", "STATE", "REFERENCE", "SECRET", "RESET", "LAST USED (UTC)"}, rows)
	})
}

func kind(k keys.Key) string {
	if k.Master {
		return "master"
	}
	return "subaccount"
}

func state(k keys.Key) string {
	if !k.DeletedAt.IsZero() {
		return "deleted"
	}
	return k.State
}

// hints tell the live secrets of a key apart, with the end of one that has one.
func hints(k keys.Key) string {
	var out []string
	for _, x := range k.Secrets {
		text := "…" + x.Hint
		if !x.ExpiresAt.IsZero() {
			text += " until " + when(x.ExpiresAt, "")
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

// due says when a key's secret is to be reset.
func due(k keys.Key) string {
	switch {
	case !k.DeletedAt.IsZero():
		return "deleted " + when(k.DeletedAt, "")
	case len(k.Secrets) == 0:
		return "now: no secret is live"
	case !k.Secrets[0].ExpiresAt.IsZero():
		return "before its secret ends"
	case k.Secrets[0].Overdue:
		return "overdue by " + long(max(24*time.Hour, time.Duration(-k.SecretDaysLeft)*24*time.Hour))
	}
	if k.SecretDaysLeft < 0 {
		return "when it is active again"
	}
	return fmt.Sprintf("in %d days", k.SecretDaysLeft)
}

type keyShowCmd struct {
	which
	asJSON
}

// Help teaches.
func (keyShowCmd) Help() string {
	return `The last part says what would break if a secret ended now: the connections that used it within 24 hours, or for how long nothing has. A use is listed some seconds after it happened.

Example:
  postern key show Newsletter`
}

// Run shows a key.
func (c *keyShowCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (keys.Details, error) {
		return calls.ShowKey(ctx, c.Key)
	}, func(k keys.Details) error {
		return s.key(k)
	})
}

// key prints all of a key.
func (s *streams) key(k keys.Details) error {
	is := state(k.Key)
	if k.StateReason != "" {
		is += ": " + k.StateReason
	}
	rows := [][]string{
		{"Account", fmt.Sprintf("%s (%d)", k.AccountName, k.AccountID)},
		{"Kind", kind(k.Key)},
		{"API key", k.APIKey},
		{"Reference", orDash(k.Reference)},
		{"State", is},
		{"Created", when(k.CreatedAt, "")},
		{"Senders", orDash(strings.Join(k.Senders, ", "))},
	}
	rows = append(rows, restrictions(k)...)
	if err := s.table([]string{"Key", fmt.Sprintf("%s (%d)", k.Name, k.ID)}, rows); err != nil {
		return err
	}
	rows = nil
	for i, x := range k.Secrets {
		reset := "ends by itself"
		if x.ExpiresAt.IsZero() {
			one := k.Key
			one.Secrets, one.SecretDaysLeft = k.Secrets[i:], x.DaysLeft
			reset = due(one)
		}
		ends := when(x.ExpiresAt, "never")
		if !x.StopsAt.IsZero() && (x.ExpiresAt.IsZero() || x.StopsAt.Before(x.ExpiresAt)) {
			ends = when(x.StopsAt, "") + " by the account's policy"
		}
		rows = append(rows, []string{number(x.ID), "…" + x.Hint, when(x.CreatedAt, ""), fmt.Sprintf("%d days",
			x.AgeDays), reset, ends, when(x.LastUsedAt, "never")})
	}
	if err := s.section("\n", []string{"SECRET", "HINT", "CREATED (UTC)", "AGE", "RESET", "ENDS (UTC)", "LAST USED (UTC)"},
		rows); err != nil {
		return err
	}
	for _, x := range k.Secrets {
		if err := s.wouldBreak(x, k.Connections, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// restrictions are what bounds a key, with how much of it is used.
func restrictions(k keys.Details) [][]string {
	r := k.Restrictions
	everywhere, all := "everywhere", "all of its senders"
	if len(r.Networks) > 0 {
		everywhere = strings.Join(r.Networks, ", ")
	}
	if len(r.AllowedSenders) > 0 {
		all = strings.Join(r.AllowedSenders, ", ")
	}
	day := used(k.Use.ThisDay, r.DayLimit)
	if r.DayLimit == 0 && r.AccountDay > 0 {
		day = used(k.Use.ThisDay, r.AccountDay) + ", the account's limit"
	}
	hour := used(k.Use.ThisHour, r.HourLimit)
	if r.HourLimit > 0 {
		hour += map[string]string{"wait": ", more waits", "refuse": ", more is refused"}[r.OverHour]
	}
	out := [][]string{
		{"Permissions", strings.Join(r.Permissions, ", ")},
		{"Networks", everywhere},
		{"Sends as", all},
		{"This hour", hour},
		{"This day", day},
		{"This month", used(k.Use.ThisMonth, r.MonthLimit)},
	}
	if len(r.ByOperator) > 0 {
		out = append(out, []string{"By the operator", strings.Join(r.ByOperator, ", ") + " (nobody else loosens them)"})
	}
	return out
}

// wouldBreak says what the end of a secret would break.
func (s *streams) wouldBreak(x keys.Secret, all []keys.Connection, now time.Time) error {
	var recent []keys.Connection
	last := x.LastUsedAt
	for _, c := range all {
		if c.SecretID != x.ID {
			continue
		}
		if c.LastSeenAt.After(last) {
			last = c.LastSeenAt
		}
		if c.LastSeenAt.After(now.Add(-24 * time.Hour)) {
			recent = append(recent, c)
		}
	}
	switch {
	case len(recent) > 0:
		return s.connections(fmt.Sprintf("\nThe end of …%s would break these, seen in the last 24 hours:\n", x.Hint), recent)
	case last.IsZero():
		return s.printf("\nNothing has ever used …%s.\n", x.Hint)
	}
	return s.printf("\nNothing has used …%s for %s.\n", x.Hint, long(now.Sub(last)))
}

// section prints a table under a title.
func (s *streams) section(title string, head []string, rows [][]string) error {
	if err := s.printf("%s", title); err != nil {
		return err
	}
	return s.table(head, rows)
}

func (s *streams) connections(title string, list []keys.Connection) error {
	rows := make([][]string, 0, len(list))
	for _, c := range list {
		rows = append(rows, []string{"…" + c.SecretHint, c.Protocol, orDash(c.Address), orDash(c.Client), when(c.FirstSeenAt,
			""), when(c.LastSeenAt, ""), number(c.Count)})
	}
	return s.section(title, []string{"SECRET", "BY", "ADDRESS", "CLIENT", "FIRST SEEN (UTC)", "LAST SEEN (UTC)", "TIMES"}, rows)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type keyConnectionsCmd struct {
	which
	asJSON
}

// Help teaches.
func (keyConnectionsCmd) Help() string {
	return `Each line is a way in which a live secret is used: protocol, address and what the client calls itself. TIMES counts requests by HTTP, and logins and mails by SMTP. A use is listed some seconds after it happened.

Example:
  postern key connections Newsletter`
}

// Run lists connections.
func (c *keyConnectionsCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]keys.Connection, error) {
		return calls.ListConnections(ctx, c.Key)
	}, func(list []keys.Connection) error {
		switch {
		case len(list) == 0:
			return s.printf("Nothing has used its live secrets yet.\n")
		}
		return s.connections("", list)
	})
}
