// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"errors"
	"strings"
)

// errPath is the error of a path that has no end, or of a quoted string in it.
var errPath = errors.New("the address is not terminated: enclose it in < and >")

// cutPath cuts the path of MAIL FROM and RCPT TO (RFC 5321 §4.1.2) off s. It returns the mailbox as it was written, with
// its quotes, "" for the null path, and the parameters after it. A source route is dropped (§4.1.1.3, appendix C); a
// mailbox without angle brackets is taken, as others do.
func cutPath(s string) (mailbox, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	bracket := strings.HasPrefix(s, "<")
	s = strings.TrimPrefix(s, "<")
	end := pathEnd(s, bracket)
	if end < 0 {
		return "", "", errPath
	}
	mailbox = s[:end]
	if bracket {
		end++
	}
	rest = s[end:]
	if rest != "" && rest[0] != ' ' {
		return "", "", errors.New("a space is missing after the address")
	}
	if strings.HasPrefix(mailbox, "@") { // a source route: @one,@two:mailbox
		if _, mailbox, _ = strings.Cut(mailbox, ":"); mailbox == "" {
			return "", "", errors.New("no address follows the source route")
		}
	}
	return mailbox, rest, nil
}

// pathEnd finds where a path ends, outside of quoted strings: at > or, without brackets, at a blank or the end.
func pathEnd(s string, bracket bool) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; {
		case quoted && ch == '\\':
			i++
		case ch == '"':
			quoted = !quoted
		case quoted:
		case bracket && ch == '>', !bracket && ch == ' ':
			return i
		case ch == '<' || bracket && ch == ' ':
			return -1
		}
	}
	if bracket || quoted {
		return -1
	}
	return len(s)
}

// parameter is one of MAIL or RCPT (RFC 5321 §4.1.2): keyword[=value].
type parameter struct {
	name  string // in capitals
	value string
	has   bool // a value
}

// cutParameter cuts the first parameter off s; its name is "" at the end.
func cutParameter(s string) (p parameter, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	word, rest, _ := strings.Cut(s, " ")
	if word == "" {
		return parameter{}, "", nil
	}
	p.name, p.value, p.has = strings.Cut(word, "=")
	if !keyword(p.name) {
		return parameter{}, "", errors.New("malformed parameter: " + shorten(word))
	}
	p.name = strings.ToUpper(p.name)
	if p.has && (p.value == "" || strings.ContainsRune(p.value, '=')) {
		return parameter{}, "", errors.New("the value of the parameter " + p.name + " is empty or contains a =")
	}
	return p, rest, nil
}

// keyword holds esmtp-keyword.
func keyword(s string) bool {
	for i := range len(s) {
		letter := s[i] >= 'A' && s[i] <= 'Z' || s[i] >= 'a' && s[i] <= 'z' || s[i] >= '0' && s[i] <= '9'
		if !letter && (s[i] != '-' || i == 0) {
			return false
		}
	}
	return s != ""
}

// shorten is a client's text as a reply can quote it.
func shorten(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
