// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"strings"
	"time"

	"postern/internal/change"
	"postern/internal/webhooks"

	"postern/internal/store"
)

// WaitingCounted is how far events that wait for a webhook are counted.
const WaitingCounted = 1000

func (o *operator) listWebhooks(ctx context.Context, which string) ([]Webhook, error) {
	var f store.HookFilter
	if which != "" {
		k, err := o.findKey(ctx, which)
		if err != nil {
			return nil, err
		}
		f.KeyID = k.ID
	}
	list, _, err := o.Webhooks.Hooks(ctx, store.OfOperator(), f, store.Page{})
	if err != nil {
		return nil, err
	}
	return o.webhooksOf(ctx, list)
}

func (o *operator) webhooksOf(ctx context.Context, list []webhooks.Hook) ([]Webhook, error) {
	hooks, ids := make([]int64, 0, len(list)), make([]int64, 0, len(list))
	for _, h := range list {
		hooks, ids = append(hooks, h.ID), append(ids, h.KeyID)
	}
	keys, err := o.Store.KeysByID(ctx, store.OfOperator(), ids)
	if err != nil {
		return nil, err
	}
	waiting, err := o.Store.HooksWaiting(ctx, store.OfOperator(), hooks, WaitingCounted)
	if err != nil {
		return nil, err
	}
	out := make([]Webhook, 0, len(list))
	for _, h := range list {
		k := keys[h.KeyID]
		out = append(out, Webhook{
			ID: h.ID, Event: h.Type.String(), Backup: h.Backup, URL: h.Shown, Version: h.Version, State: h.State(), LastAt: h.LastAt, LastStatus: h.LastStatus,
			LastError: h.LastError, FailingSince: h.FailingSince, DeadAt: h.DeadAt, Waiting: waiting[h.ID], Told: h.Told, Dropped: h.Dropped, APIKey: k.APIKey, KeyName: k.Name,
		})
	}
	return out, nil
}

// eventTypes reads the names of types; "all" is each of them.
func eventTypes(names []string) ([]store.EventType, error) {
	if len(names) == 0 {
		return nil, invalid("EventType", "say of which events")
	}
	var out []store.EventType
	for _, name := range names {
		if strings.EqualFold(name, "all") {
			return webhooks.HookTypes(), nil
		}
		t, err := webhooks.HookTypeOf(name)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (o *operator) setWebhooks(ctx context.Context, in WebhookSet) ([]Webhook, error) {
	key, err := o.findKey(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	set := webhooks.HookSet{URL: in.URL, Version: in.Version, Backup: in.Backup, Replace: true}
	if set.Types, err = eventTypes(in.Events); err != nil {
		return nil, err
	}
	list, err := o.Webhooks.SetHooks(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, set)
	if err != nil {
		return nil, err
	}
	return o.webhooksOf(ctx, list)
}

// webhooks finds those that a request names. "all" is all that there are.
func (o *operator) webhooks(ctx context.Context, in WebhookOf) ([]webhooks.Hook, error) {
	key, err := o.findKey(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	types, err := eventTypes(in.Events)
	if err != nil {
		return nil, err
	}
	what := "webhook"
	if in.Backup {
		what = "backup webhook"
	}
	all := len(in.Events) == 1 && strings.EqualFold(in.Events[0], "all")
	var out []webhooks.Hook
	for _, t := range types {
		h, err := o.Webhooks.Hook(ctx, store.OfKey(key.AccountID, key.ID), store.HookFilter{KeyID: key.ID, Type: t, Backup: &in.Backup})
		var missing *change.Error
		switch {
		case errors.As(err, &missing) && missing.Kind == change.NotFound && all:
			continue
		case errors.As(err, &missing) && missing.Kind == change.NotFound:
			return nil, notFound("EventType", "%s has no %s for %s events", key.Name, what, t)
		case err != nil:
			return nil, err
		}
		out = append(out, h)
	}
	if len(out) == 0 {
		return nil, notFound("EventType", "%s has no %s", key.Name, what)
	}
	return out, nil
}

// removeWebhooks removes all that are named, or none where one is not there.
func (o *operator) removeWebhooks(ctx context.Context, in WebhookOf) ([]Webhook, error) {
	list, err := o.webhooks(ctx, in)
	if err != nil {
		return nil, err
	}
	out, err := o.webhooksOf(ctx, list)
	if err != nil {
		return nil, err
	}
	for _, h := range list {
		if err := o.Webhooks.RemoveHook(ctx, actor(), store.OfOperator(), h.ID); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// testWebhook posts a sample to each that is named.
func (o *operator) testWebhooks(ctx context.Context, in WebhookOf) ([]Delivery, error) {
	list, err := o.webhooks(ctx, in)
	if err != nil {
		return nil, err
	}
	tried := make([]store.HookAttempt, 0, len(list))
	for _, h := range list {
		a, err := o.Webhooks.TestHook(ctx, store.OfOperator(), h.ID)
		if err != nil {
			return nil, err
		}
		tried = append(tried, a)
	}
	out, err := o.deliveriesOf(ctx, tried)
	if err != nil {
		return nil, err
	}
	for i, a := range tried {
		out[i].Body = string(a.Body)
	}
	return out, nil
}

func (o *operator) showWebhookSecret(ctx context.Context, which string) (WebhookSecret, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return WebhookSecret{}, err
	}
	return o.webhookSecret(ctx, key, "")
}

func (o *operator) newWebhookSecret(ctx context.Context, which string, overlap time.Duration) (WebhookSecret, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return WebhookSecret{}, err
	}
	secret, err := o.Webhooks.NewHookSecret(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, overlap)
	if err != nil {
		return WebhookSecret{}, err
	}
	return o.webhookSecret(ctx, key, secret)
}

func (o *operator) webhookSecret(ctx context.Context, key store.Key, secret string) (WebhookSecret, error) {
	x, err := o.Webhooks.HookSecret(ctx, store.OfOperator(), store.KeyFilter{ID: key.ID})
	return WebhookSecret{CreatedAt: x.CreatedAt, OldEndsAt: x.OldEndsAt, Secret: secret, APIKey: key.APIKey, KeyName: key.Name}, err
}
