// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Owner is whose events a webhook is notified of: an API key, for its messages, or an account, for its credentials.
type Owner struct {
	AccountID int64
	KeyID     int64 // 0: the account itself
}

// OfAccount says whether the owner is an account.
func (o Owner) OfAccount() bool { return o.KeyID == 0 }

// Scope is what belongs to the owner. An account's has its keys in it too.
func (o Owner) Scope() Scope {
	if o.OfAccount() {
		return OfAccount(o.AccountID)
	}
	return OfKey(o.AccountID, o.KeyID)
}

// Webhook says that one type of its owner's events goes to an endpoint.
type Webhook struct {
	ID int64
	Owner
	EndpointID int64
	Type       EventType
	Backup     bool
	Version    int       // of a key's: 1 is an event a request, 2 an array of them
	DisabledAt time.Time // its endpoint failed for a day; zero: it is not disabled
	Takes      bool      // new events of the type are queued for it
	CreatedAt  time.Time
	Endpoint
}

const webhookSelect = "SELECT h.id, h.account_id, h.key_id, h.endpoint_id, h.event_type, h.is_backup, h.version, h.disabled_at, " +
	"h.takes, h.created_at, " +
	endpointColumns + " FROM webhook h JOIN endpoint e ON e.id = h.endpoint_id"

func scanWebhook(r scanner) (Webhook, error) {
	var h Webhook
	err := r.scan(append([]any{
		&h.ID, &h.AccountID, &h.KeyID, &h.EndpointID, &h.Type, &h.Backup, &h.Version,
		nullTime{&h.DisabledAt},
		&h.Takes,
		nullTime{&h.CreatedAt},
	}, h.Endpoint.fields()...)...)
	return h, err
}

// WebhookFilter bounds a listing of webhooks within a scope: of keys, or with Account of accounts. Other zero fields do not
// filter.
type WebhookFilter struct {
	Account  bool
	ID       int64
	KeyID    int64
	Type     EventType
	Backup   *bool
	Disabled *bool
	Version  int
}

func (f WebhookFilter) where(w *where) {
	if f.Account {
		w.and("h.key_id = 0")
	} else {
		w.and("h.key_id <> 0")
	}
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
	if f.Disabled != nil {
		if *f.Disabled {
			w.and("h.disabled_at IS NOT NULL")
		} else {
			w.and("h.disabled_at IS NULL")
		}
	}
	if f.Version != 0 {
		w.and("h.version = ?", f.Version)
	}
}

// Webhooks lists webhooks of the scope by ID, and says how many there are in all.
func (s *Store) Webhooks(ctx context.Context, scope Scope, f WebhookFilter, p Page) (list []Webhook, total int, err error) {
	count := newWhere("SELECT count(*) FROM webhook h")
	scope.where(count, "h.account_id", "h.key_id")
	f.where(count)
	if err := s.row(ctx, count.String(), count.args...).scan(&total); err != nil {
		return nil, 0, err
	}
	list, err = listWebhooks(ctx, s, scope, f, p)
	return list, total, err
}

// Webhooks is the store's, within the transaction.
func (tx *Tx) Webhooks(ctx context.Context, scope Scope, f WebhookFilter) ([]Webhook, error) {
	return listWebhooks(ctx, tx, scope, f, Page{})
}

func listWebhooks(ctx context.Context, q queryable, scope Scope, f WebhookFilter, p Page) ([]Webhook, error) {
	w := newWhere(webhookSelect)
	scope.where(w, "h.account_id", "h.key_id")
	f.where(w)
	w.page(p, "h.id")
	return collect(ctx, q, scanWebhook, w.String(), w.args...)
}

// WebhooksOfEndpoint lists the webhooks that lead to an endpoint and are not disabled, and the backups that would take over
// from them.
func (tx *Tx) WebhooksOfEndpoint(ctx context.Context, endpointID int64) (list []Webhook, backups map[int64]Webhook, err error) {
	list, err = collect(ctx, tx, scanWebhook, webhookSelect+" WHERE h.endpoint_id = $1 AND h.disabled_at IS NULL ORDER BY h.id", endpointID)
	if err != nil {
		return nil, nil, err
	}
	backups = map[int64]Webhook{}
	for _, h := range list {
		if h.Backup || h.OfAccount() {
			continue
		}
		other, err := listWebhooks(ctx, tx, h.Scope(),
			WebhookFilter{KeyID: h.KeyID, Type: h.Type, Backup: new(true), Disabled: new(false)}, Page{Limit: 1})
		if err != nil {
			return nil, nil, err
		}
		if len(other) == 1 && other[0].EndpointID != endpointID {
			backups[h.ID] = other[0]
		}
	}
	return list, backups, nil
}

