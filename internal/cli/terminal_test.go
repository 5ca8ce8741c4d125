// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/keys"
)

// TestSpansAreReadAsPeopleWriteThem: also whole days and weeks, and nothing that could be meant otherwise.
func TestSpansAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90m": 90 * time.Minute, "24h": 24 * time.Hour, "7d": 168 * time.Hour, "2w": 336 * time.Hour, "1d12h": 36 * time.Hour, "1w1d": 192 * time.Hour, "0": 0,
	} {
		var s span
		if err := s.UnmarshalText([]byte(text)); err != nil || time.Duration(s) != want {
			t.Errorf("%s: %s, %v; want %s", text, time.Duration(s), err, want)
		}
	}
	for _, text := range []string{"", "7", "d", "-1d", "-5m", "1d1w", "soon", "99999999d", "1.5d", "7 d"} {
		var s span
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for %s", text, time.Duration(s))
		}
	}
}

// TestWouldBreak: what used a secret within a day is listed, and otherwise for how long nothing has.
func TestWouldBreak(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	x := keys.Secret{ID: 7, Hint: "ab12"}
	used := func(ago time.Duration) []keys.Connection {
		return []keys.Connection{
			{SecretID: 7, SecretHint: "ab12", Protocol: "smtp", Address: "192.0.2.4", Client: "mail.example.com", LastSeenAt: now.Add(-ago), Count: 120},
			{SecretID: 8, SecretHint: "cd34", Protocol: "http", Address: "192.0.2.9", LastSeenAt: now},
		}
	}
	for _, c := range []struct {
		list []keys.Connection
		want string
	}{
		{nil, "Nothing has ever used …ab12."},
		{used(9*24*time.Hour + time.Hour), "Nothing has used …ab12 for 9 days."},
		{used(25 * time.Hour), "Nothing has used …ab12 for 25 hours."},
		{used(23 * time.Hour), "The end of …ab12 would break these"},
	} {
		var out bytes.Buffer
		if err := (&streams{out: &out}).wouldBreak(x, c.list, now); err != nil || !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "192.0.2.9") {
			t.Errorf("%s, %v; want %q", out.String(), err, c.want)
		}
	}
}

// TestSureAsksAndObeys: without a terminal nobody is asked, and nothing is done.
func TestSureAsksAndObeys(t *testing.T) {
	s := &streams{in: strings.NewReader("y\n"), err: &bytes.Buffer{}}
	if err := s.sure("Delete?"); err == nil || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("%v: a yes that nobody typed at a terminal was taken", err)
	}
}

// TestWordsSurviveAShell: a suggested command can be pasted.
func TestWordsSurviveAShell(t *testing.T) {
	for in, want := range map[string]string{"News": "News", "Acme Ltd": "'Acme Ltd'", "a'; rm -rf ~": `'a'\''; rm -rf ~'`, "a@example.com": "a@example.com"} {
		if got := word(in); got != want {
			t.Errorf("%q became %s, want %s", in, got, want)
		}
	}
}

// TestFilesToImport: what cannot be read says where, and never what stands there.
func TestFilesToImport(t *testing.T) {
	const pair = "a,00112233445566778899aabbccddeeff,f0e1d2c3b4a5968778695a4b3c2d1e0f"
	for text, want := range map[string]string{
		pair + "\n":                    "column 1",
		"name,api_key\n" + pair + "\n": "no column secret_key",
		"name,api_key,secret_key,name\n" + pair + ",b\n": "two columns name",
		"name,api_key,secret_key,password\n":             "column 4",
	} {
		_, err := readCSV([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "f0e1d2c3") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	lines, err := readCSV([]byte("secret_key , NAME,api_key\r\n f0e1d2c3b4a5968778695a4b3c2d1e0f,\" a \",00112233445566778899AABBCCDDEEFF\r\n\r\nbad\"quote,x,y\r\nf,b,c\r\n"))
	if err != nil || len(lines) != 3 {
		t.Fatalf("%+v, %v", lines, err)
	}
	if l := lines[0]; l.Line != 2 || l.pair != (control.ImportedKey{Name: "a", APIKey: "00112233445566778899aabbccddeeff", SecretKey: "f0e1d2c3b4a5968778695a4b3c2d1e0f"}) {
		t.Errorf("%+v", l)
	}
	if l := lines[1]; l.Line != 4 || l.Problem == "" {
		t.Errorf("%+v", l)
	}
	if l := lines[2]; l.Line != 5 || l.Name != "b" || l.Problem != "" {
		t.Errorf("%+v", l)
	}
	if _, err := readJSON([]byte(`[{"name": "a", "apikey": "x"}]`)); err == nil {
		t.Error("a property that is none was taken")
	}
}
