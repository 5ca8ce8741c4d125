// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"strings"
	"testing"
)

var jsonTexts = []string{
	``, ` `, `{}`, `[]`, ` { } `, `[[],{}]`, `{"a":1}`, `{"a" : [1, 2.5, -0, 1e9, -1.5E-3, true, false, null, "x"]}`, `{"a":1,}`, `[1,]`, `[,1]`, `{,}`,
	`{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `[1 2]`, `{]`, `[}`, `{"a":1]`, `01`, `-`, `-01`, `0`, `-0`, `1.`, `.5`, `1e`, `1e+`, `1e5`, `0x1`, `+1`, `00`, `0e0`,
	`tru`, `true`, `truex`, `nul`, `null `, `nullnull`, `"`, `"a`, `"a"`, `"a"b`, `"\"`, `"\\"`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\u00e9\n\/"`, `"\uD800"`,
	"\"a\nb\"", "\"1234567\x1f\"", "\"12345678\x1f\"", "\"\x7f\x80\xff\xfe12345678\"", "\"1234567\\\"89012345\"", "\x00", "\ufeff{}", "{}\x00", "\v1",
	strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65), strings.Repeat("[", 66) + strings.Repeat("]", 65),
	strings.Repeat("[", 10001) + strings.Repeat("]", 10001), strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70),
	`{"Messages":[{"From":{"Email":"a@example.com"},"TextPart":"` + strings.Repeat(`Line of text, again and again.\r\n`, 50) + `"}]}`,
}

// TestValidJSON: every text, and each beginning of it, is as valid as encoding/json says.
func TestValidJSON(t *testing.T) {
	for _, text := range jsonTexts {
		for n := max(0, len(text)-200); n <= len(text); n++ {
			if got, want := validJSON([]byte(text[:n])), json.Valid([]byte(text[:n])); got != want {
				t.Errorf("%.100q: %v, encoding/json says %v", text[:n], got, want)
			}
		}
	}
}

// TestSpecial: each byte at each place among plain ones and among bytes of UTF-8.
func TestSpecial(t *testing.T) {
	for c := range 256 {
		for at := range 8 {
			for _, other := range []byte{'a', ' ', '!', '#', '[', ']', 0x7f, 0x80, 0xff} {
				text := []byte{'"', other, other, other, other, other, other, other, other, '"'}
				text[1+at] = byte(c)
				if got, want := validJSON(text), json.Valid(text); got != want {
					t.Fatalf("%q: %v, encoding/json says %v", text, got, want)
				}
			}
		}
	}
}

func FuzzValidJSON(f *testing.F) {
	for _, text := range jsonTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, want := validJSON(text), json.Valid(text); got != want {
			t.Errorf("%q: %v, encoding/json says %v", text, got, want)
		}
	})
}

func BenchmarkValidJSON(b *testing.B) {
	text := []byte(jsonTexts[len(jsonTexts)-1])
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if !validJSON(text) {
			b.Fatal("not valid")
		}
	}
}
