// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"strconv"
	"time"

	"postern/internal/store"
	"postern/internal/webhooks"
)

// listDeliveries lists the latest requests to webhooks, newest first.
func (o *operator) listDeliveries(ctx context.Context, in DeliveryQuery) ([]Delivery, error) {
	f := store.AttemptFilter{From: in.From, To: in.To}
	if in.Key != "" {
		k, err := o.findKey(ctx, in.Key)
		if err != nil {
			return nil, err
		}
		f.KeyID = k.ID
	}
	var err error
	if in.Event != "" {
		if f.Type, err = webhooks.HookTypeOf(in.Event); err != nil {
			return nil, err
		}
	}
	if in.Failed {
		f.Failed = &in.Failed
	}
	limit, err := listed(in.Limit, usualRows)
	if err != nil {
		return nil, err
	}
	list, err := o.Store.HookAttempts(ctx, store.OfOperator(), f, limit)
	if err != nil {
		return nil, err
	}
	return o.deliveriesOf(ctx, list)
}

func (o *operator) deliveriesOf(ctx context.Context, list []store.HookAttempt) ([]Delivery, error) {
	ids := make([]int64, 0, len(list))
	for _, a := range list {
		ids = append(ids, a.KeyID)
	}
	keys, err := o.Store.KeysByID(ctx, store.OfOperator(), ids)
	if err != nil {
		return nil, err
	}
	out := make([]Delivery, 0, len(list))
	for _, a := range list {
		out = append(out, deliveryOf(a, keys[a.KeyID])) // the key of one may be deleted since
	}
	return out, nil
}

func deliveryOf(a store.HookAttempt, key store.Key) Delivery {
	out := Delivery{
		ID: a.ID, At: a.At, Events: []string{}, Count: a.Count, Sample: len(a.EventIDs) == 0, Version: a.Version, Attempt: a.Attempt, Result: a.Outcome.String(),
		Status: a.Status, Error: a.Error, TookMS: a.Took.Milliseconds(), Target: a.Target, WebhookID: a.WebhookID,
	}
	for _, t := range a.Types {
		out.Events = append(out.Events, t.String())
	}
	out.APIKey, out.KeyName = key.APIKey, key.Name
	return out
}

// delivery finds a request by its number.
func (o *operator) delivery(ctx context.Context, which string) (store.HookAttempt, error) {
	id, err := strconv.ParseInt(which, 10, 64)
	if err != nil || id <= 0 {
		return store.HookAttempt{}, misused("Delivery", "%q is not the number of a delivery", which)
	}
	list, err := o.Store.HookAttempts(ctx, store.OfOperator(), store.AttemptFilter{ID: id}, 1)
	if err == nil && len(list) == 0 {
		err = notFound("Delivery", "there is no delivery %d in the log", id)
	}
	if err != nil {
		return store.HookAttempt{}, err
	}
	return list[0], nil
}

// showDelivery has one request with its body, made again of the events that are still kept.
func (o *operator) showDelivery(ctx context.Context, which string) (Delivery, error) {
	a, err := o.delivery(ctx, which)
	if err != nil {
		return Delivery{}, err
	}
	list, err := o.deliveriesOf(ctx, []store.HookAttempt{a})
	if err != nil {
		return Delivery{}, err
	}
	body, kept, err := o.Webhooks.HookBody(ctx, a)
	list[0].Body, list[0].Kept = string(body), kept
	return list[0], err
}

func (o *operator) replayDelivery(ctx context.Context, which string) (Replayed, error) {
	a, err := o.delivery(ctx, which)
	if err != nil {
		return Replayed{}, err
	}
	n, err := o.Webhooks.ReplayAttempt(ctx, actor(), store.OfOperator(), a.ID)
	return Replayed{n}, err
}

// replayFailed tells a key's webhooks again what failed since a time, and was not told after.
func (o *operator) replayFailed(ctx context.Context, which string, since time.Time) (Replayed, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return Replayed{}, err
	}
	if since.IsZero() {
		return Replayed{}, invalid("since", "say from which time on")
	}
	n, err := o.Webhooks.ReplayFailed(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, since)
	return Replayed{n}, err
}
