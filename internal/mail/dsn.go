// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of RFC 3461 on what stands behind the = of its parameters, in characters of the command.
const (
	maxEnvID = 100 // §4.4
	maxORcpt = 500 // §4.2
)

// Notify says on which outcomes the sender of a mail is to be notified about one of its recipients (RFC 3461 §4.1).
// The zero Notify says nothing: then the server's default holds.
type Notify uint8

// What Notify is made of. NotifyNever stands alone.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

var notifyWords = []struct {
	word string
	bit  Notify
}{{"NEVER", NotifyNever}, {"SUCCESS", NotifySuccess}, {"FAILURE", NotifyFailure}, {"DELAY", NotifyDelay}}

// ParseNotify reads the value of RCPT's NOTIFY parameter: NEVER, or a list of SUCCESS, FAILURE and DELAY.
func ParseNotify(s string) (Notify, error) {
	var n Notify
	for word := range strings.SplitSeq(s, ",") {
		bit := Notify(0)
		for _, w := range notifyWords {
			if strings.EqualFold(word, w.word) {
				bit = w.bit
			}
		}
		switch {
		case bit == 0:
			return 0, &SyntaxError{Field: "NOTIFY", Reason: fmt.Sprintf("%.50q is not one of NEVER, SUCCESS, FAILURE and DELAY", word)}
		case n&bit != 0:
			return 0, &SyntaxError{Field: "NOTIFY", Reason: fmt.Sprintf("%q occurs twice", strings.ToUpper(word))}
		}
		n |= bit
	}
	if err := n.Check(); err != nil {
		return 0, err
	}
	return n, nil
}

// Check says what is wrong with a value that was not made by ParseNotify.
func (n Notify) Check() error {
	switch {
	case n >= NotifyDelay<<1:
		return &SyntaxError{Field: "NOTIFY", Reason: fmt.Sprintf("%d is not known", uint8(n))}
	case n&NotifyNever != 0 && n != NotifyNever:
		return &SyntaxError{Field: "NOTIFY", Reason: "NEVER cannot be combined with other values"}
	}
	return nil
}

