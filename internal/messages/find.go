// SPDX-License-Identifier: Apache-2.0

package messages

import (
	"context"
	"slices"

	"postern/internal/store"
)

// MaxCounted is up to how many messages a [Page] counts: millions are not.
const MaxCounted = 1000

// List lists messages of the scope by ID, which is the order of arrival.
func (m *Messages) List(ctx context.Context, scope store.Scope, f store.MessageFilter, p store.Page) ([]Message, error) {
	list, err := m.c.Store.Messages(ctx, scope, f, p)
	if err != nil {
		return nil, err
	}
	return m.withKeys(ctx, scope, list)
}

// Count counts the messages of the scope that match.
func (m *Messages) Count(ctx context.Context, scope store.Scope, f store.MessageFilter) (int, error) {
	return m.c.Store.CountMessages(ctx, scope, f)
}

// ListAndCount is List with how many messages match in all.
func (m *Messages) ListAndCount(ctx context.Context, scope store.Scope, f store.MessageFilter, p store.Page) ([]Message, int, error) {
	list, err := m.List(ctx, scope, f, p)
	if err != nil {
		return nil, 0, err
	}
	if n := len(list); n < p.Limit && (n > 0 || p.Offset == 0) { // the last page says how many there are
		return list, p.Offset + n, nil
	}
	total, err := m.Count(ctx, scope, f)
	return list, total, err
}

// Page is a part of a listing, newest first. It begins at a message, not at a number of messages: while mail comes in,
// nothing is skipped or seen twice.
type Page struct {
	Messages     []Message
	Newer, Older bool // there are more on that side
	// Total is how many match, and MaxCounted+1 when they are more than MaxCounted. Only the first page has it.
	Total int
}

// Page reads up to limit messages below the filter's Below, or above its Above, or the newest.
func (m *Messages) Page(ctx context.Context, scope store.Scope, f store.MessageFilter, limit int) (Page, error) {
	list, err := m.List(ctx, scope, f, store.Page{Limit: limit + 1, Desc: f.Above == 0})
	if err != nil {
		return Page{}, err
	}
	more := len(list) > limit
	p := Page{Messages: list[:min(len(list), limit)], Newer: f.Below != 0, Older: more}
	if f.Above != 0 {
		slices.Reverse(p.Messages)
		p.Newer, p.Older = more, true
	}
	if p.Newer || len(list) == 0 {
		return p, nil
	}
	if p.Total = len(p.Messages); p.Older {
		f.Below, f.Above = 0, 0
		p.Total, err = m.c.Store.CountMessagesTo(ctx, scope, f, MaxCounted+1)
	}
	return p, err
}

// Queued counts the messages of a key that wait to be sent.
func (m *Messages) Queued(ctx context.Context, scope store.Scope, keyID int64) (int64, error) {
	return m.c.Store.CountQueued(ctx, scope, keyID)
}
