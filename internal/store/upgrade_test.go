// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"postern/internal/mail"
)

// A store of before is opened by this program: what was sent has its campaigns, contacts and counts.
func TestUpgradeFromBeforeReporting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postern.db")
	old, err := openSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := old.provider()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), reportingVersion-1); err != nil {
		t.Fatal(err)
	}
	hour := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	at := hour.UnixMicro()
	for _, q := range []string{
		`INSERT INTO account (id, name, created_at) VALUES (1, 'Old', 1)`,
		`INSERT INTO api_key (id, account_id, api_key, name, is_master, state, created_at) VALUES (1, 1, '0123456789abcdef0123456789abcdef', 'Old', TRUE, 'active', 1)`,
		`INSERT INTO submission (id, account_id, key_id, sender_id, source, client, mail_from, header_from, from_name, subject, rfc_message_id, custom_id, event_payload, campaign, monitoring_category, url_tags, priority, track_opens, track_clicks, size, attachments, has_text, has_html, utf8, created_at)
 VALUES (1, 1, 1, 7, 'http', '', 'a@example.com', 'a@example.com', '', 'S', 'm', '', '', 'spring', '', '', 2, 0, 0, 10, 0, TRUE, FALSE, FALSE, $1)`,
		`INSERT INTO message (id, uuid, submission_id, account_id, key_id, recipient, kind, status, attempts, arrived_at, done_at) VALUES (1, x'01a20cb4c0ff72bab24e96ae34d633a1', 1, 1, 1, 'b@Example.net', 0, 2, 3, $1, $1)`,
		`INSERT INTO message (id, uuid, submission_id, account_id, key_id, recipient, kind, status, arrived_at) VALUES (2, x'01a20cb4c0ff72bab24e96ae34d633a2', 1, 1, 1, 'c@example.org', 0, 1, $1)`,
		`INSERT INTO queue (message_id, submission_id, key_id, recipient, domain, arrived_at, expires_at, due_at) VALUES (2, 1, 1, 'c@example.org', 'example.org', $1, $1, $1)`,
		`INSERT INTO event (id, message_id, key_id, type, at, attempt, code, enhanced, line, host, tls, state_id, permanent) VALUES (1, 1, 1, 4, $1, 1, 451, '', '', '', '', 10, FALSE), (2, 1, 1, 4, $1 + 3600000000, 2, 451, '', '', '', '', 10, FALSE), (3, 1, 1, 1, $1 + 7200000000, 3, 250, '', '', '', '', 0, FALSE)`,
	} {
		if _, err := old.w.ExecContext(t.Context(), q, at); err != nil {
			t.Fatalf("%v: %s", err, q)
		}
	}
	if err := old.w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := old.r.Close(); err != nil {
		t.Fatal(err)
	}

	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // of a test
	m, err := s.Message(t.Context(), OfKey(1, 1), MessageFilter{Recipient: "B@example.net"})
	if err != nil || m.ID != 1 || m.Flags != FlagDeferred || m.CampaignID == 0 || m.Contact != mail.ContactID("b@example.net") {
		t.Errorf("the old message: %+v, %v", m, err)
	}
	if c, err := s.Campaign(t.Context(), OfKey(1, 1), m.CampaignID); err != nil || c.Name != "spring" || c.FirstMessageID != 1 {
		t.Errorf("its campaign: %+v, %v", c, err)
	}
	want := Counts{Total: 2, Sent: 1, Deferred: 1}
	if got, err := s.Counters(t.Context(), OfKey(1, 1), ByMessage, hour, hour.Add(5*time.Minute)); err != nil || got != want {
		t.Errorf("by message %+v, %v; want %+v", got, err, want)
	}
	if got, err := s.Counters(t.Context(), OfKey(1, 1), ByEvent, hour.Add(2*time.Hour), time.Time{}); err != nil || got != (Counts{Sent: 1}) {
		t.Errorf("by event, two hours later: %+v, %v", got, err)
	}
	var domains, campaigns int
	if err := s.row(t.Context(), "SELECT count(*), sum(total) FROM domain_counter WHERE campaign_id = $1", m.CampaignID).scan(&domains, &campaigns); err != nil || domains != 2 || campaigns != 2 {
		t.Errorf("%d domains with %d messages, %v; want 2 and 2", domains, campaigns, err)
	}
	claimed, err := s.Claim(t.Context(), MainLane, "new", time.Now(), time.Now().Add(time.Minute), 10)
	if err != nil || len(claimed) != 1 || claimed[0].SenderID != 7 || claimed[0].CampaignID != m.CampaignID {
		t.Errorf("claimed %+v, %v", claimed, err)
	}
}

