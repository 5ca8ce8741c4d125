// SPDX-License-Identifier: Apache-2.0

// Package webhooks has the URLs that programs are notified at: of keys, for events of their messages, and of accounts, for
// events of their credentials. Package webhook delivers.
package webhooks

import (
	"context"
	"time"

	"postern/internal/change"
	"postern/internal/notice"
	"postern/internal/store"
	"postern/internal/webhook"
)

// Webhooks changes webhooks. Make it with New.
type Webhooks struct {
	store   *store.Store
	notices *notice.Outbox
	webhook *webhook.Webhook
	now     func() time.Time
}

// Config of Webhooks.
type Config struct {
	Store   *store.Store
	Notices *notice.Outbox
	Webhook *webhook.Webhook
	Now     func() time.Time // nil: time.Now
}

// New makes Webhooks.
func New(c Config) *Webhooks {
	if c.Now == nil {
		c.Now = time.Now
	}
	k := &Webhooks{store: c.Store, notices: c.Notices, webhook: c.Webhook, now: c.Now}
	k.webhook.OnDead(k.hooksDied)
	return k
}

func (k *Webhooks) update(ctx context.Context, what string, fn func(tx *store.Tx) error) error {
	return change.Update(ctx, k.store, what, fn)
}
