// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/store"
)

// Bounds of telling keys' hooks.
const (
	perReceiver   = 16        // requests under way to one URL of a key
	maxBatch      = 100       // events in one request of version 2
	maxBody       = 256 << 10 // bytes of a request, about
	opensAfter    = 3         // failures in a row after which a URL is only probed, every RetryEvery
	togetherUntil = 10        // attempts after which events that went together go each alone
	moveAtOnce    = 1000      // events that one transaction hands to a backup, or drops
	lookHooks     = 15 * time.Second
	sweepEvery    = 10 * time.Minute
	sweepAtOnce   = 1000
	attemptsFor   = 7 * 24 * time.Hour // how long the log of attempts is kept
	busyAgain     = 250 * time.Millisecond
)

// Dead tells of hooks whose URL failed for a day.
type Dead struct {
	AccountID, KeyID int64
	Target           string // scheme and host
	Types            []store.EventType
	TakenOver        []store.EventType // of these, by a backup
	Dropped          int
	Since            time.Time
	Error            string
}

// hooks is what there is of keys' hooks in memory: a lane for each receiver that something waits for.
type hooks struct {
	digestKey []byte // finds a URL that is sealed
	wake      chan struct{}

	mu    sync.Mutex
	lanes map[int64]*lane

	// Dead has word left of hooks that died, in the transaction that buries them. Package webhooks sets it.
	dead func(ctx context.Context, tx *store.Tx, d Dead) error

	requests      [3]atomic.Int64 // by store.HookOutcome
	told, dropped atomic.Int64    // events
	buried        atomic.Int64
}

func (h *hooks) init(serverKey []byte) (err error) {
	h.digestKey, err = hkdf.Key(sha256.New, serverKey, nil, "postern webhook URL 1", sha256.Size)
	h.wake, h.lanes = make(chan struct{}, 1), map[int64]*lane{}
	return err
}

// HookStats are counts since the start.
type HookStats struct {
	Delivered, Failed, Dropped int64 // requests
	EventsTold, EventsDropped  int64
	Buried                     int64 // hooks whose URL died
}

// HookStats reads the counts.
func (w *Webhook) HookStats() HookStats {
	h := &w.hooks
	return HookStats{
		Delivered: h.requests[store.HookDelivered].Load(), Failed: h.requests[store.HookFailed].Load(), Dropped: h.requests[store.HookDropped].Load(),
		EventsTold: h.told.Load(), EventsDropped: h.dropped.Load(), Buried: h.buried.Load(),
	}
}

// OnDead has fn leave word of hooks that die, in the transaction that buries them.
func (w *Webhook) OnDead(fn func(ctx context.Context, tx *store.Tx, d Dead) error) { w.hooks.dead = fn }

// Receiver finds or makes the receiver of a key with a URL, and has it begin anew: what failed before is forgotten.
func (w *Webhook) Receiver(ctx context.Context, tx *store.Tx, accountID, keyID int64, u *url.URL) (int64, error) {
	mac := hmac.New(sha256.New, w.hooks.digestKey)
	mac.Write([]byte(u.String())) //nolint:errcheck // a hash takes all
	id, err := tx.PutHookReceiver(ctx, accountID, keyID, mac.Sum(nil), w.seal.Seal(hookURLName(keyID), []byte(u.String())), rand.Text()[:12])
	tx.AfterCommit(func() { w.revive(id) })
	return id, err
}

func hookURLName(keyID int64) string    { return fmt.Sprintf("hook URL %d", keyID) }
func hookSecretName(keyID int64) string { return fmt.Sprintf("hook secret %d", keyID) }

// HookURL opens the sealed URL of a key's hook.
func (w *Webhook) HookURL(keyID int64, sealed []byte) (*url.URL, error) {
	plain, err := w.seal.Open(hookURLName(keyID), sealed)
	if err != nil {
		return nil, fmt.Errorf("webhook of key %d: %w", keyID, err)
	}
	return read(string(plain))
}

// NewHookSecret gives a key a new signing secret and returns it. The one before signs beside it for the overlap.
func (w *Webhook) NewHookSecret(ctx context.Context, tx *store.Tx, keyID int64, overlap time.Duration) (string, error) {
	secret := newSecret()
	return secret, tx.PutHookSecret(ctx, keyID, w.seal.Seal(hookSecretName(keyID), []byte(secret)), overlap)
}

// hookSecrets are what a key's requests are signed with now.
func (w *Webhook) hookSecrets(ctx context.Context, accountID, keyID int64) ([]string, error) {
	kept, err := w.Store.HookSecrets(ctx, store.OfKey(accountID, keyID), keyID, w.Now())
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(kept))
	for _, x := range kept {
		plain, err := w.seal.Open(hookSecretName(keyID), x.Secret)
		if err != nil {
			return nil, fmt.Errorf("the signing secret: %w", err)
		}
		out = append(out, string(plain))
	}
	return out, nil
}

// HookBody makes the body of an attempt again, and says how many of its events are still kept.
func (w *Webhook) HookBody(ctx context.Context, a store.HookAttempt) (body []byte, kept int, err error) {
	if a.Body != nil {
		return a.Body, a.Count, nil
	}
	events, err := w.eventsOf(ctx, a.KeyID, a.EventIDs)
	if err != nil || len(events) == 0 {
		return nil, 0, err
	}
	body, kept, err = encode(a.Version, events)
	return body, kept, err
}

// eventsOf reads events in the order of their IDs, those that are still there.
func (w *Webhook) eventsOf(ctx context.Context, keyID int64, ids []int64) ([]store.ToldEvent, error) {
	found, err := w.Store.ToldEvents(ctx, keyID, ids)
	if err != nil {
		return nil, err
	}
	out := make([]store.ToldEvent, 0, len(ids))
	for _, id := range ids {
		if e, ok := found[id]; ok {
			out = append(out, e)
		}
	}
	return out, nil
}

// TestHook posts a sample of a hook's type to its URL and returns what came of it, which is in the log too.
func (w *Webhook) TestHook(ctx context.Context, h store.Hook) (store.HookAttempt, error) {
	u, err := w.HookURL(h.KeyID, h.URL)
	if err != nil {
		return store.HookAttempt{}, err
	}
	secrets, err := w.hookSecrets(ctx, h.AccountID, h.KeyID)
	if err != nil {
		return store.HookAttempt{}, err
	}
	now := w.Now()
	body, _, err := encode(h.Version, []store.ToldEvent{sample(h.Type, now)})
	if err != nil {
		return store.HookAttempt{}, err
	}
	told := &store.HookTold{HookAttempt: store.HookAttempt{
		AccountID: h.AccountID, KeyID: h.KeyID, At: now, Target: Origin(u), WebhookID: "test_" + rand.Text()[:16],
		Version: h.Version, Types: []store.EventType{h.Type}, Count: 1, Attempt: 1, Body: body,
	}}
	failure := errBusy
	if w.work.enter(u.Host) {
		told.Status, failure = w.post(ctx, parcel{to: u, id: told.WebhookID, secrets: secrets, body: body})
		w.work.leave(u.Host)
	}
	if failure != nil {
		told.Outcome, told.Error = store.HookDropped, why(failure)
	}
	told.Took = w.Now().Sub(now)
	return told.HookAttempt, w.Store.RecordHookTold(context.WithoutCancel(ctx), told)
}
