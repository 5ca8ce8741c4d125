// SPDX-License-Identifier: Apache-2.0

package messages

import (
	"context"

	"postern/internal/store"
)

// Events lists events of a key of the scope by ID, and says how many match in all.
func (m *Messages) Events(ctx context.Context, scope store.Scope, f store.HappeningFilter, p store.Page) ([]store.Happening, int, error) {
	total, err := m.c.Store.CountHappenings(ctx, scope, f)
	if err != nil || total == 0 || p.Limit == 0 {
		return nil, total, err
	}
	list, err := m.c.Store.Happenings(ctx, scope, f, p)
	return list, total, err
}

// Links lists the links that recipients clicked, the most clicked first, and says how many match in all.
func (m *Messages) Links(ctx context.Context, scope store.Scope, f store.HappeningFilter, p store.Page) ([]store.LinkCount, int, error) {
	total, err := m.c.Store.CountLinks(ctx, scope, f)
	if err != nil || total == 0 || p.Limit == 0 {
		return nil, total, err
	}
	p.Desc = false
	list, err := m.c.Store.LinkCounts(ctx, scope, f, p)
	return list, total, err
}

// Endings are, by message ID, how messages of the scope bounced and what their recipients complained of; up to 1,000.
func (m *Messages) Endings(ctx context.Context, scope store.Scope, list []Message) (map[int64]store.Ending, error) {
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return m.c.Store.Endings(ctx, scope, ids)
}
