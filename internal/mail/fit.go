// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of what is looked into. What lies deeper has to be fit as it is.
const (
	fitDepth = 20
	fitParts = 1000
)

// Fit makes a message fit to travel: what is signed afterwards arrives as it was signed behind every relay that keeps
// RFC 5321, also one without 8BITMIME. It is idempotent, and returns raw's own bytes where nothing had to change.
//
//   - No line is longer than 998 bytes (RFC 5322 §2.1.1), no byte is NUL, no byte has its high bit set.
//   - Texts and attachments become quoted-printable or base64 where they need it, and are the same once they are
//     decoded. A label of 8bit or binary becomes 7bit where it says too much: relays convert by the label (RFC 6152 §3).
//   - What is signed or encrypted (RFC 1847, RFC 8551) stays byte for byte, and is refused where it cannot travel so.
//   - Header fields are folded (RFC 6409 §8), and encoded by their own grammar (RFC 2047 §5, RFC 2231, RFC 3986). Fields
//     that are nobody else's business are taken out, those that may stand once stand once (RFC 5322 §3.6).
//
// needsUTF8 says that a mailbox in the header can be written in UTF-8 alone, so that the message needs SMTPUTF8 (RFC
// 6531). What cannot be made fit is refused with a *SyntaxError.
func Fit(raw []byte) (fit []byte, needsUTF8 bool, err error) {
	if err := checkBytes(raw); err != nil {
		return nil, false, err
	}
	f := &fitter{}
	if err := f.message(raw, func(string, string) bool { return false }); err != nil {
		return nil, false, err
	}
	return append(append(f.head, crlf...), f.body...), f.utf8, nil
}

// fitter makes one message fit, and notes what is in it.
type fitter struct {
	head, body []byte  // what came of it
	fields     []Field // of head
	seen       map[string]int
	utf8       bool   // a mailbox needs SMTPUTF8
	charset    string // of the header's raw bytes, "" as long as nobody asked
	guessed    bool   // an address that was just read is not ASCII

	plain      bool // the whole body is fit as it is, but perhaps for its labels
	parts      int
	boundaries []string // of the multiparts around what is being encoded
	headers    int      // bytes of the headers of parts that were not fit
	enclosed   int      // how many messages are around it

	text, html bool
	attached   int
}

// message makes a whole message fit. take says which fields are meant for us, and are not passed on.
func (f *fitter) message(raw []byte, take func(lower, value string) bool) error {
	head, body := splitHead(raw)
	if len(body) > 0 && !bytes.HasSuffix(body, crlf) {
		body = append(bytes.Clone(body), crlf...)
	}
	if err := f.header(head, len(raw), take); err != nil {
		return err
	}
	f.plain = isPlain(body)
	h := entity{message: true}
	for _, field := range f.fields {
		h.note(lowerName(field.Name), field.Value)
	}
	made, set, err := f.content(&h, body, "", 0)
	if err != nil {
		return err
	}
	for _, field := range set {
		f.head = replaceField(f.head, field.Name, field.Value)
	}
	if !f.plain && !isPlain(made) && (hasLong(made) || !f.utf8) {
		return unfit("", &h, whatIsWrong(made)+" where nothing can be encoded")
	}
	f.body = made
	return nil
}

// entity is what the header of a message or of a part says about its content.
type entity struct {
	message     bool // it is a message, and no part
	mime        bool // it has a MIME-Version
	kind        string
	params      map[string]string
	contentType string // as it stands there, "" for none
	disposition string
	encoding    string // in lower case, "" for none
}

// note takes what a field says. Of two the first counts.
func (h *entity) note(lower, value string) {
	switch lower {
	case "content-type":
		if h.contentType == "" {
			h.contentType = value
		}
	case "content-disposition":
		if h.disposition == "" {
			h.disposition = value
		}
	case "content-transfer-encoding":
		if h.encoding == "" {
			value, _, _ = strings.Cut(value, "(") // a comment
			h.encoding = strings.ToLower(strings.Trim(value, " \t;\""))
		}
	case "mime-version":
		h.mime = true
	}
}

// resolve finds the media type. preset is that of a part that gives none (RFC 2046 §5.1.5).
func (h *entity) resolve(preset string) {
	if h.contentType == "" {
		h.kind = preset
		return
	}
	h.kind, h.params = mediaType(h.contentType)
	if !strings.Contains(h.kind, "/") {
		h.kind = "text/plain" // RFC 2045 §5.2
	}
}

// sealed says whether a content must stay byte for byte.
func (h *entity) sealed() bool {
	switch h.kind {
	case "multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime":
		return true
	}
	return false
}

