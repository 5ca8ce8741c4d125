// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Hook is what is told of one type of a key's events: its URL, and how that fares.
type Hook struct {
	ID         int64
	AccountID  int64
	KeyID      int64
	ReceiverID int64
	Type       EventType
	Backup     bool
	Version    int       // 1: an event a request; 2: an array of them
	DeadAt     time.Time // its URL failed for a day; zero: it is alive
	Takes      bool      // new events of the type are queued for it
	CreatedAt  time.Time
	HookReceiver
}

// HookReceiver is a URL of a key's hooks.
type HookReceiver struct {
	URL          []byte // sealed under the server key: it may have a password in it
	Token        string // what the IDs of its requests begin with
	LastAt       time.Time
	LastStatus   int    // of the answer; 0: there was none
	LastError    string // "" when the last attempt was a success
	FailingSince time.Time
	Told         int64 // events, in all
	Dropped      int64 // events given up, in all
}

const hookSelect = "SELECT h.id, h.account_id, h.key_id, h.receiver_id, h.event_type, h.is_backup, h.version, h.dead_at, h.takes, h.created_at, " + receiverColumns + " FROM hook h JOIN hook_receiver r ON r.id = h.receiver_id"

const receiverColumns = "r.url, r.token, r.last_at, r.last_status, r.last_error, r.failing_since, r.told, r.dropped"

func (x *HookReceiver) fields() []any {
	return []any{&x.URL, &x.Token, nullTime{&x.LastAt}, &x.LastStatus, &x.LastError, nullTime{&x.FailingSince}, &x.Told, &x.Dropped}
}

func scanHook(r scanner) (Hook, error) {
	var h Hook
	err := r.scan(append([]any{&h.ID, &h.AccountID, &h.KeyID, &h.ReceiverID, &h.Type, &h.Backup, &h.Version, nullTime{&h.DeadAt}, &h.Takes, nullTime{&h.CreatedAt}}, h.HookReceiver.fields()...)...)
	return h, err
}

// HookFilter bounds a listing of hooks within a scope. Zero fields do not filter.
type HookFilter struct {
	ID      int64
	KeyID   int64
	Type    EventType
	Backup  *bool
	Dead    *bool
	Version int
}

func (f HookFilter) where(w *where) {
	if f.ID != 0 {
		w.and("h.id = ?", f.ID)
	}
	if f.KeyID != 0 {
		w.and("h.key_id = ?", f.KeyID)
	}
	if f.Type != 0 {
		w.and("h.event_type = ?", int(f.Type))
	}
	if f.Backup != nil {
		w.and("h.is_backup = ?", *f.Backup)
	}
	if f.Dead != nil {
		if *f.Dead {
			w.and("h.dead_at IS NOT NULL")
		} else {
			w.and("h.dead_at IS NULL")
		}
	}
	if f.Version != 0 {
		w.and("h.version = ?", f.Version)
	}
}

// Hooks lists hooks of the scope by ID, and says how many there are in all.
func (s *Store) Hooks(ctx context.Context, scope Scope, f HookFilter, p Page) (list []Hook, total int, err error) {
	count := newWhere("SELECT count(*) FROM hook h")
	scope.where(count, "h.account_id", "h.key_id")
	f.where(count)
	if err := s.row(ctx, count.String(), count.args...).scan(&total); err != nil {
		return nil, 0, err
	}
	list, err = hooks(ctx, s, scope, f, p)
	return list, total, err
}

// Hooks is the store's, within the transaction.
func (tx *Tx) Hooks(ctx context.Context, scope Scope, f HookFilter) ([]Hook, error) {
	return hooks(ctx, tx, scope, f, Page{})
}

func hooks(ctx context.Context, q queryable, scope Scope, f HookFilter, p Page) ([]Hook, error) {
	w := newWhere(hookSelect)
	scope.where(w, "h.account_id", "h.key_id")
	f.where(w)
	w.page(p, "h.id")
	return collect(ctx, q, scanHook, w.String(), w.args...)
}

// PutHookReceiver finds or makes the receiver of a key with a URL, by its digest, and has it begin anew: what failed
// before is forgotten.
func (tx *Tx) PutHookReceiver(ctx context.Context, accountID, keyID int64, digest, url []byte, token string) (id int64, err error) {
	err = tx.row(ctx, `INSERT INTO hook_receiver (account_id, key_id, digest, url, token, created_at) VALUES ($1, $2, $3, $4, $5, $6)
 ON CONFLICT (key_id, digest) DO UPDATE SET url = excluded.url, last_error = '', failing_since = NULL RETURNING id`, accountID, keyID, digest, url, token, micros(tx.Now)).scan(&id)
	return id, err
}

// AddHook adds a hook. A second one of the same type and kind is ErrExists.
func (tx *Tx) AddHook(ctx context.Context, h Hook) (id int64, err error) {
	err = tx.row(ctx, "INSERT INTO hook (account_id, key_id, event_type, is_backup, version, receiver_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
		h.AccountID, h.KeyID, int(h.Type), h.Backup, h.Version, h.ReceiverID, micros(tx.Now)).scan(&id)
	if err != nil {
		return 0, err
	}
	tx.s.hooked.add(h.KeyID)
	return id, tx.settleHooks(ctx, h.KeyID)
}

// ChangeHook sets the version and the receiver of a hook, which is alive from then on.
func (tx *Tx) ChangeHook(ctx context.Context, h Hook) error {
	if err := tx.one(ctx, "UPDATE hook SET version = $1, receiver_id = $2, dead_at = NULL WHERE id = $3", h.Version, h.ReceiverID, h.ID); err != nil {
		return err
	}
	return tx.settleHooks(ctx, h.KeyID)
}

