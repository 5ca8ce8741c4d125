// SPDX-License-Identifier: Apache-2.0

package people_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"postern/internal/change"
	"postern/internal/notice"
	"postern/internal/people"
	"postern/internal/people/oidctest"
	"postern/internal/people/passkeytest"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

const password = "correct horse battery"

// owner is the ring's owner with a password, as he now is.
func (r *ring) owner(t *testing.T) store.User {
	t.Helper()
	if _, err := r.SetPassword(t.Context(), r.user(t), "", password, browser); err != nil {
		t.Fatal(err)
	}
	return r.user(t)
}

func (r *ring) user(t *testing.T) store.User {
	t.Helper()
	u, err := r.store.User(t.Context(), r.up.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// code is what an authenticator app shows after a time.
func (r *ring) code(t *testing.T, secret string, later time.Duration) string {
	t.Helper()
	c, err := totp.GenerateCode(secret, r.now.Add(later))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// addApp sets an authenticator app up; the code that it took is used up.
func (r *ring) addApp(t *testing.T, u store.User) (secret string, codes []string) {
	t.Helper()
	s, err := r.NewTOTP(u)
	if err != nil {
		t.Fatal(err)
	}
	codes, err = r.AddTOTP(t.Context(), u, s.State, r.code(t, s.Secret, 0), here)
	if err != nil {
		t.Fatal(err)
	}
	return s.Secret, codes
}

// pending gives the password and returns what waits for the second step.
func (r *ring) pending(t *testing.T) string {
	t.Helper()
	session, _, err := r.SignIn(t.Context(), r.up.User.Email, password, browser)
	var step *people.SecondStep
	if !errors.As(err, &step) || session != "" || step.Pending == "" {
		t.Fatalf("the password alone: %q, %v", session, err)
	}
	return step.Pending
}

func (r *ring) finish(t *testing.T, pending, code string) (string, error) {
	t.Helper()
	session, _, err := r.FinishSignIn(t.Context(), nil, pending, people.Proof{Code: code}, browser)
	return session, err
}

// signedIn says whether a session's token opens the pages.
func (r *ring) signedIn(t *testing.T, session string) bool {
	t.Helper()
	_, err := r.Session(t.Context(), session)
	return err == nil
}

func (r *ring) audited(t *testing.T) []string {
	t.Helper()
	entries, err := r.store.Audit(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Action)
	}
	return out
}

// told are the notices that wait, of a kind.
func (r *ring) told(t *testing.T, kind string) []notice.Notice {
	t.Helper()
	kept, err := r.store.DueNotices(t.Context(), time.Now().Add(time.Hour), 1000)
	if err != nil {
		t.Fatal(err)
	}
	var out []notice.Notice
	for _, x := range kept {
		n, err := r.notices.Open(x)
		if err != nil {
			t.Fatal(err)
		}
		if n.Kind == kind {
			out = append(out, n)
		}
	}
	return out
}

func (r *ring) toldChanges(t *testing.T) string {
	t.Helper()
	var out []string
	for _, n := range r.told(t, notice.SignInChanged) {
		if !slices.Equal(n.To, []string{r.up.User.Email}) || n.Address != here.String() {
			t.Errorf("told %+v", n)
		}
		out = append(out, n.What)
	}
	return strings.Join(out, "; ")
}

func TestACodeAfterThePassword(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		u := r.owner(t)
		set, err := r.NewTOTP(u)
		if err != nil || !strings.HasPrefix(set.URL, "otpauth://totp/Postern:owner@example.com?") || !bytes.HasPrefix(set.PNG, []byte("\x89PNG")) {
			t.Fatal(set.URL, err)
		}
		_, err = r.AddTOTP(t.Context(), u, set.State, "000000", here)
		wants(t, err, change.Invalid, "Code")
		_, err = r.AddTOTP(t.Context(), store.User{ID: u.ID + 1}, set.State, r.code(t, set.Secret, 0), here)
		wants(t, err, change.Invalid, "Code") // another user's page
		if session, _, err := r.SignIn(t.Context(), u.Email, password, browser); err != nil || !r.signedIn(t, session) {
			t.Fatal("before it is proved it is asked for", err)
		}
		if same, err := r.SameTOTP(u, set.State); err != nil || same.Secret != set.Secret {
			t.Fatal(same, err)
		}
		codes, err := r.AddTOTP(t.Context(), u, set.State, r.code(t, set.Secret, 0), here)
		if err != nil || len(codes) != 10 {
			t.Fatal(codes, err)
		}
		_, err = r.AddTOTP(t.Context(), u, set.State, r.code(t, set.Secret, 0), here)
		wants(t, err, change.Conflict, "Code")

		pending := r.pending(t)
		if r.signedIn(t, pending) {
			t.Error("a half-finished sign-in is a session")
		}
		_, err = r.finish(t, pending, "000000")
		wants(t, err, change.Invalid, "Code")
		_, err = r.finish(t, pending, r.code(t, set.Secret, 0)) // the one that set it up
		wants(t, err, change.Invalid, "Code")
		_, err = r.finish(t, pending, r.code(t, set.Secret, -5*time.Minute))
		wants(t, err, change.Invalid, "Code")
		next := r.code(t, set.Secret, 30*time.Second)
		session, err := r.finish(t, pending, next[:3]+" "+next[3:])
		if err != nil || !r.signedIn(t, session) {
			t.Fatal(err)
		}
		_, err = r.finish(t, pending, codes[0]) // used
		wants(t, err, change.NotFound, "")
		_, err = r.finish(t, r.pending(t), next)
		wants(t, err, change.Invalid, "Code")
		r.now = r.now.Add(time.Minute)
		if _, err := r.finish(t, r.pending(t), r.code(t, set.Secret, 30*time.Second)); err != nil {
			t.Errorf("a clock that is half a minute ahead: %v", err)
		}

		wants(t, r.RemoveTOTP(t.Context(), u, "123456", here), change.Invalid, "Code")
		if err := r.RemoveTOTP(t.Context(), u, codes[3], here); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.SignIn(t.Context(), u.Email, password, browser); err != nil {
			t.Errorf("removed, and still asked for: %v", err)
		}
		if f, err := r.Factors(t.Context(), u.ID); err != nil || f.Any() || f.CodesLeft != 0 {
			t.Errorf("left: %+v, %v", f, err)
		}
		if got := r.toldChanges(t); got != "password set; authenticator app added; authenticator app removed" {
			t.Errorf("told %s", got)
		}
		log := r.audited(t)
		for _, want := range []string{"user.password", "user.factor.add", "user.factor.remove", "user.sign_in"} {
			if !slices.Contains(log, want) {
				t.Errorf("%s is not in the audit log: %v", want, log)
			}
		}
	})
}

func TestRecoveryCodesWorkOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		u := r.owner(t)
		_, err := r.NewRecoveryCodes(t.Context(), u, here)
		wants(t, err, change.NotAllowed, "")
		_, codes := r.addApp(t, u)
		if _, err := r.finish(t, r.pending(t), strings.ToUpper(strings.ReplaceAll(codes[0], "-", " "))); err != nil {
			t.Fatal(err)
		}
		_, err = r.finish(t, r.pending(t), codes[0])
		wants(t, err, change.Invalid, "Code")
		if f, err := r.Factors(t.Context(), u.ID); err != nil || f.CodesLeft != 9 {
			t.Errorf("%+v, %v", f, err)
		}
		fresh, err := r.NewRecoveryCodes(t.Context(), u, here)
		if err != nil || len(fresh) != 10 {
			t.Fatal(fresh, err)
		}
		_, err = r.finish(t, r.pending(t), codes[1])
		wants(t, err, change.Invalid, "Code")
		if _, err := r.finish(t, r.pending(t), fresh[9]); err != nil {
			t.Error(err)
		}
	})
}

func TestAHalfFinishedSignInEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		u := r.owner(t)
		_, codes := r.addApp(t, u)

		tired := r.pending(t)
		for range people.PendingTries {
			_, err := r.finish(t, tired, "000000")
			wants(t, err, change.Invalid, "Code")
		}
		_, err := r.finish(t, tired, codes[0])
		wants(t, err, change.NotFound, "")

		late := r.pending(t)
		r.now = r.now.Add(people.PendingLifetime - time.Second)
		if who, err := r.PendingUser(t.Context(), late); err != nil || who.ID != u.ID {
			t.Errorf("%+v, %v", who, err)
		}
		r.now = r.now.Add(2 * time.Second)
		_, err = r.finish(t, late, codes[0])
		wants(t, err, change.NotFound, "")

		old := r.pending(t)
		if _, err := r.SetPassword(t.Context(), u, password, "another long one", browser); err != nil {
			t.Fatal(err)
		}
		_, err = r.finish(t, old, codes[0])
		wants(t, err, change.NotFound, "")

		for _, forged := range []string{"", "x", strings.Repeat("A", 100), late[:len(late)-4] + "AAAA", "B" + late[1:]} {
			_, err := r.finish(t, forged, codes[0])
			wants(t, err, change.NotFound, "")
		}
		if f, err := r.Factors(t.Context(), u.ID); err != nil || f.CodesLeft != 10 {
			t.Errorf("what was refused used a code up: %+v, %v", f, err)
		}
	})
}

