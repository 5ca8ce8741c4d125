// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"slices"
	"strings"
)

// authorFields are the fields that say who a message is from, From's addresses first (RFC 5322 §3.6.2, §3.6.6).
var authorFields = [...]string{"From", "Sender", "Resent-From", "Resent-Sender"}

// authors finds every address that a header names as an author or sender. A field that cannot be read without a doubt is
// refused: another program may read it as somebody else.
func authors(header []Field) ([]Author, error) {
	var out []Author
	for _, name := range authorFields {
		seen := 0
		for _, f := range header {
			if !strings.EqualFold(f.Name, name) {
				continue
			}
			// RFC 5322 §3.6: one From and one Sender; Resent fields come again each time that a mail is sent on.
			if seen++; seen > 1 && !strings.HasPrefix(name, "Resent-") {
				return nil, &SyntaxError{name, "there is more than one"}
			}
			if name != "From" && strings.TrimSpace(f.Value) == "" {
				continue // it names nobody
			}
			list, err := parseAuthors(f.Value)
			switch {
			case err != nil:
				return nil, inField(name, err)
			case name == "From" && len(list) == 0:
				return nil, &SyntaxError{name, "there is no address"}
			case strings.HasSuffix(name, "Sender") && len(list) > 1: // RFC 5322 §3.6.2: one mailbox
				return nil, &SyntaxError{name, "there is more than one address"}
			}
			for _, a := range list {
				out = append(out, Author{name, a})
			}
		}
	}
	return out, nil
}

// inField says in which field an address is wrong.
func inField(name string, err error) error {
	reason := err.Error()
	if e, ok := err.(*SyntaxError); ok && e.Field == "email address" { //nolint:errorlint // made here
		reason = "an address " + e.Reason
	}
	return &SyntaxError{name, reason}
}

// parseAuthors is ParseAddressList without what other programs may read as other addresses: an author that we do not
// see is one that nobody checks.
func parseAuthors(value string) ([]Address, error) {
	p := listParser{s: value}
	if err := p.list(); err != nil {
		return nil, err
	}
	for _, a := range p.out {
		if box, err := ParseMailbox(a.Email); err != nil || box.Doubtful() {
			p.doubt = "has a local part in which some programs read another address"
		}
	}
	named := slices.ContainsFunc(p.out, func(a Address) bool { return strings.Contains(a.Name, "@") }) // also in an encoded word
	if p.odd != "" && (named || strings.Count(value, "@") > len(p.out)) {
		p.doubt = "has " + p.odd + " and an @ outside of its addresses"
	}
	if p.doubt != "" {
		return nil, bad(p.doubt + ": other programs may read another author")
	}
	return p.out, nil
}

// ReadAuthors finds every address that a message names as an author or sender, From's first.
func ReadAuthors(raw []byte) ([]Author, error) {
	head, _ := splitHead(raw)
	var header []Field
	err := eachField(head, func(name, value string, _ []byte) error {
		header = append(header, Field{name, value})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return authors(header)
}
