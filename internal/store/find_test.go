// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// subaccountOf adds a key to an account.
func subaccountOf(t testing.TB, s *store.Store, master store.Key, name string) (k store.Key) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) (err error) {
		k, err = tx.AddKey(t.Context(), store.Key{AccountID: master.AccountID, APIKey: apiKey(name), Name: name, State: store.KeyActive})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// index puts everything into the index of words.
func index(t testing.TB, s *store.Store) {
	t.Helper()
	for {
		n, err := s.IndexMessages(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// pile is a store with mail of three keys of one account and of another account, and all of it as a list.
type pile struct {
	*store.Store
	keys []store.Key // the last is another account's
	all  []store.Message
}

// newPile makes 1,800 messages, more than the store looks at one by one: most to many recipients at once, which is quick.
func newPile(t testing.TB, s *store.Store) *pile {
	p := &pile{Store: s}
	master := newKey(t, s, "one")
	p.keys = []store.Key{master, subaccountOf(t, s, master, "two"), subaccountOf(t, s, master, "three"), newKey(t, s, "other")}
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable on purpose
	for i := range 60 {
		k := p.keys[r.IntN(len(p.keys))]
		x := submission(k)
		x.SenderID = int64(1 + r.IntN(3))
		x.HeaderFrom = fmt.Sprintf("shop%d@from%d.example", r.IntN(2), r.IntN(2))
		x.FromName = []string{"Ana Müller", "The Shop", ""}[r.IntN(3)]
		x.Subject = []string{"Your invoice", "Your order has shipped", "Résumé of the week", "日本語 newsletter", "---"}[r.IntN(5)] + fmt.Sprintf(" %d", i)
		x.CustomID = []string{"order-7", "tag", "tag", ""}[r.IntN(4)]
		x.Campaign = []string{"spring", "", "sommer"}[r.IntN(3)]
		for j := range 30 {
			to := store.Recipient{Email: fmt.Sprintf("reader%d@d%d.example", r.IntN(200), r.IntN(5)), Kind: store.To}
			if to.Domain = mail.Domain(to.Email); r.IntN(3) == 0 || j == 0 && i%2 == 0 {
				to.Refused = mail.StatePreblocked
			}
			if r.IntN(300) == 0 {
				to.Refused = mail.StateDuplicateInCampaign
			}
			x.Recipients = append(x.Recipients, to)
		}
		accept(t, s, x)
	}
	now := time.Now()
	got, err := s.Claim(t.Context(), store.MainLane, "me", now, now.Add(time.Minute), 3000)
	if err != nil {
		t.Fatal(err)
	}
	var done []store.Completion
	for _, c := range got {
		x := store.Completion{Claimed: c, Owner: "me", At: now, Result: store.CompletedSent}
		switch r.IntN(40) {
		case 0:
			x.Result, x.StateID, x.Permanent = store.CompletedBounced, int(mail.StateUserUnknown), true
		case 1, 2:
			x.Result, x.Due, x.StateID = store.CompletedDeferred, now.Add(time.Hour), int(mail.StateGreylisted)
		}
		done = append(done, x)
	}
	for some := range slices.Chunk(done, 400) {
		if err := s.Complete(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	for above := int64(0); ; {
		list, err := s.Messages(t.Context(), store.OfOperator(), store.MessageFilter{Above: above}, store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return p
		}
		p.all = append(p.all, list...)
		above = list[len(list)-1].ID
	}
}

// wants is the filter said once more, in the plainest way.
func wants(m store.Message, scope []store.Key, f store.MessageFilter) bool {
	if !slices.ContainsFunc(scope, func(k store.Key) bool { return k.ID == m.KeyID }) {
		return false
	}
	has := func(texts ...string) bool {
		var in []string
		for _, s := range texts {
			in = append(in, store.Words(s)...)
		}
		for _, w := range store.Words(f.Search) {
			if !slices.ContainsFunc(in, func(x string) bool { return x == w || len([]rune(w)) >= 3 && strings.HasPrefix(x, w) }) {
				return false
			}
		}
		return true
	}
	switch {
	case f.ID != 0 && m.ID != f.ID, f.Below != 0 && m.ID >= f.Below, f.Above != 0 && m.ID <= f.Above:
	case f.KeyID != 0 && m.KeyID != f.KeyID, f.SenderID != 0 && m.SenderID != f.SenderID:
	case f.CustomID != "" && m.CustomID != f.CustomID, f.Campaign != "" && m.Campaign != f.Campaign, f.CampaignID != 0 && m.CampaignID != f.CampaignID:
	case f.Recipient != "" && mail.Canonical(m.Recipient) != mail.Canonical(f.Recipient), f.Contact != 0 && m.Contact != f.Contact:
	case f.Domain != "" && mail.Domain(m.Recipient) != f.Domain, f.Destination != 0 && mail.DestinationID(mail.Domain(m.Recipient)) != f.Destination:
	case f.FromEmail != "" && m.HeaderFrom != f.FromEmail, f.FromDomain != "" && mail.Domain(m.HeaderFrom) != f.FromDomain:
	case f.Status != nil && m.Status != *f.Status, f.StateID != 0 && m.StateID != f.StateID:
	case !f.From.IsZero() && m.ArrivedAt.Before(f.From), !f.To.IsZero() && !m.ArrivedAt.Before(f.To):
	case f.Search != "" && !has(m.Recipient, m.Subject, m.HeaderFrom, m.FromName, m.CustomID, m.Campaign):
	default:
		return true
	}
	return false
}

func (p *pile) want(scope []store.Key, f store.MessageFilter, page store.Page) (ids []int64, total int) {
	for _, m := range p.all {
		if wants(m, scope, f) {
			ids = append(ids, m.ID)
		}
	}
	total = len(ids)
	if page.Desc {
		slices.Reverse(ids)
	}
	ids = ids[min(page.Offset, total):]
	return ids[:min(page.Limit, len(ids))], total
}

// filter makes a filter of some conditions at random, of values that occur or nearly so.
func (p *pile) filter(r *rand.Rand) (f store.MessageFilter) {
	m := p.all[r.IntN(len(p.all))]
	word := func(s string) string {
		w := store.Words(s)
		if len(w) == 0 {
			return "nothing"
		}
		x := []rune(w[r.IntN(len(w))])
		return string(x[:min(len(x), 1+r.IntN(9))])
	}
	for range 1 + r.IntN(3) {
		switch r.IntN(16) {
		case 0:
			f.Search = word(m.Recipient + " " + m.Subject)
		case 1:
			f.Search = word(m.Subject) + " " + word(m.Recipient)
		case 2:
			f.Recipient = m.Recipient
		case 3:
			f.Contact = m.Contact
		case 4:
			f.CustomID = m.CustomID
		case 5:
			f.Campaign = m.Campaign
		case 6:
			f.CampaignID = m.CampaignID
		case 7:
			f.Domain = mail.Domain(m.Recipient)
		case 8:
			f.Destination = mail.DestinationID(mail.Domain(m.Recipient))
		case 9:
			f.SenderID = m.SenderID
		case 10:
			f.FromEmail = m.HeaderFrom
		case 11:
			f.FromDomain = mail.Domain(m.HeaderFrom)
		case 12:
			f.Status = &m.Status
		case 13:
			f.StateID = m.StateID
		case 14:
			f.From, f.To = m.ArrivedAt, m.ArrivedAt.Add(time.Duration(r.IntN(3))*time.Second)
		case 15:
			f.Below, f.KeyID = m.ID, m.KeyID
		}
	}
	return f
}

// TestMessagesAreFoundWhateverIsAsked asks for many combinations of conditions, in every scope, with none, some and all of
// the messages in the index of words, and compares with the same conditions said in Go.
func TestMessagesAreFoundWhateverIsAsked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p := newPile(t, s)
		scopes := []struct {
			store.Scope
			keys []store.Key
		}{
			{store.OfOperator(), p.keys},
			{store.OfAccount(p.keys[0].AccountID), p.keys[:3]},
			{store.OfAccount(p.keys[3].AccountID), p.keys[3:]},
			{store.OfKey(p.keys[1].AccountID, p.keys[1].ID), p.keys[1:2]},
			{store.OfKeys(p.keys[0].AccountID, []int64{p.keys[0].ID, p.keys[2].ID}), []store.Key{p.keys[0], p.keys[2]}},
			{store.OfKeys(p.keys[0].AccountID, []int64{p.keys[2].ID}), p.keys[2:3]},
			{store.OfKeys(p.keys[0].AccountID, nil), nil},
			{store.OfKey(p.keys[0].AccountID, p.keys[3].ID), nil}, // a key that is not the account's
			{store.Scope{}, nil},
		}
		r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // repeatable on purpose
		found := 0
		for _, indexed := range []int{0, 900, 10_000} {
			if indexed > 0 {
				if _, err := s.IndexMessages(t.Context(), indexed); err != nil {
					t.Fatal(err)
				}
			}
			for range 120 {
				f := p.filter(r)
				scope := scopes[r.IntN(len(scopes))]
				page := store.Page{Limit: 1 + r.IntN(20), Offset: r.IntN(2) * r.IntN(30), Desc: r.IntN(3) > 0}
				want, total := p.want(scope.keys, f, page)
				list, err := s.Messages(t.Context(), scope.Scope, f, page)
				if err != nil {
					t.Fatalf("%+v: %v", f, err)
				}
				var got []int64
				for _, m := range list {
					got = append(got, m.ID)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%+v in %+v, %+v, indexed %d:\n got %v\nwant %v", f, scope.Scope, page, indexed, got, want)
				}
				n, err := s.CountMessages(t.Context(), scope.Scope, f)
				if err != nil || n != total {
					t.Fatalf("%+v in %+v: counted %d, %v; want %d", f, scope.Scope, n, err, total)
				}
				if n, err = s.CountMessagesTo(t.Context(), scope.Scope, f, 10); err != nil || n != min(total, 10) {
					t.Fatalf("%+v in %+v: counted to 10: %d, %v; want %d", f, scope.Scope, n, err, min(total, 10))
				}
				found += len(got)
			}
		}
		if found < 500 {
			t.Errorf("the searches found only %d messages: they say little", found)
		}
		if n, err := s.Unindexed(t.Context()); err != nil || n != 0 {
			t.Errorf("%d messages are not indexed, %v", n, err)
		}
	})
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"Your invoice 1234", "Ana Müller <ana@example.com>", "日本語", "a\x00b\xff", "\" OR * NEAR(a b) '=k1'", "ﬁ ǅ ⅷ", strings.Repeat("é", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, w := range store.Words(s) {
			if w == "" || strings.ContainsAny(w, " =\"'*&|\x00") || len([]rune(w)) > 200 {
				t.Errorf("%q has the word %q", s, w)
			}
			if again := store.Words(w); len(again) != 1 && !strings.ContainsFunc(w, func(r rune) bool { return r > 127 }) {
				t.Errorf("the word %q has the words %q", w, again)
			}
		}
	})
}

// TestAnyTextMayBeSearchedFor types what the index's languages could take for their own.
func TestAnyTextMayBeSearchedFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		x := submission(k, "o'brien@example.net")
		x.Subject = "Straße \"quoted\" 100% (sale) 日本語 \u0000ĳ"
		x.Subject = strings.ReplaceAll(x.Subject, "\x00", "")
		accept(t, s, x)
		index(t, s)
		scope := store.OfKey(k.AccountID, k.ID)
		for q, want := range map[string]int{
			"O'Brien": 1, "quoted sale": 1, "\"quoted\"": 1, "100%": 1, "日本": 0, "日本語": 1, "strasse": 0, "straße": 1, "strass": 0, "' OR 1=1": 0, "=k1": 0,
			"* ) ( & | ! ' \" :": 0, "NEAR AND OR NOT": 0, "obrien": 0, "brien": 1, "bri": 1, "br": 0, "\xff\xfe": 0, "sale:*": 1, "a b c d e f g": 0, strings.Repeat("word ", 500): 0,
		} {
			list, err := s.Messages(t.Context(), scope, store.MessageFilter{Search: q}, store.Page{Desc: true})
			if err != nil || len(list) != want {
				t.Errorf("%q finds %d, %v; want %d", q, len(list), err, want)
			}
		}
	})
}

