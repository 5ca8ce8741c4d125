// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/audit"
	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/notice"
	"postern/internal/people"
	"postern/internal/retention"
	"postern/internal/senders"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

var (
	operator = change.Actor{Kind: change.Operator, Origin: "command line"}
	here     = netip.MustParseAddr("127.0.0.1")
	from     = gate.Source{Addr: here, Protocol: "http"}
)

// ring is the packages of questions and changes over a fresh store, with a primary account.
type ring struct {
	*accounts.Accounts
	*keys.Keys
	*people.People
	*senders.Senders
	*retention.Retention
	notices *notice.Outbox
	store   *store.Store
	gate    *gate.Gate
	up      keys.SignedUp
	scope   store.Scope
	log     *bytes.Buffer
	now     time.Time // of people's sign-ins
}

func newRing(t *testing.T, s *store.Store) *ring {
	t.Helper()
	r := &ring{store: s, log: &bytes.Buffer{}, now: time.Now()}
	b := backendtest.New(t, backend.Config{
		Store: s, ServerKey: credential.NewServerKey(), Gate: gate.Config{Burst: 1 << 20}, Now: func() time.Time { return r.now },
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	r.Accounts, r.Keys, r.People, r.Senders, r.Retention = b.Accounts, b.Keys, b.People, b.Senders, b.Retention
	r.notices, r.gate = b.Notices, b.Gate
	var err error
	if r.up, err = r.SignUp(t.Context(), operator, "Harbour", "Owner@Example.com"); err != nil {
		t.Fatal(err)
	}
	r.scope = store.OfAccount(r.up.Account.ID)
	return r
}

func (r *ring) opens(user, secret string) bool {
	_, err := r.gate.Verify(from, user, secret)
	return err == nil
}

// wants checks that err is a change.Error of a kind about a field.
func wants(t *testing.T, err error, kind change.ErrorKind, field string) {
	t.Helper()
	var e *change.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Field != field {
		t.Errorf("error %v, want kind %d on %q", err, kind, field)
	}
}

func TestKeysOfAnAccount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		if r.up.User.Email != "owner@example.com" || !r.up.Key.Master || !r.opens(r.up.Key.APIKey, r.up.Secret) {
			t.Fatalf("signed up %+v", r.up)
		}
		_, err := r.SignUp(t.Context(), operator, "Other", "owner@EXAMPLE.com")
		wants(t, err, change.Conflict, "Email")
		_, err = r.SignUp(t.Context(), operator, "Other", "nobody")
		wants(t, err, change.Invalid, "Email")
		sub, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: " Shop "})
		if err != nil || sub.Key.Name != "Shop" || sub.Key.Master || !r.opens(sub.Key.APIKey, sub.Secret) {
			t.Fatalf("subaccount %+v, %v", sub, err)
		}
		for _, name := range []string{"", " ", strings.Repeat("x", 101), "a\nb", "a\x00b"} {
			_, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: name})
			wants(t, err, change.Invalid, "Name")
		}
		_, err = r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Shop"})
		wants(t, err, change.Conflict, "Name")

		other, err := r.SignUp(t.Context(), operator, "Other", "other@example.com")
		if err != nil {
			t.Fatal(err)
		}
		for name, scope := range map[string]store.Scope{"another account": store.OfAccount(other.Account.ID), "another key": store.OfKey(other.Account.ID, other.Key.ID), "a sibling": store.OfKey(r.up.Account.ID, r.up.Key.ID)} {
			_, err := r.Reset(t.Context(), operator, scope, store.KeyFilter{ID: sub.Key.ID}, keys.Reset{})
			wants(t, err, change.NotFound, "")
			off := false
			_, err = r.Change(t.Context(), operator, scope, store.KeyFilter{ID: sub.Key.ID}, keys.KeyChange{Active: &off}, 0)
			wants(t, err, change.NotFound, "")
			if !r.opens(sub.Key.APIKey, sub.Secret) {
				t.Fatalf("%s changed the key", name)
			}
		}
	})
}

