// SPDX-License-Identifier: Apache-2.0

package messages_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/messages"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

// world is a store with one key, which may send from example.com and news@example.org.
type world struct {
	*messages.Messages
	t      *testing.T
	store  *store.Store
	submit *submit.Submit
	key    store.Key
	scope  store.Scope
	due    int // how often the queue was woken
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, store: storetest.New(t)}
	now := time.Now() // it stands still, so that no hour of a limit turns in a test
	w.submit = submit.NewAt(w.store, func() {}, slog.New(slog.DiscardHandler), func() time.Time { return now })
	w.Messages = messages.New(messages.Config{Store: w.store, Submit: w.submit, Due: func() { w.due++ }})
	w.ok(w.store.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(t.Context(), "one")
		if err != nil {
			return err
		}
		w.key, err = tx.AddKey(t.Context(), store.Key{
			AccountID: a.ID, APIKey: "00000000000000000000000000000001", Name: "Shop", Master: true, State: store.KeyActive,
		})
		return err
	}))
	w.scope = store.OfKey(w.key.AccountID, w.key.ID)
	w.sender("*@example.com", false)
	w.sender("news@example.org", false)
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) sender(email string, isDefault bool) {
	w.t.Helper()
	w.ok(w.store.Update(w.t.Context(), func(tx *store.Tx) error {
		x := store.Sender{KeyID: w.key.ID, Email: email, Domain: mail.Domain(email), Status: store.SenderActive, Default: isDefault}
		_, err := tx.PutSender(w.t.Context(), x)
		return err
	}))
	w.submit.Forget(w.key.ID)
}

// change changes the key as its owner or the operator does.
func (w *world) change(do func(*store.Key)) {
	w.t.Helper()
	do(&w.key)
	w.ok(w.store.Update(w.t.Context(), func(tx *store.Tx) error { return tx.ChangeKey(w.t.Context(), w.key) }))
	w.submit.Forget(w.key.ID)
}

// send sends a test mail and returns its message.
func (w *world) send(subject, to string) messages.Message {
	w.t.Helper()
	sent, err := w.SendTest(w.t.Context(), w.key, messages.Test{To: []string{to}, Subject: subject}, messages.Via{Source: "cli", Client: "test"})
	w.ok(err)
	return w.message(sent.Messages[0].ID)
}

func (w *world) message(id int64) messages.Message {
	w.t.Helper()
	x, err := w.Message(w.t.Context(), w.scope, store.MessageFilter{ID: id})
	w.ok(err)
	return x
}

// attempt makes an attempt at all that waits, with a result.
func (w *world) attempt(result store.CompletionResult, permanent bool) {
	w.t.Helper()
	now := time.Now()
	claimed, err := w.store.Claim(w.t.Context(), store.MainLane, "w", now.Add(time.Minute), now.Add(2*time.Minute), 100)
	w.ok(err)
	for _, c := range claimed {
		d := store.Completion{Claimed: c, Owner: "w", At: now, Result: result, Permanent: permanent, Due: now.Add(time.Hour)}
		if permanent {
			d.StateID = int(mail.StateUserUnknown)
		}
		w.ok(w.store.Complete(w.t.Context(), []store.Completion{d}))
	}
}

// refused says whether an error is of the kind, with the words.
func refused(err error, kind change.ErrorKind, words string) bool {
	var e *change.Error
	return errors.As(err, &e) && e.Kind == kind && strings.Contains(e.Reason, words)
}

func TestAMessageIsNamedByItsIDOrUUID(t *testing.T) {
	w := newWorld(t)
	x := w.send("Hello", "anna@example.net")
	for _, name := range []string{fmt.Sprint(x.ID), x.UUID, strings.ToUpper(x.UUID)} {
		f, ok := messages.Named(name)
		if !ok {
			t.Errorf("%q names nothing", name)
			continue
		}
		if got, err := w.Show(t.Context(), w.scope, f); err != nil || got.ID != x.ID {
			t.Errorf("%q is message %d, %v", name, got.ID, err)
		}
	}
	for _, name := range []string{"", "0", "-1", "x", "99999999999999999999", "00000000-0000-0000-0000-000000000000", "{" + x.UUID + "}", strings.ReplaceAll(x.UUID, "-", "")} {
		if f, ok := messages.Named(name); ok {
			t.Errorf("%q names %+v", name, f)
		}
	}
	for what, scope := range map[string]store.Scope{"another key": store.OfKey(w.key.AccountID, w.key.ID+1), "another account": store.OfAccount(w.key.AccountID + 1)} {
		f := store.MessageFilter{ID: x.ID}
		if _, err := w.Show(t.Context(), scope, f); !refused(err, change.NotFound, "there is no such message") {
			t.Errorf("%s is shown it: %v", what, err)
		}
		if _, err := w.Cancel(t.Context(), change.Actor{}, scope, f); !refused(err, change.NotFound, "") {
			t.Errorf("%s takes it back: %v", what, err)
		}
		if _, err := w.Retry(t.Context(), scope, f); !refused(err, change.NotFound, "") {
			t.Errorf("%s tries it: %v", what, err)
		}
		if _, err := w.Resend(t.Context(), scope, f, messages.Via{}); !refused(err, change.NotFound, "") {
			t.Errorf("%s sends it again: %v", what, err)
		}
		if _, err := w.Source(t.Context(), scope, x.ID); !refused(err, change.NotFound, "not kept") {
			t.Errorf("%s reads its source: %v", what, err)
		}
	}
}