// TestWhatIsDeletedIsNotFound also shows that the index holds nothing of it.
func TestWhatIsDeletedIsNotFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		scope := store.OfKey(k.AccountID, k.ID)
		accept(t, s, submission(k, "indexed@example.net"))
		index(t, s)
		accept(t, s, submission(k, "waiting@example.net"))
		now := time.Now()
		got, err := s.Claim(t.Context(), store.MainLane, "me", now, now.Add(time.Minute), 10)
		if err != nil || len(got) != 2 {
			t.Fatalf("%d, %v", len(got), err)
		}
		for _, c := range got {
			if err := s.Complete(t.Context(), []store.Completion{{Claimed: c, Owner: "me", At: now, Result: store.CompletedSent}}); err != nil {
				t.Fatal(err)
			}
		}
		if f, err := s.Forget(t.Context(), k.AccountID, now.Add(time.Hour), 0, 100, time.Second); err != nil || f.Messages != 2 || f.Last != 0 {
			t.Fatalf("%+v, %v", f, err)
		}
		for _, q := range []string{"indexed", "waiting", "example"} {
			if n, err := s.CountMessages(t.Context(), scope, store.MessageFilter{Search: q}); err != nil || n != 0 {
				t.Errorf("%q counts %d, %v", q, n, err)
			}
		}
		if n, err := s.IndexMessages(t.Context(), 100); err != nil || n != 0 {
			t.Errorf("%d indexed after all was deleted, %v", n, err)
		}
	})
}

