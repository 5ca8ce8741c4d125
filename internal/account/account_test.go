// SPDX-License-Identifier: Apache-2.0

package account_test

import (
	"strings"
	"testing"

	"postern/internal/account"
)

func TestPasswords(t *testing.T) {
	phc, err := account.HashPassword("a long enough one")
	if err != nil || !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(phc, "enough") {
		t.Fatal(phc, err)
	}
	again, err := account.HashPassword("a long enough one")
	if err != nil || again == phc {
		t.Errorf("two hashes of one password are alike (%v): no salt", err)
	}
	if !account.VerifyPassword(phc, "a long enough one") {
		t.Error("the right password is refused")
	}
	for _, wrong := range []string{"", "a long enough on", "a long enough one ", strings.Repeat("x", 300)} {
		if account.VerifyPassword(phc, wrong) {
			t.Errorf("%q is taken", wrong)
		}
	}
	for _, bad := range []string{"", "x", "$argon2id$v=19$m=19456,t=2,p=1$$", strings.Replace(phc, "v=19", "v=1", 1), strings.Replace(phc, "m=19456", "m=99999999", 1), strings.Replace(phc, "t=2", "t=0", 1)} {
		if account.VerifyPassword(bad, "a long enough one") {
			t.Errorf("%q opens", bad)
		}
	}
	for _, p := range []string{"", "short", strings.Repeat("x", account.MaxPassword+1)} {
		if _, err := account.HashPassword(p); err == nil {
			t.Errorf("a password of %d characters was taken", len(p))
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{"Shop": "Shop", "  Grüße \t": "Grüße", "": "", "\n": "", "a\tb": "", strings.Repeat("ü", 100): strings.Repeat("ü", 100), strings.Repeat("ü", 101): "", "\xff": ""} {
		got, err := account.CleanName(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%.20q: %.20q, %v", in, got, err)
		}
	}
}