func TestAMailedLinkSetsANewPassword(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		u := r.owner(t)
		session, _, err := r.SignIn(t.Context(), u.Email, password, browser)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.MailPasswordReset(t.Context(), "nobody@example.com", here); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if err := r.MailPasswordReset(t.Context(), "Owner@EXAMPLE.com", here); err != nil {
				t.Fatal(err)
			}
		}
		mails := r.told(t, notice.PasswordReset)
		if len(mails) != 3 || !slices.Equal(mails[0].To, []string{u.Email}) || mails[0].Until.Sub(r.now) < 59*time.Minute {
			t.Fatalf("%d mails: %+v", len(mails), mails)
		}
		var tokens []string
		for _, m := range mails {
			token, ok := strings.CutPrefix(m.Link, "/reset/")
			if !ok {
				t.Fatalf("link %q", m.Link)
			}
			tokens = append(tokens, token)
		}
		if _, _, err := r.SignIn(t.Context(), u.Email, password, browser); err != nil {
			t.Errorf("before the link is used the old password works: %v", err)
		}
		for range 2 {
			if who, err := r.ResetLinkUser(t.Context(), tokens[0]); err != nil || who.ID != u.ID {
				t.Errorf("%+v, %v", who, err)
			}
		}
		_, _, err = r.UseSignInLink(t.Context(), tokens[0], browser) // it is not the operator's
		wants(t, err, change.NotFound, "")
		_, _, err = r.ResetPassword(t.Context(), tokens[0], "password2024!", browser)
		wants(t, err, change.Invalid, "Password")
		fresh, _, err := r.ResetPassword(t.Context(), tokens[0], "a second long one", browser)
		if err != nil || !r.signedIn(t, fresh) || r.signedIn(t, session) {
			t.Fatalf("%v; the new session lives: %v, the old one: %v", err, r.signedIn(t, fresh), r.signedIn(t, session))
		}
		for i, token := range tokens { // the others of the same hour ended with it
			_, _, err = r.ResetPassword(t.Context(), token, "a third long one", browser)
			if wants(t, err, change.NotFound, ""); t.Failed() {
				t.Fatalf("link %d", i)
			}
		}
		_, _, err = r.SignIn(t.Context(), u.Email, password, browser)
		wants(t, err, change.NotAllowed, "")
		if got := r.toldChanges(t); got != "password set; password set by a mailed link" {
			t.Errorf("told %s", got)
		}
	})
}

func TestAMailedLinkEndsAndAsksForTheSecondFactor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		u := r.owner(t)
		_, codes := r.addApp(t, u)
		for range 2 {
			if err := r.MailPasswordReset(t.Context(), u.Email, here); err != nil {
				t.Fatal(err)
			}
		}
		mails := r.told(t, notice.PasswordReset)
		token := strings.TrimPrefix(mails[0].Link, "/reset/")
		session, _, err := r.ResetPassword(t.Context(), token, "a second long one", browser)
		var step *people.SecondStep
		if !errors.As(err, &step) || session != "" {
			t.Fatal(session, err)
		}
		if session, err = r.finish(t, step.Pending, codes[0]); err != nil || !r.signedIn(t, session) {
			t.Error(err)
		}
		if err := r.MailPasswordReset(t.Context(), u.Email, here); err != nil {
			t.Fatal(err)
		}
		mails = r.told(t, notice.PasswordReset)
		r.now = r.now.Add(people.ResetLifetime + time.Second)
		_, _, err = r.ResetPassword(t.Context(), strings.TrimPrefix(mails[2].Link, "/reset/"), "a third long one", browser)
		wants(t, err, change.NotFound, "")
	})
}

