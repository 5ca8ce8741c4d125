// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// reply is an answer of the server: a code of RFC 5321 §4.2, an enhanced code of RFC 3463, and words.
type reply struct {
	code     int
	enhanced string // "" for 220, 354 and 334, and for the answer to EHLO, which have none (RFC 2034 §4)
	text     string
}

// maxReply is the length of a line of a reply without its CRLF (RFC 5321 §4.5.3.1.5).
const maxReply = 510

// append writes a reply to b, in as many lines as it needs. Where the client has not asked for SMTPUTF8 its words are
// ASCII (RFC 6531 §3.7.4), others written as in RFC 6533 §3; no word of a client can begin a line of its own.
func (r reply) append(b []byte, unicode bool) []byte {
	text := printable(r.text, unicode)
	head := len(r.enhanced) + 5
	for {
		line := text
		if len(line)+head > maxReply {
			line = line[:cut(line, maxReply-head)]
		}
		text = text[len(line):]
		b = strconv.AppendInt(b, int64(r.code), 10)
		if text == "" {
			b = append(b, ' ')
		} else {
			b = append(b, '-')
		}
		if r.enhanced != "" {
			b = append(append(b, r.enhanced...), ' ')
		}
		b = append(append(b, line...), '\r', '\n')
		if text = strings.TrimPrefix(text, " "); text == "" {
			return b
		}
	}
}

// cut says where to break a line of at most n bytes: before a blank, or at least between characters.
func cut(s string, n int) int {
	if i := strings.LastIndexByte(s[:n], ' '); i > 0 {
		return i
	}
	for n > 1 && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}

func printable(s string, unicode bool) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] >= ' ' && s[i] < 127
	}
	if plain {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < ' ' || r == 127 || r == utf8.RuneError:
			b.WriteByte('?')
		case r > 127 && !unicode:
			fmt.Fprintf(&b, `\x{%X}`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
