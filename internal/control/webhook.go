// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"postern/internal/change"
	"postern/internal/webhooks"

	"postern/internal/store"
)

// WaitingCounted is how far events that wait for a webhook are counted.
const WaitingCounted = 1000

func (d *door) listWebhooks(r *http.Request) (any, error) {
	var f store.HookFilter
	if which := r.URL.Query().Get("key"); which != "" {
		k, err := d.findKey(r.Context(), which)
		if err != nil {
			return nil, err
		}
		f.KeyID = k.ID
	}
	list, _, err := d.Webhooks.Hooks(r.Context(), store.OfOperator(), f, store.Page{})
	if err != nil {
		return nil, err
	}
	return d.webhooksOf(r.Context(), list)
}

func (d *door) webhooksOf(ctx context.Context, list []webhooks.Hook) ([]Webhook, error) {
	hooks, ids := make([]int64, 0, len(list)), make([]int64, 0, len(list))
	for _, h := range list {
		hooks, ids = append(hooks, h.ID), append(ids, h.KeyID)
	}
	keys, err := d.Store.KeysByID(ctx, store.OfOperator(), ids)
	if err != nil {
		return nil, err
	}
	waiting, err := d.Store.HooksWaiting(ctx, store.OfOperator(), hooks, WaitingCounted)
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

func (d *door) setWebhooks(r *http.Request) (any, error) {
	var in WebhookSet
	if err := read(r, &in); err != nil {
		return nil, err
	}
	key, err := d.findKey(r.Context(), in.Key)
	if err != nil {
		return nil, err
	}
	set := webhooks.HookSet{URL: in.URL, Version: in.Version, Backup: in.Backup, Replace: true}
	if set.Types, err = eventTypes(in.Events); err != nil {
		return nil, err
	}
	list, err := d.Webhooks.SetHooks(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, set)
	if err != nil {
		return nil, err
	}
	return d.webhooksOf(r.Context(), list)
}

// webhooks finds those that a request names. "all" is all that there are.
func (d *door) webhooks(r *http.Request) ([]webhooks.Hook, error) {
	var in WebhookOf
	if err := read(r, &in); err != nil {
		return nil, err
	}
	ctx := r.Context()
	key, err := d.findKey(ctx, in.Key)
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
		h, err := d.Webhooks.Hook(ctx, store.OfKey(key.AccountID, key.ID), store.HookFilter{KeyID: key.ID, Type: t, Backup: &in.Backup})
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
func (d *door) removeWebhooks(r *http.Request) (any, error) {
	list, err := d.webhooks(r)
	if err != nil {
		return nil, err
	}
	out, err := d.webhooksOf(r.Context(), list)
	if err != nil {
		return nil, err
	}
	for _, h := range list {
		if err := d.Webhooks.RemoveHook(r.Context(), operator(), store.OfOperator(), h.ID); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// testWebhook posts a sample to each that is named.
func (d *door) testWebhook(r *http.Request) (any, error) {
	list, err := d.webhooks(r)
	if err != nil {
		return nil, err
	}
	tried := make([]store.HookAttempt, 0, len(list))
	for _, h := range list {
		a, err := d.Webhooks.TestHook(r.Context(), store.OfOperator(), h.ID)
		if err != nil {
			return nil, err
		}
		tried = append(tried, a)
	}
	out, err := d.deliveriesOf(r.Context(), tried)
	if err != nil {
		return nil, err
	}
	for i, a := range tried {
		out[i].Body = string(a.Body)
	}
	return out, nil
}

func (d *door) showWebhookSecret(r *http.Request) (any, error) {
	key, err := d.findKey(r.Context(), r.URL.Query().Get("key"))
	if err != nil {
		return nil, err
	}
	return d.webhookSecret(r.Context(), key, "")
}

func (d *door) newWebhookSecret(r *http.Request) (any, error) {
	var in NewWebhookSecret
	if err := read(r, &in); err != nil {
		return nil, err
	}
	key, err := d.findKey(r.Context(), in.Key)
	if err != nil {
		return nil, err
	}
	secret, err := d.Webhooks.NewHookSecret(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, seconds(in.OverlapSeconds))
	if err != nil {
		return nil, err
	}
	return d.webhookSecret(r.Context(), key, secret)
}

func (d *door) webhookSecret(ctx context.Context, key store.Key, secret string) (any, error) {
	x, err := d.Webhooks.HookSecret(ctx, store.OfOperator(), store.KeyFilter{ID: key.ID})
	return WebhookSecret{CreatedAt: x.CreatedAt, OldEndsAt: x.OldEndsAt, Secret: secret, APIKey: key.APIKey, KeyName: key.Name}, err
}
