// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strings"
)

// When mail gets a List-Unsubscribe field that we answer.
const (
	UnsubscribeNever     = 0
	UnsubscribeCampaigns = 1 // mail of campaigns
	UnsubscribeAll       = 2
)

// Tracking is what an account's mail tells of its recipients, where a mail itself does not say otherwise.
type Tracking struct {
	Opens, Clicks bool
	Unsubscribe   int // UnsubscribeNever, …
}

// TrackHosts lists the host names that keys have links with, those of deleted keys too: what was sent with them is
// still read.
func (s *Store) TrackHosts(ctx context.Context) ([]string, error) {
	return collect(ctx, s, scanText, "SELECT DISTINCT track_host FROM api_key WHERE track_host <> ''")
}

// TrackHostFree says whether no other account has the host name.
func (tx *Tx) TrackHostFree(ctx context.Context, host string, accountID int64) (bool, error) {
	var n int64
	err := tx.row(ctx, "SELECT count(*) FROM api_key WHERE track_host <> '' AND track_host = $1 AND account_id <> $2", host,
		accountID).scan(&n)
	return n == 0, err
}

// SendsFrom says whether the key has one of the senders, or the account lends it to all its keys, and it is active.
func (tx *Tx) SendsFrom(ctx context.Context, accountID, keyID int64, senders []string) (bool, error) {
	w := newWhere("SELECT count(*) FROM sender s JOIN api_key k ON k.id = s.key_id")
	w.and("k.account_id = ?", accountID)
	w.and("(k.id = ? OR k.is_master AND s.is_lent)", keyID)
	w.and("s.status = ?", SenderActive)
	args := make([]any, len(senders))
	for i, x := range senders {
		args[i] = x
	}
	w.and("s.email IN (?"+strings.Repeat(", ?", len(senders)-1)+")", args...)
	var n int64
	err := tx.row(ctx, w.String(), w.args...).scan(&n)
	return n > 0, err
}