func TestTheOperatorsLinkAndTheSecondFactor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		u := r.owner(t)
		_, codes := r.addApp(t, u)
		link, err := r.NewSignInLink(t.Context(), operator, u)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = r.UseSignInLink(t.Context(), link, browser)
		var step *people.SecondStep
		if !errors.As(err, &step) {
			t.Fatalf("a link stands for the password, not for the second factor: %v", err)
		}
		if session, err := r.finish(t, step.Pending, codes[0]); err != nil || !r.signedIn(t, session) {
			t.Fatal(err)
		}
		if link, err = r.NewRescueLink(t.Context(), operator, u); err != nil {
			t.Fatal(err)
		}
		if f, err := r.Factors(t.Context(), u.ID); err != nil || !f.TOTP {
			t.Fatalf("it is forgotten before the link is used: %+v, %v", f, err)
		}
		session, user, err := r.UseSignInLink(t.Context(), link, browser)
		if err != nil || !r.signedIn(t, session) || user.PasswordHash != "" {
			t.Fatal(user, err)
		}
		if f, err := r.Factors(t.Context(), u.ID); err != nil || f.Any() || f.CodesLeft != 0 {
			t.Errorf("left: %+v, %v", f, err)
		}
		if got := r.toldChanges(t); !strings.HasSuffix(got, "second factor and passkeys removed by a one-time link of the operator") {
			t.Errorf("told %s", got)
		}
	})
}

func TestSessionsAndProofs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		u := r.owner(t)
		var sessions []string
		for range 3 {
			n, _, err := r.SignIn(t.Context(), u.Email, password, people.Browser{Address: here, Client: "Mozilla/5.0\r\n\x00 \xff" + strings.Repeat("ü", 300)})
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, n)
		}
		in, err := r.Session(t.Context(), sessions[0])
		if err != nil {
			t.Fatal(err)
		}
		list, err := r.Sessions(t.Context(), u)
		if err != nil || len(list) != 4 { // and the one of the new password
			t.Fatal(len(list), err)
		}
		other, err := r.Keys.SignUp(t.Context(), operator, "Other", "other@example.com")
		if err != nil {
			t.Fatal(err)
		}
		wants(t, r.EndSession(t.Context(), other.User, in.Session.Digest, here), change.NotFound, "")
		second, err := r.Session(t.Context(), sessions[1])
		if err != nil {
			t.Fatal(err)
		}
		if err := r.EndSession(t.Context(), u, second.Session.Digest, here); err != nil || r.signedIn(t, sessions[1]) {
			t.Errorf("ended: %v", err)
		}
		if n, err := r.EndOtherSessions(t.Context(), u, in.Session.Digest, here); err != nil || n != 2 || r.signedIn(t, sessions[2]) || !r.signedIn(t, sessions[0]) {
			t.Errorf("%d others ended, %v", n, err)
		}

		r.now = r.now.Add(time.Hour)
		wants(t, r.Confirm(t.Context(), nil, in, people.Proof{Password: "not this one"}, here), change.Invalid, "Password")
		if in, err = r.Session(t.Context(), sessions[0]); err != nil || r.now.Sub(in.Session.ConfirmedAt) < time.Hour-time.Second {
			t.Errorf("a wrong password confirms: %v, %v", in.Session.ConfirmedAt, err)
		}
		if err := r.Confirm(t.Context(), nil, in, people.Proof{Password: password}, here); err != nil {
			t.Fatal(err)
		}
		if in, err = r.Session(t.Context(), sessions[0]); err != nil || r.now.Sub(in.Session.ConfirmedAt) > time.Second {
			t.Errorf("confirmed at %v, %v", in.Session.ConfirmedAt, err)
		}
		secret, _ := r.addApp(t, u)
		if err := r.Confirm(t.Context(), nil, in, people.Proof{Code: r.code(t, secret, 30*time.Second)}, here); err != nil {
			t.Error(err)
		}
		wants(t, r.Confirm(t.Context(), nil, in, people.Proof{Code: r.code(t, secret, 30*time.Second)}, here), change.Invalid, "Code")
	})
}

