// SPDX-License-Identifier: Apache-2.0

package mail

import "strings"

// displayName reads a phrase (RFC 5322 §3.2.5, with the dots and more of §4.1): quoted strings and words, comments left
// out, encoded words decoded where they can be.
func displayName(s string) string {
	s = strings.Trim(s, " \t\r\n")
	if n := len(s); n >= 2 && s[0] == '"' && strings.IndexByte(s[1:], '"') == n-2 && strings.IndexByte(s, '\\') < 0 {
		return decoded(s[1 : n-1])
	}
	if !strings.ContainsAny(s, "\"(\t\r\n") && !strings.Contains(s, "  ") {
		return decoded(s)
	}
	p := listParser{s: s}
	var words []string
	for p.skipBlank(); p.at < len(s); p.skipBlank() {
		from := p.at
		var err error
		switch s[from] {
		case '(':
			p.at, err = p.skipComment(from)
		case '"':
			if p.at, err = p.skipQuoted(from); err == nil {
				words = append(words, unquote(s[from+1:p.at-1]))
			}
		default:
			if n := p.encodedWord(from); n > 0 {
				p.at += n
			} else {
				for p.at < len(s) && !isBlank(s[p.at]) && s[p.at] != '"' && s[p.at] != '(' {
					p.at++
				}
			}
			words = append(words, s[from:p.at])
		}
		if err != nil { // it was scanned before
			return decoded(s)
		}
	}
	return decoded(strings.Join(words, " "))
}

// decoded is a display name in UTF-8.
func decoded(name string) string {
	return strings.ToValidUTF8(DecodeHeader(name), "\uFFFD")
}
