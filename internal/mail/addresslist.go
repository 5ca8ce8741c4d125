// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"strings"
)

// ParseAddress reads one mailbox: `a@b`, `Name <a@b>`, `"Name" <a@b>`.
func ParseAddress(s string) (Address, error) {
	list, err := ParseAddressList(s)
	if err != nil {
		return Address{}, err
	}
	if len(list) != 1 {
		return Address{}, bad("is more than one address")
	}
	return list[0], nil
}

// ParseAddressList reads the value of a header field of addresses, unfolded: mailboxes and groups with commas between
// (RFC 5322 §3.4), with the obsolete forms of §4.4: routes, empty elements, blanks and comments inside an address. It is
// tolerant of display names: bytes of any charset, encoded words of any or none, brackets, dots, or the address itself.
// It is strict about the addresses, and never guesses where a name ends.
func ParseAddressList(s string) ([]Address, error) {
	p := listParser{s: s}
	if err := p.list(); err != nil {
		return nil, err
	}
	return p.out, nil
}

// listParser reads an address list from left to right.
type listParser struct {
	s   string
	at  int
	out []Address
	// doubt says why other programs may read other addresses than we do, "" where that is unlikely. odd is a reason that
	// counts only where an @ stands outside of the addresses, in a name or a comment. For authors neither is accepted.
	doubt, odd string
}

// element is what stands up to a comma, before it is known whether it is an address: the places of its parts.
type element struct {
	start, end int  // of all
	lt, gt     int  // of the angle brackets; lt -1: there are none
	nameAt     int  // of the first @ in the display name, or -1
	special    byte // the first character that a display name has only in quotation marks
	square     bool // it has square brackets there, as many names do
}

// unquotedName is the refusal of a display name that can be read in two ways.
func unquotedName(what string) error {
	return &SyntaxError{Reason: "the display name needs quotation marks: it has " + what}
}

var errAfter = bad("has something after it where a comma or the end belongs")

// list reads all.
func (p *listParser) list() error {
	if err := checkListBytes(p.s); err != nil {
		return err
	}
	groups := 0
	for p.skipBlank(); p.at < len(p.s); p.skipBlank() {
		if p.s[p.at] == ',' { // RFC 5322 §4.4: obs-addr-list
			p.at++
			continue
		}
		isGroup, err := p.one(false)
		if err != nil {
			return err
		}
		if isGroup {
			groups++
		}
		if p.at < len(p.s) && p.s[p.at] == ';' {
			return bad("has a ; where a comma belongs")
		}
	}
	if len(p.out) == 0 && groups == 0 {
		return bad("is missing")
	}
	return nil
}

// checkListBytes refuses control characters, but for a tab and what folds a line (RFC 5322 §2.2.3).
func checkListBytes(s string) error {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != 0x7f || c == '\t' {
			continue
		}
		if c == '\r' && i+2 < len(s) && s[i+1] == '\n' && isBlank(s[i+2]) {
			i++
			continue
		}
		return bad("has a control character")
	}
	return nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func (p *listParser) skipBlank() {
	for p.at < len(p.s) && isBlank(p.s[p.at]) {
		p.at++
	}
}

// one reads a mailbox or a group, and stops at the comma, semicolon or end behind it.
func (p *listParser) one(inGroup bool) (isGroup bool, err error) {
	e, err := p.scan()
	if err != nil {
		return false, err
	}
	if p.at < len(p.s) && p.s[p.at] == ':' {
		switch {
		case e.lt >= 0:
			return false, errAfter
		case inGroup || e.nameAt >= 0 || e.special != 0 || strings.TrimSpace(p.s[e.start:e.end]) == "":
			return false, unquotedName("a colon")
		}
		p.at++
		return true, p.group()
	}
	if e.lt >= 0 {
		return false, p.named(e)
	}
	return false, p.bare(e)
}

// group reads what follows the colon of a group (RFC 5322 §3.4, RFC 6854 for From), with its semicolon.
func (p *listParser) group() error {
	p.odd = "a group"
	for p.skipBlank(); ; p.skipBlank() {
		switch {
		case p.at == len(p.s):
			return unquotedName("a colon (or it names a group, which ends in a semicolon)")
		case p.s[p.at] == ',':
			p.at++
		case p.s[p.at] == ';':
			p.at++
			e, err := p.scan()
			if err != nil {
				return err
			}
			if !p.onlyComments(e.start, e.end) || p.at < len(p.s) && p.s[p.at] != ',' {
				return errAfter
			}
			return nil
		default:
			if _, err := p.one(true); err != nil {
				return err
			}
		}
	}
}