// TestForgettingGivesTheWriterBack deletes with no time to hold the writer: a batch stops after its first piece, and the
// batches together delete everything that is finished, also of submissions that two batches share.
func TestForgettingGivesTheWriterBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p := newPile(t, s)
		account := p.keys[0].AccountID
		batches, deleted := 0, 0
		for after, more := int64(0), true; more; more = after != 0 {
			f, err := s.Forget(t.Context(), account, time.Now().Add(time.Hour), after, 500, 0)
			if err != nil {
				t.Fatal(err)
			}
			batches, deleted, after = batches+1, deleted+f.Messages, f.Last
		}
		want, left := 0, 0
		for _, m := range p.all {
			if m.AccountID == account && !m.DoneAt.IsZero() {
				want++
			} else if m.AccountID == account {
				left++
			}
		}
		if deleted != want || batches < want/32 {
			t.Errorf("%d deleted in %d batches, want %d", deleted, batches, want)
		}
		if n, err := s.CountMessages(t.Context(), store.OfAccount(account), store.MessageFilter{}); err != nil || n != left {
			t.Errorf("%d left, %v; want %d", n, err, left)
		}
		for _, m := range p.all { // what waits keeps its source, and another account everything
			if m.AccountID != account || m.DoneAt.IsZero() {
				if _, err := s.Source(t.Context(), store.OfOperator(), m.ID); err != nil {
					t.Fatalf("message %d has no source: %v", m.ID, err)
				}
			}
		}
	})
}

