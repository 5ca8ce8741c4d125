// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// States of a key.
const (
	KeyActive      = "active"
	KeyDeactivated = "deactivated" // by the owner
	KeySuspended   = "suspended"   // by the operator
)

// Key is an API key: the master key of a primary account, or a subaccount's.
type Key struct {
	ID        int64
	AccountID int64
	APIKey    string
	Name      string
	ACL       string
	Master    bool
	State     string // as it counts: suspended also where its account is
	Reference string // the customer's own ID for it, unique in the account; "" none
	TrackHost string // host name of the links in its mail; "" the server's
	Limits
	Bound Limits // what the operator allows: Limits stay within; its OverHourWaits is not used

	StateReason  string // why the operator suspended it, or its account
	Own          OwnState
	CreatedAt    time.Time
	DeletedAt    time.Time // zero: it is not
	CancelQueued bool      // of a deleted key: what waits is not sent any more
	Secrets      []Secret  // the live ones, newest first; at most two
}

// OwnState is the state of a key for itself, whatever its account's is: ChangeKey sets it.
type OwnState struct {
	State  string
	Before string // what a suspended key was before
	Reason string // why the operator suspended it
}

// ofAccount begins the reason of a key that is suspended with its account.
const ofAccount = "the account is suspended: "

// inSuspendedAccount is the condition of a key that is suspended with its account.
const inSuspendedAccount = "account_id IN (SELECT s.id FROM account s WHERE s.suspended_at IS NOT NULL)"

// AllPermissions is what a key may do that is not restricted.
const AllPermissions = 7

// Limits are the restrictions of a key. The zero value of each but Permissions restricts nothing.
type Limits struct {
	Permissions    int    // bits: 1 send, 2 statistics, 4 manage
	Networks       string // prefixes (CIDR) with a space between
	AllowedSenders string // addresses and *@domain with a space between
	HourLimit      int64  // messages
	DayLimit       int64
	MonthLimit     int64
	OverHourWaits  bool // mail over the hourly limit waits for the next hour instead of being refused
}

const keyColumns = `id, account_id, api_key, name, acl, is_master, state, reference, track_host, permissions, networks, allowed_senders, hour_limit, day_limit, month_limit, over_hour_waits, bound_permissions, bound_networks, bound_senders, bound_hour, bound_day, bound_month,
 state_before, state_reason, created_at, deleted_at, cancel_queued,
 (SELECT s.suspended_reason FROM account s WHERE s.id = account_id AND s.suspended_at IS NOT NULL)`

func scanKey(r scanner) (Key, error) {
	var k Key
	var suspended *string // the account's reason
	err := r.scan(&k.ID, &k.AccountID, &k.APIKey, &k.Name, &k.ACL, &k.Master, &k.Own.State, &k.Reference, &k.TrackHost, &k.Permissions,
		&k.Networks, &k.AllowedSenders,
		&k.HourLimit, &k.DayLimit, &k.MonthLimit, &k.OverHourWaits,
		&k.Bound.Permissions, &k.Bound.Networks, &k.Bound.AllowedSenders, &k.Bound.HourLimit, &k.Bound.DayLimit, &k.Bound.MonthLimit,
		&k.Own.Before, &k.Own.Reason, nullTime{&k.CreatedAt}, nullTime{&k.DeletedAt}, &k.CancelQueued, &suspended)
	k.State, k.StateReason = k.Own.State, k.Own.Reason
	if suspended != nil && k.State != KeySuspended {
		k.State, k.StateReason = KeySuspended, ofAccount+*suspended
	}
	return k, err
}

// AddKey adds k to its account and returns it with its ID. A name, reference or API key that is taken is ErrExists.
func (tx *Tx) AddKey(ctx context.Context, k Key) (Key, error) {
	if k.Permissions == 0 {
		k.Permissions = AllPermissions
	}
	if k.Bound.Permissions == 0 {
		k.Bound.Permissions = AllPermissions
	}
	b := k.Bound
	return scanKey(tx.row(ctx, `INSERT INTO api_key (account_id, api_key, name, acl, is_master, state, reference, permissions, networks, allowed_senders, hour_limit, day_limit, month_limit, over_hour_waits, created_at,
 bound_permissions, bound_networks, bound_senders, bound_hour, bound_day, bound_month)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) RETURNING `+keyColumns,
		k.AccountID, k.APIKey, k.Name, k.ACL, k.Master, k.State, k.Reference, k.Permissions, k.Networks, k.AllowedSenders, k.HourLimit,
		k.DayLimit, k.MonthLimit, k.OverHourWaits, micros(tx.Now),
		b.Permissions, b.Networks, b.AllowedSenders, b.HourLimit, b.DayLimit, b.MonthLimit))
}

