// SPDX-License-Identifier: Apache-2.0

package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/notice"
	"postern/internal/notify"
	"postern/internal/people"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/webhook"
)

const baseURL = "https://mail.example.com"

var operator = change.Actor{Kind: change.Operator, Origin: "command line"}

// desk is a notifier over a fresh store, with an account of two owners and an analyst.
type desk struct {
	*notify.Notify
	t     *testing.T
	store *store.Store
	*backend.Backend
	webhook *webhook.Webhook
	seal    *credential.Sealer
	up      keys.SignedUp
	log     *bytes.Buffer
	mailed  chan struct{}
	ahead   atomic.Int64 // of the clock, in nanoseconds
}

func newDesk(t *testing.T, s *store.Store) *desk {
	t.Helper()
	d := &desk{t: t, store: s, log: &bytes.Buffer{}, mailed: make(chan struct{}, 100)}
	serverKey := credential.NewServerKey()
	var err error
	if d.seal, err = credential.NewSealer(serverKey); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) }
	log := slog.New(slog.NewTextHandler(d.log, nil))
	d.Backend = backendtest.New(t, backend.Config{
		Store: s, ServerKey: serverKey, Webhook: webhook.Config{Private: true, Now: now},
		Accepted: func() { d.mailed <- struct{}{} }, Noticed: func() { d.Wake() }, Log: log,
	})
	d.webhook = d.Webhook
	d.Notify = notify.New(notify.Config{
		Store: s, Keys: d.Keys, Notices: d.Notices, Submit: d.Submit, Webhook: d.webhook, From: mail.Address{Name: "Postern", Email: "postern@mail.example.com"}, BaseURL: baseURL, Log: log, Now: now,
	})
	if d.up, err = d.Keys.SignUp(t.Context(), operator, "Harbour", "owner@example.com"); err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		for email, role := range map[string]string{"second@example.com": access.Owner, "analyst@example.com": access.Analyst} {
			u, err := tx.AddUser(t.Context(), store.User{AccountID: d.up.Account.ID, Email: email})
			if err != nil {
				return err
			}
			if err := tx.PutAccess(t.Context(), u.ID, d.up.Account.ID, 0, role); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) pass(by time.Duration) { d.ahead.Add(int64(by)) }

// tell leaves a notice as a change does.
func (d *desk) tell(accountID int64, n notice.Notice) {
	d.t.Helper()
	n.At = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	plain, err := json.Marshal(n)
	if err != nil {
		d.t.Fatal(err)
	}
	d.keep(store.Notice{AccountID: accountID, Kind: n.Kind, Data: d.seal.Seal("notice", plain)})
}

func (d *desk) keep(n store.Notice) {
	d.t.Helper()
	if err := d.store.Update(d.t.Context(), func(tx *store.Tx) error { return tx.AddNotice(d.t.Context(), n) }); err != nil {
		d.t.Fatal(err)
	}
}

// sent is a mail that came out.
type sent struct {
	store.Message
	*mail.View
	raw string
}

// mails reads all mail that was accepted, one for each recipient, oldest first.
func (d *desk) mails() []sent {
	d.t.Helper()
	list, err := d.store.Messages(d.t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{})
	if err != nil {
		d.t.Fatal(err)
	}
	var out []sent
	for _, m := range list {
		out1, err := d.store.Outgoing(d.t.Context(), m.SubmissionID)
		raw := out1.Body
		if err == nil && out1.Sealed {
			raw, err = d.Notices.OpenBody(raw)
		}
		if err != nil {
			d.t.Fatal(err)
		}
		v, err := mail.Read(raw)
		if err != nil {
			d.t.Fatal(err)
		}
		out = append(out, sent{m, v, string(raw)})
	}
	return out
}