// TestUpgradeFromBeforeRareLooks: a domain that was never in order is not looked at often anew.
func TestUpgradeFromBeforeRareLooks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postern.db")
	old, err := openSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := old.provider()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 14); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`INSERT INTO account (id, name, created_at) VALUES (1, 'Old', 1)`,
		`INSERT INTO api_key (id, account_id, api_key, name, is_master, state, created_at) VALUES (1, 1, '0123456789abcdef0123456789abcdef', 'Old', TRUE, 'active', 1)`,
		`INSERT INTO sender (id, key_id, email, domain, name, status, created_at) VALUES (1, 1, '*@a.test', 'a.test', '', 'active', 1), (2, 1, '*@b.test', 'b.test', '', 'active', 1)`,
		`INSERT INTO domain (id, key_id, domain, token, filename, proof, dkim_status, spf_status, due_at, created_at) VALUES
 (1, 1, 'a.test', '0123456789abcdef0123456789abcdef', 'a', 'dns', 'ok', 'ok', 1, 7), (2, 1, 'b.test', '0123456789abcdef0123456789abcdef', 'b', 'dns', 'ok', 'error', 1, 7)`,
	} {
		if _, err := old.w.ExecContext(t.Context(), q); err != nil {
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
	list, _, err := s.Domains(t.Context(), OfOperator(), DomainFilter{}, Page{})
	if err != nil || len(list) != 2 || !list[0].OffSince.IsZero() || !list[1].OffSince.Equal(time.UnixMicro(7)) {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestUpgradeFromBeforeAccountsWereSuspended: keys that were suspended with their account are the account's suspension, and
// again what they were before; those suspended for themselves stay so, and nobody is let in or shut out by the upgrade.
func TestUpgradeFromBeforeAccountsWereSuspended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postern.db")
	old, err := openSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := old.provider()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 17); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`INSERT INTO account (id, name, created_at) VALUES (1, 'Suspended', 1), (2, 'Let in again', 1), (3, 'Good', 1)`,
		`INSERT INTO audit (id, at, account_id, actor, origin, action, target, detail, hash) VALUES (1, 77, 1, 'operator', '', 'key.suspend', 'key', '', x'00')`,
		`INSERT INTO api_key (id, account_id, api_key, name, is_master, state, state_before, state_reason, created_at) VALUES
 (1, 1, '00000000000000000000000000000001', 'Primary', TRUE, 'suspended', 'active', 'the account is suspended: Not paid', 1),
 (2, 1, '00000000000000000000000000000002', 'Quiet', FALSE, 'suspended', 'deactivated', 'the account is suspended: Not paid', 1),
 (3, 1, '00000000000000000000000000000003', 'Bad', FALSE, 'suspended', 'active', 'Spam', 1),
 (4, 2, '00000000000000000000000000000004', 'Primary', TRUE, 'active', '', '', 1),
 (5, 2, '00000000000000000000000000000005', 'Closed', FALSE, 'suspended', 'active', 'the account is suspended: Not paid', 1),
 (6, 3, '00000000000000000000000000000006', 'Primary', TRUE, 'active', '', '', 1)`,
	} {
		if _, err := old.w.ExecContext(t.Context(), q); err != nil {
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
	for id, want := range map[int64]string{1: "Not paid", 2: "", 3: ""} {
		if a, err := s.Account(t.Context(), id); err != nil || a.SuspendedReason != want || a.Suspended() != (want != "") || a.Suspended() && !a.SuspendedAt.Equal(time.UnixMicro(77)) {
			t.Errorf("account %d: %+v, %v", id, a, err)
		}
	}
	const ofAccount = "the account is suspended: Not paid"
	for id, want := range map[int64]Key{
		1: {State: KeySuspended, StateReason: ofAccount, Own: OwnState{State: KeyActive}},
		2: {State: KeySuspended, StateReason: ofAccount, Own: OwnState{State: KeyDeactivated}},
		3: {State: KeySuspended, StateReason: "Spam", Own: OwnState{KeySuspended, KeyActive, "Spam"}},
		4: {State: KeyActive, Own: OwnState{State: KeyActive}},
		5: {State: KeySuspended, StateReason: ofAccount, Own: OwnState{KeySuspended, KeyActive, ofAccount}},
		6: {State: KeyActive, Own: OwnState{State: KeyActive}},
	} {
		if k, err := s.Key(t.Context(), OfOperator(), KeyFilter{ID: id}); err != nil || k.State != want.State || k.StateReason != want.StateReason || k.Own != want.Own {
			t.Errorf("key %d: %+v, %v; want %+v", id, k, err, want)
		}
	}
	for state, want := range map[string]int{KeyActive: 2, KeyDeactivated: 0, KeySuspended: 4} {
		if _, n, err := s.Keys(t.Context(), OfOperator(), KeyFilter{State: state}, Page{Limit: 1}); err != nil || n != want {
			t.Errorf("%d keys are %s, %v; want %d", n, state, err, want)
		}
	}
}
