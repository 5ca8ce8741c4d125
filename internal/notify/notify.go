// SPDX-License-Identifier: Apache-2.0

// Package notify tells people by mail, and accounts' webhooks, what was left in the outbox: notices that were written
// in the transaction of what they tell of. It also reminds of secrets that are due for a reset.
//
// A notice goes out at least once. Its mail is accepted like all mail, by the system account, and the notice is removed
// in the next transaction; after a crash in between, the mail that was accepted is found again by its CustomID.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"postern/internal/notice"

	"postern/internal/access"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/submit"
	"postern/internal/webhook"
)

// When what is looked at, and how long a notice is tried.
const (
	look        = 15 * time.Second
	remindEvery = 10 * time.Minute
	firstRetry  = time.Minute
	lastRetry   = 6 * time.Hour
	giveUpAfter = 3 * 24 * time.Hour

	atOnce = 100 // notices that are read at a time
)

// Config of a Notify.
type Config struct {
	Store   *store.Store
	Keys    *keys.Keys
	Notices *notice.Outbox
	Submit  *submit.Submit
	Webhook *webhook.Webhook
	From    mail.Address // of the mail
	BaseURL string       // what links begin with
	Log     *slog.Logger
	Now     func() time.Time // nil: time.Now
}

// Notify takes notices out. Make it with New.
type Notify struct {
	Config
	wake chan struct{}
	key  store.Key // the system account's; read by Run alone

	sent, failed, givenUp atomic.Int64
	due, overdue          atomic.Int64
}

// New makes a notifier.
func New(c Config) *Notify {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Notify{Config: c, wake: make(chan struct{}, 1)}
}

// Stats are counts since the start, and how many secrets were due for a reset, and of these overdue, at the last look.
type Stats struct{ Sent, Failed, GivenUp, Due, Overdue int64 }

// Stats reads the counts.
func (n *Notify) Stats() Stats {
	return Stats{Sent: n.sent.Load(), Failed: n.failed.Load(), GivenUp: n.givenUp.Load(), Due: n.due.Load(), Overdue: n.overdue.Load()}
}

