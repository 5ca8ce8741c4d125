// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"postern/internal/access"
	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/store"
)

// Again says who does something with a message that was accepted before, and from where.
type Again struct {
	Source  string     // "http", "console", "cli"
	Address netip.Addr // the client's address
	Client  string     // its name, or who is signed in
}

// MayResend says whether a message may be sent again, and if not why, in a sentence. What was delivered, what waits still
// and what its recipient does not want may not.
func MayResend(m store.Message) (why string) {
	switch m.Status {
	case store.StatusHardBounced, store.StatusSoftBounced:
		return ""
	case store.StatusBlocked:
		if mail.State(m.StateID) == mail.StateDuplicateInCampaign {
			return "The address was sent this campaign before."
		}
		return ""
	case store.StatusQueued, store.StatusProcessed, store.StatusDeferred:
		return "The message still waits for its delivery."
	}
	return "The message was delivered."
}

// Unwanted says, in a sentence, that a message's recipient is on the suppression list of its key; "" when it is not.
func (s *Submit) Unwanted(ctx context.Context, m store.Message) (why string, err error) {
	off, err := s.store.Suppressed(ctx, m.KeyID, []store.Recipient{{Email: m.Recipient, Domain: mail.Domain(m.Recipient)}})
	if err != nil || len(off) == 0 {
		return "", err
	}
	return "The address is on the suppression list of its API key.", nil
}

// Closed says, in a sentence, why nothing is sent with the key of a message as it is now; "" when mail is. Who sends
// again on a page or the command line has not shown the key at a door, which would have said it.
func (s *Submit) Closed(ctx context.Context, m store.Message) (why string, err error) {
	k, err := s.store.Key(ctx, store.OfKey(m.AccountID, m.KeyID), store.KeyFilter{ID: m.KeyID})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "The subaccount of the message was deleted.", nil
	case err != nil:
		return "", err
	case k.State != store.KeyActive:
		return "The API key is " + k.State + ": nothing is sent with it.", nil
	case k.Permissions&int(access.MaySend) == 0:
		return "The API key is not allowed to send: see its restrictions.", nil
	}
	return "", nil
}

// Resend sends a message of the scope again that did not arrive: its source, as a new submission to its one recipient,
// under the rules of its key as they are now.
func (s *Submit) Resend(ctx context.Context, scope store.Scope, messageID int64, by Again) (Accepted, error) {
	m, err := s.store.Message(ctx, scope, store.MessageFilter{ID: messageID})
	if err != nil {
		return Accepted{}, err
	}
	if why := MayResend(m); why != "" {
		return Accepted{}, &Error{Code: NotPossible, Field: "Status", Reason: why}
	}
	for _, hindrance := range []func(context.Context, store.Message) (string, error){s.Closed, s.Unwanted} {
		why, err := hindrance(ctx, m)
		if err != nil {
			return Accepted{}, err
		}
		if why != "" {
			return Accepted{}, &Error{Code: NotPossible, Field: "Status", Reason: why}
		}
	}
	x, raw, err := s.store.Handed(ctx, scope, messageID)
	if errors.Is(err, store.ErrNotFound) {
		return Accepted{}, &Error{Code: NotPossible, Field: "ID", Reason: "The source of the message is not kept any more."}
	}
	if err != nil {
		return Accepted{}, err
	}
	authors, err := mail.ReadAuthors(raw)
	if err != nil {
		return Accepted{}, &Error{Code: NotPossible, Field: "ID", Reason: fmt.Sprintf("The source of the message does not say clearly who it is from: %v.", err)}
	}
	receipt, err := s.Accept(ctx, gate.Principal{KeyID: x.KeyID, AccountID: x.AccountID}, Envelope{From: x.MailFrom, Recipients: []Recipient{{Email: m.Recipient, Kind: m.Kind}}}, Message{
		Raw: raw, From: mail.Address{Name: x.FromName, Email: x.HeaderFrom}, Authors: authors, Subject: x.Subject, MessageID: x.MessageID,
		HasText: x.HasText, HasHTML: x.HasHTML, Attachments: x.Attachments, UTF8: x.UTF8,
		CustomID: x.CustomID, EventPayload: x.EventPayload, Campaign: x.Campaign, MonitoringCategory: x.MonitoringCategory, URLTags: x.URLTags,
		Priority: x.Priority, TrackOpens: x.TrackOpens, TrackClicks: x.TrackClicks,
		Source: by.Source, Address: by.Address, Client: by.Client, ResentOf: m.ID,
	})
	if err != nil {
		return Accepted{}, err
	}
	return receipt.Messages[0], nil
}

// Retry makes a message of the scope that waits for its next attempt due now.
func (s *Submit) Retry(ctx context.Context, scope store.Scope, messageID int64) error {
	err := s.store.RetryNow(ctx, scope, messageID)
	if err == nil {
		s.arrived()
	}
	return s.waits(ctx, scope, messageID, err)
}

// Cancel takes back a message of the scope that waits for its next attempt: it is blocked. who is named in its history.
func (s *Submit) Cancel(ctx context.Context, scope store.Scope, messageID int64, who string) error {
	err := s.store.Cancel(ctx, scope, messageID, text(fmt.Sprintf("taken back by %s before it was delivered", who), maxText))
	return s.waits(ctx, scope, messageID, err)
}

// waits turns the store's errors about what does not wait into words. A message that is not there stays store.ErrNotFound.
func (s *Submit) waits(ctx context.Context, scope store.Scope, messageID int64, err error) error {
	switch {
	case errors.Is(err, store.ErrHeld):
		return &Error{Code: NotPossible, Field: "Status", Reason: "The message is being tried at this moment."}
	case errors.Is(err, store.ErrNotYet):
		return &Error{Code: NotPossible, Field: "Status", Reason: "The message was not tried yet: it waits for its turn, as the limit of its API key asks."}
	case errors.Is(err, store.ErrNotFound):
		if _, there := s.store.Message(ctx, scope, store.MessageFilter{ID: messageID}); there == nil {
			return &Error{Code: NotPossible, Field: "Status", Reason: "The message does not wait any more."}
		}
	}
	return err
}