// SetHookVersion changes the version of a hook, and nothing else.
func (tx *Tx) SetHookVersion(ctx context.Context, id int64, version int) error {
	return tx.one(ctx, "UPDATE hook SET version = $1 WHERE id = $2", version, id)
}

// RemoveHook removes a hook and what waits for it.
func (tx *Tx) RemoveHook(ctx context.Context, h Hook) error {
	if _, err := tx.exec(ctx, "DELETE FROM hook_event WHERE receiver_id = $1 AND hook_id = $2", h.ReceiverID, h.ID); err != nil {
		return err
	}
	if err := tx.one(ctx, "DELETE FROM hook WHERE id = $1", h.ID); err != nil {
		return err
	}
	return tx.settleHooks(ctx, h.KeyID)
}

// RemoveHooksOf removes all hooks of a key. What waited for them is swept away later.
func (tx *Tx) RemoveHooksOf(ctx context.Context, keyID int64) error {
	_, err := tx.exec(ctx, "DELETE FROM hook WHERE key_id = $1", keyID)
	return err
}

// settleHooks decides which hooks of a key take new events: of each type the one that is alive, or else the backup.
func (tx *Tx) settleHooks(ctx context.Context, keyID int64) error {
	_, err := tx.exec(ctx, `UPDATE hook SET takes = (dead_at IS NULL AND (NOT is_backup OR NOT EXISTS (SELECT 1 FROM hook m
 WHERE m.key_id = hook.key_id AND m.event_type = hook.event_type AND NOT m.is_backup AND m.dead_at IS NULL))) WHERE key_id = $1`, keyID)
	return err
}

// hookedKeys are the keys that have, or had since the start, a hook: the events of others are recorded without a look.
// One server has the store, so that nobody else adds hooks.
type hookedKeys struct{ keys sync.Map }

func (h *hookedKeys) add(keyID int64) { h.keys.Store(keyID, true) }

func (h *hookedKeys) has(keyID int64) bool {
	_, ok := h.keys.Load(keyID)
	return ok
}

func (s *Store) loadHooked(ctx context.Context) error {
	keys, err := collect(ctx, s, scanID, "SELECT DISTINCT key_id FROM hook")
	for _, id := range keys {
		s.hooked.add(id)
	}
	return err
}

// HookSecret is what a key's requests are signed with.
type HookSecret struct {
	ID        int64
	Secret    []byte // sealed
	CreatedAt time.Time
	ExpiresAt time.Time // of an old one; zero: the present one
}

// HookSecrets lists what a key's requests are signed with now, newest first.
func (s *Store) HookSecrets(ctx context.Context, scope Scope, keyID int64, now time.Time) ([]HookSecret, error) {
	w := newWhere("SELECT s.id, s.secret, s.created_at, s.expires_at FROM hook_secret s JOIN api_key k ON k.id = s.key_id")
	scope.where(w, "k.account_id", "k.id")
	w.and("s.key_id = ?", keyID)
	w.and("(s.expires_at IS NULL OR s.expires_at > ?)", micros(now))
	w.add(" ORDER BY s.id DESC")
	return collect(ctx, s, func(r scanner) (HookSecret, error) {
		var x HookSecret
		err := r.scan(&x.ID, &x.Secret, nullTime{&x.CreatedAt}, nullTime{&x.ExpiresAt})
		return x, err
	}, w.String(), w.args...)
}

// PutHookSecret gives a key a new signing secret. The one before goes on signing beside it for the overlap; older ones
// end.
func (tx *Tx) PutHookSecret(ctx context.Context, keyID int64, secret []byte, overlap time.Duration) error {
	if _, err := tx.exec(ctx, "DELETE FROM hook_secret WHERE key_id = $1 AND expires_at IS NOT NULL", keyID); err != nil {
		return err
	}
	end := "DELETE FROM hook_secret WHERE key_id = $1"
	args := []any{keyID}
	if overlap > 0 {
		end = "UPDATE hook_secret SET expires_at = $1 WHERE key_id = $2"
		args = []any{micros(tx.Now.Add(overlap)), keyID}
	}
	if _, err := tx.exec(ctx, end, args...); err != nil {
		return err
	}
	_, err := tx.exec(ctx, "INSERT INTO hook_secret (key_id, secret, created_at) VALUES ($1, $2, $3)", keyID, secret, micros(tx.Now))
	return err
}

// Receiver reads a receiver with its key; for who tells it.
func (s *Store) Receiver(ctx context.Context, id int64) (accountID, keyID int64, x HookReceiver, err error) {
	err = s.row(ctx, "SELECT r.account_id, r.key_id, "+receiverColumns+" FROM hook_receiver r WHERE r.id = $1", id).scan(append([]any{&accountID, &keyID}, x.fields()...)...)
	return accountID, keyID, x, err
}

// ErrSameReceiver says that a backup leads to the URL that it stands in for.
var ErrSameReceiver = errors.New("the backup has the same URL")

// CheckBackup returns ErrSameReceiver when a hook and its backup have one receiver.
func (tx *Tx) CheckBackup(ctx context.Context, h Hook) error {
	var same bool
	err := tx.row(ctx, "SELECT EXISTS (SELECT 1 FROM hook WHERE key_id = $1 AND event_type = $2 AND is_backup <> $3 AND receiver_id = $4)", h.KeyID, int(h.Type), h.Backup, h.ReceiverID).scan(&same)
	if err == nil && same {
		return ErrSameReceiver
	}
	return err
}
