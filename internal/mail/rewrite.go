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
	var kind, disposition, encoding string
	err := eachField(head, func(name, value string, _ []byte) error {
		switch strings.ToLower(name) {
		case "content-type":
			kind = value
		case "content-disposition":
			disposition = value
		case "content-transfer-encoding":
			encoding = strings.ToLower(strings.TrimSpace(value))
		}
		return nil
	})
	if err != nil {
		return part
	}
	media, params, err := mime.ParseMediaType(kind)
	if kind == "" {
		media, params, err = "text/plain", map[string]string{}, nil // RFC 2045 §5.2
	}
	switch {
	case err != nil, media == "multipart/signed", media == "multipart/encrypted", media == "multipart/report":
		return part
	case strings.HasPrefix(media, "multipart/"):
		return w.multipart(part, body, params["boundary"], depth)
	case media != "text/html" && media != "text/plain", isAttached(disposition, params):
		return part
	}
	return w.text(part, head, body, media, params, encoding)
}

func isAttached(disposition string, params map[string]string) bool {
	where, more, _ := mime.ParseMediaType(disposition)
	return where == "attachment" || more["filename"] != "" || params["name"] != ""
}

// multipart rewrites the parts of a multipart in their places.
func (w *rewriter) multipart(whole, body []byte, boundary string, depth int) []byte {
	if boundary == "" {
		return whole
	}
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

// text rewrites a text part.
func (w *rewriter) text(part, head, body []byte, media string, params map[string]string, encoding string) []byte {
	text, err := decodeTransfer(body, encoding)
	if err != nil {
		return part
	}
	shown := &Shown{HTML: media == "text/html", Text: text, charset: strings.ToLower(params["charset"])}
	moved := !asciiTransparent(shown.charset)
	if moved {
		if shown.Text, err = decodeCharset(shown.charset, text); err != nil {
			return part
		}
		params["charset"], shown.charset = "utf-8", "utf-8"
	}
	made := w.change(shown)
	if made == nil {
		return part
	}
	head = bytes.Clone(head)
	if moved {
		if line := mime.FormatMediaType(media, params); line != "" {
			head = replaceField(head, "Content-Type", foldParams(line))
		}
	}
	encoded, now := encodeTransfer(made, encoding)
	if now != encoding {
		head = replaceField(head, "Content-Transfer-Encoding", now)
	}
	if !bytes.HasSuffix(body, crlf) {
		encoded = bytes.TrimSuffix(encoded, crlf)
	}
	return append(append(head, crlf...), encoded...)
}

// asciiTransparent says whether in a charset every ASCII character that HTML is marked up with stands for itself.
func asciiTransparent(name string) bool {
	for _, prefix := range []string{"utf-16", "utf-32", "utf-7", "utf16", "utf32", "ucs-", "iso-2022", "csiso2022", "hz-gb", "iso-10646", "unicode"} {
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

// encodeTransfer encodes a text as it was, and says how; a text that was not encoded becomes quoted-printable when a
// line of it got too long.
func encodeTransfer(text []byte, encoding string) (encoded []byte, now string) {
	w := &composer{}
	switch encoding {
	case "base64":
		w.base64(text)
		return w.Bytes(), encoding
	case "", "7bit", "8bit", "binary":
		if _, long := weigh(string(text)); !long {
			return text, encoding
		}
	}
	q := quotedprintable.NewWriter(w)
	q.Write(text) //nolint:errcheck,gosec // into memory
	q.Close()     //nolint:errcheck,gosec // into memory
	return w.Bytes(), "quoted-printable"
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
