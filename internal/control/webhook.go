// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"strconv"
	"time"

	"postern/internal/store"
	"postern/internal/webhooks"
)

// WebhookSet says where a key's events are to go. Those that are there are changed.
type WebhookSet struct {
	Key     string
	URL     string // xxxxx for a password keeps the one that is there
	Events  []string
	Version int // 0: as it is, or 2
	Backup  bool
}

// WebhookOf names webhooks of a key.
type WebhookOf struct {
	Key    string
	Events []string
	Backup bool
}

// DeliveryQuery is which requests are wanted: the newest first. What is empty bounds nothing.
type DeliveryQuery struct {
	Key, Event string
	Failed     bool
	From, To   time.Time
	Limit      *int
}

func (o *operator) listWebhooks(ctx context.Context, which string) ([]webhooks.Webhook, error) {
	var f store.WebhookFilter
	if which != "" {
		k, err := o.findKey(ctx, which)
		if err != nil {
			return nil, err
		}
		f.KeyID = k.ID
	}
	list, _, err := o.Webhooks.List(ctx, store.OfOperator(), f, store.Page{})
	return list, err
}

func (o *operator) setWebhooks(ctx context.Context, in WebhookSet) ([]webhooks.Webhook, error) {
	key, err := o.findKey(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	set := webhooks.Setting{URL: in.URL, Version: in.Version, Backup: in.Backup, Replace: true}
	if set.Types, err = webhooks.EventTypes(in.Events); err != nil {
		return nil, err
	}
	return o.Webhooks.Set(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, set)
}

func (o *operator) webhooksNamed(ctx context.Context, in WebhookOf) ([]webhooks.Webhook, error) {
	key, err := o.findKey(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	return o.Webhooks.Named(ctx, key, in.Events, in.Backup)
}

// removeWebhooks removes all that are named, or none where one is not there.
func (o *operator) removeWebhooks(ctx context.Context, in WebhookOf) ([]webhooks.Webhook, error) {
	list, err := o.webhooksNamed(ctx, in)
	if err != nil {
		return nil, err
	}
	for _, h := range list {
		if err := o.Webhooks.Remove(ctx, actor(), store.OfOperator(), h.ID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// testWebhooks posts a sample to each that is named.
func (o *operator) testWebhooks(ctx context.Context, in WebhookOf) ([]webhooks.Delivery, error) {
	list, err := o.webhooksNamed(ctx, in)
	if err != nil {
		return nil, err
	}
	out := make([]webhooks.Delivery, len(list))
	for i, h := range list {
		if out[i], err = o.Webhooks.Test(ctx, store.OfOperator(), h.ID); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (o *operator) showWebhookSecret(ctx context.Context, which string) (webhooks.SigningSecret, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return webhooks.SigningSecret{}, err
	}
	return o.Webhooks.Secret(ctx, store.OfOperator(), store.KeyFilter{ID: key.ID})
}

func (o *operator) newWebhookSecret(ctx context.Context, which string, overlap time.Duration) (webhooks.SigningSecret, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return webhooks.SigningSecret{}, err
	}
	return o.Webhooks.NewSecret(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, overlap)
}

// listDeliveries lists the latest requests to keys' webhooks, newest first.
func (o *operator) listDeliveries(ctx context.Context, in DeliveryQuery) (list []webhooks.Delivery, err error) {
	scope, f := store.OfOperator(), store.AttemptFilter{Account: new(false)}
	if in.Key != "" {
		k, err := o.findKey(ctx, in.Key)
		if err != nil {
			return nil, err
		}
		scope = store.OfKey(k.AccountID, k.ID)
	}
	if in.Event != "" {
		if f.Type, err = webhooks.EventType(in.Event); err != nil {
			return nil, err
		}
	}
	return o.deliveries(ctx, scope, f, in)
}

// listAccountDeliveries lists the latest requests to an account's own webhook, newest first.
func (o *operator) listAccountDeliveries(ctx context.Context, account string, in DeliveryQuery) ([]webhooks.Delivery, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return nil, err
	}
	return o.deliveries(ctx, store.OfAccount(a.ID), store.AttemptFilter{Account: new(true)}, in)
}

func (o *operator) deliveries(ctx context.Context, scope store.Scope, f store.AttemptFilter, in DeliveryQuery) ([]webhooks.Delivery,
	error,
) {
	f.From, f.To = in.From, in.To
	if in.Failed {
		f.Failed = &in.Failed
	}
	limit, err := listed(in.Limit, usualRows)
	if err != nil {
		return nil, err
	}
	return o.Webhooks.Deliveries(ctx, scope, f, limit)
}

// deliveryNumber reads the number of a request.
func deliveryNumber(which string) (int64, error) {
	id, err := strconv.ParseInt(which, 10, 64)
	if err != nil || id <= 0 {
		return 0, misused("Delivery", "%q is not the number of a delivery", which)
	}
	return id, nil
}

func (o *operator) showDelivery(ctx context.Context, which string) (webhooks.Delivery, error) {
	id, err := deliveryNumber(which)
	if err != nil {
		return webhooks.Delivery{}, err
	}
	return o.Webhooks.Delivery(ctx, store.OfOperator(), id)
}

func (o *operator) replayDelivery(ctx context.Context, which string) (webhooks.Replayed, error) {
	id, err := deliveryNumber(which)
	if err != nil {
		return webhooks.Replayed{}, err
	}
	return o.Webhooks.Replay(ctx, actor(), store.OfOperator(), id)
}

// replayFailed delivers again what a key's webhooks did not take since a time, and not after.
func (o *operator) replayFailed(ctx context.Context, which string, since time.Time) (webhooks.Replayed, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return webhooks.Replayed{}, err
	}
	if since.IsZero() {
		return webhooks.Replayed{}, invalid("since", "say from which time on")
	}
	return o.Webhooks.ReplayFailed(ctx, actor(), store.Owner{AccountID: key.AccountID, KeyID: key.ID}, since)
}

func (o *operator) showAccountWebhook(ctx context.Context, account string) (webhooks.AccountWebhook, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return webhooks.AccountWebhook{}, err
	}
	return o.Webhooks.OfAccount(ctx, a.ID)
}

func (o *operator) setAccountWebhook(ctx context.Context, account, url string) (webhooks.AccountWebhook, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return webhooks.AccountWebhook{}, err
	}
	return o.Webhooks.SetOfAccount(ctx, actor(), a.ID, url)
}

// testAccountWebhook posts a sample, and says what came of it.
func (o *operator) testAccountWebhook(ctx context.Context, account string) (webhooks.Sample, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return webhooks.Sample{}, err
	}
	return o.Webhooks.TestOfAccount(ctx, actor(), a.ID)
}

// removeAccountWebhook answers with the webhook as it was.
func (o *operator) removeAccountWebhook(ctx context.Context, account string) (webhooks.AccountWebhook, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return webhooks.AccountWebhook{}, err
	}
	return o.Webhooks.RemoveOfAccount(ctx, actor(), a.ID)
}
