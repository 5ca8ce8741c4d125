// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// AskedMail is a mail that somebody caused by asking for something.
type AskedMail struct {
	Kind      string
	Email     string // canonical
	AccountID int64  // whose people or programs asked; 0: nobody who is known
}

// AddAskedMail counts a mail. Those before a time are forgotten.
func (tx *Tx) AddAskedMail(ctx context.Context, m AskedMail, forget time.Time) error {
	if _, err := tx.exec(ctx, "DELETE FROM asked_mail WHERE created_at < $1", micros(forget)); err != nil {
		return err
	}
	_, err := tx.exec(ctx, "INSERT INTO asked_mail (kind, email, account_id, created_at) VALUES ($1, $2, $3, $4)", m.Kind, m.Email,
		m.AccountID, micros(tx.Now))
	return err
}

// CountAskedMail says how many mails of m's kind were asked for since a time: for its address, by all, and by its account.
func (tx *Tx) CountAskedMail(ctx context.Context, m AskedMail, since time.Time) (to, of int, err error) {
	if err = tx.row(ctx, "SELECT count(*) FROM asked_mail WHERE kind = $1 AND email = $2 AND created_at >= $3", m.Kind, m.Email,
		micros(since)).scan(&to); err != nil {
		return 0, 0, err
	}
	err = tx.row(ctx, "SELECT count(*) FROM asked_mail WHERE account_id = $1 AND kind = $2 AND created_at >= $3", m.AccountID, m.Kind,
		micros(since)).scan(&of)
	return to, of, err
}