// scan finds the end of an element and its parts, and moves p there: to a comma, a colon, a semicolon or the end.
func (p *listParser) scan() (e element, err error) {
	e = element{start: p.at, lt: -1, gt: -1, nameAt: -1}
	for ; p.at < len(p.s); p.at++ {
		at := p.at
		switch c := p.s[at]; c {
		case ',', ':', ';':
			e.end = at
			return e, nil
		case '(':
			if at, err = p.skipComment(at); err != nil {
				return e, err
			}
			p.at = at - 1
		case '"':
			if at, err = p.skipQuoted(at); err != nil {
				return e, err
			}
			p.at = at - 1
		case '<':
			if e.lt >= 0 {
				return e, errAfter
			}
			e.lt = at
			if e.gt, err = p.closing(at); err != nil {
				return e, err
			}
			p.at = e.gt
		case '@':
			if e.nameAt < 0 {
				e.nameAt = at
			}
		case '>', ')', '\\':
			if e.special == 0 {
				e.special = c
			}
		case '[', ']':
			e.square = true
		case '=':
			if n := p.encodedWord(e.start); n > 0 {
				p.at += n - 1
			}
		}
	}
	e.end = p.at
	return e, nil
}

// skipComment returns the place behind a comment that begins at i. Comments nest (RFC 5322 §3.2.2).
func (p *listParser) skipComment(i int) (int, error) {
	depth := 0
	for ; i < len(p.s); i++ {
		switch p.s[i] {
		case '\\':
			i++
			p.odd = "a comment with a backslash"
		case '(':
			if depth++; depth > 1 {
				p.odd = "a comment in a comment"
			}
		case ')':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		}
	}
	return i, bad("has a ( that is not closed")
}

// skipQuoted returns the place behind a quoted string that begins at i (RFC 5322 §3.2.4).
func (p *listParser) skipQuoted(i int) (int, error) {
	for i++; i < len(p.s); i++ {
		switch p.s[i] {
		case '\\':
			i++
			p.odd = "a quoted string with a backslash"
		case '"':
			return i + 1, nil
		}
	}
	return i, bad("has a quotation mark that is not closed")
}

// closing returns the place of the > that belongs to the < at i.
func (p *listParser) closing(i int) (_ int, err error) {
	for i++; i < len(p.s); i++ {
		switch p.s[i] {
		case '>':
			return i, nil
		case '<':
			return i, unquotedName("a <")
		case '(':
			if i, err = p.skipComment(i); err != nil {
				return i, err
			}
			i--
		case '"':
			if i, err = p.skipQuoted(i); err != nil {
				return i, err
			}
			i--
		}
	}
	return i, bad("has a < that is not closed")
}

// encodedWord returns the length of an encoded word (RFC 2047 §2) at the place of p, or 0. Its text may have characters
// that it should not have in a display name, as some programs write them. start is where the element begins.
func (p *listParser) encodedWord(start int) int {
	s := p.s[p.at:]
	if p.at > start && !isBlank(p.s[p.at-1]) && !strings.HasSuffix(p.s[start:p.at], "?=") || len(s) < len("=?x?q??=") || s[1] != '?' {
		return 0
	}
	marks, separators := 0, false
	glued := p.at > start && !isBlank(p.s[p.at-1]) // some read it as text then
	for i := 2; i < len(s); i++ {
		switch s[i] {
		case '?':
			switch marks++; {
			case marks == 2 && (s[i-2] != '?' || !strings.ContainsRune("BbQq", rune(s[i-1]))):
				return 0
			case marks == 3 && (i+1 == len(s) || s[i+1] != '='):
				return 0
			case marks == 3:
				if separators || glued {
					p.odd = "an encoded word that others end elsewhere"
				}
				return i + 2
			}
		case ' ', '\t', '\r', '\n', '<', '>', '"', '\\':
			return 0
		case ',', ';', ':':
			if marks == 0 { // no charset has it: others see the end of an address here
				return 0
			}
			separators = true
		}
	}
	return 0
}

// onlyComments says whether there are but blanks and comments in p.s[from:to], which was scanned.
func (p *listParser) onlyComments(from, to int) bool {
	for i := from; i < to; i++ {
		switch {
		case isBlank(p.s[i]):
		case p.s[i] == '(':
			i, _ = p.skipComment(i)
			i--
		default:
			return false
		}
	}
	return true
}

// named reads a mailbox with angle brackets.
func (p *listParser) named(e element) error {
	switch {
	case !p.onlyComments(e.gt+1, e.end):
		return errAfter
	case e.special != 0:
		return unquotedName("a " + string(e.special))
	}
	spec, err := withoutRoute(p.s[e.lt+1 : e.gt])
	if err != nil {
		return err
	}
	if strings.TrimSpace(spec) == "" {
		return bad("is missing between < and >")
	}
	box, err := p.addrSpec(spec)
	if err != nil {
		return err
	}
	name := p.s[e.start:e.lt]
	if e.nameAt >= 0 {
		// An address as the name of itself is plain. Some programs take another one there for the author.
		same, err := p.addrSpec(name)
		if err != nil || same.canonical != box.canonical {
			return unquotedName("an @")
		}
	}
	if e.square {
		p.odd = "square brackets in a display name"
	}
	p.out = append(p.out, Address{Name: displayName(name), Email: box.written})
	return nil
}