func (d *desk) waiting() int64 {
	d.t.Helper()
	n, _, err := d.store.CountNotices(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func to(mails []sent) string {
	var all []string
	for _, m := range mails {
		all = append(all, m.Recipient)
	}
	return strings.Join(all, " ")
}

func TestOwnersAreToldByMail(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		if _, err := d.Keys.Suspend(t.Context(), operator, store.KeyFilter{ID: d.up.Key.ID}, "spam"); err != nil {
			t.Fatal(err)
		}
		d.Round(t.Context())
		d.Round(t.Context())
		got := d.mails()
		if to(got) != "owner@example.com second@example.com" || d.waiting() != 0 || d.Stats().Sent != 1 {
			t.Fatalf("mail to %s, %d wait, %+v\n%s", to(got), d.waiting(), d.Stats(), d.log)
		}
		m := got[0]
		if m.HeaderFrom != "postern@mail.example.com" || m.MailFrom != "postern@mail.example.com" || m.From[0].Name != "Postern" || len(m.To) != 2 || !strings.Contains(m.raw, "\r\nAuto-Submitted: auto-generated\r\n") ||
			!strings.HasSuffix(m.Message.MessageID, "@mail.example.com") || m.TrackOpens != 1 || m.TrackClicks != 1 || m.Source != "postern" {
			t.Errorf("%+v\n%s", m.Message, m.raw)
		}
		// It belongs to nobody's account, and the operator sees by whose key it went.
		if n, err := s.CountMessages(t.Context(), store.OfAccount(d.up.Account.ID), store.MessageFilter{}); err != nil || n != 0 {
			t.Errorf("the account sees %d messages of the system, %v", n, err)
		}
		key, err := s.Key(t.Context(), store.OfOperator(), store.KeyFilter{ID: m.KeyID})
		if err != nil || key.Name != keys.SystemName || len(key.Secrets) != 0 {
			t.Errorf("%+v, %v", key, err)
		}
	})
}

func TestOperatorsAndNamedPeopleAreTold(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	d.tell(0, notice.Notice{Kind: notice.RequestMade, AccountName: "Harbour", By: "user owner@example.com", What: "subaccounts", Wanted: 20, Reason: "we grow"})
	d.Round(t.Context())
	if len(d.mails()) != 0 || d.waiting() != 0 || !strings.Contains(d.log.String(), "nobody to be sent to") {
		t.Errorf("with no operator: %s, %d wait", to(d.mails()), d.waiting())
	}
	if err := d.People.SetOperator(t.Context(), operator, "second@example.com", true); err != nil {
		t.Fatal(err)
	}
	d.tell(0, notice.Notice{Kind: notice.RequestMade, AccountName: "Harbour", By: "user owner@example.com", What: "subaccounts", Wanted: 20, Reason: "we grow"})
	d.tell(d.up.Account.ID, notice.Notice{Kind: notice.Invitation, To: []string{"new@example.org", "not an address"}, AccountName: "Harbour", Role: "sender", Link: "/invitation/x"})
	d.Round(t.Context())
	if got := to(d.mails()); got != "second@example.com new@example.org" {
		t.Errorf("mail to %s", got)
	}
}

// TestRunIsWoken: an invitation is on its way as soon as it is made, not at the next look.
func TestRunIsWoken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		share := people.Share{Email: "new@example.org", Role: access.Sender}
		for range 2 {
			if _, err := d.People.Invite(t.Context(), change.Actor{Kind: change.User, Name: "owner@example.com"}, d.up.Account.ID, share); err != nil {
				t.Fatal(err)
			}
			select {
			case <-d.mailed:
			case <-time.After(10 * time.Second): // the looks are 15 s apart
				t.Fatal("no mail in 10 s")
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		m := d.mails()[0]
		link := m.Text[strings.Index(m.Text, baseURL):]
		link, _, _ = strings.Cut(link, "\n")
		if _, err := d.People.Invitation(t.Context(), strings.TrimPrefix(strings.TrimSpace(link), baseURL+"/invitation/")); err != nil {
			t.Errorf("the link %q opens nothing: %v", link, err)
		}
	})
}

// TestACrashBetween: the mail was accepted, and the notice is still there at the next start.
func TestACrashBetween(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		d.tell(d.up.Account.ID, notice.Notice{Kind: notice.KeyRestored, KeyID: d.up.Key.ID, APIKey: d.up.Key.APIKey, KeyName: "Harbour", To: []string{"owner@example.com"}})
		due, err := s.DueNotices(t.Context(), time.Now(), 10)
		if err != nil || len(due) != 1 {
			t.Fatal(due, err)
		}
		if err := d.SendAndCrash(t.Context(), due[0]); err != nil {
			t.Fatal(err)
		}
		if len(d.mails()) != 1 || d.waiting() != 1 {
			t.Fatalf("%s, %d wait", to(d.mails()), d.waiting())
		}
		d.Round(t.Context())
		if got := d.mails(); len(got) != 1 || d.waiting() != 0 {
			t.Errorf("after the next start: %s, %d wait", to(got), d.waiting())
		}
	})
}

