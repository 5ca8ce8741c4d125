// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/credential"
)

// fixedSecret was computed by other means: zlib.crc32 in Python.
const fixedSecret = "pstn3AHOVcjqx4BIPWdkry5CJQXelsz6DK1nuFk1"

func TestAPIKeyRoundTrip(t *testing.T) {
	seen := map[credential.APIKey]bool{}
	for range 1000 {
		k := credential.NewAPIKey()
		if seen[k] {
			t.Fatal("the same key twice")
		}
		seen[k] = true
		if got, err := credential.ParseAPIKey(k.String()); err != nil || got != k {
			t.Fatalf("%s: got %v, %v", k, got, err)
		}
	}
}

func TestParseAPIKeyRefuses(t *testing.T) {
	good := "0123456789abcdef0123456789abcdef"
	for _, s := range []string{"", good[:31], good + "0", strings.ToUpper(good), "g" + good[1:], good[:31] + " ", good[:30] + "é", "@`" + good[2:]} {
		if _, err := credential.ParseAPIKey(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

func TestNewSecret(t *testing.T) {
	pattern := regexp.MustCompile(credential.SecretPattern)
	seen := map[string]bool{}
	for range 1000 {
		s := credential.NewSecret()
		if seen[s] {
			t.Fatal("the same secret twice")
		}
		seen[s] = true
		if err := credential.CheckSecret(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if got := pattern.FindString("SECRET=\"" + s + "\"\n"); got != s {
			t.Fatalf("the pattern finds %q, want %q", got, s)
		}
	}
}

// The checksum is a published format: scanners compute it too.
func TestChecksumIsCRC32InBase62(t *testing.T) {
	for secret, want := range map[string]error{
		"pstn" + strings.Repeat("0", 30) + "CRC000": credential.ErrChecksum,
		fixedSecret: nil,
	} {
		if err := credential.CheckSecret(secret); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", secret, err, want)
		}
	}
}

func TestSecretPatternNearMisses(t *testing.T) {
	pattern := regexp.MustCompile(credential.SecretPattern)
	s := credential.NewSecret()
	for _, miss := range []string{s[:39], s + "x", "x" + s, "PSTN" + s[4:], "pst" + s[4:], s[:20] + "-" + s[21:], s[:20] + "_" + s[20:]} {
		if pattern.MatchString(miss) {
			t.Errorf("matches %q", miss)
		}
		if credential.CheckSecret(miss) == nil {
			t.Errorf("%q has the form of a secret", miss)
		}
	}
	for _, text := range []string{"https://x:" + s + "@host/", "-p " + s, "'" + s + "'", "{\"k\":\"" + s + "\"}", s + "."} {
		if got := pattern.FindString(text); got != s {
			t.Errorf("in %q: found %q", text, got)
		}
	}
}

// Each character of a secret is protected by the checksum.
func TestCheckSecretFindsEveryTypingError(t *testing.T) {
	s := credential.NewSecret()
	for i := 4; i < len(s); i++ {
		typo := s[:i] + string(other(s[i])) + s[i+1:]
		if err := credential.CheckSecret(typo); !errors.Is(err, credential.ErrChecksum) {
			t.Errorf("character %d: got %v", i, err)
		}
	}
}

// A plain modulo would make 8 of the 62 characters a quarter more frequent.
func TestSecretIsUnbiased(t *testing.T) {
	const secrets = 20000
	var count [128]int
	for range secrets {
		for _, c := range credential.NewSecret()[4:34] {
			count[c]++
		}
	}
	mean := float64(secrets*30) / 62
	for _, c := range "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" {
		// 7 standard deviations: a chance of 1 in 10^10 to fail by luck.
		if math.Abs(float64(count[c])-mean) > 7*math.Sqrt(mean) {
			t.Errorf("%c came %d times, want about %.0f", c, count[c], mean)
		}
	}
}

func TestHint(t *testing.T) {
	for secret, want := range map[string]string{"": "", "abc": "abc", "abcdef": "cdef"} {
		if got := credential.Hint(secret); got != want {
			t.Errorf("%q: got %q", secret, got)
		}
	}
}

func TestCheckImported(t *testing.T) {
	hex := "8f14e45fceea167a5a36dedd4bea2543"
	tests := []struct {
		secret, want string // want "": taken
	}{
		{hex, ""},
		{strings.ToUpper(hex), ""},
		{"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", ""},
		{credential.NewSecret(), ""},
		{"01234567-89ab-cdef-0123-456789abcdef", ""},
		{hex[:31], "124 bits"},
		{"", "0 bits"},
		{"correcthorse", "bits"},
		{"12345678901234567890123456789012", "106 bits"},
		{strings.Repeat("ab", 16), "different characters"},
		{hex + " ", "no space"},
		{hex + "é", "ASCII"},
		{hex + "\x00", "ASCII"},
		{strings.Repeat(hex, 4) + "0", "longer than 128"},
		{fixedSecret[:39] + "!", "36 letters and digits"},
		{fixedSecret[:39] + string(other(fixedSecret[39])), "checksum"},
	}
	for _, tt := range tests {
		err := credential.CheckImported(tt.secret)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q: got %v, want %q", tt.secret, err, tt.want)
		}
		if err != nil && len(tt.secret) > 12 && strings.Contains(err.Error(), tt.secret) {
			t.Errorf("%v repeats the secret", err)
		}
	}
}

func TestDigestIsHMAC(t *testing.T) {
	key := credential.NewServerKey()
	d, err := credential.NewDigester(key)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		secret := strings.Repeat("s", n)
		h := hmac.New(sha256.New, key)
		h.Write([]byte(secret))
		if got := d.Digest(secret); !hmac.Equal(got[:], h.Sum(nil)) {
			t.Fatalf("length %d: not HMAC-SHA-256", n)
		}
	}
}

func TestDigestDoesNotAllocate(t *testing.T) {
	if underRace {
		t.Skip("sync.Pool forgets under the race detector")
	}
	d, err := credential.NewDigester(credential.NewServerKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 40, credential.MaxSecretChars, 1000} {
		secret := strings.Repeat("s", n)
		if got := testing.AllocsPerRun(100, func() { d.Digest(secret) }); got != 0 {
			t.Errorf("length %d: %v allocations", n, got)
		}
	}
}

func TestServerKey(t *testing.T) {
	key := credential.NewServerKey()
	for _, text := range []string{
		credential.FormatServerKey(key),
		strings.ToUpper(credential.FormatServerKey(key)) + "\n",
		base64.StdEncoding.EncodeToString(key),
		base64.RawStdEncoding.EncodeToString(key) + "\r\n",
		base64.URLEncoding.EncodeToString(key),
		" " + base64.RawURLEncoding.EncodeToString(key),
	} {
		got, err := credential.ParseServerKey(text)
		if err != nil || !bytes.Equal(got, key) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "short", strings.Repeat("0", 64), strings.Repeat("z", 64), base64.StdEncoding.EncodeToString(key[:31]), base64.StdEncoding.EncodeToString(append(key, 1)), strings.Repeat("00ff", 17)} {
		if got, err := credential.ParseServerKey(text); err == nil {
			t.Errorf("%q was taken as %x", text, got)
		} else if len(text) > 5 && strings.Contains(err.Error(), text) {
			t.Errorf("%v repeats the key", err)
		}
	}
	for _, bad := range [][]byte{nil, key[:31], append(key, 0), make([]byte, 32)} {
		if _, err := credential.NewDigester(bad); err == nil {
			t.Errorf("a digester under %d bytes", len(bad))
		}
	}
}

func TestAgeOf(t *testing.T) {
	made := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	tests := []struct {
		old     time.Duration
		maxDays int
		want    credential.Age
	}{
		{-time.Hour, 90, credential.Age{DaysLeft: 90}},
		{0, 90, credential.Age{DaysLeft: 90}},
		{76*day - 1, 90, credential.Age{Days: 75, DaysLeft: 15}},
		{76 * day, 90, credential.Age{Days: 76, DaysLeft: 14, Due: true}},
		{90 * day, 90, credential.Age{Days: 90, Due: true}},
		{90*day + 1, 90, credential.Age{Days: 90, Due: true, Overdue: true}},
		{100 * day, 90, credential.Age{Days: 100, DaysLeft: -10, Due: true, Overdue: true}},
		{350 * day, 365, credential.Age{Days: 350, DaysLeft: 15}},
		{351 * day, 365, credential.Age{Days: 351, DaysLeft: 14, Due: true}},
		{0, 7, credential.Age{DaysLeft: 7}},
		{5 * day, 7, credential.Age{Days: 5, DaysLeft: 2, Due: true}},
		{5000 * day, 0, credential.Age{Days: 5000}},
	}
	for _, tt := range tests {
		if got := (credential.Policy{Days: tt.maxDays, RemindDays: min(credential.RemindDays, tt.maxDays/6+1)}).AgeOf(made, made.Add(tt.old)); got != tt.want {
			t.Errorf("%v of %d days: got %+v, want %+v", tt.old, tt.maxDays, got, tt.want)
		}
	}
}

func TestDigesterIsSafeForConcurrentUse(t *testing.T) {
	d, err := credential.NewDigester(credential.NewServerKey())
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			secret := credential.NewSecret()
			want := d.Digest(secret)
			for range 1000 {
				if d.Digest(secret) != want {
					t.Error("another digest of the same secret")
					return
				}
			}
		})
	}
	running.Wait()
}

