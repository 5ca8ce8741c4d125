// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strings"
	"time"
)

// AccountOverview is an account as the operator's list shows it.
type AccountOverview struct {
	Account
	PlanName    string // "" none
	Subaccounts int64
	Closed      int64 // keys, the primary one included, that the operator suspended, or all where the account is
	Month       int64 // messages of the month
	Owners      []string
}

const overviewSelect = "SELECT " + accountColumns + `,
 coalesce((SELECT p.name FROM plan p WHERE p.id = account.plan_id), ''),
 (SELECT count(*) FROM api_key k WHERE k.account_id = account.id AND NOT k.is_master AND k.deleted_at IS NULL),
 (SELECT count(*) FROM api_key k WHERE k.account_id = account.id AND (k.state = 'suspended' OR account.suspended_at IS NOT NULL)
 AND k.deleted_at IS NULL),
 (SELECT CAST(coalesce(sum(u.messages), 0) AS BIGINT) FROM usage u WHERE u.account_id = account.id AND u.hour >= ? AND u.hour < ?)
 FROM account`

func scanOverview(r scanner) (AccountOverview, error) {
	var o AccountOverview
	err := r.scan(append(o.columns(), &o.PlanName, &o.Subaccounts, &o.Closed, &o.Month)...)
	return o, err
}

// AccountOverviews lists accounts, by number, and how many there are in all, for the operator. search is a part of the
// name or of an owner's address, or the beginning of an API key; "" lists all. Messages are those of now's month.
func (s *Store) AccountOverviews(ctx context.Context, search string, now time.Time, p Page) ([]AccountOverview, int, error) {
	filter := func(w *where) {
		w.and("NOT is_system")
		if search != "" {
			like := escapeLike(search) + "%"
			w.and(`(lower(name) LIKE ? ESCAPE '!'
 OR EXISTS (SELECT 1 FROM access x JOIN users u ON u.id = x.user_id WHERE x.account_id = account.id AND x.key_id IS NULL
 AND x.role = 'owner' AND u.email LIKE ? ESCAPE '!')
 OR EXISTS (SELECT 1 FROM api_key k WHERE k.account_id = account.id AND k.api_key LIKE ? ESCAPE '!'))`, "%"+like, "%"+like, like)
		}
	}
	n := newWhere("SELECT count(*) FROM account")
	filter(n)
	var total int
	if err := s.row(ctx, n.String(), n.args...).scan(&total); err != nil {
		return nil, 0, err
	}
	month := monthOf(now)
	w := newWhere(overviewSelect, month.Unix(), month.AddDate(0, 1, 0).Unix())
	filter(w)
	w.page(p, "id")
	list, err := collect(ctx, s, scanOverview, w.String(), w.args...)
	if err != nil || len(list) == 0 {
		return nil, total, err
	}
	return list, total, s.addOwners(ctx, list)
}

// addOwners fills in the owners of a page of accounts.
func (s *Store) addOwners(ctx context.Context, list []AccountOverview) error {
	at := make(map[int64]*AccountOverview, len(list))
	ids := make([]int64, len(list))
	for i := range list {
		at[list[i].ID], ids[i] = &list[i], list[i].ID
	}
	w := newWhere("SELECT x.account_id, u.email FROM access x JOIN users u ON u.id = x.user_id")
	w.and("x.key_id IS NULL")
	w.and("x.role = 'owner'")
	w.and("x.account_id IN (?"+strings.Repeat(", ?", len(ids)-1)+")", anys(ids)...)
	w.add(" ORDER BY u.email")
	type owner struct {
		account int64
		email   string
	}
	owners, err := collect(ctx, s, func(r scanner) (owner, error) {
		var o owner
		err := r.scan(&o.account, &o.email)
		return o, err
	}, w.String(), w.args...)
	for _, o := range owners {
		at[o.account].Owners = append(at[o.account].Owners, o.email)
	}
	return err
}

// AccountUsage is what an account uses of its plan.
type AccountUsage struct {
	Subaccounts, People int64 // people: open invitations included
	Month, Hour         int64 // messages
}

// AccountUsage counts what an account uses at now.
func (s *Store) AccountUsage(ctx context.Context, accountID int64, now time.Time) (AccountUsage, error) {
	var u AccountUsage
	err := s.row(ctx, `SELECT (SELECT count(*) FROM api_key WHERE account_id = $1 AND NOT is_master AND deleted_at IS NULL),
 (SELECT count(DISTINCT user_id) FROM access WHERE account_id = $1)
 + (SELECT count(DISTINCT email) FROM invitation WHERE account_id = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > $2
  AND email NOT IN (SELECT u.email FROM access a JOIN users u ON u.id = a.user_id WHERE a.account_id = $1))`, accountID, micros(now)).scan(&u.Subaccounts, &u.People)
	if err != nil {
		return u, err
	}
	month, hour := monthOf(now), now.UTC().Truncate(time.Hour)
	used, err := s.AccountUse(ctx, accountID, month)
	for _, x := range used {
		if x.Hour.Before(month.AddDate(0, 1, 0)) { // mail that waits may leave in the next month
			u.Month += x.Messages
		}
		if x.Hour.Equal(hour) {
			u.Hour += x.Messages
		}
	}
	return u, err
}

func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}