// Promise 2 for the credential: when a reset has returned, the old secret opens nothing.
func TestADeadSecretOpensNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		key, secret := r.up.Key.APIKey, r.up.Secret
		for range 20 {
			closed := make(chan struct{})
			p, err := r.gate.Verify(from, key, secret)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.gate.Bind(p, func(string) func() { close(closed); return nil }); err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			var hammer sync.WaitGroup
			for range 16 {
				hammer.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							r.opens(key, secret)
						}
					}
				})
			}
			got, err := r.Reset(t.Context(), operator, r.scope, store.KeyFilter{APIKey: key}, keys.Reset{})
			if err != nil {
				t.Fatal(err)
			}
			for range 100 {
				if r.opens(key, secret) || r.gate.Recheck(gate.Source{}, p, access.MaySend) == nil {
					t.Fatal("the old secret opens the door after the reset")
				}
			}
			select {
			case <-closed:
			default:
				t.Fatal("the old secret's session is open after the reset")
			}
			close(stop)
			hammer.Wait()
			if !r.opens(key, got.Secret) {
				t.Fatal("the new secret does not open")
			}
			secret = got.Secret
		}
		off := false
		if _, err := r.Change(t.Context(), operator, r.scope, store.KeyFilter{APIKey: key}, keys.KeyChange{Active: &off}, 0); err != nil {
			t.Fatal(err)
		}
		if r.opens(key, secret) {
			t.Error("a deactivated key opens")
		}
	})
}

// The gate of a process that starts knows what the store says.
func TestWarm(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		sub, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Shop"})
		if err != nil {
			t.Fatal(err)
		}
		off := false
		if _, err := r.Change(t.Context(), operator, r.scope, store.KeyFilter{ID: sub.Key.ID}, keys.KeyChange{Active: &off}, 0); err != nil {
			t.Fatal(err)
		}
		r.gate.Remove(mustKey(t, r.up.Key.APIKey))
		if n, err := r.Warm(t.Context()); n != 2 || err != nil {
			t.Fatalf("warmed %d, %v", n, err)
		}
		if !r.opens(r.up.Key.APIKey, r.up.Secret) || r.opens(sub.Key.APIKey, sub.Secret) {
			t.Error("the gate does not say what the store says")
		}
	})
}

func mustKey(t *testing.T, s string) credential.APIKey {
	t.Helper()
	k, err := credential.ParseAPIKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestStates(t *testing.T) {
	r := newRing(t, storetest.New(t))
	yes, no, name := true, false, "Renamed"
	_, err := r.Change(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, keys.KeyChange{Active: &no}, r.up.Key.ID)
	wants(t, err, change.NotAllowed, "IsActive")
	k, err := r.Change(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, keys.KeyChange{Name: &name}, r.up.Key.ID)
	if err != nil || k.Name != "Renamed" {
		t.Errorf("%+v, %v", k, err)
	}
	// The operator's suspension is not the owner's to lift.
	err = r.store.Update(t.Context(), func(tx *store.Tx) error {
		k.Own.State = store.KeySuspended
		return tx.ChangeKey(t.Context(), k)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Change(t.Context(), operator, r.scope, store.KeyFilter{ID: k.ID}, keys.KeyChange{Active: &yes}, 0)
	wants(t, err, change.NotAllowed, "IsActive")
}

// Promise 5: each change is in the log, in its own transaction, and the chain holds.
func TestEveryChangeIsInTheAuditLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		name := "Renamed"
		_, err1 := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Shop"})
		_, err2 := r.Reset(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, keys.Reset{})
		_, err3 := r.Change(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, keys.KeyChange{Name: &name}, 0)
		_, err4 := r.AddSender(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, "example.com", "")
		err5 := r.RemoveSender(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, "example.com")
		token, err6 := r.NewSignInLink(t.Context(), operator, r.up.User)
		_, _, err7 := r.UseSignInLink(t.Context(), token, people.Browser{Address: here})
		if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
			t.Fatal(err)
		}
		// What fails leaves no entry.
		_, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Shop"})
		wants(t, err, change.Conflict, "Name")
		entries, err := s.Audit(t.Context(), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Action)
			if strings.Contains(e.Detail+e.Target, r.up.Secret) {
				t.Error("a secret is in the audit log")
			}
		}
		want := "account.create key.create key.create key.reset key.change sender.add sender.remove user.link user.sign_in"
		if strings.Join(got, " ") != want {
			t.Errorf("entries %v, want %s", got, want)
		}
		if _, _, err := audit.Verify(0, nil, entries); err != nil {
			t.Error(err)
		}
	})
}