// ChangeKey sets what can be changed of the key with k's ID: name, ACL, its own state, reference, host of links, restrictions and
// their bound.
func (tx *Tx) ChangeKey(ctx context.Context, k Key) error {
	b := k.Bound
	return tx.one(ctx, `UPDATE api_key SET name = $1, acl = $2, state = $3, reference = $4, permissions = $5, networks = $6, allowed_senders = $7,
 hour_limit = $8, day_limit = $9, month_limit = $10, over_hour_waits = $11, state_before = $12, state_reason = $13, track_host = $14,
 bound_permissions = $15, bound_networks = $16, bound_senders = $17, bound_hour = $18, bound_day = $19, bound_month = $20 WHERE id = $21 AND account_id = $22`,
		k.Name, k.ACL, k.Own.State, k.Reference, k.Permissions, k.Networks, k.AllowedSenders, k.HourLimit, k.DayLimit, k.MonthLimit,
		k.OverHourWaits, k.Own.Before, k.Own.Reason, k.TrackHost,
		b.Permissions, b.Networks, b.AllowedSenders, b.HourLimit, b.DayLimit, b.MonthLimit, k.ID, k.AccountID)
}

// DeleteKey ends a subaccount for good: its name and reference are free again, its row and API key stay.
func (tx *Tx) DeleteKey(ctx context.Context, k Key, cancelQueued bool) error {
	return tx.one(ctx, "UPDATE api_key SET deleted_at = $1, cancel_queued = $2, state = 'deactivated', name = substr(name, 1, 75) "+
		"|| ' (deleted ' || CAST(id AS TEXT) || ')', reference = '' WHERE id = $3 AND account_id = $4 AND NOT is_master AND "+
		"deleted_at IS NULL",
		micros(tx.Now), cancelQueued, k.ID, k.AccountID)
}

// KeyFilter bounds a listing of keys within a scope. Zero fields do not filter.
type KeyFilter struct {
	ID        int64
	APIKey    string
	Name      string
	Reference string
	Search    string // part of the name or reference, or the beginning of the API key
	State     string // "active", "deactivated", "suspended", as it counts
	// NotSuspended are those that the operator has not suspended.
	NotSuspended bool
	Master       *bool
	Active       *bool
	Deleted      bool      // those that are deleted, rather than those that are not
	DueBefore    time.Time // with a live secret, not to end by itself, that was made before then
	// DueAt and OverdueAt are active keys with a secret that is due for a reset, or overdue, at that time by its account's policy.
	DueAt, OverdueAt time.Time
	// UnusedSince are keys that were made before then and whose secrets nobody has used since.
	UnusedSince time.Time
	Sort        string // "ID" (default), "Name", "CreatedAt", "IsMaster", "IsActive", "Reference", "LastUsed"
}

func (f KeyFilter) where(w *where) {
	if f.Deleted {
		w.and("deleted_at IS NOT NULL")
	} else {
		w.and("deleted_at IS NULL")
	}
	if f.ID != 0 {
		w.and("id = ?", f.ID)
	}
	if f.APIKey != "" {
		w.and("api_key = ?", f.APIKey)
	}
	if f.Name != "" {
		w.and("name = ?", f.Name)
	}
	if f.Reference != "" {
		w.and("reference <> '' AND reference = ?", f.Reference) // said twice, so that SQLite sees the index of the non-empty ones
	}
	if f.Search != "" {
		like := escapeLike(f.Search) + "%"
		w.and("(lower(name) LIKE ? ESCAPE '!' OR lower(reference) LIKE ? ESCAPE '!' OR api_key LIKE ? ESCAPE '!')", "%"+like, "%"+like,
			like)
	}
	switch f.State {
	case "":
	case KeySuspended:
		w.and("(state = 'suspended' OR " + inSuspendedAccount + ")")
	default:
		w.and("state = ? AND NOT "+inSuspendedAccount, f.State)
	}
	if f.NotSuspended {
		w.and("state <> 'suspended' AND NOT " + inSuspendedAccount)
	}
	if f.Master != nil {
		w.and("is_master = ?", *f.Master)
	}
	if f.Active != nil {
		is := "(state = 'active' AND NOT " + inSuspendedAccount + ")"
		if !*f.Active {
			is = "NOT " + is
		}
		w.and(is)
	}
	if !f.DueBefore.IsZero() {
		w.and("EXISTS (SELECT 1 FROM secret x WHERE x.key_id = api_key.id AND x.ended_at IS NULL AND x.expires_at IS NULL AND "+
			"x.created_at < ?)", micros(f.DueBefore))
	}
	if !f.DueAt.IsZero() {
		w.and("id IN (SELECT k.id"+strings.NewReplacer("$1", "?", "$2", "?").Replace(aged)+")", micros(f.DueAt), dayMicros)
	}
	if !f.OverdueAt.IsZero() {
		query := "id IN (SELECT k.id" + aged + " AND " + overdueNow + ")"
		w.and(strings.NewReplacer("$1", "?", "$2", "?").Replace(query), micros(f.OverdueAt), dayMicros, micros(f.OverdueAt), dayMicros)
	}
	if !f.UnusedSince.IsZero() {
		w.and("created_at < ?", micros(f.UnusedSince))
		w.and("NOT EXISTS (SELECT 1 FROM secret x WHERE x.key_id = api_key.id AND x.last_used_at >= ?)", micros(f.UnusedSince))
	}
}

