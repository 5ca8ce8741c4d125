// SPDX-License-Identifier: Apache-2.0

package notify_test

import (
	"bytes"
	"database/sql"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/people"
	"postern/internal/senders"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// database is all that a thief of the database has: the files, where there are some, and every value of every table, also
// as it is when it is decompressed and its lines are joined.
func database(t *testing.T, driver, dsn, tables string) []byte {
	t.Helper()
	var all []byte
	if driver == "sqlite" {
		files, err := filepath.Glob(filepath.Dir(dsn) + "/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // of a test
	for _, table := range column(t, db, tables) {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+string(table)) //nolint:gosec // the schema's own names
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(sql.RawBytes)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				b := bytes.Clone(*v.(*sql.RawBytes)) //nolint:forcetypeassert // they are
				if plain, err := s2.Decode(nil, b); err == nil {
					b = append(b, plain...)
				}
				all = append(all, bytes.ReplaceAll(b, []byte("=\r\n"), nil)...)
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func column(t *testing.T, db *sql.DB, query string) (out [][]byte) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // of a test
	for rows.Next() {
		var name []byte
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAStolenDatabaseHasNoLinks: links that sign in, let in or prove an address are nowhere in the database without the
// server key, neither while their mail waits nor when it was handed over.
func TestAStolenDatabaseHasNoLinks(t *testing.T) {
	for name, c := range map[string]struct {
		driver, tables string
		dsn            func(t *testing.T) string
	}{
		"sqlite": {
			"sqlite", "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'",
			func(t *testing.T) string { t.Helper(); return filepath.Join(t.TempDir(), "postern.db") },
		},
		"postgres": {
			"pgx", "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
			func(t *testing.T) string { t.Helper(); return storetest.Database(t) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := c.dsn(t)
			s := storetest.Open(t, dsn)
			d := newDesk(t, s)
			if err := d.People.MailPasswordReset(t.Context(), "owner@example.com", netip.Addr{}); err != nil {
				t.Fatal(err)
			}
			if _, err := d.People.Invite(t.Context(), operator, d.up.Account.ID, people.Share{Email: "new@example.org", Role: access.Sender}); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Senders.ProposeSender(t.Context(), change.Actor{Kind: change.User, Name: "owner@example.com"}, store.OfAccount(d.up.Account.ID), store.KeyFilter{ID: d.up.Key.ID}, senders.NewSender{Email: "proof@example.org"}); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Keys.Suspend(t.Context(), operator, store.KeyFilter{ID: d.up.Key.ID}, "a reason that is no secret"); err != nil {
				t.Fatal(err)
			}
			kept, err := s.DueNotices(t.Context(), time.Now().Add(time.Hour), 100)
			if err != nil {
				t.Fatal(err)
			}
			var tokens []string
			for _, x := range kept {
				n, err := d.Notices.Open(x)
				if err != nil {
					t.Fatal(err)
				}
				if n.Sealed() {
					tokens = append(tokens, n.Link[strings.LastIndexByte(n.Link, '/')+1:])
				}
			}
			search := func(when string) {
				t.Helper()
				all := database(t, c.driver, dsn, c.tables)
				if !bytes.Contains(all, []byte("owner@example.com")) {
					t.Fatal("the email address is not there either: the test looks in the wrong place")
				}
				for i, token := range tokens {
					if bytes.Contains(all, []byte(token[:20])) || bytes.Contains(all, []byte(token[len(token)-20:])) {
						t.Errorf("%s: token %d of %d is in the database", when, i, len(tokens))
					}
				}
			}
			if len(tokens) != 3 {
				t.Fatalf("%d links", len(tokens))
			}
			search("in the outbox")
			d.Round(t.Context())
			search("in the queue")
			if all := database(t, c.driver, dsn, c.tables); !bytes.Contains(all, []byte("a reason that is no secret")) {
				t.Error("what is no secret is not there either")
			}
			before := d.mails()
			d.handOver(t, tokens, before)
			search("handed over")
		})
	}
}

// handOver delivers and bounces what waits, and checks that the sealed bodies are gone then, and not before.
func (d *desk) handOver(t *testing.T, tokens []string, mails []sent) {
	t.Helper()
	if n, err := d.store.DropPassing(t.Context()); err != nil || n != 0 {
		t.Fatalf("%d bodies of mail that waits are removed, %v", n, err)
	}
	opened := ""
	for _, m := range mails {
		opened += m.Text
	}
	for _, token := range tokens {
		if !strings.Contains(opened, token) {
			t.Error("a link is not in the mail that goes out")
		}
	}
	claimed, err := d.store.Claim(t.Context(), store.MainLane, "me", time.Now().Add(time.Hour), time.Now().Add(2*time.Hour), 100)
	if err != nil {
		t.Fatal(err)
	}
	var done []store.Completion
	for i, c := range claimed {
		result := store.CompletedSent
		if i == 0 {
			result = store.CompletedBounced
		}
		done = append(done, store.Completion{Claimed: c, Owner: "me", Result: result, At: time.Now(), StateID: int(mail.StateUserUnknown)})
	}
	if err := d.store.Complete(t.Context(), done); err != nil {
		t.Fatal(err)
	}
	for _, m := range mails {
		if _, err := d.store.Source(t.Context(), store.OfOperator(), m.Message.ID); strings.Contains(m.raw, "/reset/") && !errors.Is(err, store.ErrSealed) {
			t.Errorf("an operator reads the link: %v", err)
		}
	}
	if n, err := d.store.DropPassing(t.Context()); err != nil || int(n) != len(tokens) {
		t.Errorf("%d bodies are removed, %v; want %d", n, err, len(tokens))
	}
	if n, err := d.store.DropPassing(t.Context()); err != nil || n != 0 {
		t.Errorf("again %d, %v", n, err)
	}
	for _, m := range mails {
		_, err := d.store.Source(t.Context(), store.OfOperator(), m.Message.ID)
		if sealed := strings.Contains(m.Text, "-link/") || strings.Contains(m.Text, "/reset/") || strings.Contains(m.Text, "/invitation/"); sealed != errors.Is(err, store.ErrNotFound) {
			t.Errorf("the source of %q: %v", m.View.Subject, err)
		}
	}
}

// TestASealedNoticeIsSentOnce: a notice whose mail was accepted, and whose removal was lost, is not sent again, although
// its body is sealed, and gone by then.
func TestASealedNoticeIsSentOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		if err := d.People.MailPasswordReset(t.Context(), "owner@example.com", netip.Addr{}); err != nil {
			t.Fatal(err)
		}
		kept, err := s.DueNotices(t.Context(), time.Now().Add(time.Hour), 100)
		if err != nil || len(kept) != 1 {
			t.Fatal(len(kept), err)
		}
		if err := d.SendAndCrash(t.Context(), kept[0]); err != nil { // and the process ends
			t.Fatal(err)
		}
		d.Round(t.Context())
		if got := d.mails(); len(got) != 1 || d.waiting() != 0 || got[0].View.Subject != "Set a new password" {
			t.Errorf("%d mails, %d wait", len(got), d.waiting())
		}
	})
}