// Promise 1: a secret is readable once. It is in no file of the store and in no log line.
func TestASecretIsReadableOnce(t *testing.T) {
	dir := t.TempDir()
	s := storetest.Open(t, filepath.Join(dir, "postern.db"))
	r := newRing(t, s)
	secrets := []string{r.up.Secret}
	for range 3 {
		got, err := r.Reset(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, keys.Reset{})
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, got.Secret)
	}
	token, err := r.NewSignInLink(t.Context(), operator, r.up.User)
	if err != nil {
		t.Fatal(err)
	}
	session, user, err := r.UseSignInLink(t.Context(), token, people.Browser{Address: here})
	if err != nil {
		t.Fatal(err)
	}
	password := "correct horse battery staple"
	session2, err := r.SetPassword(t.Context(), user, "", password, people.Browser{Address: here})
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, token, session, session2, password)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	all := r.log.Bytes()
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if !bytes.Contains(all, []byte(r.up.Key.APIKey)) {
		t.Fatal("the API key is not there either: the test looks in the wrong place")
	}
	for i, x := range secrets {
		if bytes.Contains(all, []byte(x)) {
			t.Errorf("secret %d is in the store or the log", i)
		}
	}
}

func TestPeopleSignIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		token, err := r.NewSignInLink(t.Context(), operator, r.up.User)
		if err != nil {
			t.Fatal(err)
		}
		first, user, err := r.UseSignInLink(t.Context(), token, people.Browser{Address: here})
		if err != nil || user.ID != r.up.User.ID {
			t.Fatal(user, err)
		}
		_, _, err = r.UseSignInLink(t.Context(), token, people.Browser{Address: here})
		wants(t, err, change.NotFound, "")
		_, err = r.SetPassword(t.Context(), user, "", "short", people.Browser{Address: here})
		wants(t, err, change.Invalid, "Password")
		second, err := r.SetPassword(t.Context(), user, "", "a long enough one", people.Browser{Address: here})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Session(t.Context(), first) // a new password ends all sessions but the one it begins
		wants(t, err, change.NotFound, "")
		in, err := r.Session(t.Context(), second)
		if err != nil {
			t.Fatal(err)
		}
		user = in.User
		_, err = r.SetPassword(t.Context(), user, "not the old one", "another long one", people.Browser{Address: here})
		wants(t, err, change.Invalid, "OldPassword")
		for _, try := range [][2]string{{"owner@example.com", "a wrong one!"}, {"nobody@example.com", "a long enough one"}, {"owner@example.com", ""}} {
			_, _, err := r.SignIn(t.Context(), try[0], try[1], people.Browser{Address: here})
			wants(t, err, change.NotAllowed, "")
		}
		third, _, err := r.SignIn(t.Context(), "OWNER@example.com", "a long enough one", people.Browser{Address: here})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.SignOut(t.Context(), third); err != nil {
			t.Fatal(err)
		}
		_, err = r.Session(t.Context(), third)
		wants(t, err, change.NotFound, "")
		// Locked out: a link forgets the password, and the owner sets a new one.
		if token, err = r.NewSignInLink(t.Context(), operator, user); err != nil {
			t.Fatal(err)
		}
		if _, user, err = r.UseSignInLink(t.Context(), token, people.Browser{Address: here}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.SetPassword(t.Context(), user, "", "a third long one", people.Browser{Address: here}); err != nil {
			t.Errorf("after a link: %v", err)
		}
	})
}

