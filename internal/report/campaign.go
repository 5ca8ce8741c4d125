// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"errors"
	"strconv"

	"postern/internal/change"
	"postern/internal/store"
)

// Campaigns lists campaigns of the scope, and says how many match in all.
func (r *Report) Campaigns(ctx context.Context, scope store.Scope, f store.CampaignFilter, p store.Page) ([]store.Campaign, int, error) {
	if err := checkOrder("To", Period{f.From, f.To}); err != nil {
		return nil, 0, err
	}
	return r.store.Campaigns(ctx, scope, f, p)
}

// Campaign finds a campaign of the scope by its ID or by one of the spellings of its name. What is a number is an ID first.
func (r *Report) Campaign(ctx context.Context, scope store.Scope, spellings ...string) (store.Campaign, error) {
	for _, s := range spellings {
		if id, err := strconv.ParseInt(s, 10, 64); err == nil && id > 0 {
			x, err := r.store.Campaign(ctx, scope, id)
			if !errors.Is(err, store.ErrNotFound) {
				return x, err
			}
		}
	}
	for _, s := range spellings {
		list, _, err := r.store.Campaigns(ctx, scope, store.CampaignFilter{Name: s}, store.Page{Limit: 1})
		if err != nil {
			return store.Campaign{}, err
		}
		if len(list) == 1 {
			return list[0], nil
		}
	}
	return store.Campaign{}, change.Missing("campaign")
}

// ChangeCampaign sets whether a campaign of the scope is starred, and whether it is deleted, which hides it from
// listings; what is nil stays.
func (r *Report) ChangeCampaign(
	ctx context.Context, scope store.Scope, starred, deleted *bool, spellings ...string,
) (store.Campaign, error) {
	x, err := r.Campaign(ctx, scope, spellings...)
	if err != nil {
		return x, err
	}
	if starred != nil {
		x.Starred = *starred
	}
	if deleted != nil {
		x.Deleted = *deleted
	}
	return x, r.store.SetCampaign(ctx, x.KeyID, x.ID, x.Starred, x.Deleted)
}
