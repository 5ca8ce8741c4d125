// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"bufio"
	"bytes"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// readAll gives raw to a text in pieces, as DATA does, and returns what is kept, what came behind its end, and whether
// there was one.
func readAll(raw []byte, pieces ...int) (t *text, rest []byte, done bool) {
	t = &text{}
	for i := 0; len(raw) > 0; i++ {
		n := len(raw)
		if len(pieces) > 0 {
			n = min(n, max(1, pieces[i%len(pieces)]))
		}
		t.b = append(t.b, raw[:n]...)
		raw = raw[n:]
		if rest, done = t.look(true); done {
			return t, append(slices.Clone(rest), raw...), true
		}
	}
	return t, nil, false
}

// plainly does the same in the plainest way: a mail ends at the first CRLF.CRLF, and loses the first of the dots that
// begin a line.
func plainly(raw string) (kept, rest string, done bool) {
	raw = "\r\n" + raw
	i := strings.Index(raw, "\r\n.\r\n")
	if i < 0 {
		return "", "", false
	}
	return strings.TrimPrefix(strings.ReplaceAll(raw[:i+2], "\r\n.", "\r\n"), "\r\n"), raw[i+5:], true
}

func bare(s string) bool {
	s = strings.ReplaceAll(s, "\r\n", "")
	return strings.ContainsAny(s, "\r\n\x00")
}

// FuzzDots: the text of a mail is what net/textproto reads, where that is right, and what the plainest reader finds
// anywhere, however it is cut into packets.
func FuzzDots(f *testing.F) {
	for _, s := range []string{
		"", ".", "..", ".\r\n", "x\r\n.\r\nNOOP\r\n", "x\r\n..\r\n.\r\n", "x\r\r\n.\r\n", "B\r\n.\r\r\n.\r\n", "A\r\n.\rX tail\r\n.\r\n", "x\n.\n", "x\r.\r", "\x00\r\n.\r\n",
		".x\r\n...\r\n.\r\n", "\r\n\r\n.\r\n.\r\n", "x\r\n.\n.\r\n", "x\r\n.\r\n\r\n.\r\n",
	} {
		f.Add([]byte(s), byte(1), byte(2))
		f.Add([]byte(s), byte(255), byte(3))
	}
	f.Fuzz(func(t *testing.T, raw []byte, first, second byte) {
		kept, rest, done := plainly(string(raw))
		for _, pieces := range [][]int{nil, {1}, {int(first), int(second)}} {
			got, behind, ended := readAll(raw, pieces...)
			if ended != done || done && string(behind) != rest {
				t.Fatalf("in pieces of %v: ended %v, behind it %q; want %v, %q", pieces, ended, behind, done, rest)
			}
			if !done {
				continue
			}
			if wrong := got.wrong != ""; wrong != bare(kept) {
				t.Fatalf("in pieces of %v: %q is said to be wrong: %q", pieces, kept, got.wrong)
			}
			if string(got.b[:got.n]) != kept {
				t.Fatalf("in pieces of %v: kept %q, want %q", pieces, got.b[:got.n], kept)
			}
		}
		// The same text in its right form, as net/textproto reads it.
		lines := strings.Split(strings.NewReplacer("\r", "", "\x00", "").Replace(string(raw)), "\n")
		var wire strings.Builder
		for _, l := range lines {
			if strings.HasPrefix(l, ".") {
				wire.WriteByte('.')
			}
			wire.WriteString(l + "\r\n")
		}
		wire.WriteString(".\r\nNOOP\r\n")
		want, err := textproto.NewReader(bufio.NewReader(strings.NewReader(wire.String()))).ReadDotBytes()
		if err != nil {
			t.Fatal(err)
		}
		got, behind, ended := readAll([]byte(wire.String()), int(first), int(second))
		if !ended || got.wrong != "" || string(behind) != "NOOP\r\n" {
			t.Fatalf("of %q: ended %v, wrong %q, behind it %q", wire.String(), ended, got.wrong, behind)
		}
		if s := got.b[:got.n]; !bytes.Equal(bytes.ReplaceAll(s, []byte("\r\n"), []byte("\n")), want) {
			t.Fatalf("kept %q, net/textproto reads %q", s, want)
		}
	})
}

// TestDots is FuzzDots for every text of up to eight of the characters that matter, cut in every regular way.
func TestDots(t *testing.T) {
	const letters, longest = ".\r\nx", 8
	var raw [longest]byte
	var try func(n int)
	try = func(n int) {
		kept, rest, done := plainly(string(raw[:n]))
		for piece := range 4 {
			pieces := []int{piece}
			if piece == 0 {
				pieces = nil
			}
			got, behind, ended := readAll(raw[:n], pieces...)
			if ended != done || done && (string(behind) != rest || (got.wrong != "") != bare(kept) || string(got.b[:got.n]) != kept) {
				t.Fatalf("%q in pieces of %d: kept %q, wrong %q, ended %v, behind it %q; want %q, %v, %q",
					raw[:n], piece, got.b[:got.n], got.wrong, ended, behind, kept, done, rest)
			}
		}
		if n == longest {
			return
		}
		for _, ch := range []byte(letters) {
			raw[n] = ch
			try(n + 1)
		}
	}
	try(0)
}

// BenchmarkDots reads a mail of 4 KB.
func BenchmarkDots(b *testing.B) {
	raw := []byte(strings.Repeat("The quick brown fox jumps over the lazy dog, again and again and again.\r\n", 56) + ".\r\n")
	buf := make([]byte, 0, len(raw))
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		t := text{b: append(buf[:0], raw...)}
		if _, done := t.look(true); !done || t.wrong != "" {
			b.Fatal("no end")
		}
	}
}
