// SPDX-License-Identifier: Apache-2.0

package suppress

import (
	"context"
	"errors"
	"strconv"
	"time"

	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/store"
)

// Suppression is an address that a key sends nothing to.
type Suppression struct {
	ID        int64
	Email     string // canonical
	Reason    string // one of Reasons
	Note      string `json:",omitempty"`
	MessageID int64  `json:",omitempty"` // whose event brought it here
	APIKey    string
	KeyName   string
	CreatedAt time.Time `json:",omitzero"`

	KeyID       int64 `json:"-"`
	MessageKept bool  `json:"-"` // the message is still there; only Find says so
}

func suppressionOf(x store.Suppression, k store.Key) Suppression {
	return Suppression{
		ID: x.ID, Email: x.Email, Reason: x.Reason.String(), Note: x.Note, MessageID: x.MessageID, CreatedAt: x.CreatedAt,
		KeyID: x.KeyID, APIKey: k.APIKey, KeyName: k.Name,
	}
}

// Reasons are why an address is on a list, as all entry points call them.
func Reasons() (out []string) {
	for _, r := range store.SuppressionReasons() {
		out = append(out, r.String())
	}
	return out
}

// parseReason reads a reason; "" is fallback.
func parseReason(s string, fallback store.SuppressionReason) (store.SuppressionReason, error) {
	if s == "" {
		return fallback, nil
	}
	if r := store.ParseSuppressionReason(s); r != 0 {
		return r, nil
	}
	return 0, invalid("Reason", "%q is none of hard_bounce, complaint, unsubscribe and manual", shorten(s))
}

// Filter bounds a listing. Zero fields do not filter.
type Filter struct {
	KeyID        int64
	Email        string    // whole, however its domain is written
	Search       string    // the beginning of the address, or @domain
	Reason       string    // one of Reasons
	From, To     time.Time // of creation, To excluded
	Below, Above int64     // IDs below and above these: where a page goes on
}

func (f Filter) store() (store.SuppressionFilter, error) {
	reason, err := parseReason(f.Reason, 0)
	return store.SuppressionFilter{
		KeyID: f.KeyID, Email: f.Email, Search: f.Search, Reason: reason, From: f.From, To: f.To, Below: f.Below, Above: f.Above,
	}, err
}

// Entries lists entries of the scope by ID.
func (l *List) Entries(ctx context.Context, scope store.Scope, f Filter, p store.Page) ([]Suppression, error) {
	by, err := f.store()
	if err != nil {
		return nil, err
	}
	list, err := l.store.Suppressions(ctx, scope, by, p)
	if err != nil {
		return nil, err
	}
	return l.named(ctx, scope, list)
}

// named adds whose entries they are.
func (l *List) named(ctx context.Context, scope store.Scope, list []store.Suppression) ([]Suppression, error) {
	ids := make([]int64, len(list))
	for i, x := range list {
		ids[i] = x.KeyID
	}
	keys, err := l.store.KeysByID(ctx, scope, ids)
	out := make([]Suppression, len(list))
	for i, x := range list {
		out[i] = suppressionOf(x, keys[x.KeyID])
	}
	return out, err
}

// Count says how many entries of the scope match.
func (l *List) Count(ctx context.Context, scope store.Scope, f Filter) (int, error) {
	by, err := f.store()
	if err != nil {
		return 0, err
	}
	counts, err := l.store.CountSuppressions(ctx, scope, by)
	return counts.Total(), err
}

// Find reads the entry of the scope that is named by its ID or its address.
func (l *List) Find(ctx context.Context, scope store.Scope, which string) (Suppression, error) {
	x, err := l.find(ctx, scope, which)
	if err != nil {
		return Suppression{}, err
	}
	list, err := l.named(ctx, scope, []store.Suppression{x})
	if err != nil {
		return Suppression{}, err
	}
	if x.MessageID != 0 {
		_, err = l.store.Message(ctx, scope, store.MessageFilter{ID: x.MessageID})
		if list[0].MessageKept = err == nil; errors.Is(err, store.ErrNotFound) {
			err = nil
		}
	}
	return list[0], err
}

func (l *List) find(ctx context.Context, scope store.Scope, which string) (store.Suppression, error) {
	f := store.SuppressionFilter{Email: which}
	if id, err := strconv.ParseInt(which, 10, 64); err == nil {
		f = store.SuppressionFilter{ID: id}
	}
	missing := change.Errorf(change.NotFound, "Email", "%s is not on the suppression list", shorten(which))
	if which == "" || f.ID < 0 || f.ID == 0 && f.Email == "" {
		return store.Suppression{}, missing
	}
	x, err := l.store.Suppression(ctx, scope, f)
	if errors.Is(err, store.ErrNotFound) {
		err = missing
	}
	return x, err
}

// Has says whether a key sends an address nothing.
func (l *List) Has(ctx context.Context, keyID int64, email string) (bool, error) {
	off, err := l.store.Suppressed(ctx, keyID, []store.Recipient{{Email: email}})
	return len(off) > 0, err
}

// Unsubscribe puts an address on a key's list whose owner unsubscribed from a message that is not kept any more. Of a key
// that is gone there is no more mail anyway.
func (l *List) Unsubscribe(ctx context.Context, keyID int64, email string, messageID int64) error {
	return l.store.Update(ctx, func(tx *store.Tx) error {
		k, err := tx.Key(ctx, store.OfOperator(), store.KeyFilter{ID: keyID})
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		x := store.Suppression{Email: mail.Canonical(email), Reason: store.SuppressedUnsub, MessageID: messageID}
		_, err = tx.AddSuppressions(ctx, k, []store.Suppression{x})
		return err
	})
}
