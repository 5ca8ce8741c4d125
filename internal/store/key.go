// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
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
	State     string
	CreatedAt time.Time
	Secrets   []Secret // the live ones, newest first; at most two
}

// Secret is what the store knows of a secret key: not the secret.
type Secret struct {
	ID         int64
	KeyID      int64
	Digest     []byte
	Hint       string // its last four characters
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: none
	EndedAt    time.Time // zero: live
	LastUsedAt time.Time // zero: never
}

const (
	keyColumns    = "id, account_id, api_key, name, acl, is_master, state, created_at"
	secretColumns = "id, key_id, digest, hint, created_at, expires_at, ended_at, last_used_at"
)

func scanKey(r scanner) (Key, error) {
	var k Key
	err := r.scan(&k.ID, &k.AccountID, &k.APIKey, &k.Name, &k.ACL, &k.Master, &k.State, nullTime{&k.CreatedAt})
	return k, err
}

func scanSecret(r scanner) (Secret, error) {
	var x Secret
	err := r.scan(&x.ID, &x.KeyID, &x.Digest, &x.Hint, nullTime{&x.CreatedAt}, nullTime{&x.ExpiresAt}, nullTime{&x.EndedAt}, nullTime{&x.LastUsedAt})
	return x, err
}

// AddKey adds k to its account and returns it with its ID. A name taken in the account is ErrExists.
func (tx *Tx) AddKey(ctx context.Context, k Key) (Key, error) {
	return scanKey(tx.row(ctx, "INSERT INTO api_key (account_id, api_key, name, acl, is_master, state, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING "+keyColumns,
		k.AccountID, k.APIKey, k.Name, k.ACL, k.Master, k.State, micros(tx.Now)))
}

// ChangeKey sets name, ACL and state of the key with k's ID.
func (tx *Tx) ChangeKey(ctx context.Context, k Key) error {
	return tx.one(ctx, "UPDATE api_key SET name = $1, acl = $2, state = $3 WHERE id = $4 AND account_id = $5", k.Name, k.ACL, k.State, k.ID, k.AccountID)
}

// AddSecret gives a key a live secret, known by its digest.
func (tx *Tx) AddSecret(ctx context.Context, keyID int64, digest []byte, hint string) (Secret, error) {
	return scanSecret(tx.row(ctx, "INSERT INTO secret (key_id, digest, hint, created_at) VALUES ($1, $2, $3, $4) RETURNING "+secretColumns, keyID, digest, hint, micros(tx.Now)))
}

// EndSecrets ends all live secrets of a key and says how many there were.
func (tx *Tx) EndSecrets(ctx context.Context, keyID int64) (int64, error) {
	return tx.exec(ctx, "UPDATE secret SET ended_at = $1 WHERE key_id = $2 AND ended_at IS NULL", micros(tx.Now), keyID)
}

// SecretUse is the latest use of a secret.
type SecretUse struct {
	SecretID int64
	LastUsed time.Time
}

// NoteUses moves last_used_at of secrets forward.
func (tx *Tx) NoteUses(ctx context.Context, uses []SecretUse) error {
	for _, u := range uses {
		if _, err := tx.exec(ctx, "UPDATE secret SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)", micros(u.LastUsed), u.SecretID); err != nil {
			return err
		}
	}
	return nil
}

// KeyFilter bounds a listing of keys within a scope.
type KeyFilter struct {
	ID     int64
	APIKey string
	Name   string
	Search string // part of the name, or the beginning of the API key
	Master *bool
	Active *bool
	Sort   string // "ID" (default), "Name", "CreatedAt", "IsMaster", "IsActive"
}

