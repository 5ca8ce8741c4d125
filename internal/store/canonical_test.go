// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"postern/internal/mail"
)

// A store whose addresses were kept with needless quotes or decomposed letters is opened by this program.
func TestUpgradeFromBeforeCanonical(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postern.db")
	old, err := openSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := old.provider()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), canonicalVersion-1); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC).UnixMicro()
	for _, q := range []string{
		`INSERT INTO account (id, name, created_at) VALUES (1, 'Old', $1)`,
		`INSERT INTO api_key (id, account_id, api_key, name, is_master, state, created_at) VALUES (1, 1, '0123456789abcdef0123456789abcdef', 'Old', TRUE, 'active', $1)`,
		`INSERT INTO suppression (id, account_id, key_id, email, reason, note, created_at) VALUES (1, 1, 1, '"alone"@example.org', 3, '', $1), (2, 1, 1, 'two@example.org', 1, '', $1), (3, 1, 1, '"two"@example.org', 4, 'stronger', $1),
 (4, 1, 1, 'three@example.org', 4, 'stays', $1), (5, 1, 1, '"three"@example.org', 1, '', $1), (6, 1, 1, '"a b"@example.org', 2, '', $1), (7, 1, 1, 'jo` + "\u0308" + `rg@example.org', 2, '', $1)`,
		`INSERT INTO sender (id, key_id, email, domain, name, status, created_at) VALUES (1, 1, '"news"@example.com', 'example.com', '', 'active', $1), (2, 1, '"*"@freemail.example', 'freemail.example', '', 'active', $1)`,
		`INSERT INTO users (id, account_id, email, created_at) VALUES (1, 1, '"ann"@example.com', $1)`,
		`INSERT INTO submission (id, account_id, key_id, sender_id, source, client, mail_from, header_from, from_name, subject, rfc_message_id, custom_id, event_payload, campaign, monitoring_category, url_tags, priority, track_opens, track_clicks, size, attachments, has_text, has_html, utf8, created_at)
 VALUES (1, 1, 1, 7, 'http', '', 'a@example.com', 'any@Bücher.example', '', 'S', 'm', '', '', '', '', '', 2, 0, 0, 10, 0, TRUE, FALSE, FALSE, $1)`,
		`INSERT INTO message (id, uuid, submission_id, account_id, key_id, recipient, kind, status, arrived_at, contact) VALUES (1, x'01a20cb4c0ff72bab24e96ae34d633a1', 1, 1, 1, '"Alone"@Example.org', 0, 1, $1, 5)`,
	} {
		if _, err := old.w.ExecContext(t.Context(), q, at); err != nil {
			t.Fatalf("%v: %s", err, q)
		}
	}
	if err := errors.Join(old.w.Close(), old.r.Close()); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // of a test
	list, err := s.Suppressions(t.Context(), OfKey(1, 1), SuppressionFilter{}, Page{})
	got := map[string]SuppressionReason{}
	for _, x := range list {
		got[x.Email] = x.Reason
	}
	if err != nil || len(list) != 5 || got["alone@example.org"] != SuppressedUnsub || got["two@example.org"] != SuppressedComplaint || got["three@example.org"] != SuppressedComplaint || got[`"a b"@example.org`] == 0 || got["jörg@example.org"] == 0 {
		t.Errorf("the list is %v, %v", got, err)
	}
	if _, err := s.UserByEmail(t.Context(), mail.Canonical("ann@example.com")); err != nil {
		t.Errorf("the user: %v", err)
	}
	senders, err := s.KeySenders(t.Context(), 1)
	if err != nil || len(senders) != 2 || senders[0].Email != "news@example.com" || senders[1].Email != `"*"@freemail.example` {
		t.Errorf("senders %+v, %v", senders, err)
	}
	for name, f := range map[string]MessageFilter{"recipient": {Recipient: "alone@example.org"}, "author": {FromEmail: "any@bücher.example"}, "author's domain": {FromDomain: "BÜCHER.example"}} {
		if m, err := s.Messages(t.Context(), OfKey(1, 1), f, Page{}); err != nil || len(m) != 1 {
			t.Errorf("by %s: %+v, %v", name, m, err)
		}
	}
}
