// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"postern/internal/access"
)

func TestPasswords(t *testing.T) {
	phc, err := access.HashPassword("a long enough one", "a@b.example")
	if err != nil || !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(phc, "enough") {
		t.Fatal(phc, err)
	}
	again, err := access.HashPassword("a long enough one", "a@b.example")
	if err != nil || again == phc {
		t.Errorf("two hashes of one password are alike (%v): no salt", err)
	}
	if !access.VerifyPassword(phc, "a long enough one") {
		t.Error("the right password is refused")
	}
	for _, wrong := range []string{"", "a long enough on", "a long enough one ", strings.Repeat("x", 300)} {
		if access.VerifyPassword(phc, wrong) {
			t.Errorf("%q is taken", wrong)
		}
	}
	for _, bad := range []string{"", "x", "$argon2id$v=19$m=19456,t=2,p=1$$", strings.Replace(phc, "v=19", "v=1", 1), strings.Replace(phc, "m=19456", "m=99999999", 1), strings.Replace(phc, "t=2", "t=0", 1)} {
		if access.VerifyPassword(bad, "a long enough one") {
			t.Errorf("%q opens", bad)
		}
	}
	for _, p := range []string{"", "short", strings.Repeat("x", access.MaxPassword+1)} {
		if _, err := access.HashPassword(p, "a@b.example"); err == nil {
			t.Errorf("a password of %d characters was taken", len(p))
		}
	}
}

func TestPasswordsThatWouldBeTriedFirst(t *testing.T) {
	const email = "anna.berg@harbour-works.example"
	for password, why := range map[string]string{
		"1234567890": "commonest|row", "qwertyuiop": "row", "QwertyUiop": "row", "poiuytrewq": "row", "abcdefghijkl": "row", "1q2w3e4r5t": "row", "qwertyuiop123!": "row", "9876543210": "row",
		"aaaaaaaaaa": "over and over", "abababababab": "over and over", "1234123412": "over and over",
		"Password123456": "commonest", "password2024!": "with digits", "sunshine!!!1": "with digits", "Liverpool1": "commonest", "BASKETBALL": "commonest", "basketball99": "with digits",
		"anna.berg@harbour-works.example": "email", "harbour-works": "email", "harbourworks": "email", "Harbour-Works.Example": "email", "annaberg2025": "email", "harbour1234": "email", "AnnaHarbour1": "email", "anna-works-berg": "email",
		"short": "at least 10", strings.Repeat("ü", 120): "over and over|longer than",
	} {
		err := access.CheckPassword(password, email)
		if err == nil {
			t.Errorf("%q is taken", password)
			continue
		}
		said := false
		for _, w := range strings.Split(why, "|") {
			said = said || strings.Contains(err.Error(), w)
		}
		if !said || strings.Contains(err.Error(), password) {
			t.Errorf("%q: %v, which does not say %q", password, err, why)
		}
	}
	for _, password := range []string{"correct horse battery", "a long enough one", "Grüße aus dem Hafen", "anna keeps bees", "xk2-9qd-77b-p", "0f3a91bc77d2", "harbour lantern", "zzyzx road 66", "\x00\x01 odd but long"} {
		if err := access.CheckPassword(password, email); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

// What attackers of this server would try first: its names, and words in the dress that rules for passwords ask for.
func TestPasswordsOfNamesAndDressedWords(t *testing.T) {
	names := []string{"Nordwind Logistics", "mail.seagull.example", "K2"}
	for _, password := range []string{
		"Postern12345", "postern2026!", "P0stern12345", "12345Postern", "!Postern!2026", "PosternAdmin1", "admin-postern1", "Postern_Mail1",
		"admin12345!", "Admin1234567", "root!2024!!", "Test20240131", "123456admin", "!!Adm1n12345", "mail@@@@2026",
		"Nordwind2026", "nordwind-logistics1", "NordwindLogistics", "Seagull12345", "mail.seagull", "Seagull-Mail-1", "N0rdwind2026!",
		"P@ssw0rd2024", "pa$$word12345", "Welcome12345", "2024Summer!!", "!Liverpool!1", "Sunsh1ne2026",
	} {
		if access.CheckPassword(password, "anna@harbour.example", names...) == nil {
			t.Errorf("%q is taken", password)
		}
	}
	for _, password := range []string{
		"nordwind keeps bees", "lantern postern tide", "k2 is a mountain", "seagull eats chips", "xk2-9qd-77b-p", "a5559301847b", "tide-4471-ox", "Zwölf Boxkämpfer", "x7739184420612",
	} {
		if err := access.CheckPassword(password, "anna@harbour.example", names...); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

// The list is searched by halves: a line out of order would hide others.
func TestEveryCommonPasswordIsFound(t *testing.T) {
	text, err := os.ReadFile("common-passwords.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(text))
	if len(lines) < 10_000 || !slices.IsSorted(lines) {
		t.Fatalf("%d lines, sorted: %v", len(lines), slices.IsSorted(lines))
	}
	for _, line := range lines {
		if len(line) >= access.MinPassword && access.CheckPassword(strings.ToUpper(line), "") == nil {
			t.Errorf("%q is taken", line)
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{"Shop": "Shop", "  Grüße \t": "Grüße", "": "", "\n": "", "a\tb": "", strings.Repeat("ü", 100): strings.Repeat("ü", 100), strings.Repeat("ü", 101): "", "\xff": "", "\u202eevil": "", "a\u200bb": "", "a\u2028b": "", "\ufeffa": "", "\u0085": "", "日本 👩": "日本 👩", "👩\u200d💻": "👩\u200d💻", "می\u200cخواهم": "می\u200cخواهم", "\u200d": "", "\u00ad": "", "Donau\u00adschiff": "Donau\u00adschiff", "חברה\u200f (ישראל)": "חברה\u200f (ישראל)", "a\u2066b": ""} {
		got, err := access.CleanName(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%.20q: %.20q, %v", in, got, err)
		}
	}
}