func FuzzParseAPIKey(f *testing.F) {
	f.Add(credential.NewAPIKey().String())
	f.Add("0123456789ABCDEF0123456789ABCDEF")
	f.Add("\x00")
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := credential.ParseAPIKey(s); err == nil && k.String() != s {
			t.Errorf("%q was read as %s", s, k)
		}
	})
}

func FuzzCheckSecret(f *testing.F) {
	f.Add(credential.NewSecret())
	f.Add(fixedSecret)
	f.Add("pstn")
	pattern := regexp.MustCompile("^" + credential.SecretPattern + "$")
	f.Fuzz(func(t *testing.T, s string) {
		err := credential.CheckSecret(s)
		if form := pattern.MatchString(s); form == errors.Is(err, credential.ErrNotOurs) {
			t.Errorf("%q: the pattern says %v, the check %v", s, form, err)
		}
		if err == nil && credential.CheckImported(s) != nil {
			t.Errorf("%q is a secret but can't be imported", s)
		}
	})
}

func BenchmarkDigest(b *testing.B) {
	d, err := credential.NewDigester(credential.NewServerKey())
	if err != nil {
		b.Fatal(err)
	}
	secret := credential.NewSecret()
	b.ReportAllocs()
	for b.Loop() {
		d.Digest(secret)
	}
}