// AddWebhook adds a webhook. A second one of the same owner, type and kind is ErrExists.
func (tx *Tx) AddWebhook(ctx context.Context, h Webhook) (id int64, err error) {
	err = tx.row(ctx, `INSERT INTO webhook (account_id, key_id, event_type, is_backup, version, endpoint_id, created_at)
 VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`, h.AccountID, h.KeyID, int(h.Type), h.Backup, h.Version, h.EndpointID, micros(tx.Now)).scan(&id)
	if err != nil {
		return 0, err
	}
	tx.s.webhookKeys.add(h.KeyID)
	return id, tx.settleWebhooks(ctx, h.Owner)
}

// ChangeWebhook sets the version and the endpoint of a webhook, which is not disabled from then on.
func (tx *Tx) ChangeWebhook(ctx context.Context, h Webhook) error {
	err := tx.one(ctx, "UPDATE webhook SET version = $1, endpoint_id = $2, disabled_at = NULL WHERE id = $3", h.Version, h.EndpointID, h.ID)
	if err != nil {
		return err
	}
	return tx.settleWebhooks(ctx, h.Owner)
}

// SetWebhookVersion changes the version of a webhook, and nothing else.
func (tx *Tx) SetWebhookVersion(ctx context.Context, id int64, version int) error {
	return tx.one(ctx, "UPDATE webhook SET version = $1 WHERE id = $2", version, id)
}

// DisableWebhook marks a webhook as disabled: nothing new is queued for it.
func (tx *Tx) DisableWebhook(ctx context.Context, h Webhook) error {
	err := tx.one(ctx, "UPDATE webhook SET disabled_at = $1 WHERE id = $2 AND endpoint_id = $3", micros(tx.Now), h.ID, h.EndpointID)
	if err != nil {
		return err
	}
	return tx.settleWebhooks(ctx, h.Owner)
}

// RemoveWebhook removes a webhook and what waits for it.
func (tx *Tx) RemoveWebhook(ctx context.Context, h Webhook) error {
	if _, err := tx.exec(ctx, "DELETE FROM delivery WHERE endpoint_id = $1 AND webhook_id = $2", h.EndpointID, h.ID); err != nil {
		return err
	}
	if err := tx.one(ctx, "DELETE FROM webhook WHERE id = $1", h.ID); err != nil {
		return err
	}
	return tx.settleWebhooks(ctx, h.Owner)
}

// RemoveWebhooksOf removes all webhooks of a key. What waited for them is swept away later.
func (tx *Tx) RemoveWebhooksOf(ctx context.Context, keyID int64) error {
	_, err := tx.exec(ctx, "DELETE FROM webhook WHERE key_id = $1", keyID)
	return err
}

// settleWebhooks decides which webhooks of an owner take new events: of each type the one that is not disabled, or else the
// backup.
func (tx *Tx) settleWebhooks(ctx context.Context, o Owner) error {
	_, err := tx.exec(ctx, `UPDATE webhook SET takes = (disabled_at IS NULL AND (NOT is_backup OR NOT EXISTS (SELECT 1 FROM webhook m
 WHERE m.key_id = webhook.key_id AND m.event_type = webhook.event_type AND m.account_id = webhook.account_id AND NOT m.is_backup
 AND m.disabled_at IS NULL)))
 WHERE key_id = $1 AND account_id = $2`, o.KeyID, o.AccountID)
	return err
}

// ErrSameEndpoint says that a backup leads to the URL that it stands in for.
var ErrSameEndpoint = errors.New("the backup has the same URL")

// CheckBackup returns ErrSameEndpoint when a webhook and its backup have one endpoint.
func (tx *Tx) CheckBackup(ctx context.Context, h Webhook) error {
	var same bool
	err := tx.row(ctx, `SELECT EXISTS (SELECT 1 FROM webhook
 WHERE key_id = $1 AND event_type = $2 AND account_id = $3 AND is_backup <> $4 AND endpoint_id = $5)`, h.KeyID, int(h.Type), h.AccountID, h.Backup, h.EndpointID).scan(&same)
	if err == nil && same {
		return ErrSameEndpoint
	}
	return err
}

// webhookKeys are the keys that have, or had since the start, a webhook: the events of others are recorded without a look.
// One server has the store, so that nobody else adds webhooks.
type webhookKeys struct{ keys sync.Map }

func (h *webhookKeys) add(keyID int64) { h.keys.Store(keyID, true) }

func (h *webhookKeys) has(keyID int64) bool {
	_, ok := h.keys.Load(keyID)
	return ok
}

func (s *Store) loadWebhookKeys(ctx context.Context) error {
	keys, err := collect(ctx, s, scanID, "SELECT DISTINCT key_id FROM webhook")
	for _, id := range keys {
		s.webhookKeys.add(id)
	}
	return err
}
