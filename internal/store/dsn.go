// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"postern/internal/mail"
)

// Asked is what the sender of a mail asked for with its envelope.
type Asked struct {
	Ret        mail.Ret
	EnvID      mail.EnvID
	RequireTLS bool // REQUIRETLS of RFC 8689
}

// AskedOf is what the sender of a mail asked for about one recipient.
type AskedOf struct {
	Notify mail.Notify
	ORcpt  mail.ORcpt
}

var (
	insertAsked   = newInsert("dsn", "submission_id", "ret", "envid", "require_tls")
	insertAskedOf = newInsert("dsn_recipient", "message_id", "notify", "orcpt")

	deleteNotices = newInList("DELETE FROM dsn_notice WHERE message_id", 0, "")
	deleteAskedOf = newInList("DELETE FROM dsn_recipient WHERE message_id", 0, "")
	deleteAsked   = newInList("DELETE FROM dsn WHERE submission_id", 0,
		" AND NOT EXISTS (SELECT 1 FROM message m WHERE m.submission_id = dsn.submission_id)")
)

// askedRows are the rows of what a group of submissions asked for: mostly none.
type askedRows struct{ asked, of []any }

func (a *askedRows) add(x *Submission) {
	some := x.Asked != Asked{}
	for i := range x.Recipients {
		r := &x.Recipients[i]
		if r.Asked == (AskedOf{}) {
			continue
		}
		some = true
		orcpt := ""
		if !r.Asked.ORcpt.IsZero() {
			orcpt = r.Asked.ORcpt.SMTP(true)
		}
		a.of = append(a.of, r.ID, int(r.Asked.Notify), orcpt)
	}
	if some {
		a.asked = append(a.asked, x.ID, int(x.Asked.Ret), string(x.Asked.EnvID), x.Asked.RequireTLS)
	}
}

func (a *askedRows) write(ctx context.Context, tx *Tx) error {
	if err := insertAsked.run(ctx, tx, nil, a.asked); err != nil {
		return err
	}
	return insertAskedOf.run(ctx, tx, nil, a.of)
}

// Asked reads what was asked for about messages of a submission; those about which nothing was are left out.
func (s *Store) Asked(ctx context.Context, submissionID int64) (map[int64]AskedOf, error) {
	rows, err := s.rows(ctx, "SELECT r.message_id, r.notify, r.orcpt"+
		" FROM message m JOIN dsn_recipient r ON r.message_id = m.id WHERE m.submission_id = $1", submissionID)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	out := map[int64]AskedOf{}
	for rows.Next() {
		var id int64
		var notify int
		var orcpt string
		if err := rows.Scan(&id, &notify, &orcpt); err != nil {
			return nil, err
		}
		if out[id], err = askedOf(notify, orcpt); err != nil {
			return nil, err
		}
	}
	return out, s.wrap(rows.Err())
}

func askedOf(notify int, orcpt string) (AskedOf, error) {
	of := AskedOf{Notify: mail.Notify(notify)} //nolint:gosec // as it was written
	if orcpt == "" {
		return of, nil
	}
	var err error
	if of.ORcpt, err = mail.ParseORcpt(orcpt); err != nil {
		return AskedOf{}, fmt.Errorf("the store: %w", err)
	}
	return of, nil
}

// AskedOf reads what was asked for about a message of the scope: the zero AskedOf when nothing was.
func (s *Store) AskedOf(ctx context.Context, scope Scope, messageID int64) (AskedOf, error) {
	w := newWhere("SELECT r.notify, r.orcpt FROM message m JOIN dsn_recipient r ON r.message_id = m.id")
	scope.where(w, "m.account_id", "m.key_id")
	w.and("m.id = ?", messageID)
	var notify int
	var orcpt string
	err := s.row(ctx, w.String(), w.args...).scan(&notify, &orcpt)
	if errors.Is(err, ErrNotFound) || errors.Is(err, sql.ErrNoRows) {
		return AskedOf{}, nil
	}
	if err != nil {
		return AskedOf{}, err
	}
	return askedOf(notify, orcpt)
}