// withoutRoute takes an obsolete route from what stands in angle brackets: `@a.example,@b.example:` (RFC 5322 §4.4).
func withoutRoute(s string) (string, error) {
	t := strings.TrimLeft(s, " \t\r\n,")
	if t == "" || t[0] != '@' {
		return s, nil
	}
	colon := strings.IndexByte(t, ':')
	if colon < 0 {
		return "", bad("has no local part before the @")
	}
	for host := range strings.SplitSeq(t[:colon], ",") {
		if host = strings.TrimSpace(host); host == "" {
			continue
		}
		if domain, ok := strings.CutPrefix(host, "@"); !ok || CheckEmail("x@"+strings.TrimSpace(domain)) != nil {
			return "", bad("has a route before it that is none")
		}
	}
	return t[colon+1:], nil
}

// bare reads a mailbox without angle brackets. A comment behind it is its name, as it was before there were any.
func (p *listParser) bare(e element) error {
	s := p.s[e.start:e.end]
	if e.nameAt < 0 {
		return p.noAddress(e, s)
	}
	box, err := p.addrSpec(s)
	if err != nil {
		return err
	}
	a := Address{Email: box.written}
	if i := strings.IndexByte(p.s[e.nameAt:e.end], '('); i >= 0 {
		from := e.nameAt + i
		if to, err := p.skipComment(from); err == nil {
			a.Name = decoded(strings.Join(strings.Fields(unquote(p.s[from+1:to-1])), " "))
		}
	}
	p.out = append(p.out, a)
	return nil
}

// noAddress says what is wrong with an element that has neither < nor @ outside quotation marks and comments.
func (p *listParser) noAddress(e element, s string) error {
	rest := p.s[e.end:]
	switch {
	case p.onlyComments(e.start, e.end):
		if s != "" {
			p.odd = "a comment in the place of an address"
		}
		return nil // RFC 5322 §4.4: an empty element
	case strings.HasPrefix(rest, ",") && strings.Contains(rest, "<"):
		return unquotedName("a comma")
	case strings.HasPrefix(rest, ";") && strings.Contains(rest, "<"):
		return unquotedName("a semicolon")
	case strings.ContainsAny(strings.TrimSpace(s), " \t\""):
		return bad("is missing after a name: it stands in < and >")
	}
	return bad("has no @")
}

// addrSpec reads an address with the comments and blanks that may stand in and around it.
func (p *listParser) addrSpec(s string) (Mailbox, error) {
	s = strings.Trim(s, " \t\r\n")
	box, first := ParseMailbox(s)
	if first == nil {
		return box, nil
	}
	if !strings.ContainsAny(s, " \t\r\n()") && (len(s) == 0 || !strings.ContainsAny(s[1:], `"`)) {
		return box, first
	}
	plain, err := p.joined(s)
	if err != nil {
		return box, err
	}
	return ParseMailbox(plain)
}

// joined writes an address without the comments and blanks of RFC 5322 §4.4, in which words with dots between, quoted or
// not, make the local part and the domain.
func (p *listParser) joined(s string) (string, error) {
	q := listParser{s: s}
	var local, out strings.Builder
	word, quotes, sawAt, gap := false, false, false, false // word: the last thing was one
	to := &local
	for q.at < len(s) {
		switch c := s[q.at]; {
		case isBlank(c):
			q.at++
			gap = true
		case c == '(':
			end, err := q.skipComment(q.at)
			if err != nil {
				return "", err
			}
			if q.at > 0 && end < len(s) {
				p.odd = "a comment inside an address"
			}
			gap, q.at = true, end
		case c == '@' && !sawAt:
			if local.Len() == 0 {
				return "", bad("has no local part before the @")
			}
			sawAt, to, word, gap = true, &out, false, false
			q.at++
		case c == '.':
			if gap {
				p.doubt = "has a blank or a comment beside a dot"
			}
			to.WriteByte(c)
			word, gap = false, false
			q.at++
		case word && gap && sawAt:
			return "", errAfter
		case word && gap:
			return "", bad("has more than one word before the @: an address with a name before it stands in < and >")
		case c == '"' && !sawAt:
			end, err := q.skipQuoted(q.at)
			if err != nil {
				return "", err
			}
			if word {
				return "", bad("has a quotation mark out of place before the @")
			}
			local.WriteString(unquote(s[q.at+1 : end-1]))
			quotes, word, q.at = true, true, end
		default:
			if gap && to.Len() > 0 && !word { // behind a dot
				p.doubt = "has a blank or a comment beside a dot"
			}
			to.WriteByte(c)
			word, gap = true, false
			q.at++
		}
	}
	left := local.String()
	if quotes {
		left = quoted(left)
	}
	if !sawAt {
		return "", bad("has no @")
	}
	return left + "@" + out.String(), nil
}
