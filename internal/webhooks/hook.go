// SPDX-License-Identifier: Apache-2.0

package webhooks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/notice"
	"postern/internal/store"
	"postern/internal/webhook"
)

// HookTypes are the types of events that a hook can be told of, in the order of a message's life.
func HookTypes() []store.EventType {
	return []store.EventType{store.EventSent, store.EventOpen, store.EventClick, store.EventBounce, store.EventBlocked, store.EventSpam, store.EventUnsub}
}

// HookTypeOf reads the name of a type.
func HookTypeOf(name string) (store.EventType, error) {
	for _, t := range HookTypes() {
		if strings.EqualFold(t.String(), strings.TrimSpace(name)) {
			return t, nil
		}
	}
	names := make([]string, 0, len(HookTypes()))
	for _, t := range HookTypes() {
		names = append(names, t.String())
	}
	return 0, change.Wrong("EventType", fmt.Errorf("%q is not among the events that are told: %s", access.Short(name), strings.Join(names, ", ")))
}

// Hook is a key's hook with its URL in words.
type Hook struct {
	store.Hook
	Shown      string // the URL, its password as xxxxx
	Unreadable bool   // it was sealed under another server key: it can be set anew
}

// Alive says whether the hook's URL is not dead.
func (h Hook) Alive() bool { return h.DeadAt.IsZero() }

// State is how the hook fares: "dead", "fails", "works", or "unused" where nothing was told yet.
func (h Hook) State() string {
	switch {
	case !h.Alive():
		return "dead"
	case !h.FailingSince.IsZero():
		return "fails"
	case h.LastAt.IsZero():
		return "unused"
	}
	return "works"
}

// Bounds of the overlap of signing secrets.
const (
	HookOverlap    = 24 * time.Hour // when none is chosen
	maxHookOverlap = 30 * 24 * time.Hour
)

// shown makes hooks readable.
func (k *Webhooks) shown(list []store.Hook) []Hook {
	out := make([]Hook, 0, len(list))
	for _, h := range list {
		x := Hook{Hook: h}
		u, err := k.webhook.HookURL(h.KeyID, h.URL)
		if x.Unreadable = err != nil; !x.Unreadable {
			x.Shown = webhook.Redacted(u)
		}
		out = append(out, x)
	}
	return out
}

// Hooks lists hooks of the scope by ID, and says how many there are in all.
func (k *Webhooks) Hooks(ctx context.Context, scope store.Scope, f store.HookFilter, p store.Page) ([]Hook, int, error) {
	list, total, err := k.store.Hooks(ctx, scope, f, p)
	return k.shown(list), total, err
}

// Hook reads one hook of the scope. Error: *change.Error NotFound.
func (k *Webhooks) Hook(ctx context.Context, scope store.Scope, f store.HookFilter) (Hook, error) {
	list, _, err := k.store.Hooks(ctx, scope, f, store.Page{Limit: 1})
	if err == nil && len(list) == 0 {
		err = noHook()
	}
	if err != nil {
		return Hook{}, err
	}
	return k.shown(list)[0], nil
}

func noHook() error { return &change.Error{Kind: change.NotFound, Reason: "there is no such webhook"} }

// TestHook posts a sample to the URL of a hook of the scope and returns what came of it. Error: *change.Error NotFound.
func (k *Webhooks) TestHook(ctx context.Context, scope store.Scope, id int64) (store.HookAttempt, error) {
	h, err := k.Hook(ctx, scope, store.HookFilter{ID: id})
	if err != nil {
		return store.HookAttempt{}, err
	}
	return k.webhook.TestHook(ctx, h.Hook)
}

// HookBody makes the body of an attempt again, and says how many of its events are still kept.
func (k *Webhooks) HookBody(ctx context.Context, a store.HookAttempt) ([]byte, int, error) {
	return k.webhook.HookBody(ctx, a)
}

// ReplayAttempt queues the events of an attempt of the scope anew, and says how many it is. Error: *change.Error NotFound.
func (k *Webhooks) ReplayAttempt(ctx context.Context, by change.Actor, scope store.Scope, id int64) (n int, err error) {
	list, err := k.store.HookAttempts(ctx, scope, store.AttemptFilter{ID: id}, 1)
	if err != nil {
		return 0, err
	}
	if len(list) == 0 {
		return 0, &change.Error{Kind: change.NotFound, Reason: "there is no such delivery"}
	}
	return k.replay(ctx, by, list[0].AccountID, list[0].KeyID, list[0].EventIDs, fmt.Sprintf("delivery %s", list[0].WebhookID))
}

