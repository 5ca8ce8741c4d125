// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// foldAt is where header lines are folded (RFC 5322 §2.1.1: should have no more than 78 characters).
const foldAt = 76

// Compose writes a draft as a message (RFC 5322, RFC 2045 to 2047): lines end in CRLF, all is 7-bit but for
// addresses that need SMTPUTF8, text goes as it is, quoted-printable or base64, whichever fits it. Inlined parts
// stand beside the HTML in multipart/related, attachments after all in multipart/mixed.
func Compose(d Draft) ([]byte, error) {
	if d.HTML == "" && len(d.Inlined) > 0 { // nothing refers to them: they are attachments
		d.Attachments, d.Inlined = slices.Concat(d.Attachments, d.Inlined), nil
	}
	w := &composer{}
	w.Grow(len(d.Text) + len(d.HTML) + 2048 + attachedSize(d))
	w.addresses("From", d.From)
	if d.Sender != nil {
		w.addresses("Sender", *d.Sender)
	}
	w.addresses("To", d.To...)
	w.addresses("Cc", d.Cc...)
	if d.ReplyTo != nil {
		w.addresses("Reply-To", *d.ReplyTo)
	}
	w.text("Subject", d.Subject)
	w.line("Date: " + d.Date.Format(time.RFC1123Z))
	w.line("Message-ID: <" + d.MessageID + ">")
	for _, f := range d.Headers {
		if err := w.field(f); err != nil {
			return nil, err
		}
	}
	w.line("MIME-Version: 1.0")
	w.mixed(d)
	if !bytes.HasSuffix(w.Bytes(), crlf) {
		w.Write(crlf)
	}
	return w.Bytes(), errors.Join(w.errs...)
}

func attachedSize(d Draft) int {
	n := 0
	for _, p := range d.Attachments {
		n += len(p.Data)*3/2 + 300
	}
	for _, p := range d.Inlined {
		n += len(p.Data)*3/2 + 300
	}
	return n
}

type composer struct {
	bytes.Buffer
	errs []error
}

func (w *composer) line(s string) {
	w.WriteString(s)
	w.Write(crlf)
}

// addresses writes a list, folded where a line gets long: after a comma, or between the words of a long name.
func (w *composer) addresses(name string, list ...Address) {
	if len(list) == 0 {
		return
	}
	w.WriteString(name + ":")
	used := len(name) + 1
	for i, a := range list {
		words := a.words()
		if i < len(list)-1 {
			words[len(words)-1] += ","
		}
		if s := strings.Join(words, " "); len(s) < foldAt { // it stays whole
			words = []string{s}
		}
		used = w.fold(words, used, len(name)+1)
	}
	w.Write(crlf)
}

// fold writes words with a blank before each, on a new line where this one, of used characters, would get long; not
// right after the field's name, which takes start characters. It returns how long the last line is.
func (w *composer) fold(words []string, used, start int) int {
	for _, word := range words {
		if used > start && used+1+len(word) > foldAt && word != "" {
			w.WriteString("\r\n")
			used = 0
		}
		w.WriteString(" " + word)
		used += 1 + len(word)
	}
	return used
}

// field writes a field that the draft gives, by its own grammar.
func (w *composer) field(f Field) error {
	if err := checkName(f.Name); err != nil {
		return err
	}
	lines, err := fieldLines(f.Name, f.Value)
	w.Write(lines)
	return err
}

// text writes an unstructured field.
func (w *composer) text(name, value string) {
	w.WriteString(name + ":")
	w.textLines(name, cleanText(value))
}

// cleanText makes blanks of control characters, and with them of every line end: a value can never start a field of its
// own.
func cleanText(value string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 127 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(value, "\uFFFD")))
}

// textLines writes the value of an unstructured field: as it is when it is short ASCII words, as encoded words otherwise.
func (w *composer) textLines(name, value string) {
	plain := !strings.Contains(value, "=?")
	for word := range strings.SplitSeq(value, " ") {
		if len(name)+2+len(word) > maxLine || !ascii(word) {
			plain = false
		}
	}
	if !plain || strings.Contains(value, "  ") && len(value) > foldAt-len(name) {
		value = mime.QEncoding.Encode("utf-8", value)
		if !strings.HasPrefix(value, "=?") { // Encode leaves ASCII alone
			value = strings.Join(encodeASCII(value), " ")
		}
	}
	w.fold(strings.Split(value, " "), len(name)+1, len(name)+1)
	w.Write(crlf)
}

// encodeASCII makes encoded words of ASCII that would not survive folding, or reads like encoded words already.
func encodeASCII(s string) []string {
	var words []string
	for chunk := range slices.Chunk([]byte(s), 40) {
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString(chunk)+"?=")
	}
	return words
}

// mixed writes the body with its attachments.
func (w *composer) mixed(d Draft) {
	if len(d.Attachments) == 0 {
		w.alternative(d)
		return
	}
	b := w.begin("mixed")
	w.boundary(b)
	w.alternative(d)
	for _, p := range d.Attachments {
		w.boundary(b)
		w.part("attachment", p)
	}
	w.end(b)
}