// A name that turns what stands around it is refused at the one place that all doors come to.
func TestNamesThatAreNotSeen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		evil := "\u202eevil"
		master := store.KeyFilter{ID: r.up.Key.ID}
		_, create := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: evil})
		_, rekey := r.Change(t.Context(), operator, r.scope, master, keys.KeyChange{Name: &evil}, 0)
		_, signUp := r.SignUp(t.Context(), operator, evil, "evil@example.com")
		_, rename := r.ChangeAccount(t.Context(), operator, r.up.Account.ID, accounts.AccountChange{Name: &evil})
		_, plan := r.PutPlan(t.Context(), operator, store.Plan{Name: evil})
		_, sender := r.AddSender(t.Context(), operator, r.scope, master, "a@example.com", evil)
		x, err := r.AddSender(t.Context(), operator, r.scope, master, "b@example.com", "")
		if err != nil {
			t.Fatal(err)
		}
		_, resend := r.ChangeSender(t.Context(), operator, r.scope, x.ID, senders.SenderChange{Name: &evil})
		for what, err := range map[string]error{"a new key": create, "a key": rekey, "a new account": signUp, "an account": rename, "a plan": plan, "a new sender": sender, "a sender": resend} {
			var e *change.Error
			if !errors.As(err, &e) || e.Field != "Name" || !strings.Contains(e.Reason, "an invisible character (U+202E)") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestSplitSender(t *testing.T) {
	for in, want := range map[string][2]string{
		"News@Example.COM": {"news@example.com", "example.com"}, "example.com": {"*@example.com", "example.com"}, " *@Example.com ": {"*@example.com", "example.com"},
		"bücher.example": {"*@xn--bcher-kva.example", "xn--bcher-kva.example"}, "": {}, "a@": {}, "*": {}, "a b@example.com": {}, "*@": {},
		"foo": {}, "localhost": {}, "foo.": {}, ".foo": {}, "*@localhost": {"*@localhost", "localhost"}, "a@localhost": {"a@localhost", "localhost"}, "shop.localhost": {"*@shop.localhost", "shop.localhost"},
		"例え。テスト": {"*@xn--r8jz45g.xn--zckzah", "xn--r8jz45g.xn--zckzah"},
	} {
		email, domain, err := senders.Split(in)
		if (err != nil) != (want[0] == "") || email != want[0] || domain != want[1] {
			t.Errorf("%q: %q, %q, %v", in, email, domain, err)
		}
	}
}

// A domain's signing key is made once, and a copy of the database alone does not give it away.
func TestDKIMKeysAreSealed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		for range 2 {
			if _, err := r.AddSender(t.Context(), operator, r.scope, store.KeyFilter{ID: r.up.Key.ID}, "example.com", ""); err != nil {
				t.Fatal(err)
			}
		}
		_, key, ok, err := r.DKIMKey(t.Context(), r.up.Account.ID, "example.com")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		kept, err := s.DKIMKey(t.Context(), r.up.Account.ID, "example.com")
		if err != nil || bytes.Contains(kept.PrivateKey, key[:64]) {
			t.Errorf("the key is kept in clear, %v", err)
		}
		otherKey := credential.NewServerKey()
		other := backendtest.New(t, backend.Config{Store: s, ServerKey: otherKey}).Senders
		if _, _, _, err := other.DKIMKey(t.Context(), r.up.Account.ID, "example.com"); err == nil {
			t.Error("another server key opens it")
		}
		if _, _, ok, err := r.DKIMKey(t.Context(), r.up.Account.ID, "example.org"); ok || err != nil {
			t.Errorf("a domain without a key: %v, %v", ok, err)
		}
	})
}
