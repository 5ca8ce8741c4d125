// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"bufio"
	"strings"
	"testing"
	"unicode/utf8"
)

// Servers repeat the enhanced code on each line: the words in between belong together.
func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1\r\n":    "550 5.7.1 one two",
		"550-5.7.1 one\r\n550 5.7.26 two\r\n":                "550 5.7.1 one 5.7.26 two",
		"550-one\r\n550-\r\n550 two\r\n":                     "550 one two",
		"250\r\n":                                            "250",
		"550 a\x1b[2Jb\xffc\u202ed\u2028e\tf\r\n":            "550 a [2Jb\uFFFDc d e f",
		"550 " + strings.Repeat("é", 990) + "\r\n":           "550 " + strings.Repeat("é", 498) + "…",
		"250-mx.example\r\n250-PIPELINING\r\n250 SIZE 1\r\n": "250 mx.example PIPELINING SIZE 1",
	} {
		r, err := readReply(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := r.line(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzReadReply(f *testing.F) {
	for _, s := range []string{"250 OK\r\n", "250-one\r\n250 two\r\n", "550 5.1.1 no\r\n", "550-5.1.1 no\r\n551 x\r\n", "25", "999 x\r\n", "250\r\n", strings.Repeat("250-x\r\n", 200), "220 " + strings.Repeat("x", 3000) + "\r\n", "250 \xff\x00\x1b[2J\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := readReply(bufio.NewReader(strings.NewReader(s)))
		if err != nil {
			return
		}
		line := r.line()
		if r.code < 200 || r.code > 599 || len(line) > maxKept+10 || !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n\x00\x1b") {
			t.Fatalf("%+v: %q", r, line)
		}
		if r.enhanced != "" && r.enhanced[0] != byte('0'+r.code/100) {
			t.Fatalf("%d with %s", r.code, r.enhanced)
		}
		classify(r.code, r.enhanced, line)
	})
}