func (w *composer) alternative(d Draft) {
	if d.Text == "" || d.HTML == "" {
		if d.HTML == "" {
			w.content("text/plain", d.Text)
			return
		}
		w.related(d)
		return
	}
	b := w.begin("alternative")
	w.boundary(b)
	w.content("text/plain", d.Text)
	w.boundary(b)
	w.related(d)
	w.end(b)
}

func (w *composer) related(d Draft) {
	if len(d.Inlined) == 0 {
		w.content("text/html", d.HTML)
		return
	}
	b := w.begin("related")
	w.boundary(b)
	w.content("text/html", d.HTML)
	for _, p := range d.Inlined {
		w.boundary(b)
		w.part("inline", p)
	}
	w.end(b)
}

func (w *composer) begin(kind string) string {
	b := "=_" + rand.Text() // "=_" cannot stand in quoted-printable or base64 text
	w.line("Content-Type: multipart/" + kind + ";\r\n boundary=\"" + b + "\"\r\n")
	return b
}

func (w *composer) boundary(b string) { w.line("\r\n--" + b) }
func (w *composer) end(b string)      { w.line("\r\n--" + b + "--") }

// content writes a text with the encoding that suits it.
func (w *composer) content(kind, s string) {
	s = crlfText(s)
	w.line("Content-Type: " + kind + "; charset=utf-8")
	switch high, long := weigh(s); {
	case high == 0 && !long:
		w.line("Content-Transfer-Encoding: 7bit\r\n")
		w.WriteString(s)
	case transferOf(len(s), high) == "base64":
		w.line("Content-Transfer-Encoding: base64\r\n")
		w.base64([]byte(s))
	default:
		w.line("Content-Transfer-Encoding: quoted-printable\r\n")
		q := quotedprintable.NewWriter(w)
		_, err := q.Write([]byte(s))
		w.errs = append(w.errs, err, q.Close())
	}
}

// weigh counts the bytes that are not 7-bit text, and says whether a line is too long to go as it is.
func weigh(s string) (high int, long bool) {
	line := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\n':
			line = 0
			continue
		case c >= utf8.RuneSelf || c == 0:
			high++
		}
		if line++; line > 990 {
			long = true
		}
	}
	return high, long
}

// crlfText makes all line ends CRLF.
func crlfText(s string) string {
	if strings.Count(s, "\n") == strings.Count(s, "\r\n") && strings.Count(s, "\r") == strings.Count(s, "\r\n") {
		return s
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	return strings.ReplaceAll(s, "\n", "\r\n")
}

// part writes an attachment or an inlined part.
func (w *composer) part(disposition string, p Part) {
	kind, params, err := mime.ParseMediaType(p.ContentType)
	if err != nil || !strings.Contains(kind, "/") || strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "message/") {
		kind, params = "application/octet-stream", nil // base64 is not for composite types (RFC 2045 §6.4)
	}
	if params == nil {
		params = map[string]string{}
	}
	if strings.HasPrefix(kind, "text/") && params["charset"] == "" {
		params["charset"] = "utf-8"
	}
	name := strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 127 {
			return -1
		}
		return r
	}, p.Filename), "")
	delete(params, "name")
	w.line("Content-Type: " + foldParams(mime.FormatMediaType(kind, params)))
	w.line("Content-Disposition: " + dispositionOf(disposition, name))
	if id := strings.Map(cidRune, p.ContentID); id != "" {
		w.line("Content-ID: <" + id + ">")
	}
	w.line("Content-Transfer-Encoding: base64\r\n")
	w.base64(p.Data)
}

// dispositionOf is a Content-Disposition (RFC 2183): the file name as it is, encoded where it is not ASCII (RFC 2231 §4),
// and in pieces where it would not fit a line (§3), which a name of 255 Chinese characters does not.
func dispositionOf(kind, name string) string {
	if name == "" {
		return kind
	}
	const long = 900
	if s := mime.FormatMediaType(kind, map[string]string{"filename": name}); len(s) < long {
		return foldParams(s)
	}
	return foldParams(kind + encodedParam("filename", name))
}

// cidRune keeps what may stand in a Content-ID.
func cidRune(r rune) rune {
	if r <= ' ' || r >= 127 || r == '<' || r == '>' {
		return -1
	}
	return r
}

func foldParams(s string) string { return strings.ReplaceAll(s, "; ", ";\r\n ") }

// base64 writes data in lines of 76 characters (RFC 2045 §6.8).
func (w *composer) base64(data []byte) {
	const in = 57
	line := make([]byte, 78)
	for len(data) > 0 {
		n := min(len(data), in)
		size := base64.StdEncoding.EncodedLen(n)
		base64.StdEncoding.Encode(line, data[:n])
		line[size], line[size+1] = '\r', '\n'
		w.Write(line[:size+2])
		data = data[n:]
	}
}