func TestAMessageIsShownWithWhatHappenedAndWhatComesNext(t *testing.T) {
	w := newWorld(t)
	x := w.send("Hello", "anna@example.net")
	show := func() messages.Message {
		t.Helper()
		got, err := w.Show(t.Context(), w.scope, store.MessageFilter{ID: x.ID})
		w.ok(err)
		return got
	}
	if got := show(); !got.Queued || got.NextAttempt.After(time.Now()) || got.Status != "queued" || got.KeyName != "Shop" || got.APIKey != w.key.APIKey || len(got.History) != 0 {
		t.Errorf("accepted: %+v", got)
	}
	now := time.Now()
	claimed, err := w.store.Claim(t.Context(), store.MainLane, "w", now.Add(time.Minute), now.Add(2*time.Minute), 1)
	w.ok(err)
	if got := show(); !got.Queued || !got.NextAttempt.IsZero() {
		t.Errorf("while it is tried: %+v", got)
	}
	if _, err := w.Retry(t.Context(), w.scope, store.MessageFilter{ID: x.ID}); !refused(err, change.Conflict, "being tried at this moment") {
		t.Errorf("tried while it is tried: %v", err)
	}
	w.ok(w.store.Complete(t.Context(), []store.Completion{{Claimed: claimed[0], Owner: "w", At: now, Result: store.CompletedDeferred, Due: now.Add(time.Hour)}}))
	if got := show(); !got.Queued || got.NextAttempt.Sub(now) < 30*time.Minute || len(got.History) != 1 || got.History[0].Type != "deferred" {
		t.Errorf("deferred: %+v", got)
	}
	if _, err := w.Retry(t.Context(), w.scope, store.MessageFilter{ID: x.ID}); err != nil || w.due != 1 {
		t.Errorf("the queue was woken %d times, %v", w.due, err)
	}
	w.attempt(store.CompletedBounced, false)
	got := show()
	if got.Queued || !got.NextAttempt.IsZero() || got.Status != "softbounced" || len(got.History) != 2 {
		t.Errorf("bounced: %+v", got)
	}
	raw, err := w.Source(t.Context(), w.scope, x.ID)
	if err != nil || !strings.Contains(string(raw), "Subject: Hello\r\n") {
		t.Errorf("the source is %q, %v", raw, err)
	}
}

// TestAnAttemptNowPassesNoLimit asks for one of mail that waits for its hour.
func TestAnAttemptNowPassesNoLimit(t *testing.T) {
	w := newWorld(t)
	w.change(func(k *store.Key) { k.HourLimit, k.OverHourWaits = 1, true })
	w.send("One", "anna@example.net")
	late := w.send("Two", "bert@example.net")
	f := store.MessageFilter{ID: late.ID}
	if _, err := w.Retry(t.Context(), w.scope, f); !refused(err, change.Conflict, "limit") || w.due != 0 {
		t.Errorf("the queue was woken %d times, %v", w.due, err)
	}
	if got, err := w.Show(t.Context(), w.scope, f); err != nil || !got.NextAttempt.After(time.Now()) {
		t.Errorf("it is due at %v, %v", got.NextAttempt, err)
	}
}