func TestRelyingParty(t *testing.T) {
	for base, why := range map[string]string{
		"https://mail.example.com": "", "https://mail.example.com:8443": "", "http://localhost:8025": "",
		"http://127.0.0.1:8025": "bare IP address", "https://[2001:db8::1]": "bare IP address", "http://mail.example.com": "without TLS", "": "does not know",
	} {
		rp, err := people.NewRelyingParty(base)
		if (err == nil) != (why == "") || (rp == nil) != (why != "") || err != nil && !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", base, err, why)
		}
	}
}

func TestPasskeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		u := r.owner(t)
		rp, err := people.NewRelyingParty("https://mail.example.com")
		if err != nil {
			t.Fatal(err)
		}
		device := passkeytest.New("https://mail.example.com")
		add := func(d *passkeytest.Authenticator, name string) ([]string, people.PasskeyAnswer, error) {
			t.Helper()
			c, err := r.BeginAddPasskey(t.Context(), rp, u)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := d.Create(c.Options)
			if err != nil {
				t.Fatal(err)
			}
			a := people.PasskeyAnswer{State: c.State, Response: answer}
			codes, err := r.AddPasskey(t.Context(), rp, u, name, a, here)
			return codes, a, err
		}
		_, _, err = add(device, " ")
		wants(t, err, change.Invalid, "Name")
		lazy := passkeytest.New("https://mail.example.com")
		lazy.Unverified = true
		_, _, err = add(lazy, "no PIN")
		wants(t, err, change.Invalid, "Passkey")
		codes, first, err := add(device, " Laptop ")
		if err != nil || len(codes) != 10 {
			t.Fatal(codes, err)
		}
		_, err = r.AddPasskey(t.Context(), rp, u, "Again", first, here)
		wants(t, err, change.Invalid, "Passkey")
		second := passkeytest.New("https://mail.example.com")
		if codes, _, err := add(second, "Phone"); err != nil || codes != nil {
			t.Fatal(codes, err)
		}

		// By itself.
		signIn := func(d *passkeytest.Authenticator) (string, people.PasskeyAnswer, error) {
			t.Helper()
			c, err := r.BeginPasskeySignIn(rp)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := d.Get(c.Options)
			if err != nil {
				t.Fatal(err)
			}
			a := people.PasskeyAnswer{State: c.State, Response: answer}
			session, _, err := r.SignInByPasskey(t.Context(), rp, a, browser)
			return session, a, err
		}
		session, used, err := signIn(device)
		if err != nil || !r.signedIn(t, session) {
			t.Fatal(err)
		}
		_, _, err = r.SignInByPasskey(t.Context(), rp, used, browser) // overheard
		wants(t, err, change.Invalid, "Passkey")
		c, err := r.BeginPasskeySignIn(rp)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = r.SignInByPasskey(t.Context(), rp, people.PasskeyAnswer{State: c.State, Response: used.Response}, browser)
		wants(t, err, change.Invalid, "Passkey")
		for name, spoil := range map[string]func(d *passkeytest.Authenticator){
			"without a PIN":         func(d *passkeytest.Authenticator) { d.Unverified = true },
			"on another site":       func(d *passkeytest.Authenticator) { d.Origin = "https://mail.example.com:8443" },
			"in clear":              func(d *passkeytest.Authenticator) { d.Origin = "http://mail.example.com" },
			"for another user":      func(d *passkeytest.Authenticator) { d.UserHandle = bytes.Repeat([]byte{1}, 32) },
			"a copy":                func(d *passkeytest.Authenticator) { d.Counter = 0 },
			"one that is not known": func(d *passkeytest.Authenticator) { *d = *stranger(t) },
		} {
			d := *device
			spoil(&d)
			_, _, err := signIn(&d)
			if wants(t, err, change.Invalid, "Passkey"); err == nil {
				t.Errorf("signed in %s", name)
			}
		}

		// After the password.
		pending := r.pending(t)
		prove := func(d *passkeytest.Authenticator) people.PasskeyAnswer {
			t.Helper()
			c, err := r.BeginPasskey(t.Context(), rp, u)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := d.Get(c.Options)
			if err != nil {
				t.Fatal(err)
			}
			return people.PasskeyAnswer{State: c.State, Response: answer}
		}
		_, _, err = r.FinishSignIn(t.Context(), rp, pending, people.Proof{Passkey: used}, browser)
		wants(t, err, change.Invalid, "Passkey")
		session, _, err = r.FinishSignIn(t.Context(), rp, pending, people.Proof{Passkey: prove(second)}, browser)
		if err != nil || !r.signedIn(t, session) {
			t.Fatal(err)
		}
		in, err := r.Session(t.Context(), session)
		if err != nil {
			t.Fatal(err)
		}
		late := prove(device)
		r.now = r.now.Add(6 * time.Minute)
		wants(t, r.Confirm(t.Context(), rp, in, people.Proof{Passkey: late}, here), change.Invalid, "Passkey")
		if err := r.Confirm(t.Context(), rp, in, people.Proof{Passkey: prove(device)}, here); err != nil {
			t.Error(err)
		}

		// Removed, it opens nothing; with the last the recovery codes end.
		f, err := r.Factors(t.Context(), u.ID)
		if err != nil || len(f.Passkeys) != 2 || f.Passkeys[0].Name != "Laptop" || f.Passkeys[0].LastUsedAt.IsZero() {
			t.Fatalf("%+v, %v", f, err)
		}
		other, err := r.Keys.SignUp(t.Context(), operator, "Other", "other@example.com")
		if err != nil {
			t.Fatal(err)
		}
		wants(t, r.RemovePasskey(t.Context(), other.User, f.Passkeys[0].ID, here), change.NotFound, "")
		for _, p := range f.Passkeys {
			if err := r.RemovePasskey(t.Context(), u, p.ID, here); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err = signIn(device)
		wants(t, err, change.Invalid, "Passkey")
		if f, err := r.Factors(t.Context(), u.ID); err != nil || f.Any() || f.CodesLeft != 0 {
			t.Errorf("left: %+v, %v", f, err)
		}
		if got := r.toldChanges(t); got != "password set; passkey added; passkey added; passkey removed; passkey removed" {
			t.Errorf("told %s", got)
		}
	})
}

