// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/http"
	"strconv"

	"postern/internal/store"
	"postern/internal/webhooks"
)

// listDeliveries lists the latest requests to webhooks, newest first.
func (d *door) listDeliveries(r *http.Request) (any, error) {
	q := r.URL.Query()
	var f store.AttemptFilter
	if which := q.Get("key"); which != "" {
		k, err := d.findKey(r.Context(), which)
		if err != nil {
			return nil, err
		}
		f.KeyID = k.ID
	}
	var err error
	if name := q.Get("event"); name != "" {
		if f.Type, err = webhooks.HookTypeOf(name); err != nil {
			return nil, err
		}
	}
	if failed := yes(r, "failed"); failed {
		f.Failed = &failed
	}
	if f.From, err = moment(r, "from", false); err != nil {
		return nil, err
	}
	if f.To, err = moment(r, "to", true); err != nil {
		return nil, err
	}
	limit, err := listed(r, usualRows)
	if err != nil {
		return nil, err
	}
	list, err := d.Store.HookAttempts(r.Context(), store.OfOperator(), f, limit)
	if err != nil {
		return nil, err
	}
	return d.deliveriesOf(r.Context(), list)
}

func (d *door) deliveriesOf(ctx context.Context, list []store.HookAttempt) ([]Delivery, error) {
	ids := make([]int64, 0, len(list))
	for _, a := range list {
		ids = append(ids, a.KeyID)
	}
	keys, err := d.Store.KeysByID(ctx, store.OfOperator(), ids)
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

// pathDelivery is the request that the path names.
func (d *door) pathDelivery(r *http.Request) (store.HookAttempt, error) {
	which := r.PathValue("id")
	id, err := strconv.ParseInt(which, 10, 64)
	if err != nil || id <= 0 {
		return store.HookAttempt{}, misused("Delivery", "%q is not the number of a delivery", which)
	}
	list, err := d.Store.HookAttempts(r.Context(), store.OfOperator(), store.AttemptFilter{ID: id}, 1)
	if err == nil && len(list) == 0 {
		err = notFound("Delivery", "there is no delivery %d in the log", id)
	}
	if err != nil {
		return store.HookAttempt{}, err
	}
	return list[0], nil
}

// showDelivery has one request with its body, made again of the events that are still kept.
func (d *door) showDelivery(r *http.Request) (any, error) {
	a, err := d.pathDelivery(r)
	if err != nil {
		return nil, err
	}
	list, err := d.deliveriesOf(r.Context(), []store.HookAttempt{a})
	if err != nil {
		return nil, err
	}
	body, kept, err := d.Webhooks.HookBody(r.Context(), a)
	list[0].Body, list[0].Kept = string(body), kept
	return list[0], err
}

func (d *door) replayDelivery(r *http.Request) (any, error) {
	a, err := d.pathDelivery(r)
	if err != nil {
		return nil, err
	}
	n, err := d.Webhooks.ReplayAttempt(r.Context(), operator(), store.OfOperator(), a.ID)
	return Replayed{n}, err
}

// replayFailed tells a key's webhooks again what failed since a time, and was not told after.
func (d *door) replayFailed(r *http.Request) (any, error) {
	var in ReplayFailed
	if err := read(r, &in); err != nil {
		return nil, err
	}
	key, err := d.findKey(r.Context(), in.Key)
	if err != nil {
		return nil, err
	}
	since, err := momentOf("since", in.Since, false)
	if err != nil { // the command line turns so long ago into a time
		return nil, misused("since", "%q is neither a date (2026-01-31), a time (2026-01-31T12:00:00Z) nor so long ago (90m, 24h)", in.Since)
	}
	if since.IsZero() {
		return nil, invalid("since", "say from which time on")
	}
	n, err := d.Webhooks.ReplayFailed(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, since)
	return Replayed{n}, err
}