// notSystem leaves the system's own key out of a listing over all accounts.
func (f KeyFilter) notSystem(w *where, scope Scope) {
	if scope.all && f.ID == 0 && f.APIKey == "" {
		w.and("account_id NOT IN (SELECT id FROM account WHERE is_system)")
	}
}

// keyOrder maps the sortable properties to columns.
var keyOrder = map[string]string{
	"": "id", "ID": "id", "Name": "lower(name)", "CreatedAt": "created_at", "IsMaster": "is_master", "IsActive": "state",
	"Reference": "reference",
	// Never is before all times, on both engines.
	"LastUsed": "coalesce((SELECT max(x.last_used_at) FROM secret x WHERE x.key_id = api_key.id), 0)",
}

// order is what to sort by. The ID makes each order total.
func (f KeyFilter) order(desc bool) string {
	by := keyOrder[f.Sort]
	switch {
	case by == "id" || by == "":
		return "id"
	case desc:
		return by + " DESC, id"
	}
	return by + ", id"
}

// Keys lists keys of the scope with their live secrets, and the number that match in all.
func (s *Store) Keys(ctx context.Context, scope Scope, f KeyFilter, p Page) ([]Key, int, error) {
	n := newWhere("SELECT count(*) FROM api_key")
	scope.where(n, "account_id", "id")
	f.where(n)
	f.notSystem(n, scope)
	var total int
	if err := s.row(ctx, n.String(), n.args...).scan(&total); err != nil {
		return nil, 0, err
	}
	w := newWhere("SELECT " + keyColumns + " FROM api_key")
	scope.where(w, "account_id", "id")
	f.where(w)
	f.notSystem(w, scope)
	w.page(p, f.order(p.Desc))
	keys, err := collect(ctx, s, scanKey, w.String(), w.args...)
	if err != nil {
		return nil, 0, err
	}
	return keys, total, s.addSecrets(ctx, s, keys)
}

// CountSuspended counts the keys of an account, and those that are suspended for themselves.
func (s *Store) CountSuspended(ctx context.Context, accountID int64) (all, own int, err error) {
	err = s.row(ctx, "SELECT count(*), coalesce(sum(CASE WHEN state = 'suspended' THEN 1 ELSE 0 END), 0) FROM api_key WHERE "+
		"account_id = $1 AND deleted_at IS NULL", accountID).scan(&all, &own)
	return all, own, err
}

// Key reads one key of the scope with its live secrets.
func (s *Store) Key(ctx context.Context, scope Scope, f KeyFilter) (Key, error) {
	return s.key(ctx, s, scope, f, "")
}

// Key reads one key of the scope with its live secrets, inside the transaction.
func (tx *Tx) Key(ctx context.Context, scope Scope, f KeyFilter) (Key, error) {
	return tx.s.key(ctx, tx, scope, f, "")
}

// KeyToChange is Key for a transaction that goes on to change the key or its secrets: another one waits here until this one
// has ended.
func (tx *Tx) KeyToChange(ctx context.Context, scope Scope, f KeyFilter) (Key, error) {
	return tx.s.key(ctx, tx, scope, f, tx.s.d.forChange)
}

func (s *Store) key(ctx context.Context, q queryable, scope Scope, f KeyFilter, end string) (Key, error) {
	w := newWhere("SELECT " + keyColumns + " FROM api_key")
	scope.where(w, "account_id", "id")
	f.where(w)
	w.page(Page{Limit: 1}, "id")
	w.add(end)
	k, err := scanKey(q.row(ctx, w.String(), w.args...))
	if err != nil {
		return Key{}, err
	}
	keys := []Key{k}
	err = s.addSecrets(ctx, q, keys)
	return keys[0], err
}