// ReplayFailed queues anew what a key of the scope failed to be told since a time, by its log, and was not told after; it
// says how many events it is.
func (k *Webhooks) ReplayFailed(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, since time.Time) (int, error) {
	key, err := k.store.Key(ctx, scope, f)
	if errors.Is(err, store.ErrNotFound) {
		return 0, &change.Error{Kind: change.NotFound, Reason: "there is no such key"}
	}
	if err != nil {
		return 0, err
	}
	list, err := k.store.HookAttempts(ctx, scope, store.AttemptFilter{KeyID: key.ID, From: since}, 0)
	if err != nil {
		return 0, err
	}
	told := map[int64]bool{}
	var failed []int64
	for _, a := range list { // the latest first
		for _, id := range a.EventIDs {
			if a.Outcome != store.HookDelivered && !told[id] {
				failed = append(failed, id)
			}
			told[id] = true // or in failed already
		}
	}
	return k.replay(ctx, by, key.AccountID, key.ID, failed, "what failed since "+since.UTC().Format(time.RFC3339))
}

func (k *Webhooks) replay(ctx context.Context, by change.Actor, accountID, keyID int64, events []int64, what string) (n int, err error) {
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		if n, err = tx.ReplayHookEvents(ctx, keyID, events); err != nil || n == 0 {
			return err
		}
		of, err := ofKey(ctx, tx, keyID)
		if err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(accountID, "hook.replay", what, fmt.Sprintf("%d events; %s", n, of)))
	})
	return n, err
}

// ofKey names the key of a hook in an entry of the audit log.
func ofKey(ctx context.Context, tx *store.Tx, keyID int64) (string, error) {
	key, err := tx.Key(ctx, store.OfOperator(), store.KeyFilter{ID: keyID})
	if errors.Is(err, store.ErrNotFound) { // deleted meanwhile
		return fmt.Sprintf("for key number %d", keyID), nil
	}
	return "for key " + key.APIKey, err
}

// SigningSecret is what is told of a key's signing secrets: not what they are.
type SigningSecret struct {
	CreatedAt time.Time // zero: there is none, requests are not signed
	OldEndsAt time.Time // when the one before stops signing beside it; zero: there is none
}

// HookSecret says since when a key of the scope has a signing secret. Error: *change.Error NotFound.
func (k *Webhooks) HookSecret(ctx context.Context, scope store.Scope, f store.KeyFilter) (SigningSecret, error) {
	key, err := k.store.Key(ctx, scope, f)
	if errors.Is(err, store.ErrNotFound) {
		return SigningSecret{}, &change.Error{Kind: change.NotFound, Reason: "there is no such key"}
	}
	if err != nil {
		return SigningSecret{}, err
	}
	list, err := k.store.HookSecrets(ctx, scope, key.ID, k.now())
	var out SigningSecret
	for _, x := range list {
		if x.ExpiresAt.IsZero() {
			out.CreatedAt = x.CreatedAt
		} else {
			out.OldEndsAt = x.ExpiresAt
		}
	}
	return out, err
}

// NewHookSecret makes a new signing secret for a key of the scope and returns it: to be shown once. The one before goes on
// signing beside it for the overlap. Errors: *change.Error on OverlapSeconds, NotFound.
func (k *Webhooks) NewHookSecret(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, overlap time.Duration) (secret string, err error) {
	if overlap < 0 || overlap > maxHookOverlap {
		return "", change.Wrong("OverlapSeconds", fmt.Errorf("is from 0 to %d (30 days)", int64(maxHookOverlap/time.Second)))
	}
	err = k.update(ctx, "key", func(tx *store.Tx) error {
		key, err := tx.Key(ctx, scope, f)
		if err != nil {
			return err
		}
		if secret, err = k.webhook.NewHookSecret(ctx, tx, key.ID, overlap); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(key.AccountID, "hook.secret", "the signing secret of webhooks", fmt.Sprintf("a new one, the old one beside it for %s; for key %s", overlap, key.APIKey)))
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// hooksDied leaves word of hooks whose URL is dead, and notes it in the audit log.
func (k *Webhooks) hooksDied(ctx context.Context, tx *store.Tx, d webhook.Dead) error {
	key, err := tx.Key(ctx, store.OfOperator(), store.KeyFilter{ID: d.KeyID})
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted: there is nobody to tell
	}
	if err != nil {
		return err
	}
	names := make([]string, len(d.Types))
	for i, t := range d.Types {
		names[i] = t.String()
	}
	detail := fmt.Sprintf("failed since %s; %d by a backup now; %d events dropped; for key %s", d.Since.Format(time.RFC3339), len(d.TakenOver), d.Dropped, key.APIKey)
	if err := tx.AddAudit(ctx, change.Actor{}.Entry(d.AccountID, "hook.dead", "webhook "+strings.Join(names, ", ")+" "+d.Target, detail)); err != nil {
		return err
	}
	return k.notices.Add(ctx, tx, d.AccountID, notice.Notice{
		Kind: notice.HookDead, KeyID: key.ID, APIKey: key.APIKey, KeyName: key.Name, What: strings.Join(names, ", "), Address: d.Target, Reason: d.Error,
		Wanted: int64(d.Dropped), Days: len(d.TakenOver), Until: d.Since, Link: fmt.Sprintf("/webhooks?key=%s", key.APIKey),
	})
}