// stranger is an authenticator with a passkey that is not kept.
func stranger(t *testing.T) *passkeytest.Authenticator {
	t.Helper()
	d := passkeytest.New("https://mail.example.com")
	if _, err := d.Create(`{"challenge":"AAAA","rp":{"id":"mail.example.com"},"user":{"id":"AAAA"},"authenticatorSelection":{"residentKey":"required","userVerification":"required"}}`); err != nil {
		t.Fatal(err)
	}
	return d
}

// goThrough sends a browser to the provider and returns the query that it comes back with.
func goThrough(t *testing.T, to string) url.Values {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatal(err)
	}
	return back.Query()
}

func TestOpenID(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		p := oidctest.New(t)
		o := people.NewOIDC(people.OIDCConfig{Issuer: p.URL, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, Name: "Harbour ID", RedirectURL: "https://mail.example.com/sign-in/oidc/callback"})
		begin := func(again bool) (url.Values, string) {
			t.Helper()
			to, cookie, err := r.BeginOIDC(t.Context(), o, "/keys?q=1", again)
			if err != nil {
				t.Fatal(err)
			}
			return goThrough(t, to), cookie
		}
		refused := func(answer url.Values, cookie, why string) {
			t.Helper()
			session, _, err := r.SignInByOIDC(t.Context(), o, cookie, answer, browser)
			wants(t, err, change.NotAllowed, "")
			if session != "" || err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%q, %v; want %q", session, err, why)
			}
		}
		p.Down(true)
		_, _, err := r.BeginOIDC(t.Context(), o, "/", false)
		var down *people.IssuerError
		if !errors.As(err, &down) {
			t.Fatalf("a provider that is down: %v", err)
		}
		p.Down(false) // and is tried again

		p.Is("7", "stranger@example.com", true)
		answer, cookie := begin(false)
		refused(answer, cookie, "nobody here has the email address stranger@example.com")
		p.Is("8", "owner@example.com", false)
		answer, cookie = begin(false)
		refused(answer, cookie, "has not verified")
		p.Is("8", "owner@example.com", nil)
		answer, cookie = begin(false)
		refused(answer, cookie, "has not verified")
		p.Is("8", "", true)
		answer, cookie = begin(false)
		refused(answer, cookie, "does not say your email address")

		p.Is("8", "Owner@Example.com", "true")
		answer, cookie = begin(false)
		session, next, err := r.SignInByOIDC(t.Context(), o, cookie, answer, browser)
		if err != nil || next != "/keys?q=1" || !r.signedIn(t, session) {
			t.Fatal(next, err)
		}
		_, _, err = r.SignInByOIDC(t.Context(), o, cookie, answer, browser) // the same answer again
		wants(t, err, change.NotAllowed, "")

		// From now on it is the subject that counts.
		p.Is("8", "moved@example.com", false)
		answer, cookie = begin(false)
		if _, _, err := r.SignInByOIDC(t.Context(), o, cookie, answer, browser); err != nil {
			t.Errorf("a bound identity with another address: %v", err)
		}
		p.Is("9", "owner@example.com", true)
		answer, cookie = begin(false)
		refused(answer, cookie, "bound to another person")

		p.Is("8", "owner@example.com", true)
		p.Says("nonce", "another")
		answer, cookie = begin(false)
		refused(answer, cookie, "belongs to another sign-in")
		p.Says("nonce", nil)
		answer, cookie = begin(false)
		refused(answer, cookie, "belongs to another sign-in")
	})
}