func (f KeyFilter) where(w *where) {
	if f.ID != 0 {
		w.and("id = ?", f.ID)
	}
	if f.APIKey != "" {
		w.and("api_key = ?", f.APIKey)
	}
	if f.Name != "" {
		w.and("name = ?", f.Name)
	}
	if f.Search != "" {
		like := escapeLike(f.Search) + "%"
		w.and("(lower(name) LIKE ? ESCAPE '!' OR api_key LIKE ? ESCAPE '!')", "%"+like, like)
	}
	if f.Master != nil {
		w.and("is_master = ?", *f.Master)
	}
	if f.Active != nil {
		op := "state <> ?"
		if *f.Active {
			op = "state = ?"
		}
		w.and(op, KeyActive)
	}
}

// keyOrder maps the sortable properties to columns. The ID makes each order total.
var keyOrder = map[string]string{"": "id", "ID": "id", "Name": "name", "CreatedAt": "created_at", "IsMaster": "is_master", "IsActive": "state"}

// Keys lists keys of the scope with their live secrets, and the number that match in all.
func (s *Store) Keys(ctx context.Context, scope Scope, f KeyFilter, p Page) ([]Key, int, error) {
	n := newWhere("SELECT count(*) FROM api_key")
	scope.where(n, "account_id", "id")
	f.where(n)
	var total int
	if err := s.row(ctx, n.String(), n.args...).scan(&total); err != nil {
		return nil, 0, err
	}
	w := newWhere("SELECT " + keyColumns + " FROM api_key")
	scope.where(w, "account_id", "id")
	f.where(w)
	w.page(p, keyOrder[f.Sort])
	keys, err := collect(ctx, s, scanKey, w.String(), w.args...)
	if err != nil {
		return nil, 0, err
	}
	return keys, total, s.addSecrets(ctx, s, keys)
}

// Key reads one key of the scope with its live secrets.
func (s *Store) Key(ctx context.Context, scope Scope, f KeyFilter) (Key, error) {
	return s.key(ctx, s, scope, f)
}

// Key reads one key of the scope with its live secrets, inside the transaction.
func (tx *Tx) Key(ctx context.Context, scope Scope, f KeyFilter) (Key, error) {
	return tx.s.key(ctx, tx, scope, f)
}

func (s *Store) key(ctx context.Context, q queryable, scope Scope, f KeyFilter) (Key, error) {
	w := newWhere("SELECT " + keyColumns + " FROM api_key")
	scope.where(w, "account_id", "id")
	f.where(w)
	w.page(Page{Limit: 1}, "id")
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
	w := newWhere("SELECT " + secretColumns + " FROM secret WHERE ended_at IS NULL AND key_id IN (")
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

// KeysByID reads keys of the scope, without their secrets, by their IDs: at most a page of them. Those that are not in
// the scope are not in the answer.
func (s *Store) KeysByID(ctx context.Context, scope Scope, ids []int64) (map[int64]Key, error) {
	out := make(map[int64]Key, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	w := newWhere("SELECT " + keyColumns + " FROM api_key")
	scope.where(w, "account_id", "id")
	w.and("id IN (?"+strings.Repeat(", ?", len(ids)-1)+")", anys(ids)...)
	keys, err := collect(ctx, s, scanKey, w.String(), w.args...)
	for _, k := range keys {
		out[k.ID] = k
	}
	return out, err
}

// EachKey calls fn for every key with its live secrets, in two passes over the tables: for a warm gate at start.
func (s *Store) EachKey(ctx context.Context, fn func(Key) error) error {
	secrets := map[int64][]Secret{}
	all, err := collect(ctx, s, scanSecret, "SELECT "+secretColumns+" FROM secret WHERE ended_at IS NULL ORDER BY id DESC")
	if err != nil {
		return err
	}
	for _, x := range all {
		secrets[x.KeyID] = append(secrets[x.KeyID], x)
	}
	rows, err := s.rows(ctx, "SELECT "+keyColumns+" FROM api_key ORDER BY id")
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		k, err := scanKey(rowsScanner{rows})
		if err != nil {
			return err
		}
		k.Secrets = secrets[k.ID]
		if err := fn(k); err != nil {
			return err
		}
	}
	return rows.Err()
}
