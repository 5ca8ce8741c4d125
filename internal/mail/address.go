// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"crypto/sha256"
	"encoding/binary"
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckEmail says whether s is an address mail can be sent to, as [ParseMailbox] does.
func CheckEmail(s string) error {
	_, err := ParseMailbox(s)
	return err
}

// Canonical returns email in the form to compare by, see [Mailbox.Canonical]. What is no address is only lowercased.
func Canonical(email string) string {
	m, err := ParseMailbox(email)
	if err != nil {
		return strings.ToLower(email)
	}
	return m.canonical
}

// Domain returns the domain of email in lowercase A-labels, "" if it has none.
func Domain(email string) string {
	m, _ := ParseMailbox(email)
	return m.Domain()
}

// CanonicalDomain returns a domain in the form to compare by: lowercase A-labels. What is no domain is only lowercased.
func CanonicalDomain(domain string) string {
	if d := Domain("x@" + domain); d != "" {
		return d
	}
	return strings.ToLower(domain)
}

// CanonicalLocal returns a local part in the form to compare by, see [Mailbox.Canonical].
func CanonicalLocal(local string) string {
	return strings.TrimSuffix(Canonical(local+"@x"), "@x")
}

// SplitList cuts a list of addresses at blanks, commas, semicolons and line ends, but for those in quotation marks.
func SplitList(s string) []string {
	var out []string
	start, quotes := -1, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\r' || c == '\n' || !quotes && strings.IndexByte(" ,;\t", c) >= 0 {
			if start >= 0 {
				out = append(out, s[start:i])
			}
			start, quotes = -1, false
			continue
		}
		if start < 0 {
			start = i
		}
		switch {
		case c == '"':
			quotes = !quotes
		case quotes && c == '\\' && i+1 < len(s):
			i++
		}
	}
	if start >= 0 {
		out = append(out, s[start:])
	}
	return out
}

// ContactID is the number of an address on the wire (ContactID): the first 49 bits of the SHA-256 of its canonical form,
// so that it is the same everywhere, needs no table, and has at most 15 digits: node-mailjet makes a string of a longer
// number.
func ContactID(email string) int64 { return number(Canonical(email)) }

// DestinationID is the number of a recipient domain on the wire, made like [ContactID].
func DestinationID(domain string) int64 { return number("@" + domain) }

func number(s string) int64 {
	sum := sha256.Sum256([]byte(s))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 15) //nolint:gosec // 49 bits
}

// NeedsUTF8 says whether a local part is not ASCII, so that the peer must offer
// SMTPUTF8 (RFC 6531). An IDN domain alone does not need it.
func NeedsUTF8(emails ...string) bool {
	for _, e := range emails {
		for i := strings.LastIndexByte(e, '@') - 1; i >= 0; i-- {
			if e[i] >= utf8.RuneSelf {
				return true
			}
		}
	}
	return false
}

// String returns the header form: RFC 5322, the name as an encoded-word where it
// is not ASCII (RFC 2047), the domain in A-labels.
func (a Address) String() string { return strings.Join(a.words(), " ") }

// words returns the header form in the pieces between which a line may be folded.
func (a Address) words() []string {
	email := a.Email
	if m, err := ParseMailbox(email); err == nil {
		email = m.wire()
	} else {
		email = strings.Map(dropControl, email)
	}
	name := strings.TrimSpace(strings.Map(dropControl, a.Name))
	if name == "" {
		return []string{email}
	}
	return append(phrase(name), "<"+email+">")
}

// phrase returns a display name as one quoted string, or as encoded words where it is not ASCII, reads like encoded
// words already, or is too long for a line, which a quoted string would make as long as itself. So it is too where some
// would read another address in the quoted string (see parseAuthors).
func phrase(name string) []string {
	const long = 200
	switch {
	case !ascii(name):
		return strings.Split(mime.BEncoding.Encode("utf-8", name), " ")
	case strings.Contains(name, "=?"), len(name) > long, strings.ContainsAny(name, `"\`) && strings.Contains(name, "@"):
		return encodeASCII(name)
	}
	return []string{quoted(name)}
}

func dropControl(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
