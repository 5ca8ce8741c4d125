// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

const (
	maxEmail  = 254 // RFC 5321 §4.5.3.1.3: a path of 256 with its angle brackets
	maxLocal  = 64  // RFC 5321 §4.5.3.1.1
	maxDomain = 253 // RFC 5321 §4.5.3.1.2 allows 255, the DNS what fits 255 octets in its own form (RFC 1035 §2.3.4)
	maxLabel  = 63  // RFC 1035 §2.3.4
)

// Mailbox is an email address that was checked: RFC 5321 §4.1.2's Mailbox, with the UTF-8 local parts of RFC 6531 and
// internationalized domains. The zero Mailbox is no address; two Mailboxes of one address may be written in many ways, so
// they are compared by [Mailbox.Canonical].
type Mailbox struct {
	written   string
	canonical string // the same string as written where they are equal
	local     int    // the length of the local part in written
	at        int    // the place of the @ in canonical
}

// ParseMailbox reads an address without angle brackets, `ann@example.com` or `"ann b"@example.com`. Address literals
// (`ann@[192.0.2.1]`) are refused.
func ParseMailbox(s string) (Mailbox, error) {
	if at, upper, plain := scanPlain(s); plain {
		m := Mailbox{written: s, canonical: s, local: at, at: at}
		if upper {
			m.canonical = strings.ToLower(s)
		}
		return m, nil
	}
	at := strings.LastIndexByte(s, '@')
	if err := checkWhole(s, at); err != nil {
		return Mailbox{}, err
	}
	if err := checkLocal(s[:at]); err != nil {
		return Mailbox{}, err
	}
	domain, err := asciiDomain(s[at+1:])
	if err != nil {
		return Mailbox{}, err
	}
	local := canonicalLocal(s[:at])
	switch {
	case len(local) > maxLocal: // Unicode's composed form may be longer
		return Mailbox{}, bad("has a local part longer than 64 octets")
	case max(at, len(local))+1+len(domain) > maxEmail:
		return Mailbox{}, bad("is longer than 254 octets")
	}
	m := Mailbox{written: s, canonical: local + "@" + domain, local: at, at: len(local)}
	return m, nil
}

// String returns the address as it was written.
func (m Mailbox) String() string { return m.written }

// Local returns the local part as it was written, with its quotation marks.
func (m Mailbox) Local() string { return m.written[:m.local] }

// Domain returns the domain in lowercase A-labels (RFC 5890 §2.3.2.1).
func (m Mailbox) Domain() string {
	if m.canonical == "" {
		return ""
	}
	return m.canonical[m.at+1:]
}

// Canonical returns the form in which addresses are compared and stored for comparison: the local part in lower case, in
// Unicode's composed form (NFC) and quoted only where it must be, with no needless backslash (RFC 5321 §4.1.2 asks for
// the least quoting; `"ann"@example.com` and `ann@example.com` are one mailbox); the domain in lowercase A-labels. It is
// an address itself, and its own canonical form.
func (m Mailbox) Canonical() string { return m.canonical }

// Doubtful says whether some programs read another address in this one: the quoted local part holds what parts addresses
// elsewhere, as in `"a@b.example, c"@example.com`, or the local part looks like an encoded word, which has no place in an
// address (RFC 2047 §5) and is decoded by some before they look for one (CVE-2017-7829).
func (m Mailbox) Doubtful() bool {
	local := m.canonical[:m.at]
	if strings.Contains(local, "=?") && strings.Contains(local, "?=") {
		return true
	}
	return local != "" && local[0] == '"' && strings.ContainsAny(local[1:m.at-1], `@<>(),:;\"`)
}

// wire is the form for headers and SMTP: the local part as it was written, the domain in A-labels.
func (m Mailbox) wire() string {
	if m.written == m.canonical {
		return m.written
	}
	return m.written[:m.local] + m.canonical[m.at:]
}

// scanPlain looks at an address of nothing but ASCII, without quotes and without A-labels: where its @ is, and whether
// it has capital letters. Of what is not plain it says nothing.
func scanPlain(s string) (at int, upper, plain bool) {
	if len(s) > maxEmail {
		return 0, false, false
	}
	last := byte('.') // a dot may not come first
	for ; at < len(s) && s[at] != '@'; at++ {
		c := s[at]
		if !isASCIIAtext(c) && (c != '.' || last == '.') {
			return 0, false, false
		}
		upper = upper || c-'A' <= 'Z'-'A'
		last = c
	}
	if at == 0 || at > maxLocal || last == '.' || len(s)-at-1 > maxDomain || at == len(s) {
		return 0, false, false
	}
	label := at + 1 // where the label begins
	for i := label; ; i++ {
		if i == len(s) || s[i] == '.' {
			if n := i - label; n == 0 || n > maxLabel || s[label] == '-' || s[i-1] == '-' || n > 3 && s[label+2] == '-' &&
				s[label+3] == '-' {
				return 0, false, false
			}
			if i == len(s) {
				return at, upper, true
			}
			label = i + 1
			continue
		}
		c := s[i]
		if !isLetterOrDigit(c) && c != '-' {
			return 0, false, false
		}
		upper = upper || c-'A' <= 'Z'-'A'
	}
}