func TestWhatCanBeDoneWithAMessage(t *testing.T) {
	w := newWorld(t)
	by := change.Actor{Kind: change.Key, Name: w.key.APIKey}
	possible := func(id int64, source bool) messages.Possible {
		t.Helper()
		p, err := w.Possible(t.Context(), w.message(id), source)
		w.ok(err)
		return p
	}
	waits := w.send("One", "anna@example.net")
	if p := possible(waits.ID, true); p != (messages.Possible{Retry: true, Cancel: true}) {
		t.Errorf("one that waits: %+v", p)
	}
	if _, err := w.Resend(t.Context(), w.scope, store.MessageFilter{ID: waits.ID}, messages.Via{}); !refused(err, change.Conflict, "still waits") {
		t.Errorf("one that waits is sent again: %v", err)
	}
	cancelled, err := w.Cancel(t.Context(), by, w.scope, store.MessageFilter{ID: waits.ID})
	w.ok(err)
	shown, err := w.Show(t.Context(), w.scope, store.MessageFilter{ID: waits.ID})
	w.ok(err)
	if cancelled.Status != "blocked" || !strings.Contains(shown.History[0].Reply, "taken back by the API key "+w.key.APIKey) {
		t.Errorf("taken back: %+v", shown)
	}
	if _, err := w.Cancel(t.Context(), by, w.scope, store.MessageFilter{ID: waits.ID}); !refused(err, change.Conflict, "does not wait any more") {
		t.Errorf("taken back twice: %v", err)
	}
	if p := possible(waits.ID, true); !p.Resend {
		t.Errorf("one that was taken back: %+v", p)
	}
	if p := possible(waits.ID, false); p.Resend || !strings.Contains(p.Why, "not kept") {
		t.Errorf("without its source: %+v", p)
	}

	for what, closed := range map[string]func(*store.Key){
		"suspended":           func(k *store.Key) { k.Own.State = store.KeySuspended },
		"not allowed to send": func(k *store.Key) { k.Permissions = int(access.MayRead) },
	} {
		open := w.key
		w.change(closed)
		if p := possible(waits.ID, true); p.Resend || !strings.Contains(p.Why, what) {
			t.Errorf("%s: %+v", what, p)
		}
		var not *submit.Error
		if _, err := w.Resend(t.Context(), w.scope, store.MessageFilter{ID: waits.ID}, messages.Via{}); !errors.As(err, &not) || not.Code != submit.KeyMayNotSend {
			t.Errorf("%s: %v", what, err)
		}
		w.change(func(k *store.Key) { *k = open })
	}

	again, err := w.Resend(t.Context(), w.scope, store.MessageFilter{ID: waits.ID}, messages.Via{Source: "cli"})
	w.ok(err)
	if again.ResentOf != waits.ID || again.Status != "queued" || again.Subject != "One" {
		t.Errorf("sent again: %+v", again)
	}
	if shown, err = w.Show(t.Context(), w.scope, store.MessageFilter{ID: waits.ID}); err != nil || len(shown.Resent) != 1 || shown.Resent[0] != again.ID {
		t.Errorf("the first names %v, %v", shown.Resent, err)
	}
	w.attempt(store.CompletedSent, false)
	if p := possible(again.ID, true); p != (messages.Possible{}) {
		t.Errorf("one that was delivered: %+v", p)
	}
	if _, err := w.Resend(t.Context(), w.scope, store.MessageFilter{ID: again.ID}, messages.Via{}); !refused(err, change.Conflict, "was delivered") {
		t.Errorf("one that was delivered is sent again: %v", err)
	}

	unknown := w.send("Two", "bert@example.net")
	w.attempt(store.CompletedBounced, true) // which puts the address on the suppression list
	if p := possible(unknown.ID, true); p.Resend || !p.Suppressed || !strings.Contains(p.Why, "suppression list") {
		t.Errorf("of a suppressed address: %+v", p)
	}
}

func TestPagesBeginAtAMessage(t *testing.T) {
	w := newWorld(t)
	var ids []int64
	for i := range 5 {
		ids = append(ids, w.send(fmt.Sprint("Mail ", i), "anna@example.net").ID)
	}
	page := func(f store.MessageFilter) messages.Page {
		t.Helper()
		p, err := w.Page(t.Context(), w.scope, f, 2)
		w.ok(err)
		return p
	}
	subjects := func(p messages.Page) (s []string) {
		for _, x := range p.Messages {
			s = append(s, strings.TrimPrefix(x.Subject, "Mail "))
		}
		return s
	}
	for _, c := range []struct {
		what         string
		f            store.MessageFilter
		subjects     string
		newer, older bool
		total        int
	}{
		{"first", store.MessageFilter{}, "[4 3]", false, true, 5},
		{"second", store.MessageFilter{Below: ids[3]}, "[2 1]", true, true, 0},
		{"last", store.MessageFilter{Below: ids[1]}, "[0]", true, false, 0},
		{"back", store.MessageFilter{Above: ids[0]}, "[2 1]", true, true, 0},
		{"back to the first", store.MessageFilter{Above: ids[2]}, "[4 3]", false, true, 5},
		{"none", store.MessageFilter{CustomID: "x"}, "[]", false, false, 0},
		{"one", store.MessageFilter{ID: ids[0]}, "[0]", false, false, 1},
	} {
		if p := page(c.f); fmt.Sprint(subjects(p)) != c.subjects || p.Newer != c.newer || p.Older != c.older || p.Total != c.total {
			t.Errorf("%s: %v newer %v older %v total %d", c.what, subjects(p), p.Newer, p.Older, p.Total)
		}
	}
	for _, p := range []store.Page{{Limit: 2}, {Limit: 2, Offset: 4}, {Limit: 10}, {Limit: 2, Offset: 9}} {
		if _, total, err := w.ListAndCount(t.Context(), w.scope, store.MessageFilter{}, p); total != 5 || err != nil {
			t.Errorf("%+v: %d in all, %v", p, total, err)
		}
	}
}

