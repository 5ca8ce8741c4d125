// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"postern/internal/change"
	"postern/internal/keys"
	"postern/internal/notice"
	"postern/internal/senders"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// proposes adds a sender as a key's owner does, and returns its status and proof.
func (r *ring) proposes(t *testing.T, key store.Key, email string) store.Sender {
	t.Helper()
	x, err := r.ProposeSender(t.Context(), change.Actor{Kind: change.Key, Name: key.APIKey}, store.OfKey(key.AccountID, key.ID), store.KeyFilter{ID: key.ID}, senders.NewSender{Email: email})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// active are the senders that a key's mail may come from.
func (r *ring) active(t *testing.T, key store.Key) string {
	t.Helper()
	list, err := r.store.KeySenders(t.Context(), key.ID)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, x := range list {
		out = append(out, x.Email+"("+x.Proof+")")
	}
	return strings.Join(out, " ")
}

func (r *ring) domain(t *testing.T, key store.Key, domain string) store.Domain {
	t.Helper()
	d, err := r.store.Domain(t.Context(), store.OfKey(key.AccountID, key.ID), store.DomainFilter{Domain: domain})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A domain's proof makes its addresses active, and takes them along when it goes.
func TestProofOfADomain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		key := r.up.Key
		for _, email := range []string{"Ann@Shop.example", "shop.example", "bob@shop.example", "eve@other.example"} {
			if x := r.proposes(t, key, email); x.Status != store.SenderInactive || x.Proof != "" || x.DomainID == 0 {
				t.Errorf("%+v", x)
			}
		}
		if got := r.active(t, key); got != "" {
			t.Errorf("active: %s", got)
		}
		d := r.domain(t, key, "shop.example")
		other, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Other"})
		if err != nil {
			t.Fatal(err)
		}
		wants(t, r.ProveDomain(t.Context(), operator, store.OfKey(key.AccountID, other.Key.ID), d.ID, store.ProofDNS), change.NotFound, "")
		if err := r.ProveDomain(t.Context(), operator, r.scope, d.ID, store.ProofFile); err != nil {
			t.Fatal(err)
		}
		if got := r.active(t, key); got != "ann@shop.example(domain) *@shop.example(file) bob@shop.example(domain)" {
			t.Errorf("active: %s", got)
		}
		if x := r.proposes(t, key, "new@shop.example"); x.Status != store.SenderActive {
			t.Errorf("%+v", x)
		}
		// Each key has a token of its own, and proves for itself.
		if x := r.proposes(t, other.Key, "shop.example"); x.Status != store.SenderInactive {
			t.Errorf("another key's: %+v", x)
		}
		if o := r.domain(t, other.Key, "shop.example"); o.Token == d.Token || senders.OwnershipRecordName(o) == senders.OwnershipRecordName(d) {
			t.Error("two keys have one token")
		}
		if err := r.RemoveSender(t.Context(), operator, r.scope, store.KeyFilter{ID: key.ID}, "*@shop.example"); err != nil {
			t.Fatal(err)
		}
		if got := r.active(t, key); got != "" {
			t.Errorf("after the domain is gone: %s", got)
		}
		if x := r.proposes(t, key, "shop.example"); x.Status != store.SenderInactive {
			t.Errorf("it is back without a proof: %+v", x)
		}
		_, err = r.AddSender(t.Context(), operator, r.scope, store.KeyFilter{ID: key.ID}, "shop.example", "")
		if got := r.active(t, key); err != nil || !strings.Contains(got, "*@shop.example(operator)") || !strings.Contains(got, "ann@shop.example(domain)") {
			t.Errorf("by the operator's word: %s, %v", got, err)
		}
	})
}

