// SPDX-License-Identifier: Apache-2.0

package gate_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/credential"
	"postern/internal/gate"
)

// world is a gate with what its tests need to make keys.
type world struct {
	*gate.Gate
	digester *credential.Digester
	now      time.Time
	mu       sync.Mutex
	lastID   int64
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// newWorld has a clock of its own, which stands still; or the real one, with
// gate.Config.Now set by change.
func newWorld(t testing.TB, change func(*gate.Config)) *world {
	t.Helper()
	d, err := credential.NewDigester(credential.NewServerKey())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{digester: d, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	c := gate.Config{Digester: d, Now: w.clock}
	if change != nil {
		change(&c)
	}
	w.Gate = gate.New(c)
	for _, id := range []int64{0, 1, 6, 7} { // of the tests' keys
		w.PutAccount(gate.Account{ID: id})
	}
	return w
}

// secret returns a new secret and what the gate knows of it.
func (w *world) secret() (string, gate.Secret) {
	s := credential.NewSecret()
	w.lastID++
	return s, gate.Secret{ID: w.lastID, Digest: w.digester.Digest(s), CreatedAt: w.clock()}
}

// key puts a new active key with one secret.
func (w *world) key() (gate.Key, string) {
	s, x := w.secret()
	w.lastID++
	k := gate.Key{ID: w.lastID, AccountID: 7, APIKey: credential.NewAPIKey(), Secrets: []gate.Secret{x}}
	w.Put(k)
	return k, s
}

func from(addr string) gate.Source {
	return gate.Source{Addr: netip.MustParseAddr(addr), Protocol: "http"}
}

var home = from("192.0.2.1")

// kind returns the kind of a refusal, or "" for none.
func kind(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var r *gate.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("%v is not a refusal", err)
	}
	return r.Kind.String()
}

func (w *world) mustVerify(t testing.TB, k gate.Key, secret string) gate.Principal {
	t.Helper()
	p, err := w.Verify(home, k.APIKey.String(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestVerifyTellsWho(t *testing.T) {
	w := newWorld(t, nil)
	for range 100 {
		w.key()
	}
	s, x := w.secret()
	k := gate.Key{ID: 5, AccountID: 6, APIKey: credential.NewAPIKey(), Master: true, Secrets: []gate.Secret{x}}
	w.Put(k)
	want := gate.Principal{KeyID: 5, AccountID: 6, SecretID: x.ID, APIKey: k.APIKey.String(), Master: true, Permissions: access.AllPermissions}
	if p := w.mustVerify(t, k, s); p != want {
		t.Errorf("got %+v, want %+v", p, want)
	}
	if err := w.Recheck(home, want, access.MaySend); err != nil {
		t.Error(err)
	}
}

func TestStatesAndAnswers(t *testing.T) {
	w := newWorld(t, func(c *gate.Config) { c.Burst = 1000 })
	k, s := w.key()
	_, strange := w.key()
	user := k.APIKey.String()
	tests := []struct {
		name           string
		state          gate.State
		user, password string
		kind, says     string
	}{
		{"right", gate.Active, user, s, "", ""},
		{"nothing", gate.Active, "", "", "no_credentials", "No API key"},
		{"no password", gate.Active, user, "", "wrong", "password is empty"},
		{"no user", gate.Active, "", s, "wrong", "user name is empty"},
		{"wrong secret", gate.Active, user, credential.NewSecret(), "wrong", ""},
		{"another key's secret", gate.Active, user, strange, "wrong", ""},
		{"unknown key", gate.Active, credential.NewAPIKey().String(), s, "wrong", ""},
		{"upper-case key", gate.Active, strings.ToUpper(user[:31]) + "F", s, "wrong", "upper case"},
		{"swapped", gate.Active, s, user, "wrong", "swapped"},
		{"white space", gate.Active, user, s + "\n", "wrong", "white space"},
		{"far too long", gate.Active, user, strings.Repeat("x", 1<<20), "wrong", "not a Postern secret"},
		{"deactivated, right", gate.Deactivated, user, s, "deactivated", "deactivated"},
		{"deactivated, wrong", gate.Deactivated, user, credential.NewSecret(), "wrong", ""},
		{"suspended, right", gate.Suspended, user, s, "suspended", "operator"},
		{"suspended, wrong", gate.Suspended, user, credential.NewSecret(), "wrong", ""},
		{"active again", gate.Active, user, s, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k.State = tt.state
			w.Put(k)
			p, err := w.Verify(home, tt.user, tt.password)
			if got := kind(t, err); got != tt.kind {
				t.Fatalf("got %q (%v), want %q", got, err, tt.kind)
			}
			if err == nil {
				return
			}
			if p != (gate.Principal{}) {
				t.Errorf("refused, but a principal: %+v", p)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q does not say %q", err, tt.says)
			}
			if (tt.kind == "wrong" || tt.kind == "no_credentials") != strings.HasPrefix(err.Error(), gate.AuthFailure) {
				t.Errorf("%q: clients match on the words of AuthFailure for wrong credentials", err)
			}
			if len(tt.password) > 20 && strings.Contains(err.Error(), tt.password) {
				t.Error("the answer repeats the password")
			}
		})
	}
}

// A stranger must not learn from the answer whether a key exists.
func TestUnknownKeyAndWrongSecretAnswerAlike(t *testing.T) {
	w := newWorld(t, func(c *gate.Config) { c.Burst = 1000 })
	k, _ := w.key()
	dead, _ := w.key()
	dead.State = gate.Suspended
	w.Put(dead)
	for _, password := range []string{credential.NewSecret(), "hunter2", "0123456789abcdef0123456789abcdef", ""} {
		var answers []string
		for _, key := range []credential.APIKey{k.APIKey, dead.APIKey, credential.NewAPIKey()} {
			_, err := w.Verify(home, key.String(), password)
			answers = append(answers, fmt.Sprintf("%#v", *err.(*gate.Refusal))) //nolint:errorlint,forcetypeassert // the promised type
		}
		if answers[0] != answers[1] || answers[0] != answers[2] {
			t.Errorf("%q: answers differ: %q", password, answers)
		}
	}
}

// The cost of a check is its HMAC: one each, whatever is wrong.
func TestEveryCheckCostsOneHMAC(t *testing.T) {
	w := newWorld(t, func(c *gate.Config) { c.Burst = 1000 })
	k, s := w.key()
	n := 0
	gate.OnDigest(w.Gate, func() { n++ })
	user := k.APIKey.String()
	for _, tt := range [][2]string{
		{user, s},
		{user, credential.NewSecret()},
		{user, ""},
		{user, "x"},
		{user, strings.Repeat("x", 1000)},
		{credential.NewAPIKey().String(), s},
		{"", s},
		{"ann@example.com", s},
		{s, user},
	} {
		n = 0
		w.Verify(home, tt[0], tt[1]) //nolint:errcheck // the count is looked at
		if n != 1 {
			t.Errorf("user %.8q…, password of %d: %d HMACs", tt[0], len(tt[1]), n)
		}
	}
}

func TestHitDoesNotAllocate(t *testing.T) {
	if underRace {
		t.Skip("sync.Pool forgets under the race detector")
	}
	w := newWorld(t, nil)
	k, s := w.key()
	user := k.APIKey.String()
	p := w.mustVerify(t, k, s)
	if n := testing.AllocsPerRun(100, func() { w.Verify(home, user, s) }); n != 0 { //nolint:errcheck // counted
		t.Errorf("Verify: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { w.Recheck(home, p, access.MaySend) }); n != 0 { //nolint:errcheck // counted
		t.Errorf("Recheck: %v allocations", n)
	}
}

func TestResetWithOverlapTakesBoth(t *testing.T) {
	w := newWorld(t, nil)
	k, old := w.key()
	fresh, x := w.secret()
	end := w.now.Add(time.Hour)
	k.Secrets[0].ExpiresAt = end
	k.Secrets = []gate.Secret{x, k.Secrets[0]}
	w.Put(k)
	p := w.mustVerify(t, k, old)
	w.mustVerify(t, k, fresh)
	w.pass(time.Hour - time.Microsecond)
	w.mustVerify(t, k, old)

	// Run does not run: the check looks at the end itself.
	w.pass(time.Microsecond)
	if _, err := w.Verify(home, k.APIKey.String(), old); kind(t, err) != "wrong" {
		t.Errorf("after the end: %v", err)
	}
	if err := w.Recheck(home, p, access.MaySend); kind(t, err) != "wrong" {
		t.Errorf("Recheck after the end: %v", err)
	}
	if _, err := w.Bind(p, atOnce(func(string) {})); kind(t, err) != "wrong" {
		t.Errorf("Bind after the end: %v", err)
	}
	w.mustVerify(t, k, fresh)
}

func TestMoreThanTwoSecrets(t *testing.T) {
	w := newWorld(t, nil)
	k, first := w.key()
	second, x := w.secret()
	third, y := w.secret()
	expired, z := w.secret()
	z.ExpiresAt = w.now
	k.Secrets = []gate.Secret{z, k.Secrets[0], x, y}
	w.Put(k)
	w.mustVerify(t, k, first)
	w.mustVerify(t, k, second)
	for _, s := range []string{third, expired} {
		if _, err := w.Verify(home, k.APIKey.String(), s); kind(t, err) != "wrong" {
			t.Errorf("got %v", err)
		}
	}
	if got := w.Stats().Secrets; got != 2 {
		t.Errorf("%d secrets", got)
	}
}

// What is no API key is looked up as the zero key, which must not let it in.
func TestNoAPIKeyIsNotTheZeroKey(t *testing.T) {
	w := newWorld(t, nil)
	s, x := w.secret()
	w.Put(gate.Key{ID: 1, Secrets: []gate.Secret{x}})
	for _, user := range []string{"", "x", "ann@example.com"} {
		if _, err := w.Verify(home, user, s); kind(t, err) != "wrong" {
			t.Errorf("%q: %v", user, err)
		}
	}
}

func TestRecheckRefuses(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	p := w.mustVerify(t, k, s)
	forged := p
	forged.APIKey = "x"
	other := p
	other.AccountID++
	for _, bad := range []gate.Principal{{}, forged, other} {
		if err := w.Recheck(home, bad, access.MaySend); kind(t, err) != "wrong" {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for state, want := range map[gate.State]string{gate.Deactivated: "deactivated", gate.Suspended: "suspended"} {
		k.State = state
		w.Put(k)
		if err := w.Recheck(home, p, access.MaySend); kind(t, err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	w.Remove(k.APIKey)
	if err := w.Recheck(home, p, access.MaySend); kind(t, err) != "wrong" {
		t.Errorf("removed: %v", err)
	}
	if _, err := w.Verify(home, k.APIKey.String(), s); kind(t, err) != "wrong" {
		t.Errorf("removed: %v", err)
	}
}

func TestStats(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	w.key()
	p := w.mustVerify(t, k, s)
	unbind, err := w.Bind(p, atOnce(func(string) {}))
	if err != nil {
		t.Fatal(err)
	}
	for range 25 {
		w.Verify(from("198.51.100.9"), k.APIKey.String(), "x") //nolint:errcheck // counted
	}
	got := w.Stats()
	want := gate.Stats{Keys: 2, Secrets: 2, Sessions: 1, Sources: 1, Throttled: 1, Accepted: 1}
	want.Refused[gate.Wrong], want.Refused[gate.Throttled] = 20, 5
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	unbind()
	unbind()
	w.Remove(k.APIKey)
	w.Remove(k.APIKey)
	if got := w.Stats(); got.Keys != 1 || got.Secrets != 1 || got.Sessions != 0 {
		t.Errorf("after Remove: %+v", got)
	}
}
