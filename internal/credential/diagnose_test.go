// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"postern/internal/credential"
)

func TestDiagnose(t *testing.T) {
	key := credential.NewAPIKey().String()
	secret := credential.NewSecret()
	hex := credential.NewAPIKey().String()
	typo := secret[:10] + string(other(secret[10])) + secret[11:]
	tests := []struct{ name, user, password, want string }{
		{"right form", key, secret, ""},
		{"nothing", "", "", "No API key"},
		{"no user", "", secret, "user name is empty"},
		{"blank user", " \t", secret, "user name is empty"},
		{"no password", key, "", "password is empty"},
		{"blank password", key, "\r\n", "password is empty"},
		{"swapped", secret, key, "swapped"},
		{"swapped with a typing error", typo, key, "swapped"},
		{"swapped with white space", secret + "\n", key, "swapped"},
		{"secret as user", secret, secret, "user name is a secret key"},
		{"same", key, key, "are the same"},
		{"hex secret of another service", key, hex, "key of another service"},
		{"upper-case hex secret", key, strings.ToUpper(hex), "key of another service"},
		{"UUID", key, "01234567-89ab-cdef-0123-456789abcdef", "key of another service"},
		{"prefix of another service", key, "SG.abcdefghijklmnop", "key of another service"},
		{"typing error", key, typo, "typing error"},
		{"two characters swapped", key, swapTwo(secret), "typing error"},
		{"cut short", key, secret[:39], "cut short: it has 39 characters and must have 40"},
		{"only the prefix", key, "pstn", "cut short: it has 4 characters"},
		{"too long", key, secret + "x", "too long: it has 41 characters and must have 40"},
		{"strange character", key, secret[:20] + "!" + secret[21:], "neither a letter nor a digit"},
		{"upper case", key, strings.ToUpper(secret), "wrong case"},
		{"space before secret", key, " " + secret, "white space or an invisible character in the secret key"},
		{"newline after secret", key, secret + "\r\n", "white space or an invisible character in the secret key"},
		{"zero-width space in secret", key, secret[:9] + "\u200b" + secret[9:], "invisible character in the secret key"},
		{"space around hex secret", key, hex + " ", "white space or an invisible character in the secret key"},
		{"space after key", key + " ", secret, "white space or an invisible character in the API key"},
		{"byte order mark before key", "\ufeff" + key, secret, "invisible character in the API key"},
		{"quotes around secret", key, `"` + secret + `"`, "quotation marks"},
		{"quotes around key", "'" + key + "'", secret, "quotation marks"},
		{"email as user", "ann@example.com", secret, "email address"},
		{"upper-case key", strings.ToUpper(key[:31]) + "F", secret, "upper case"},
		{"short key", key[:31], secret, "not an API key"},
		{"long key", key + "0", secret, "not an API key"},
		{"name as user", "apikey", secret, "not an API key"},
		{"word as password", key, "hunter2", "not a Postern secret key"},
		{"bytes as password", key, "\xff\xfe\x80", "not a Postern secret key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := credential.Diagnose(tt.user, tt.password)
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want it to say %q", got, tt.want)
			}
			if tt.want == "" {
				return
			}
			for _, given := range []string{tt.user, tt.password} {
				if len(given) > 8 && strings.Contains(got, given) {
					t.Errorf("%q repeats what was given", got)
				}
			}
		})
	}
}

// other returns another character of the alphabet.
func other(c byte) byte {
	if c == 'a' {
		return 'b'
	}
	return 'a'
}

// swapTwo swaps the first two neighbours that differ, after the prefix.
func swapTwo(s string) string {
	b := []byte(s)
	for i := 4; i < len(b)-1; i++ {
		if b[i] != b[i+1] {
			b[i], b[i+1] = b[i+1], b[i]
			break
		}
	}
	return string(b)
}

func FuzzDiagnose(f *testing.F) {
	key, secret := credential.NewAPIKey().String(), credential.NewSecret()
	for _, s := range []string{"", key, secret, " " + key, secret + "\n", `"x"`, "a@b", "\xff", "pstn", "SG.x"} {
		f.Add(s, secret)
		f.Add(key, s)
	}
	f.Fuzz(func(t *testing.T, user, password string) {
		got := credential.Diagnose(user, password)
		_, badKey := credential.ParseAPIKey(user)
		badSecret := credential.CheckSecret(password)
		if right := badKey == nil && badSecret == nil; right != (got == "") {
			t.Errorf("form right: %v, but it says %q", right, got)
		}
		if strings.ContainsAny(got, "\r\n") || !utf8.ValidString(got) || got != "" && !strings.HasSuffix(got, ".") {
			t.Errorf("%q is not a plain sentence", got)
		}
		if len(password) > 16 && strings.ContainsAny(password, "0123456789") && strings.Contains(got, password) && !strings.HasPrefix(password, " ") {
			t.Errorf("%q repeats the password", got)
		}
	})
}

func TestShownHidesWhatMayBeASecret(t *testing.T) {
	key, secret := credential.NewAPIKey().String(), credential.NewSecret()
	if got := credential.Shown(key); got != key {
		t.Errorf("an API key is shown as %q", got)
	}
	for _, s := range []string{secret, key[:31], key + "0", "owner@example.com", "G" + key[1:], ""} {
		if got := credential.Shown(s); got == s || s != "" && strings.Contains(got, s) {
			t.Errorf("%q is shown as %q", s, got)
		}
	}
}
