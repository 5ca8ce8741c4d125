// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"postern/internal/mail"
)

// canonicalVersion is the migration after which fillCanonical runs.
const canonicalVersion = 17

// fillCanonical brings the addresses that are compared into the canonical form, which an earlier program made without
// taking needless quotes away and without NFC. It runs once, in the migration's transaction.
func (s *Store) fillCanonical(ctx context.Context, raw *sql.Tx) error {
	tx := &Tx{s: s, tx: raw}
	if err := tx.canonicalSuppressions(ctx); err != nil {
		return err
	}
	for _, x := range []struct{ table, column, key string }{{"sender", "email", "key_id"}, {"users", "email", "0"}} {
		twin := "SELECT 1 FROM " + x.table + " o WHERE o." + x.column + " = $1"
		if x.key != "0" {
			twin += " AND o." + x.key + " = " + x.table + "." + x.key
		}
		update := "UPDATE " + x.table + " SET " + x.column + " = $1 WHERE id = $2 AND NOT EXISTS (" + twin + ")"
		err := tx.eachOdd(ctx, x.table, x.column, func(id int64, old string) error {
			canonical := mail.Canonical(old)
			if canonical == old || strings.HasPrefix(canonical, "*@") { // an address never becomes a whole domain
				return nil
			}
			_, err := tx.exec(ctx, update, canonical, id)
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, x := range []struct {
		table, column, update string
		value                 func(string) any
		messages              string // whose words are others now
	}{
		{"message", "recipient", "contact", func(s string) any { return mail.ContactID(s) }, "SELECT id FROM message WHERE id = $1"},
		{"submission", "header_from", "header_from", func(s string) any { return mail.Canonical(s) }, "SELECT id FROM message WHERE " +
			"submission_id = $1"},
		{"campaign", "from_email", "from_email", func(s string) any { return mail.Canonical(s) }, ""},
		{"invitation", "email", "email", func(s string) any { return mail.Canonical(s) }, ""},
	} {
		update := "UPDATE " + x.table + " SET " + x.update + " = $1 WHERE id = $2"
		err := tx.eachOdd(ctx, x.table, x.column, func(id int64, old string) error {
			if _, err := tx.exec(ctx, update, x.value(old), id); err != nil || x.messages == "" {
				return err
			}
			if _, err := tx.exec(ctx, "DELETE FROM search WHERE rowid IN ("+x.messages+")", id); err != nil {
				return err
			}
			_, err := tx.exec(ctx, "INSERT INTO search_todo (message_id) "+x.messages+" ON CONFLICT DO NOTHING", id)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// odd is an address whose canonical form may not be what it was.
type odd struct {
	id   int64
	text string
}

func scanOdd(r scanner) (o odd, err error) {
	err = r.scan(&o.id, &o.text)
	return o, err
}

// eachOdd calls fn for the rows whose address has quotation marks or letters beyond ASCII.
func (tx *Tx) eachOdd(ctx context.Context, table, column string, fn func(id int64, old string) error) error {
	const most = 1000
	query := strings.NewReplacer("TABLE", table, "COLUMN", column).Replace(
		`SELECT id, COLUMN FROM TABLE WHERE id > $1 AND (COLUMN LIKE '%"%' OR octet_length(COLUMN) <> length(COLUMN)) ORDER BY id LIMIT $2`)
	for last := int64(0); ; {
		list, err := collect(ctx, tx, scanOdd, query, last, most)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, o := range list {
			last = o.id
			if err := fn(o.id, o.text); err != nil {
				return err
			}
		}
	}
}

// canonicalSuppressions renames entries, and makes one of two for one mailbox: the stronger. What waits for the mailbox is
// looked at anew.
func (tx *Tx) canonicalSuppressions(ctx context.Context) error {
	return tx.eachOdd(ctx, "suppression", "email", func(id int64, old string) error {
		email := mail.Canonical(old)
		if email == old {
			return nil
		}
		err := tx.one(ctx, `UPDATE suppression SET email = $1, fresh = TRUE
 WHERE id = $2 AND NOT EXISTS (SELECT 1 FROM suppression o WHERE o.key_id = suppression.key_id AND o.email = $1)`, email, id)
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		const stronger = `UPDATE suppression SET reason = x.reason, note = x.note, message_id = x.message_id, fresh = TRUE
 FROM (SELECT key_id, reason, note, message_id FROM suppression WHERE id = $1) x
 WHERE suppression.key_id = x.key_id AND suppression.email = $2 AND suppression.reason < x.reason`
		if _, err := tx.exec(ctx, stronger, id, email); err != nil {
			return err
		}
		_, err = tx.exec(ctx, "DELETE FROM suppression WHERE id = $1", id)
		return err
	})
}