// addSecrets fills in the live secrets of up to a page of keys.
func (s *Store) addSecrets(ctx context.Context, q queryable, keys []Key) error {
	if len(keys) == 0 {
		return nil
	}
	at := make(map[int64]*Key, len(keys))
	w := newWhere("SELECT "+secretColumns+" FROM secret WHERE ended_at IS NULL AND (expires_at IS NULL OR expires_at > ?) AND "+
		"key_id IN (", micros(time.Now()))
	for i := range keys {
		at[keys[i].ID] = &keys[i]
		if i > 0 {
			w.add(", ")
		}
		w.add("?", keys[i].ID)
	}
	w.add(") ORDER BY id DESC")
	secrets, err := collect(ctx, q, scanSecret, w.String(), w.args...)
	for _, x := range secrets {
		k := at[x.KeyID]
		k.Secrets = append(k.Secrets, x)
	}
	return err
}

// LastUses says when keys of the scope were last used, with any of their secrets, ended ones included: at most a page
// of them. Those that never were are not in the answer.
func (s *Store) LastUses(ctx context.Context, scope Scope, ids []int64) (map[int64]time.Time, error) {
	out := make(map[int64]time.Time, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	w := newWhere("SELECT x.key_id, max(x.last_used_at) FROM secret x JOIN api_key k ON k.id = x.key_id")
	scope.where(w, "k.account_id", "k.id")
	w.and("x.last_used_at IS NOT NULL")
	w.and("x.key_id IN (?"+strings.Repeat(", ?", len(ids)-1)+")", anys(ids)...)
	w.add(" GROUP BY x.key_id")
	type row struct {
		key int64
		at  time.Time
	}
	rows, err := collect(ctx, s, func(r scanner) (row, error) {
		var x row
		err := r.scan(&x.key, nullTime{&x.at})
		return x, err
	}, w.String(), w.args...)
	for _, x := range rows {
		out[x.key] = x.at
	}
	return out, err
}

// KeysByID reads keys of the scope, without their secrets, by their IDs, which may be many, and one more than once. Those
// that are not in the scope are not in the answer.
func (s *Store) KeysByID(ctx context.Context, scope Scope, ids []int64) (map[int64]Key, error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	out := make(map[int64]Key, len(ids))
	for some := range slices.Chunk(ids, 500) { // a statement has 32,766 parameters at most on SQLite
		w := newWhere("SELECT " + keyColumns + " FROM api_key")
		scope.where(w, "account_id", "id")
		w.and("id IN (?"+strings.Repeat(", ?", len(some)-1)+")", anys(some)...)
		keys, err := collect(ctx, s, scanKey, w.String(), w.args...)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			out[k.ID] = k
		}
	}
	return out, nil
}

// EachKey calls fn for every key that is not deleted, without its secrets.
func (s *Store) EachKey(ctx context.Context, fn func(Key) error) error {
	return each(ctx, s, scanKey, fn, "SELECT "+keyColumns+" FROM api_key WHERE deleted_at IS NULL ORDER BY id")
}

// EachCredential calls fn for every key that is not deleted with its live secrets, for a warm gate at start: of the key
// it gives what the gate needs (ID, account, API key, kind, own state, permissions, networks). Both tables are read once, side
// by side in the order of keys, so that a million keys cost no memory.
func (s *Store) EachCredential(ctx context.Context, fn func(Key) error) error {
	secrets, err := s.rows(ctx, "SELECT "+secretColumns+" FROM secret WHERE ended_at IS NULL ORDER BY key_id, id")
	if err != nil {
		return err
	}
	defer secrets.Close() //nolint:errcheck // secrets.Err says what went wrong
	var next *Secret      // read, and not yet given
	read := func() error {
		next = nil
		if !secrets.Next() {
			return secrets.Err()
		}
		x, err := scanSecret(rowsScanner{secrets})
		next = &x
		return err
	}
	if err := read(); err != nil {
		return err
	}
	err = each(ctx, s, func(r scanner) (Key, error) {
		var k Key
		err := r.scan(&k.ID, &k.AccountID, &k.APIKey, &k.Master, &k.Own.State, &k.Permissions, &k.Networks)
		return k, err
	}, func(k Key) error {
		for next != nil && next.KeyID <= k.ID {
			if next.KeyID == k.ID { // others are of a deleted key
				k.Secrets = slices.Insert(k.Secrets, 0, *next) // the newest first
			}
			if err := read(); err != nil {
				return err
			}
		}
		return fn(k)
	}, "SELECT id, account_id, api_key, is_master, state, permissions, networks FROM api_key WHERE deleted_at IS NULL ORDER BY id")
	return errors.Join(err, secrets.Err())
}

// each calls fn for every row of a query, as it is read.
func each[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), fn func(T) error, query string, args ...any) error {
	rows, err := s.rows(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		v, err := scan(rowsScanner{rows})
		if err != nil {
			return err
		}
		if err := fn(v); err != nil {
			return err
		}
	}
	return rows.Err()
}