func TestOpenIDAnswersThatAreNotGood(t *testing.T) {
	r := newRing(t, storetest.New(t))
	p := oidctest.New(t)
	p.Is("8", "owner@example.com", true)
	o := people.NewOIDC(people.OIDCConfig{Issuer: p.URL, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, RedirectURL: "https://mail.example.com/sign-in/oidc/callback"})
	if o.Name != "127.0.0.1" {
		t.Errorf("named %q", o.Name)
	}
	try := func(o *people.OIDC, again bool, spoil func(answer url.Values, cookie *string)) error {
		t.Helper()
		to, cookie, err := r.BeginOIDC(t.Context(), o, "/", again)
		if err != nil {
			t.Fatal(err)
		}
		answer := goThrough(t, to)
		if spoil != nil {
			spoil(answer, &cookie)
		}
		_, _, err = r.SignInByOIDC(t.Context(), o, cookie, answer, browser)
		return err
	}
	wants(t, try(o, false, func(a url.Values, _ *string) { a.Set("state", "x") }), change.NotAllowed, "")
	wants(t, try(o, false, func(a url.Values, _ *string) { a.Del("state") }), change.NotAllowed, "")
	wants(t, try(o, false, func(_ url.Values, c *string) { *c = "" }), change.NotAllowed, "")
	wants(t, try(o, false, func(_ url.Values, c *string) {
		half, other := len(*c)/2, "A"
		if (*c)[half] == 'A' {
			other = "B"
		}
		*c = (*c)[:half] + other + (*c)[half+1:]
	}), change.NotAllowed, "")
	wants(t, try(o, false, func(a url.Values, _ *string) { a.Set("code", "guessed") }), change.NotAllowed, "")
	wants(t, try(o, false, func(a url.Values, _ *string) { a.Set("iss", "https://evil.example") }), change.NotAllowed, "")
	wants(t, try(o, false, func(url.Values, *string) { r.now = r.now.Add(people.OIDCLifetime + time.Second) }), change.NotAllowed, "")
	r.now = time.Now()

	if err := try(o, true, nil); err != nil {
		t.Errorf("signed in anew: %v", err)
	}
	if q := p.Asked(); q.Get("prompt") != "login" || q.Get("max_age") != "0" || q.Get("scope") != "openid email" {
		t.Errorf("asked for %v", q)
	}
	p.Says("auth_time", r.now.Add(-time.Hour).Unix())
	wants(t, try(o, true, nil), change.NotAllowed, "")
	p.Says("auth_time", nil)
	wants(t, try(o, true, nil), change.NotAllowed, "")

	fails := func(what string, o *people.OIDC) {
		t.Helper()
		err := try(o, false, nil)
		var e *people.IssuerError
		if !errors.As(err, &e) || strings.Contains(err.Error(), oidctest.ClientSecret) {
			t.Errorf("%s: %v", what, err)
		}
	}
	fails("a wrong client secret", people.NewOIDC(people.OIDCConfig{Issuer: p.URL, ClientID: oidctest.ClientID, ClientSecret: "wrong", RedirectURL: "https://mail.example.com/"}))
	p.Says("aud", "somebody else")
	fails("a token for somebody else", o)
	p.Says("aud", []string{oidctest.ClientID, "somebody else"})
	fails("a token for several that does not say whose it is", o)
	p.Says("azp", "somebody else")
	fails("a token that was issued to somebody else", o)
	p.Says("azp", oidctest.ClientID)
	if err := try(o, false, nil); err != nil {
		t.Errorf("a token for several that was issued to us: %v", err)
	}
	p.Says("azp", nil)
	p.Says("aud", oidctest.ClientID)
	p.Says("exp", time.Now().Add(-time.Hour).Unix())
	fails("an old token", o)
	p.Says("exp", time.Now().Add(time.Hour).Unix())
	p.Says("iss", "https://evil.example")
	fails("another issuer", o)
	p.Says("iss", p.URL)
	if err := try(o, false, nil); err != nil {
		t.Fatalf("all is well again: %v", err)
	}
	p.SignsAsAStranger()
	fails("a stranger's signature", o)
	p.Refuses()
	wants(t, try(o, false, nil), change.NotAllowed, "")

	lost := httptest.NewServer(http.NotFoundHandler())
	lost.Close()
	_, _, err := r.BeginOIDC(t.Context(), people.NewOIDC(people.OIDCConfig{Issuer: lost.URL, ClientID: "x"}), "/", false)
	var e *people.IssuerError
	if !errors.As(err, &e) {
		t.Errorf("nobody is there: %v", err)
	}
}