// identity says whether the content stands there unencoded. Some programs have names of their own for that.
func (h *entity) identity() bool {
	switch h.encoding {
	case "", "7bit", "8bit", "binary", "7-bit", "8-bit", "7 bit", "8 bit", "7bits", "8bits", "none", "plain", "text",
		"utf-8", "utf8", "us-ascii", "ascii":
		return true
	}
	return false
}

// content makes a content fit, and says which fields of its header have to be set.
func (f *fitter) content(h *entity, body []byte, where string, depth int) (made []byte, set []Field, err error) {
	if h.kind == "" {
		h.resolve("text/plain")
	}
	f.count(h)
	plain := f.plain || isPlain(body)
	made = body
	switch f.parts++; {
	case depth > fitDepth, f.parts > fitParts:
		if !plain {
			return nil, nil, unfit(where, h, "is nested too deeply, or among too many parts, to be encoded")
		}
	case h.sealed():
		if !plain {
			return nil, nil, unfit(where, h, whatIsWrong(body)+", and what is signed or encrypted must not be changed: encode it before")
		}
	case strings.HasPrefix(h.kind, "multipart/"):
		made, err = f.multipart(h, body, where, depth)
	case h.kind == "message/rfc822" && h.identity(): // RFC 2046 §5.2.1: it must not be encoded itself
		f.enclosed++
		made, err = f.part(body, where, depth+1, true, "text/plain")
		f.enclosed--
	case strings.HasPrefix(h.kind, "message/") && !strings.HasPrefix(h.kind, "message/global"): // RFC 2045 §6.4
		if !plain {
			return nil, nil, unfit(where, h, whatIsWrong(body)+", and this type of content must not be encoded")
		}
	default:
		return f.leaf(h, body, plain, where)
	}
	if err != nil {
		return nil, nil, err
	}
	return made, h.relabel("7bit"), nil
}

// relabel is what sets the label of a content that stands there unencoded.
func (h *entity) relabel(encoding string) []Field {
	if !h.identity() || h.encoding == encoding || encoding == "7bit" && h.encoding == "" {
		return nil
	}
	set := []Field{{"Content-Transfer-Encoding", encoding}}
	if h.message && !h.mime {
		set = append([]Field{{"MIME-Version", "1.0"}}, set...) // RFC 2045 §4
	}
	return set
}

func unfit(where string, h *entity, reason string) error {
	if where == "" {
		where = "the body"
	} else {
		where = "part " + where
	}
	return &SyntaxError{where + " (" + h.kind + ")", reason}
}

func whatIsWrong(body []byte) string {
	if hasLong(body) {
		return fmt.Sprintf("has a line of more than %d bytes", maxLine)
	}
	return "has 8-bit bytes"
}

// count notes what is in the message: texts to read, and attachments.
func (f *fitter) count(h *entity) {
	if strings.HasPrefix(h.kind, "multipart/") && h.params["boundary"] != "" || f.enclosed > 0 {
		return
	}
	switch {
	case isAttached(h.disposition, h.params):
		f.attached++
	case h.kind == "text/html":
		f.html = true
	case strings.HasPrefix(h.kind, "text/"):
		f.text = true
	default:
		f.attached++
	}
}

// multipart makes the parts fit, each in its place. What stands before the first and behind the last is for nobody to
// read (RFC 2046 §5.1.1), and goes where it is not fit.
func (f *fitter) multipart(h *entity, body []byte, where string, depth int) ([]byte, error) {
	boundary := h.params["boundary"]
	var spans []span
	if boundary != "" {
		spans = partSpans(body, boundary)
	}
	if len(spans) == 0 {
		if f.plain || isPlain(body) {
			return body, nil
		}
		return nil, unfit(where, h, whatIsWrong(body)+", and cannot be taken apart: its boundary is missing")
	}
	f.boundaries = append(f.boundaries, boundary)
	defer func() { f.boundaries = f.boundaries[:len(f.boundaries)-1] }()
	preset := "text/plain"
	if h.kind == "multipart/digest" {
		preset = "message/rfc822"
	}
	var out []byte
	written := 0
	put := func(to int, instead []byte) { out, written = append(append(out, body[written:to]...), instead...), to }
	if before := body[:spans[0].start]; !f.plain && !isPlain(before) {
		put(0, before[lastLine(before):])
		written = spans[0].start
	}
	for i, s := range spans {
		name := fmt.Sprint(i + 1)
		if where != "" {
			name = where + "." + name
		}
		old := body[s.start:s.end]
		made, err := f.part(old, name, depth+1, false, preset)
		if err != nil {
			return nil, err
		}
		if !same(old, made) {
			put(s.start, made)
			written = s.end
		}
	}
	if end := spans[len(spans)-1].end; !f.plain && !isPlain(body[end:]) {
		put(end, nil)
		out = append(out, body[end:end+closing(body[end:])]...)
		written = len(body)
	}
	if out == nil {
		return body, nil
	}
	return append(out, body[written:]...), nil
}

