// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strings"
	"time"
)

// usage gathers how many messages of a group of submissions leave in which hour, so that a group costs few upserts.
type usage map[usageSlot]int64

type usageSlot struct{ key, account, hour int64 }

func (u usage) add(keyID, accountID int64, at time.Time) {
	u[usageSlot{keyID, accountID, at.Truncate(time.Hour).Unix()}]++
}

func (u usage) write(ctx context.Context, tx *Tx) error {
	for k, n := range u {
		if _, err := tx.exec(ctx, "INSERT INTO usage (key_id, account_id, hour, messages) VALUES ($1, $2, $3, $4) ON CONFLICT "+
			"(key_id, hour) DO UPDATE SET messages = usage.messages + excluded.messages",
			k.key, k.account, k.hour, n); err != nil {
			return err
		}
	}
	return nil
}

// HourUse is how many messages were accepted for an hour.
type HourUse struct {
	Hour     time.Time
	Messages int64
}

func scanHourUse(r scanner) (HourUse, error) {
	var hour int64
	var u HourUse
	err := r.scan(&hour, &u.Messages)
	u.Hour = time.Unix(hour, 0).UTC()
	return u, err
}

// KeyUse lists the hours from a time on in which a key had messages.
func (s *Store) KeyUse(ctx context.Context, keyID int64, from time.Time) ([]HourUse, error) {
	return collect(ctx, s, scanHourUse, "SELECT hour, messages FROM usage WHERE key_id = $1 AND hour >= $2 ORDER BY hour", keyID,
		from.Unix())
}

// AccountUse lists the hours from a time on in which an account had messages, over all its keys.
func (s *Store) AccountUse(ctx context.Context, accountID int64, from time.Time) ([]HourUse, error) {
	return collect(ctx, s, scanHourUse, "SELECT hour, sum(messages) FROM usage WHERE account_id = $1 AND hour >= $2 GROUP BY hour "+
		"ORDER BY hour", accountID, from.Unix())
}

// Volumes counts the messages of some keys by day, for days that end with the day of until (UTC).
func (s *Store) Volumes(ctx context.Context, scope Scope, keyIDs []int64, until time.Time, days int) (map[int64][]int64, error) {
	out := make(map[int64][]int64, len(keyIDs))
	if len(keyIDs) == 0 || days <= 0 {
		return out, nil
	}
	first := until.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-days)
	w := newWhere("SELECT u.key_id, u.hour, u.messages FROM usage u")
	scope.where(w, "u.account_id", "u.key_id")
	w.and("u.key_id IN (?"+strings.Repeat(", ?", len(keyIDs)-1)+")", anys(keyIDs)...)
	w.and("u.hour >= ?", first.Unix())
	type row struct{ key, hour, n int64 }
	rows, err := collect(ctx, s, func(r scanner) (row, error) {
		var x row
		err := r.scan(&x.key, &x.hour, &x.n)
		return x, err
	}, w.String(), w.args...)
	for _, x := range rows {
		if out[x.key] == nil {
			out[x.key] = make([]int64, days)
		}
		if day := int((x.hour - first.Unix()) / 86400); day < days {
			out[x.key][day] += x.n
		}
	}
	return out, err
}

// Rules are what a submission of a key is checked against.
type Rules struct {
	State                     string // of the key, or suspended where its account is
	Permissions               int    // of the key: bits of access.Permission
	AllowedSenders            string // of the key; "" all
	HourLimit                 int64
	DayLimit                  int64 // the key's, or its account's default
	MonthLimit                int64
	OverHourWaits             bool
	AccountHour, AccountMonth int64 // of the plan, with what was granted
	Tracking                  Tracking
	Senders                   []Sender
}

// Rules reads the rules of a key, with its active senders. A deleted key is ErrNotFound.
func (s *Store) Rules(ctx context.Context, keyID int64) (Rules, error) {
	var r Rules
	err := s.row(ctx, `SELECT CASE WHEN a.suspended_at IS NULL THEN k.state ELSE 'suspended' END, k.permissions, k.allowed_senders, k.hour_limit, CASE WHEN k.day_limit > 0 THEN k.day_limit ELSE a.day_limit END, k.month_limit, k.over_hour_waits,
 coalesce(a.max_hour, p.hour_messages, 0), coalesce(a.max_month, p.month_messages, 0), a.track_opens, a.track_clicks, a.add_unsubscribe
 FROM api_key k JOIN account a ON a.id = k.account_id LEFT JOIN plan p ON p.id = a.plan_id WHERE k.id = $1 AND k.deleted_at IS NULL`, keyID).
		scan(&r.State, &r.Permissions, &r.AllowedSenders, &r.HourLimit, &r.DayLimit, &r.MonthLimit, &r.OverHourWaits,
			&r.AccountHour, &r.AccountMonth, &r.Tracking.Opens, &r.Tracking.Clicks, &r.Tracking.Unsubscribe)
	if err != nil {
		return r, err
	}
	r.Senders, err = s.KeySenders(ctx, keyID)
	return r, err
}