func bad(reason string) error { return &SyntaxError{Field: "email address", Reason: reason} }

// checkWhole looks at what local part and domain have in common. at is the place of the last @.
func checkWhole(s string, at int) error {
	switch {
	case s == "":
		return bad("is empty")
	case at < 0:
		return bad("has no @")
	case len(s) > maxEmail:
		return bad("is longer than 254 octets")
	case at > maxLocal:
		return bad("has a local part longer than 64 octets")
	case !utf8.ValidString(s):
		return bad("is not UTF-8")
	}
	for _, r := range s {
		if r >= ' ' && r < 0x7f {
			continue
		}
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return bad("has a control character")
		case unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d': // the two joiners are part of how some languages are written
			return bad(fmt.Sprintf("has an invisible character (%U)", r))
		}
	}
	return nil
}

func isQuoted(local string) bool {
	return len(local) >= 2 && local[0] == '"' && local[len(local)-1] == '"'
}

func checkLocal(local string) error {
	if isQuoted(local) {
		return checkQuoted(local[1 : len(local)-1])
	}
	if local == "" || local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..") {
		return bad("has an empty local part or a dot out of place before the @")
	}
	for _, r := range local {
		if !isAtext(r) && r != '.' {
			return bad("has a character not allowed before the @")
		}
	}
	return nil
}

func checkQuoted(in string) error {
	for i := 0; i < len(in); i++ {
		switch in[i] {
		case '\\':
			i++
			if i == len(in) || in[i] < ' ' || in[i] > '~' { // RFC 5321 §4.1.2: quoted-pairSMTP
				return bad("has an unfinished quoted local part")
			}
		case '"':
			return bad("has a quote inside its quoted local part")
		}
	}
	return nil
}

// isDotString says whether a local part needs no quotation marks (RFC 5321 §4.1.2, RFC 6531 §3.3).
func isDotString(s string) bool {
	last := '.'
	for _, r := range s {
		if !isAtext(r) && (r != '.' || last == '.') {
			return false
		}
		last = r
	}
	return last != '.'
}

func isLetterOrDigit(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
}

// isASCIIAtext holds RFC 5322 §3.2.3.
func isASCIIAtext(c byte) bool {
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '/', '=', '?', '^', '_', '`', '{', '|', '}', '~':
		return true
	}
	return isLetterOrDigit(c)
}

// isAtext is isASCIIAtext with RFC 6531 §3.3.
func isAtext(r rune) bool {
	if r >= utf8.RuneSelf {
		return !unicode.IsSpace(r)
	}
	return isASCIIAtext(byte(r))
}

// canonicalLocal brings a local part that was checked into the form for comparison.
func canonicalLocal(written string) string {
	content := written
	if isQuoted(written) {
		content = unquote(written[1 : len(written)-1])
	}
	if content = foldLocal(content); isDotString(content) {
		return content
	}
	return quoted(content)
}

// unquote takes the backslashes from what stands between quotation marks.
func unquote(in string) string {
	if strings.IndexByte(in, '\\') < 0 {
		return in
	}
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); i++ {
		if in[i] == '\\' && i+1 < len(in) {
			i++
		}
		out = append(out, in[i])
	}
	return string(out)
}

// quoted puts text between quotation marks, with a backslash where one must be (RFC 5322 §3.2.4).
func quoted(text string) string {
	out := make([]byte, 0, len(text)+2)
	out = append(out, '"')
	for i := 0; i < len(text); i++ {
		if text[i] == '"' || text[i] == '\\' {
			out = append(out, '\\')
		}
		out = append(out, text[i])
	}
	return string(append(out, '"'))
}

// foldLocal brings the text of a local part into lower case and NFC. A letter beyond ASCII never becomes an ASCII one by
// its lower case (U+0130, İ): that is another mailbox.
func foldLocal(s string) string {
	if ascii(s) {
		return strings.ToLower(s)
	}
	for range 4 { // what was lowered may compose anew
		next := norm.NFC.String(strings.Map(func(r rune) rune {
			if low := unicode.ToLower(r); r < utf8.RuneSelf || low >= utf8.RuneSelf {
				return low
			}
			return r
		}, norm.NFC.String(s)))
		if next == s {
			break
		}
		s = next
	}
	return s
}

// asciiDomain returns a domain in lowercase A-labels. Capital, full-width and ideographic letters and dots are mapped as
// for a look-up (UTS 46); a dot at the end, which SMTP does not have, is refused.
func asciiDomain(d string) (string, error) {
	if d == "" || d[0] == '[' {
		return "", bad("needs a domain name after the @")
	}
	a := strings.ToLower(d)
	if !ascii(a) || strings.Contains(a, "xn--") {
		var err error
		if a, err = idna.Lookup.ToASCII(d); err != nil {
			return "", bad("has a domain that is not a valid name")
		}
	}
	if len(a) > maxDomain {
		return "", bad("has a domain that is too long")
	}
	for label := range strings.SplitSeq(a, ".") {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return "", bad("has a domain that is not a valid name")
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return "", bad("has a character not allowed in its domain")
			}
		}
	}
	return a, nil
}