// String is the parameter's value, "" when nothing was said.
func (n Notify) String() string {
	var words []string
	for _, w := range notifyWords {
		if n&w.bit != 0 {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ",")
}

// Ret says how much of a mail is to be returned with a failure notice (RFC 3461 §4.3). The zero Ret says nothing.
type Ret uint8

// Values of Ret.
const (
	RetFull Ret = 1 + iota
	RetHeaders
)

// ParseRet reads the value of MAIL's RET parameter.
func ParseRet(s string) (Ret, error) {
	switch {
	case strings.EqualFold(s, "FULL"):
		return RetFull, nil
	case strings.EqualFold(s, "HDRS"):
		return RetHeaders, nil
	}
	return 0, &SyntaxError{Field: "RET", Reason: fmt.Sprintf("%.50q is neither FULL nor HDRS", s)}
}

// Check says what is wrong with a value that was not made by ParseRet.
func (r Ret) Check() error {
	if r > RetHeaders {
		return &SyntaxError{Field: "RET", Reason: fmt.Sprintf("%d is not known", uint8(r))}
	}
	return nil
}

// String is the parameter's value, "" when nothing was said.
func (r Ret) String() string {
	switch r {
	case RetFull:
		return "FULL"
	case RetHeaders:
		return "HDRS"
	}
	return ""
}

// EnvID is the name that a mail's sender gave its envelope (RFC 3461 §4.4), decoded: printable ASCII. "" is none.
type EnvID string

// ParseEnvID reads the value of MAIL's ENVID parameter, which is xtext.
func ParseEnvID(s string) (EnvID, error) {
	if len(s) > maxEnvID {
		return "", &SyntaxError{Field: "ENVID", Reason: fmt.Sprintf("has %d characters; %d are allowed", len(s), maxEnvID)}
	}
	text, err := parseXText("ENVID", s)
	return EnvID(text), err
}

// Check says what is wrong with a value that was not made by ParseEnvID.
func (e EnvID) Check() error {
	if e == "" {
		return nil
	}
	_, err := ParseEnvID(e.XText())
	return err
}

// XText is the parameter's value.
func (e EnvID) XText() string { return xtext(string(e)) }

// ORcpt is the recipient that a mail's sender named first, before any forwarding (RFC 3461 §4.2). Address is decoded: in
// a Type other than utf-8 (RFC 6533 §3) it is printable ASCII. The zero ORcpt is none.
type ORcpt struct {
	Type    string // "rfc822" or "utf-8" as a rule, in lower case
	Address string
}

// ParseORcpt reads the value of RCPT's ORCPT parameter: a type, a semicolon, and the address as xtext, or for the type
// utf-8 in one of the forms of RFC 6533 §3.
func ParseORcpt(s string) (ORcpt, error) {
	bad := func(format string, args ...any) (ORcpt, error) {
		return ORcpt{}, &SyntaxError{Field: "ORCPT", Reason: fmt.Sprintf(format, args...)}
	}
	if n := utf8.RuneCountInString(s); n > maxORcpt {
		return bad("has %d characters; %d are allowed", n, maxORcpt)
	}
	kind, address, ok := strings.Cut(s, ";")
	switch {
	case !ok:
		return bad("has no semicolon after the type of the address, as in rfc822;ann@example.com")
	case !isAtom(kind):
		return bad("%.50q is not an address type such as rfc822 or utf-8", kind)
	case address == "":
		return bad("has no address after the semicolon")
	}
	o := ORcpt{Type: strings.ToLower(kind)}
	var err error
	if o.Type == "utf-8" {
		o.Address, err = parseUTF8Address(address)
	} else {
		o.Address, err = parseXText("ORCPT", address)
	}
	if err == nil {
		err = o.Check()
	}
	if err != nil {
		return ORcpt{}, err
	}
	return o, nil
}

// ORcptOf names an address by its type: rfc822 where it is ASCII, else utf-8.
func ORcptOf(email string) ORcpt {
	if ascii(email) {
		return ORcpt{Type: "rfc822", Address: email}
	}
	return ORcpt{Type: "utf-8", Address: email}
}

// IsZero says whether no original recipient was named.
func (o ORcpt) IsZero() bool { return o == ORcpt{} }

// Check says what is wrong with a value that was not made by ParseORcpt.
func (o ORcpt) Check() error {
	if o.IsZero() {
		return nil
	}
	bad := func(reason string) error { return &SyntaxError{Field: "ORCPT", Reason: reason} }
	switch {
	case !isAtom(o.Type) || o.Type != strings.ToLower(o.Type):
		return bad("the address type is not an atom in lower case")
	case o.Address == "" || strings.TrimSpace(o.Address) == "":
		return bad("has no address after the semicolon")
	case !utf8.ValidString(o.Address):
		return bad("is not valid UTF-8")
	case utf8.RuneCountInString(o.SMTP(true)) > maxORcpt:
		return bad(fmt.Sprintf("is longer than %d characters", maxORcpt))
	}
	for _, r := range o.Address {
		if r < ' ' || r == 0x7F || r >= 0x80 && (o.Type != "utf-8" || r < 0xA0) {
			return bad("has a character that is not printable")
		}
	}
	return nil
}

// SMTP is the parameter's value; international says whether SMTPUTF8 is used, so that UTF-8 may stand as it is.
func (o ORcpt) SMTP(international bool) string {
	if o.Type != "utf-8" {
		return o.Type + ";" + xtext(o.Address)
	}
	return o.Type + ";" + utf8Address(o.Address, international)
}

// Field is the value of Original-Recipient and Final-Recipient in a message/delivery-status part, which is ASCII (RFC
// 3464 §2.3.1, RFC 6533 §3).
func (o ORcpt) Field() string {
	if o.Type != "utf-8" {
		return o.Type + "; " + o.Address
	}
	return o.Type + "; " + utf8Address(o.Address, false)
}

// isAtom says whether s is an atom (RFC 5322 §3.2.3).
func isAtom(s string) bool {
	for i := range len(s) {
		if !isASCIIAtext(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= 100
}

// xtext encodes printable ASCII (RFC 3461 §4).
func xtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7F || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// parseXText decodes xtext, which must stand for printable ASCII and blanks: other characters do not fit a delivery
// status notification (RFC 3461 §4.2, §4.4).
func parseXText(param, s string) (string, error) {
	bad := func(format string, args ...any) (string, error) {
		return "", &SyntaxError{Field: param, Reason: fmt.Sprintf(format, args...)}
	}
	if s == "" {
		return bad("has no value")
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			v, ok := hexByte(s[i+1:])
			if !ok {
				return bad("%.50q: a + is followed by two digits in upper-case hexadecimal", s)
			}
			c, i = v, i+2
		case c <= ' ' || c >= 0x7F || c == '=':
			return bad("%.50q has the character %q, which is written as +%02X", s, c, c)
		}
		if c < ' ' || c >= 0x7F {
			return bad("%.50q stands for a character that is not printable ASCII", s)
		}
		out = append(out, c)
	}
	return string(out), nil
}

// hexByte reads the two digits at the head of s. RFC 3461 §4 has them in upper case; lower case is accepted too.
func hexByte(s string) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	v, err := strconv.ParseUint(s[:2], 16, 8)
	return byte(v), err == nil
}

// utf8Address encodes an address of the type utf-8 (RFC 6533 §3): in the form utf-8-addr-unitext where UTF-8 may stand as
// it is, else in the form utf-8-addr-xtext.
func utf8Address(s string, international bool) string {
	var b strings.Builder
	for _, r := range s {
		if r <= ' ' || r == 0x7F || r == '+' || r == '=' || r == '\\' || r >= 0x80 && !international {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// parseUTF8Address decodes the three forms of RFC 6533 §3, which may be mixed: UTF-8 as it is, \x{…}, and xtext.
func parseUTF8Address(s string) (string, error) {
	bad := func(format string, args ...any) (string, error) {
		return "", &SyntaxError{Field: "ORCPT", Reason: fmt.Sprintf(format, args...)}
	}
	if !utf8.ValidString(s) {
		return bad("is not valid UTF-8")
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\\':
			digits, _, ok := strings.Cut(s[i+1:], "}")
			digits, open := strings.CutPrefix(digits, "x{")
			v, err := strconv.ParseUint(digits, 16, 32)
			if !ok || !open || err != nil || len(digits) > 6 || !utf8.ValidRune(rune(v)) { //nolint:gosec // of 6 digits
				return bad(`%.50q: a \ is followed by x{ and the number of a character in hexadecimal and }`, s)
			}
			b.WriteRune(rune(v)) //nolint:gosec // as above
			i += len(`\x{}`) + len(digits)
		case c == '+':
			v, ok := hexByte(s[i+1:])
			if !ok || v >= 0x80 {
				return bad("%.50q: a + is followed by two digits of an ASCII character in upper-case hexadecimal", s)
			}
			b.WriteByte(v)
			i += 3
		case c <= ' ' || c == 0x7F || c == '=':
			return bad("%.50q has the character %q, which is written as \\x{%02X}", s, c, c)
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), nil
}
