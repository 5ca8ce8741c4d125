// SPDX-License-Identifier: Apache-2.0

package messages

import (
	"context"
	"errors"
	"net/netip"

	"postern/internal/change"
	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/submit"
)

// Via is how a mail comes in that is sent again or as a test.
type Via struct {
	Source  string     // "http", "console", "cli"
	Address netip.Addr // the client's address
	Client  string     // its name, or who is signed in
}

// Possible is what can be done with a message: Retry and Cancel one that waits, Resend one that did not arrive.
type Possible struct {
	Retry, Cancel, Resend bool
	Why                   string // one that did not arrive cannot be sent again: a sentence's worth
	Suppressed            bool   // that is since its recipient is on the suppression list
}

// Possible says what can be done with a message. hasSource says whether its source is still kept.
func (m *Messages) Possible(ctx context.Context, x Message, hasSource bool) (p Possible, err error) {
	if x.DoneAt.IsZero() {
		return Possible{Retry: true, Cancel: true}, nil
	}
	switch x.Record.Status {
	case store.StatusHardBounced, store.StatusSoftBounced, store.StatusBlocked:
	default:
		return p, nil
	}
	switch err = m.mayResend(ctx, x.Record); {
	case err == nil && !hasSource:
		err = errNoSource
	case err == nil:
		return Possible{Resend: true}, nil
	}
	var not *change.Error
	var closed *submit.Error
	switch {
	case errors.As(err, &not):
		return Possible{Why: not.Reason, Suppressed: errors.Is(err, errSuppressed)}, nil
	case errors.As(err, &closed) && closed.Code == submit.KeyMayNotSend:
		return Possible{Why: closed.Reason}, nil
	}
	return p, err
}

// Why a message cannot be tried, taken back or sent again as it stands now.
var (
	errSuppressed = notNow("the address is on the suppression list of its API key")
	errNoSource   = notNow("the source of the message is not kept any more")
)

func notNow(reason string) error { return change.Errorf(change.Conflict, "", "%s", reason) }

// mayResend says why a message is not sent again, nil when it may be. What was delivered, what still waits and what its
// recipient does not want is not; nor is anything with a key that may not send.
func (m *Messages) mayResend(ctx context.Context, x store.Message) error {
	switch x.Status {
	case store.StatusQueued, store.StatusProcessed, store.StatusDeferred:
		return notNow("the message still waits for its delivery")
	case store.StatusHardBounced, store.StatusSoftBounced, store.StatusBlocked:
	default:
		return notNow("the message was delivered")
	}
	if mail.State(x.StateID) == mail.StateDuplicateInCampaign && x.Status == store.StatusBlocked {
		return notNow("the address was sent this campaign before")
	}
	if err := m.c.Submit.MaySend(ctx, x.KeyID); err != nil {
		return err
	}
	off, err := m.c.Store.Suppressed(ctx, x.KeyID, []store.Recipient{{Email: x.Recipient, Domain: mail.Domain(x.Recipient)}})
	if err == nil && len(off) > 0 {
		err = errSuppressed
	}
	return err
}

// Resend sends a message of the scope again that did not arrive, and returns the new one: its source, as a new submission
// to its one recipient, under the rules of its key as they are now.
func (m *Messages) Resend(ctx context.Context, scope store.Scope, f store.MessageFilter, via Via) (Message, error) {
	old, err := m.Message(ctx, scope, f)
	if err != nil {
		return old, err
	}
	if err := m.mayResend(ctx, old.Record); err != nil {
		return old, err
	}
	x, raw, err := m.c.Store.Handed(ctx, scope, old.ID)
	if errors.Is(err, store.ErrNotFound) {
		return old, errNoSource
	}
	if err != nil {
		return old, err
	}
	authors, err := mail.ReadAuthors(raw)
	if err != nil {
		return old, change.Errorf(change.Conflict, "", "the source of the message does not say clearly who it is from: %v", err)
	}
	env := submit.Envelope{From: x.MailFrom, Recipients: []submit.Recipient{{Email: old.To, Kind: old.Record.Kind}}}
	receipt, err := m.c.Submit.Accept(ctx, gate.Principal{KeyID: x.KeyID, AccountID: x.AccountID}, env, submit.Message{
		Raw: raw, From: mail.Address{Name: x.FromName, Email: x.HeaderFrom}, Authors: authors, Subject: x.Subject, MessageID: x.MessageID,
		HasText: x.HasText, HasHTML: x.HasHTML, Attachments: x.Attachments, UTF8: x.UTF8,
		CustomID: x.CustomID, EventPayload: x.EventPayload, Campaign: x.Campaign, MonitoringCategory: x.MonitoringCategory,
		URLTags: x.URLTags, Priority: x.Priority, TrackOpens: x.TrackOpens, TrackClicks: x.TrackClicks,
		Source: via.Source, Address: via.Address, Client: via.Client, ResentOf: old.ID,
	})
	if err != nil {
		return old, err
	}
	return m.Message(ctx, scope, store.MessageFilter{ID: receipt.Messages[0].ID})
}

// Retry makes a message of the scope that waits for its next attempt due now, and returns it.
func (m *Messages) Retry(ctx context.Context, scope store.Scope, f store.MessageFilter) (Message, error) {
	return m.whileItWaits(ctx, scope, f, func(id int64) error {
		err := m.c.Store.RetryNow(ctx, scope, id)
		if err == nil {
			m.c.Due()
		}
		return err
	})
}

// Cancel takes back a message of the scope that waits for its next attempt, and returns it: it is blocked. by is named in
// its history.
func (m *Messages) Cancel(ctx context.Context, by change.Actor, scope store.Scope, f store.MessageFilter) (Message, error) {
	who := by.Name
	switch {
	case by.Kind == change.Key:
		who = "the API key " + by.Name
	case who == "":
		who = "the " + by.String()
	}
	return m.whileItWaits(ctx, scope, f, func(id int64) error {
		return m.c.Store.Cancel(ctx, scope, id, "taken back by "+who+" before it was delivered")
	})
}

// whileItWaits does something with a message in the queue, and returns the message as that leaves it.
func (m *Messages) whileItWaits(ctx context.Context, scope store.Scope, f store.MessageFilter, do func(id int64) error) (Message, error) {
	x, err := m.Message(ctx, scope, f)
	if err != nil {
		return x, err
	}
	switch err = do(x.ID); {
	case errors.Is(err, store.ErrHeld):
		return x, notNow("the message is being tried at this moment")
	case errors.Is(err, store.ErrNotYet):
		return x, notNow("the message was not tried yet: it waits for its turn, as the limit of its API key asks")
	case errors.Is(err, store.ErrNotFound):
		return x, notNow("the message does not wait any more")
	case err != nil:
		return x, err
	}
	return m.Message(ctx, scope, store.MessageFilter{ID: x.ID})
}