// lastLine is where the last line of b begins, which ends in CRLF.
func lastLine(b []byte) int {
	if i := bytes.LastIndex(bytes.TrimSuffix(b, crlf), crlf); i >= 0 {
		return i + len(crlf)
	}
	return 0
}

// closing is how long the line is that closes a multipart, with the line end before it.
func closing(b []byte) int {
	start := 0
	if bytes.HasPrefix(b, crlf) {
		start = len(crlf)
	}
	if i := bytes.Index(b[start:], crlf); i >= 0 {
		return start + i + len(crlf)
	}
	return len(b)
}

// part returns a part, or a message within this one, as it is to be: part itself when nothing had to change.
func (f *fitter) part(part []byte, where string, depth int, message bool, preset string) ([]byte, error) {
	if f.parts > fitParts && (f.plain || isPlain(part)) {
		return part, nil // it is looked at no more
	}
	head, body := splitHead(part)
	f.charset = ""
	h := entity{message: message}
	if !f.plain && !isPlain(head) {
		if f.headers += len(head); f.headers > maxHeader {
			return nil, &SyntaxError{"", fmt.Sprintf("the headers of its parts have more than %d bytes", maxHeader)}
		}
	}
	var newHead []byte
	changed := false
	err := eachField(head, func(name, value string, whole []byte) error {
		made := whole
		if !f.plain && !isPlain(whole) {
			var err error
			if made, err = f.field(name, whole, head); err != nil {
				return inPart(where, err)
			}
			changed = true
			value = valueOf(made)
		}
		h.note(lowerName(name), value)
		newHead = append(newHead, made...)
		return nil
	})
	h.resolve(preset)
	if err != nil {
		if f.plain || isPlain(part) {
			return part, nil
		}
		return nil, err
	}
	made, set, err := f.content(&h, body, where, depth)
	if err != nil {
		return nil, err
	}
	if !changed && len(set) == 0 && same(made, body) {
		return part, nil
	}
	for _, field := range set {
		newHead = replaceField(newHead, field.Name, field.Value)
	}
	switch {
	case len(head) < len(part):
		newHead = append(newHead, crlf...)
	case !bytes.HasSuffix(head, crlf): // a header alone, whose last line end is the boundary's
		newHead = bytes.TrimSuffix(newHead, crlf)
	}
	return append(newHead, made...), nil
}

func inPart(where string, err error) error {
	if e, ok := err.(*SyntaxError); ok && where != "" { //nolint:errorlint // made here
		return &SyntaxError{"part " + where + ", " + e.Field, e.Reason}
	}
	return err
}

// leaf makes a content fit that is no multipart and no message.
func (f *fitter) leaf(h *entity, body []byte, plain bool, where string) ([]byte, []Field, error) {
	switch {
	case plain:
		return body, h.relabel("7bit"), nil
	case h.identity():
		encoded, encoding := encodeBody(body)
		if encoding == "quoted-printable" && hasBoundary(encoded, f.boundaries) {
			encoded, encoding = inBase64(body), "base64"
		}
		set := h.relabel(encoding)
		if t := h.withCharset(body); t != "" {
			set = append(set, Field{"Content-Type", t})
		}
		return encoded, set, nil
	case h.encoding == "base64":
		return wrapBase64(body), nil, nil
	case h.encoding == "quoted-printable":
		encoded := foldQuoted(body)
		if !hasBoundary(encoded, f.boundaries) {
			return encoded, nil, nil
		}
	}
	return nil, nil, unfit(where, h, whatIsWrong(body)+fmt.Sprintf(" in the transfer encoding %q", shorten([]byte(h.encoding))))
}

// withCharset is the Content-Type of an 8-bit text that names no charset: UTF-8 is told from all others by its form.
// What it is else stays unknown.
func (h *entity) withCharset(body []byte) string {
	if !strings.HasPrefix(h.kind, "text/") || h.params["charset"] != "" || ascii(body) || !utf8.Valid(body) {
		return ""
	}
	if h.contentType == "" {
		return "text/plain; charset=utf-8"
	}
	return strings.TrimRight(h.contentType, " \t;") + ";\r\n charset=utf-8"
}

// hasBoundary says whether a line that came about may be taken for one that ends a part of a multipart around it. The
// beginning of a line counts (RFC 2046 §5.1.1).
func hasBoundary(encoded []byte, boundaries []string) bool {
	for _, b := range boundaries {
		if bytes.HasPrefix(encoded, []byte("--"+b)) || bytes.Contains(encoded, []byte("\r\n--"+b)) {
			return true
		}
	}
	return false
}