// Promise 1, for what people sign in with.
func TestWhatPeopleSignInWithIsNotInTheStore(t *testing.T) {
	dir := t.TempDir()
	s := storetest.Open(t, filepath.Join(dir, "postern.db"))
	r := newRing(t, s)
	u := r.owner(t)
	secret, codes := r.addApp(t, u)
	if err := r.MailPasswordReset(t.Context(), u.Email, here); err != nil {
		t.Fatal(err)
	}
	pending := r.pending(t)
	if _, err := r.finish(t, pending, codes[0]); err != nil {
		t.Fatal(err)
	}
	token := strings.TrimPrefix(r.told(t, notice.PasswordReset)[0].Link, "/reset/")
	secrets := append([]string{secret, pending, token, strings.ReplaceAll(codes[1], "-", "")}, codes...)
	all := r.log.Bytes()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
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
	if !bytes.Contains(all, []byte(u.Email)) {
		t.Fatal("the email address is not there either: the test looks in the wrong place")
	}
	for i, x := range secrets {
		if bytes.Contains(all, []byte(x)) {
			t.Errorf("secret %d is in the store or the log", i)
		}
	}
}

// Half-finished sign-ins are free to who has the password, so wrong codes are counted by user.
func TestCodesAreNotGuessedByNewSignIns(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		secret, codes := r.addApp(t, r.owner(t))
		for range 5 {
			half := r.pending(t)
			for range 4 {
				if _, err := r.finish(t, half, "000000"); err == nil {
					t.Fatal("000000 is taken")
				}
			}
		}
		_, err := r.finish(t, r.pending(t), r.code(t, secret, time.Minute))
		wants(t, err, change.Invalid, "Code")
		says(t, err, "too many wrong codes")
		if told := r.told(t, notice.SignInChanged); len(told) == 0 || !strings.Contains(told[len(told)-1].What, "refused for an hour") {
			t.Errorf("the user is told: %+v", told)
		}
		// The owner has another way, and the app again after an hour.
		if _, err := r.finish(t, r.pending(t), codes[0]); err != nil {
			t.Errorf("a recovery code: %v", err)
		}
		r.now = r.now.Add(61 * time.Minute)
		if _, err := r.finish(t, r.pending(t), r.code(t, secret, 0)); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
}