func TestWaitingMessagesAreRetriedAndTakenBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k, other := newKey(t, s, "one"), newKey(t, s, "other")
		scope := store.OfKey(k.AccountID, k.ID)
		x := accept(t, s, submission(k, "a@example.net", "b@example.net"))
		a, b := x.Recipients[0].ID, x.Recipients[1].ID
		now := time.Now()
		got, err := s.Claim(t.Context(), store.MainLane, "me", now, now.Add(time.Minute), 10)
		if err != nil || len(got) != 2 {
			t.Fatalf("%d, %v", len(got), err)
		}
		if err := s.RetryNow(t.Context(), scope, a); !errors.Is(err, store.ErrHeld) {
			t.Errorf("retry of what is being tried: %v", err)
		}
		if err := s.Cancel(t.Context(), scope, a, "no"); !errors.Is(err, store.ErrHeld) {
			t.Errorf("taking back what is being tried: %v", err)
		}
		for _, c := range got {
			if err := s.Complete(t.Context(), []store.Completion{{Claimed: c, Owner: "me", At: now, Result: store.CompletedDeferred, Due: now.Add(time.Hour)}}); err != nil {
				t.Fatal(err)
			}
		}
		foreign := store.OfKey(other.AccountID, other.ID)
		if err := errors.Join(s.RetryNow(t.Context(), foreign, a), nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another account retries: %v", err)
		}
		if err := s.Cancel(t.Context(), foreign, a, "no"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another account takes back: %v", err)
		}
		if err := s.RetryNow(t.Context(), scope, a); err != nil {
			t.Fatal(err)
		}
		if due, err := s.NextAttempt(t.Context(), scope, a); err != nil || due.After(time.Now()) {
			t.Errorf("due at %v, %v", due, err)
		}
		if err := s.Cancel(t.Context(), scope, b, "taken back by a test"); err != nil {
			t.Fatal(err)
		}
		if err := s.Cancel(t.Context(), scope, b, "twice"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("taken back twice: %v", err)
		}
		m, err := s.Message(t.Context(), scope, store.MessageFilter{ID: b})
		if err != nil || m.Status != store.StatusBlocked || m.DoneAt.IsZero() {
			t.Errorf("%+v, %v", m, err)
		}
		events, err := s.Events(t.Context(), scope, b)
		if err != nil || len(events) != 2 || events[1].Line != "taken back by a test" || events[1].Type != store.EventBlocked {
			t.Errorf("%+v, %v", events, err)
		}
		c, err := s.Counters(t.Context(), scope, store.ByMessage, time.Time{}, time.Time{})
		if err != nil || c.Blocked != 1 || c.Queued() != 1 {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// TestKeysByManyIDs: more than a statement has parameters (32,766 on SQLite, 65,535 on PostgreSQL), and one more than once.
func TestKeysByManyIDs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		sub, other := subaccountOf(t, s, k, "sub"), newKey(t, s, "two")
		ids := []int64{sub.ID, other.ID, sub.ID}
		for n := range int64(70_000) {
			ids = append(ids, 1_000_000+n)
		}
		ids = append(ids, k.ID)
		keys, err := s.KeysByID(t.Context(), store.OfAccount(k.AccountID), ids)
		if err != nil || len(keys) != 2 || keys[k.ID].Name != "one" || keys[sub.ID].Name != "sub" {
			t.Errorf("%v, %v", keys, err)
		}
	})
}
