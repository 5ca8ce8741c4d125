// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"time"

	"postern/internal/keys"
	"postern/internal/store"
)

func (o *operator) listKeys(ctx context.Context, in KeyList) ([]keys.Key, error) {
	scope := store.OfOperator()
	if in.Account != "" {
		a, err := o.findAccount(ctx, in.Account)
		if err != nil {
			return nil, err
		}
		scope = store.OfAccount(a.ID)
	}
	f := store.KeyFilter{Search: in.Search, State: in.State, Deleted: in.Deleted}
	switch f.State {
	case "", store.KeyActive, store.KeyDeactivated, store.KeySuspended:
	default:
		return nil, misused("state", "%q is not a state: there are active, deactivated and suspended", f.State)
	}
	now := time.Now()
	if in.Due {
		f.DueAt = now
	}
	if in.Overdue {
		f.OverdueAt = now
	}
	out := []keys.Key{}
	for at := 0; ; {
		list, total, err := o.Keys.Keys(ctx, scope, f, store.Page{Limit: 1000, Offset: at})
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
		if at += len(list); len(list) == 0 || at >= total {
			return out, nil
		}
	}
}

func (o *operator) showKey(ctx context.Context, which string) (keys.Details, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return keys.Details{}, err
	}
	return o.Keys.Details(ctx, key)
}

func (o *operator) listConnections(ctx context.Context, which string) ([]keys.Connection, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return nil, err
	}
	return o.Keys.Connections(ctx, key, store.ConnectionFilter{})
}

func (o *operator) suggestNetworks(ctx context.Context, which string) (keys.Suggestion, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return keys.Suggestion{}, err
	}
	return o.Keys.Suggest(ctx, key)
}
