// SPDX-License-Identifier: Apache-2.0

// Package corpus has more than 200 odd mails, as clients hand them over, for tests of what makes a mail fit to travel,
// of signing and of relaying: every charset and transfer encoding, long lines, blanks at the ends of lines, lines of
// dots, nested and broken multiparts, signed and encrypted mail, calendars, AMP, attached mails, odd headers.
//
// All makes them, always the same. Same says what differs in content between a mail as handed over and as it arrived:
// transfer encodings and folding may have changed, what a reader gets may not. It decodes by its own code, and does
// not use the product's.
package corpus

import (
	"fmt"
	"strings"
)

// Mail is one of the corpus.
type Mail struct {
	Name string
	// Raw is what follows DATA, without its dots doubled. It need not end in CRLF: the client adds that (RFC 5321 §4.1.1.4).
	Raw []byte
	// Sealed mails are signed or encrypted: their bodies arrive byte for byte, or the mail is refused.
	Sealed bool
	// Refused is why a submission server has to refuse the mail; "" when it has to take it.
	Refused string
}

// EightBit says whether there are bytes over 127 in the mail: its client asks for BODY=8BITMIME (RFC 6152).
func (m Mail) EightBit() bool { return eightBit(string(m.Raw)) }

// EightBitHeader says whether they are in its header: its client asks for SMTPUTF8 (RFC 6531).
func (m Mail) EightBitHeader() bool {
	head, _ := split(string(m.Raw))
	return eightBit(head)
}

func eightBit(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r > 127 }) // U+FFFD for what is no UTF-8
}

// From and To are in the header of every mail that does not say otherwise; From is its return path, too.
const (
	From = "a@example.com"
	To   = "b@example.net"
)

// All is the corpus.
func All() []Mail {
	var b builder
	for _, family := range []func(*builder){
		charsets, encodings, lines, dots, blanks, multiparts, brokenParts, sealed, calendars, amp, attachedMails, reports, flowed,
		headers, addresses, oddHeaders, names, quotedPrintable, base64Bodies, oldEncodings, sizes, refused,
	} {
		family(&b)
	}
	return b.mails
}

type builder struct{ mails []Mail }

// raw adds a mail as it stands. Lines are ended by "\n" in the sources here, and by CRLF in the mail.
func (b *builder) raw(name, mail string) *Mail {
	b.mails = append(b.mails, Mail{Name: name, Raw: []byte(crlf(mail))})
	return &b.mails[len(b.mails)-1]
}

// add adds a mail with the usual headers; fields are the others, each ended by "\n".
func (b *builder) add(name, fields, body string) *Mail {
	return b.raw(name, usual(name)+fields+"\n"+body)
}

// text adds a plain text in UTF-8, in 8bit if it needs that.
func (b *builder) text(name, body string) *Mail {
	return b.add(name, text("plain", body), body)
}

func (b *builder) html(name, body string) *Mail {
	return b.add(name, text("html", body), body)
}

// usual is a header without MIME's fields.
func usual(subject string) string {
	return fmt.Sprintf("From: %s\nTo: %s\nSubject: %s\nDate: Mon, 30 Nov 2026 10:00:00 +0100\nMessage-ID: <%s@example.com>\n",
		From, To, subject, strings.NewReplacer(" ", ".", "/", ".").Replace(subject))
}

// text are the MIME fields of a text.
func text(kind, body string) string {
	encoding, charset := "7bit", "us-ascii"
	if eightBit(body) {
		encoding, charset = "8bit", "utf-8"
	}
	return "MIME-Version: 1.0\nContent-Type: text/" + kind + "; charset=" + charset + "\nContent-Transfer-Encoding: " + encoding + "\n"
}

// multi are the fields of a multipart.
func multi(kind, boundary string) string {
	return "MIME-Version: 1.0\nContent-Type: multipart/" + kind + ";\n boundary=\"" + boundary + "\"\n"
}

// join writes parts, each of them with its header and its blank line.
func join(boundary string, parts ...string) string {
	out := ""
	for _, p := range parts {
		out += "--" + boundary + "\n" + p + "\n"
	}
	return out + "--" + boundary + "--\n"
}

// part is a part of a multipart.
func part(contentType, encoding, body string) string {
	return "Content-Type: " + contentType + "\nContent-Transfer-Encoding: " + encoding + "\n\n" + body
}

const hello = "Hello,\n\nall is well.\n-- \nA\n"

// greetings has a letter of more than a byte in most lines.
const greetings = "Grüße aus Köln,\n\n„alles gut“ – für 5 €.\n-- \nJürgen\n"

// crlf ends lines as in the Internet; a CR that is there already stays alone.
func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

// long is a line of n bytes, in words that are numbered so that a cut is seen.
func long(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "word%d ", i)
	}
	return b.String()[:n-1] + "." // never a blank at its end
}

// solid is a line of n bytes without a blank, as a link or a token is.
func solid(n int) string {
	const begin = "https://example.com/?"
	var b strings.Builder
	b.WriteString(begin)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "p%d=%x&", i, i*i)
	}
	return b.String()[:n]
}