func TestWhoATestMailIsFrom(t *testing.T) {
	w := newWorld(t)
	from := func() string {
		t.Helper()
		got, err := w.TestSender(t.Context(), w.key)
		w.ok(err)
		return got
	}
	if got := from(); got != "postern@example.com" {
		t.Errorf("of a domain it is from %s", got)
	}
	w.sender("hello@example.org", true)
	if got := from(); got != "hello@example.org" {
		t.Errorf("with a default sender it is from %s", got)
	}
	w.change(func(k *store.Key) { k.AllowedSenders = "news@example.org" })
	if got := from(); got != "news@example.org" {
		t.Errorf("restricted to one sender it is from %s", got)
	}
	x := w.send("", "Anna <anna@example.net>")
	raw, err := w.Source(t.Context(), w.scope, x.ID)
	w.ok(err)
	if x.Subject != "A test with Shop" || x.Source != "cli" || !strings.HasSuffix(x.MessageID, "@example.org") || !strings.Contains(string(raw), `the API key "Shop"`) {
		t.Errorf("%+v says %s", x, raw)
	}
	w.change(func(k *store.Key) { k.AllowedSenders = "other@example.org" })
	if _, err := w.TestSender(t.Context(), w.key); !refused(err, change.NotAllowed, "restrictions allow none") {
		t.Error(err)
	}
	w.change(func(k *store.Key) { k.AllowedSenders = "" })
	for field, bad := range map[string]messages.Test{
		"From": {From: "no address", To: []string{"a@example.net"}}, "To": {To: []string{"a@example.net", "no address"}},
	} {
		var e *change.Error
		if _, err := w.SendTest(t.Context(), w.key, bad, messages.Via{}); !errors.As(err, &e) || e.Field != field || e.Kind != change.Invalid {
			t.Errorf("%s: %v", field, err)
		}
	}
	other, err := w.TestSender(t.Context(), store.Key{ID: w.key.ID + 1, Name: "Other"})
	var not *submit.Error
	if other != "" || !errors.As(err, &not) || not.Code != submit.KeyMayNotSend {
		t.Errorf("a key that is not there: %q, %v", other, err)
	}
	w.ok(w.store.Update(t.Context(), func(tx *store.Tx) error {
		for _, email := range []string{"*@example.com", "news@example.org", "hello@example.org"} {
			if err := tx.DeleteSender(t.Context(), w.key.ID, email); err != nil {
				return err
			}
		}
		return nil
	}))
	w.submit.Forget(w.key.ID)
	if _, err := w.TestSender(t.Context(), w.key); !refused(err, change.Conflict, `the key "Shop" has no sender yet`) {
		t.Error(err)
	}
	w.change(func(k *store.Key) { k.Permissions = int(access.MayRead) })
	if _, err := w.TestSender(t.Context(), w.key); !errors.As(err, &not) || not.Code != submit.KeyMayNotSend {
		t.Errorf("a key that may not send: %v", err)
	}
}

// TestWhatIsTypedIsUnderstood types IDs, addresses, domains and words.
func TestWhatIsTypedIsUnderstood(t *testing.T) {
	w := newWorld(t)
	x := w.send("Invoice 4711", "Anna@example.net")
	for typed, want := range map[string]store.MessageFilter{
		"":                                     {},
		" invoice ":                            {Search: "invoice"},
		"anna@EXAMPLE.net":                     {Recipient: "anna@EXAMPLE.net"},
		"nobody@example.net":                   {Search: "nobody@example.net"},
		"@example.net":                         {Domain: "example.net"},
		"@example.org":                         {Search: "@example.org"},
		"4711":                                 {Search: "4711"},
		fmt.Sprint(x.ID):                       {ID: x.ID},
		x.UUID:                                 {UUID: x.Record.UUID},
		"99999999999999999999":                 {Search: "99999999999999999999"},
		"00000000-0000-0000-0000-000000000000": {Search: "00000000-0000-0000-0000-000000000000"},
	} {
		got, err := w.Narrow(t.Context(), w.scope, store.MessageFilter{}, typed)
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", typed, got, err, want)
		}
	}
}