func TestFailuresArePutOff(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		d.keep(store.Notice{AccountID: d.up.Account.ID, Kind: notice.KeyRestored, Data: []byte("sealed under another key")})
		d.tell(d.up.Account.ID, notice.Notice{Kind: notice.KeyRestored, To: []string{"owner@example.com"}})
		d.Round(t.Context())
		if len(d.mails()) != 1 || d.waiting() != 1 || d.Stats().Failed != 1 {
			t.Fatalf("one that fails holds up the other: %s, %+v", to(d.mails()), d.Stats())
		}
		wait := time.Minute
		for failed := int64(1); failed < 12; failed++ {
			d.pass(wait - 2*time.Second)
			d.Round(t.Context())
			if d.Stats().Failed != failed {
				t.Fatalf("after %d failures it was tried again before %v", failed, wait)
			}
			d.pass(3 * time.Second)
			d.Round(t.Context())
			if d.Stats().Failed != failed+1 {
				t.Fatalf("after %d failures it was not tried again after %v", failed, wait)
			}
			wait = min(2*wait, 6*time.Hour)
		}
		d.pass(3 * 24 * time.Hour)
		d.Round(t.Context())
		if d.waiting() != 0 || d.Stats().GivenUp != 1 || !strings.Contains(d.log.String(), "given up") {
			t.Errorf("after three days: %d wait, %+v", d.waiting(), d.Stats())
		}
	})
}

// TestRemindersByMailAndWebhook: from day 76 an owner is told once, past day 90 once more, by mail and by webhook.
func TestRemindersByMailAndWebhook(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		var mu sync.Mutex // messages of one kind each may arrive side by side
		var told []map[string]any
		receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			raw, err := io.ReadAll(r.Body)
			var body map[string]any
			if err != nil || json.Unmarshal(raw, &body) != nil {
				t.Errorf("%s, %v", raw, err)
			}
			mu.Lock()
			defer mu.Unlock()
			told = append(told, body)
		}))
		defer receiver.Close()
		if _, err := d.Webhooks.SetOfAccount(t.Context(), operator, d.up.Account.ID, receiver.URL); err != nil {
			t.Fatal(err)
		}
		const day = 24 * time.Hour
		expect := func(what string, mails int, due, overdue int64) {
			t.Helper()
			d.Round(t.Context())
			d.Round(t.Context())
			if n := d.Stats(); len(d.mails()) != mails || n.Due != due || n.Overdue != overdue {
				t.Fatalf("%s: %d mails, %+v", what, len(d.mails()), n)
			}
		}
		expect("at first", 0, 0, 0)
		d.pass(76*day - time.Hour)
		expect("before day 76", 0, 0, 0)
		d.pass(time.Hour)
		expect("on day 76", 2, 1, 0)
		d.pass(14*day - time.Hour)
		expect("on day 89", 2, 1, 0)
		d.pass(time.Hour)
		expect("past day 90", 4, 1, 1)
		d.pass(100 * day)
		expect("long after", 4, 1, 1)
		if _, err := d.Keys.Reset(t.Context(), operator, store.OfAccount(d.up.Account.ID), store.KeyFilter{ID: d.up.Key.ID}, keys.Reset{}); err != nil {
			t.Fatal(err)
		}
		d.ahead.Store(0)
		expect("after a reset", 4, 0, 0)

		mails := d.mails()
		if !strings.Contains(mails[0].View.Subject, "due in 14 days") || !strings.Contains(mails[2].View.Subject, "overdue") || !strings.Contains(mails[0].Text, d.up.Key.APIKey) {
			t.Errorf("%q, %q", mails[0].View.Subject, mails[2].View.Subject)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.webhook.Run(ctx) }()
		for end := time.Now().Add(time.Minute); d.webhook.AccountStats().Delivered < 2 && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 2 {
			t.Fatalf("the webhook was told %v", told)
		}
		byType := map[any]map[string]any{}
		for _, x := range told {
			byType[x["type"]] = x["data"].(map[string]any)
		}
		due, overdue := byType["credential.due"], byType["credential.overdue"]
		end := d.up.Key.Secrets[0].CreatedAt.Add(90 * day).Truncate(time.Second).Format(time.RFC3339)
		if due["account"] != "Harbour" || due["api_key"] != d.up.Key.APIKey || due["key_name"] != "Harbour" || due["days_left"] != 14.0 || due["due_by"] != end || due["stops_working"] != false ||
			due["secret_id"] != float64(d.up.Key.Secrets[0].ID) || due["secret_hint"] != d.up.Key.Secrets[0].Hint || overdue["secret_hint"] != due["secret_hint"] || overdue["overdue_since"] != end || overdue["days_overdue"] != 0.0 {
			t.Errorf("due %v, overdue %v", due, overdue)
		}
	})
}