// Only an account whose domain it is signs for it, each with a key of its own.
func TestWhoSigns(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		stranger, err := r.SignUp(t.Context(), operator, "Stranger", "stranger@example.org")
		if err != nil {
			t.Fatal(err)
		}
		signs := func(accountID int64) string {
			selector, _, ok, err := r.DKIMKey(t.Context(), accountID, "shop.example")
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return ""
			}
			return selector
		}
		r.proposes(t, stranger.Key, "shop.example")
		if signs(stranger.Account.ID) != "" {
			t.Error("to name a domain is enough to sign for it")
		}
		if _, err := r.AddSender(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, "shop.example", ""); err != nil {
			t.Fatal(err)
		}
		mine := signs(r.up.Account.ID)
		if mine == "" || signs(stranger.Account.ID) != "" {
			t.Error("the one who may does not, or the other does")
		}
		name, value, err := r.DKIMRecord(t.Context(), stranger.Account.ID, "shop.example")
		_, my, err2 := r.DKIMRecord(t.Context(), r.up.Account.ID, "shop.example")
		if err != nil || err2 != nil || strings.HasPrefix(name, mine) || value == my {
			t.Errorf("two accounts have one key: %s, %v, %v", name, err, err2)
		}
		// The domain's own DNS names his key: that is its owner's word.
		d := r.domain(t, stranger.Key, "shop.example")
		named := func(d *store.Domain) (broken, mended []string) {
			d.DKIM.Status = store.RecordOK
			return nil, nil
		}
		if err := r.RecordLook(t.Context(), d.ID, named); err != nil || signs(stranger.Account.ID) == "" || signs(stranger.Account.ID) == mine {
			t.Errorf("he does not sign: %v", err)
		}
	})
}

func TestSenderLinks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		x := r.proposes(t, r.up.Key, "ann@shop.example")
		if err := r.MailSenderLink(t.Context(), operator, r.scope, x.ID); err != nil {
			t.Fatal(err)
		}
		kept, err := s.DueNotices(t.Context(), r.now.AddDate(0, 0, 1), 100)
		if err != nil {
			t.Fatal(err)
		}
		var tokens []string
		for _, k := range kept {
			n, err := r.notices.Open(k)
			if err != nil {
				t.Fatal(err)
			}
			if n.Kind == notice.SenderLink {
				tokens = append(tokens, strings.TrimPrefix(n.Link, "/sender-link/"))
			}
		}
		if len(tokens) != 2 {
			t.Fatalf("%d links", len(tokens))
		}
		l, err := r.SenderLink(t.Context(), tokens[0])
		if err != nil || l.Email != "ann@shop.example" || l.AccountName != "Harbour" || r.active(t, r.up.Key) != "" {
			t.Errorf("%+v, %v", l, err)
		}
		if _, err := r.UseSenderLink(t.Context(), tokens[1], here); err != nil || r.active(t, r.up.Key) != "ann@shop.example(mail)" {
			t.Errorf("%v, active %s", err, r.active(t, r.up.Key))
		}
		_, err = r.UseSenderLink(t.Context(), tokens[1], here)
		wants(t, err, change.NotFound, "")
		if err := r.RemoveSender(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, "ann@shop.example"); err != nil {
			t.Fatal(err)
		}
		_, err = r.UseSenderLink(t.Context(), tokens[0], here)
		wants(t, err, change.NotFound, "")
		wants(t, r.MailSenderLink(t.Context(), operator, r.scope, x.ID), change.Conflict, "Email")
		// Nobody's inbox is filled, by however many keys.
		for i := range 5 {
			sub, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: fmt.Sprint("Sub", i)})
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.ProposeSender(t.Context(), operator, r.scope, store.KeyFilter{ID: sub.Key.ID}, senders.NewSender{Email: "ann@shop.example"})
			if (err != nil) != (i >= 3) {
				t.Errorf("link %d: %v", i, err)
			}
		}
		_, err = r.ProposeSender(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, senders.NewSender{Email: "Ann@shop.example"})
		wants(t, err, change.TooOften, "Email")
	})
}

func TestSendersOfAKeyAreBounded(t *testing.T) {
	r := newRing(t, storetest.New(t))
	for i := range senders.MaxSenders {
		if _, err := r.AddSender(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, fmt.Sprintf("a%d.example", i), ""); err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.ProposeSender(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, senders.NewSender{Email: "more.example"})
	wants(t, err, change.LimitReached, "Email")
	if _, err := r.AddSender(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, "more.example", ""); err != nil {
		t.Error(err)
	}
}

// Senders of before domains had rows go on, and the one account that signed signs on.
func TestAdoptSenders(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		old := []string{"*@shop.example", "ann@shop.example", "bob@other.example"}
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			var errs []error
			for _, email := range old {
				_, domain, _ := strings.Cut(email, "@")
				_, err := tx.PutSender(t.Context(), store.Sender{KeyID: r.up.Key.ID, Email: email, Domain: domain, Status: store.SenderActive, Proof: store.ProofOperator})
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.AdoptSenders(t.Context()); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := r.AdoptSenders(t.Context()); n != 0 || err != nil {
			t.Errorf("again: %d, %v", n, err)
		}
		if !r.domain(t, r.up.Key, "shop.example").Proved() || r.domain(t, r.up.Key, "other.example").Proved() {
			t.Error("the wrong domain is proved")
		}
	})
}
