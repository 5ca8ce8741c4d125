// SPDX-License-Identifier: Apache-2.0

package notice

import (
	"context"
	"time"

	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/store"
)

// bound is how many mails of a kind are sent within a day that somebody causes by asking for something. 0: any number.
type bound struct {
	to   int    // to one address, whoever asks
	of   int    // of one account
	what string // what one gets, in the plural
}

// bounds are the kinds of mail that strangers and customers can have sent from the operator's own address.
func bounds() map[string]bound {
	return map[string]bound{
		Invitation:    {to: 5, of: 100, what: "invitations"},
		SenderLink:    {to: 5, of: 100, what: "links"},
		RequestMade:   {of: 20, what: "requests"},
		PasswordReset: {to: 10, what: "links"},
	}
}

// askedWindow is the day of bounds.
const askedWindow = 24 * time.Hour

// AddAsked is Add of a notice that somebody asked for: of the account asker, 0 for a stranger. Errors: *change.Error
// TooOften, on Email, when the address was mailed, or the account has mailed, enough for a day.
func (o *Outbox) AddAsked(ctx context.Context, tx *store.Tx, asker, accountID int64, n Notice) error {
	m := store.AskedMail{Kind: n.Kind, AccountID: asker}
	if len(n.To) > 0 {
		m.Email = mail.Canonical(n.To[0])
	}
	since := tx.Now.Add(-askedWindow)
	to, of, err := tx.CountAskedMail(ctx, m, since)
	b := bounds()[n.Kind]
	switch {
	case err != nil:
		return err
	case b.to > 0 && to >= b.to:
		return change.Errorf(change.TooOften, "Email", "%s was mailed %d %s within a day: use the last one, or wait until tomorrow",
			m.Email, to, b.what)
	case b.of > 0 && of >= b.of:
		return change.Errorf(change.TooOften, "Email", "this account had %d %s mailed within a day: wait until tomorrow", of, b.what)
	}
	if err := tx.AddAskedMail(ctx, m, since); err != nil {
		return err
	}
	return o.Add(ctx, tx, accountID, n)
}