// Wake makes Run look for notices now.
func (n *Notify) Wake() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Run sends notices and reminders until ctx ends. What of their mail was sealed goes when it was handed over.
func (n *Notify) Run(ctx context.Context) error {
	tick, remind := time.NewTicker(look), time.NewTicker(remindEvery)
	defer tick.Stop()
	defer remind.Stop()
	n.remind(ctx)
	for {
		n.round(ctx)
		if _, err := n.Store.DropPassing(ctx); err != nil && ctx.Err() == nil {
			n.Log.ErrorContext(ctx, "sealed mail that was handed over could not be removed; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-n.wake:
		case <-tick.C:
		case <-remind.C:
			n.remind(ctx)
		}
	}
}

// remind leaves word of secrets that are due, and counts them.
func (n *Notify) remind(ctx context.Context) {
	told, err := n.Keys.Remind(ctx, n.Now())
	if told > 0 {
		n.Log.InfoContext(ctx, "secrets are due for a reset; their owners are told", "secrets", told)
	}
	if err == nil {
		var due, overdue int64
		if due, overdue, err = n.Store.CountAged(ctx, n.Now()); err == nil {
			n.due.Store(due)
			n.overdue.Store(overdue)
		}
	}
	if err != nil && ctx.Err() == nil {
		n.Log.ErrorContext(ctx, "secrets that are due could not be looked for; it is tried again in ten minutes", "error", err)
	}
}

// round sends what is due. What fails is put off, so each batch is shorter than the one before.
func (n *Notify) round(ctx context.Context) {
	for ctx.Err() == nil {
		due, err := n.Store.DueNotices(ctx, n.Now(), atOnce)
		for i := range due {
			if ctx.Err() == nil && err == nil {
				err = n.handle(ctx, due[i])
			}
		}
		if err != nil {
			if ctx.Err() == nil {
				n.Log.ErrorContext(ctx, "notices could not be read or put off; it is tried again", "error", err)
			}
			return
		}
		if len(due) < atOnce {
			return
		}
	}
}

// handle sends a notice, or puts it off. Its error is the store's, with which nothing else goes either.
func (n *Notify) handle(ctx context.Context, kept store.Notice) error {
	log := n.Log.With("notice", kept.ID, "kind", kept.Kind, "account", kept.AccountID)
	notice, failure := n.Notices.Open(kept)
	if failure == nil {
		failure = n.send(ctx, kept, notice, log)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	now := n.Now()
	if failure == nil {
		return n.remove(ctx, kept, notice)
	}
	n.failed.Add(1)
	if now.Sub(kept.CreatedAt) >= giveUpAfter {
		n.givenUp.Add(1)
		log.ErrorContext(ctx, "a notice was given up after three days", "error", failure, "attempts", kept.Attempts+1)
		return n.remove(ctx, kept, notice)
	}
	again := now.Add(retryAfter(kept.Attempts))
	log.WarnContext(ctx, "a notice was not sent; it is tried again", "error", failure, "again", again)
	return n.Store.Update(ctx, func(tx *store.Tx) error { return tx.PutOffNotice(ctx, kept.ID, again) })
}

// retryAfter doubles from a minute to six hours.
func retryAfter(attempts int) time.Duration {
	return min(firstRetry<<min(attempts, 20), lastRetry)
}

// remove forgets a notice, and hands what concerns credentials to the account's webhook in the same transaction.
func (n *Notify) remove(ctx context.Context, kept store.Notice, notice notice.Notice) error {
	err := n.Store.Update(ctx, func(tx *store.Tx) error {
		if t, ok := store.AccountEventOf(notice.Kind); ok {
			a, err := tx.Account(ctx, kept.AccountID)
			if err != nil {
				return err
			}
			if _, err := n.Webhook.Notify(ctx, tx, store.Owner{AccountID: a.ID, KeyID: notice.KeyID}, t, notice.At,
				dataOf(a, notice)); err != nil {
				return err
			}
		}
		return tx.RemoveNotice(ctx, kept.ID)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// send has the mail of a notice accepted, unless it was before.
func (n *Notify) send(ctx context.Context, kept store.Notice, notice notice.Notice, log *slog.Logger) error {
	to, accountName, err := n.recipients(ctx, kept, notice, log)
	if err != nil || len(to) == 0 {
		return err
	}
	if notice.AccountName == "" {
		notice.AccountName = accountName
	}
	if n.key.ID == 0 {
		if n.key, err = n.Keys.System(ctx, n.From.Email); err != nil {
			return fmt.Errorf("the account that notices are sent by: %w", err)
		}
	}
	id := "notice-" + strconv.FormatInt(kept.ID, 10) + "-" + strconv.FormatInt(kept.CreatedAt.UnixMicro(), 36)
	before, err := n.Store.CountMessages(ctx, store.OfKey(n.key.AccountID, n.key.ID), store.MessageFilter{CustomID: id})
	if err != nil || before > 0 {
		return err // accepted, and lost its way to be removed
	}
	m, env, err := n.compose(id, to, notice)
	if err != nil {
		return err
	}
	if _, err := n.Submit.Accept(ctx, gate.Principal{KeyID: n.key.ID, AccountID: n.key.AccountID, APIKey: n.key.APIKey, Master: true},
		env, m); err != nil {
		return err
	}
	n.sent.Add(1)
	log.InfoContext(ctx, "sent a notice", "recipients", len(to))
	return nil
}

// recipients says who is told: whom the notice names, or the account's owners, or the operators.
func (n *Notify) recipients(ctx context.Context, kept store.Notice, notice notice.Notice, log *slog.Logger) (to []mail.Address,
	accountName string, err error,
) {
	if kept.AccountID != 0 {
		a, err := n.Store.Account(ctx, kept.AccountID)
		if err != nil {
			return nil, "", fmt.Errorf("account %d: %w", kept.AccountID, err)
		}
		accountName = a.Name
	}
	all := make([]mail.Address, 0, max(1, len(notice.To)))
	for _, email := range notice.To {
		all = append(all, mail.Address{Email: email})
	}
	switch {
	case len(all) > 0:
	case kept.AccountID == 0:
		operators, err := n.Store.Operators(ctx)
		if err != nil {
			return nil, "", err
		}
		for _, u := range operators {
			all = append(all, mail.Address{Name: u.Name, Email: u.Email})
		}
	default:
		has, err := n.Store.Accesses(ctx, store.OfAccount(kept.AccountID), store.AccessFilter{})
		if err != nil {
			return nil, "", err
		}
		for _, x := range has {
			if x.Role == access.Owner && x.KeyID == 0 {
				all = append(all, mail.Address{Name: x.UserName, Email: x.Email})
			}
		}
	}
	for _, a := range all {
		if mail.CheckEmail(a.Email) == nil && len(to) < submit.MaxRecipients {
			to = append(to, a)
		}
	}
	if len(to) == 0 {
		log.WarnContext(ctx, "a notice has nobody to be sent to")
	}
	return to, accountName, nil
}
