// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"

	"github.com/emersion/go-message/charset"
	"golang.org/x/text/encoding/ianaindex"
)

// Bounds of what is looked through for texts.
const (
	shownDepth = 10
	shownParts = 200
)

// Shown is a text that a message shows its reader: a text/plain or text/html part that is no attachment.
type Shown struct {
	HTML bool
	// Text is out of its transfer encoding, in a charset in which ASCII stands for itself.
	Text    []byte
	charset string
}

// UTF8 decodes a piece of the text.
func (s *Shown) UTF8(piece []byte) string {
	if !ascii(string(piece)) && s.charset != "" && s.charset != "utf-8" {
		if out, err := decodeCharset(s.charset, piece); err == nil {
			return string(out)
		}
	}
	return string(piece)
}

func decodeCharset(name string, text []byte) ([]byte, error) {
	r, err := charset.Reader(name, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// encodeCharset encodes a text in a charset that can say all of it. What has none keeps the charset that its own markup
// names, too.
func encodeCharset(name string, text []byte) ([]byte, bool) {
	e, err := ianaindex.MIME.Encoding(name)
	if err != nil || e == nil {
		return nil, false
	}
	out, err := e.NewEncoder().Bytes(text)
	if err != nil {
		return nil, false
	}
	back, err := decodeCharset(name, out)
	return out, err == nil && bytes.Equal(back, text)
}

// RewriteShown shows change every text that raw shows its reader, and returns raw with what change made of them, in the
// encoding they had where it still fits. change returns nil for what stays as it is. Everything else, and all of what
// is signed or encrypted (RFC 1847), stays byte for byte; broken MIME stays as a whole.
func RewriteShown(raw []byte, change func(*Shown) []byte) []byte {
	w := &rewriter{change: change, parts: shownParts}
	return w.entity(raw, 0)
}

type rewriter struct {
	change func(*Shown) []byte
	parts  int

	boundaries []string // of the multiparts around what is rewritten
}

// entity returns a message or part as it is to be: part itself when nothing changed.
func (w *rewriter) entity(part []byte, depth int) []byte {
	if w.parts--; w.parts < 0 || depth > shownDepth {
		return part
	}
	head, body := splitHead(part)
	if len(body) == 0 {
		return part
	}
	var h entity
	err := eachField(head, func(name, value string, _ []byte) error {
		h.note(lowerName(name), value)
		return nil
	})
	if err != nil {
		return part
	}
	switch h.resolve("text/plain"); {
	case h.sealed(), h.kind == "multipart/report":
		return part
	case strings.HasPrefix(h.kind, "multipart/"):
		return w.multipart(part, body, h.params["boundary"], depth)
	case h.kind != "text/html" && h.kind != "text/plain", isAttached(h.disposition, h.params):
		return part
	}
	return w.text(part, head, body, &h)
}

func isAttached(disposition string, params map[string]string) bool {
	if disposition == "" {
		return params["name"] != ""
	}
	where, more := mediaType(disposition)
	return where == "attachment" || more["filename"] != "" || params["name"] != ""
}

// multipart rewrites the parts of a multipart in their places.
func (w *rewriter) multipart(whole, body []byte, boundary string, depth int) []byte {
	if boundary == "" {
		return whole
	}
	w.boundaries = append(w.boundaries, boundary)
	defer func() { w.boundaries = w.boundaries[:len(w.boundaries)-1] }()
	var out []byte
	written := 0
	for _, s := range partSpans(body, boundary) {
		old := body[s.start:s.end]
		if made := w.entity(old, depth+1); !same(old, made) {
			out = append(append(out, body[written:s.start]...), made...)
			written = s.end
		}
	}
	if written == 0 {
		return whole
	}
	head := whole[:len(whole)-len(body)]
	return append(append(bytes.Clone(head), out...), body[written:]...)
}

// same says whether two slices are one.
func same(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// text rewrites a text part. Its charset, its transfer encoding and its bytes agree afterwards, and it is fit to travel.
func (w *rewriter) text(part, head, body []byte, h *entity) []byte {
	text, err := decodeTransfer(body, h.encoding)
	if err != nil {
		return part
	}
	declared := strings.ToLower(h.params["charset"])
	shown := &Shown{HTML: h.kind == "text/html", Text: text, charset: declared}
	moved := !asciiTransparent(declared)
	if moved {
		if shown.Text, err = decodeCharset(declared, text); err != nil {
			return part
		}
		shown.charset = "utf-8"
	}
	made := w.change(shown)
	if made == nil {
		return part
	}
	head = bytes.Clone(head)
	if moved {
		if back, ok := encodeCharset(declared, made); ok {
			made = back
		} else {
			h.params["charset"] = "utf-8"
			line := mime.FormatMediaType(h.kind, h.params)
			if line == "" {
				return part
			}
			head = replaceField(head, "Content-Type", foldParams(line))
		}
	}
	encoded, now := encodeTransfer(made, h.encoding)
	if now == "quoted-printable" && hasBoundary(encoded, w.boundaries) {
		encoded, now = inBase64(made), "base64"
	}
	if now != h.encoding {
		head = replaceField(head, "Content-Transfer-Encoding", now)
	}
	switch ended := bytes.HasSuffix(encoded, crlf); {
	case !bytes.HasSuffix(body, crlf):
		encoded = bytes.TrimSuffix(encoded, crlf)
	case !ended:
		encoded = append(bytes.Clone(encoded), crlf...)
	}
	return append(append(head, crlf...), encoded...)
}

// asciiTransparent says whether in a charset every ASCII character that HTML is marked up with stands for itself.
func asciiTransparent(name string) bool {
	for _, prefix := range []string{
		"utf-16", "utf-32", "utf-7", "utf16", "utf32", "ucs-", "iso-2022", "csiso2022", "hz-gb", "iso-10646", "unicode",
	} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return true
}

func decodeTransfer(body []byte, encoding string) ([]byte, error) {
	switch encoding {
	case "", "7bit", "8bit", "binary":
		return body, nil
	case "quoted-printable":
		return io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
	case "base64":
		return io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(body)))
	}
	return nil, &SyntaxError{"Content-Transfer-Encoding", "is not known"}
}

// encodeTransfer encodes a text as it was, and says how; a text that was not encoded is now where it could not travel
// otherwise.
func encodeTransfer(text []byte, encoding string) (encoded []byte, now string) {
	switch encoding {
	case "base64":
		return inBase64(text), encoding
	case "quoted-printable":
		return inQuoted(text), encoding
	}
	if isPlain(text) {
		return text, encoding
	}
	return encodeBody(text)
}

// replaceField puts a value in the place of a header block's field, or a new field at its end.
func replaceField(head []byte, name, value string) []byte {
	line := []byte(name + ": " + value + "\r\n")
	var out []byte
	found := false
	err := eachField(head, func(n, _ string, whole []byte) error {
		switch {
		case !strings.EqualFold(n, name):
			out = append(out, whole...)
		case !found:
			found = true
			out = append(out, line...)
		}
		return nil
	})
	if err != nil {
		return head
	}
	if !found {
		out = append(out, line...)
	}
	return out
}

// HasField says whether a message's header has a field.
func HasField(raw []byte, name string) bool {
	head, _ := splitHead(raw)
	found := false
	eachField(head, func(n, _ string, _ []byte) error { //nolint:errcheck,gosec // a broken header is looked at as far as it goes
		found = found || strings.EqualFold(n, name)
		return nil
	})
	return found
}

// AddFields adds fields at the end of a message's header, each value short enough for a line.
func AddFields(raw []byte, fields ...Field) []byte {
	head, body := splitHead(raw)
	out := make([]byte, 0, len(raw)+200*len(fields))
	out = append(out, head...)
	if !bytes.HasSuffix(head, crlf) && len(head) > 0 {
		out = append(out, crlf...)
	}
	for _, f := range fields {
		out = append(out, f.Name+": "+f.Value+"\r\n"...)
	}
	out = append(out, crlf...)
	return append(out, body...)
}
