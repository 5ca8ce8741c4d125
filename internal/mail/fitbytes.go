// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"mime/quotedprintable"
	"unicode/utf8"
)

// isPlain says whether bytes can go as they are: none has its high bit set, and no line is too long. It is asked of
// every mail, and has to be quick.
func isPlain(b []byte) bool { return ascii(b) && !hasLong(b) }

// IsASCII says whether no byte has its high bit set.
func IsASCII(b []byte) bool { return ascii(b) }

// ascii says whether no byte has its high bit set.
func ascii[T string | []byte](s T) bool {
	const high = 0x8080808080808080
	b := []byte(s) // no copy: it does not escape
	for len(b) >= 32 {
		w := binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(b[8:]) |
			binary.LittleEndian.Uint64(b[16:]) | binary.LittleEndian.Uint64(b[24:])
		if w&high != 0 {
			return false
		}
		b = b[32:]
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// hasLong says whether a line has more than 998 bytes without its CRLF (RFC 5322 §2.1.1). It looks at the end of every
// stretch that long, and leaps over the lines before.
func hasLong(b []byte) bool {
	for len(b) > maxLine {
		i := bytes.LastIndexByte(b[:min(len(b), maxLine+len(crlf))], '\n')
		if i < 0 {
			return true
		}
		b = b[i+1:]
	}
	return false
}

// transferOf says how a text of which high bytes are not 7-bit goes best: quoted-printable can still be read, base64 is
// shorter for what has many of them.
func transferOf(size, high int) string {
	if high > size/4 {
		return "base64"
	}
	return "quoted-printable"
}

// encodeBody encodes a content that cannot go as it is, and says how.
func encodeBody(body []byte) (encoded []byte, encoding string) {
	high := 0
	for _, c := range body {
		if c >= utf8.RuneSelf || c == 0 {
			high++
		}
	}
	if transferOf(len(body), high) == "base64" {
		return inBase64(body), "base64"
	}
	return inQuoted(body), "quoted-printable"
}

func inQuoted(body []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(body) + len(body)/8)
	q := quotedprintable.NewWriter(&out)
	q.Write(body) //nolint:errcheck,gosec // into memory
	q.Close()     //nolint:errcheck,gosec // into memory
	return out.Bytes()
}

// inBase64 encodes a content in lines of 76 characters (RFC 2045 §6.8). Its last line ends where the content's does.
func inBase64(body []byte) []byte {
	w := &composer{}
	w.Grow(base64.StdEncoding.EncodedLen(len(body))*78/76 + 2)
	w.base64(body)
	if !bytes.HasSuffix(body, crlf) {
		return bytes.TrimSuffix(w.Bytes(), crlf)
	}
	return w.Bytes()
}

// wrapBase64 breaks the lines of what is in base64 anew. A byte of 8 bits is none of it, and is left out (RFC 2045
// §6.8).
func wrapBase64(body []byte) []byte {
	const width = 76
	out := make([]byte, 0, len(body)*78/76+2)
	line := 0
	for _, c := range body {
		if c <= ' ' || c >= 127 {
			continue
		}
		if line == width {
			out, line = append(out, crlf...), 0
		}
		out = append(out, c)
		line++
	}
	if bytes.HasSuffix(body, crlf) {
		out = append(out, crlf...)
	}
	return out
}

// foldQuoted breaks the long lines of what is in quoted-printable by soft line breaks, and encodes what should have
// been (RFC 2045 §6.7). All else stays as it is, also where it is wrong.
func foldQuoted(body []byte) []byte {
	out := make([]byte, 0, len(body)+len(body)/10)
	for len(body) > 0 {
		line, end := body, len(body)
		if i := bytes.Index(body, crlf); i >= 0 {
			line, end = body[:i], i+len(crlf)
		}
		if isPlain(line) {
			out = append(out, line...)
		} else {
			out = appendQuoted(out, line)
		}
		out = append(out, body[len(line):end]...)
		body = body[end:]
	}
	return out
}

func appendQuoted(out, line []byte) []byte {
	const hex, width = "0123456789ABCDEF", 75 // and the = of a soft line break
	coded := make([]byte, 0, len(line)+len(line)/10)
	for _, c := range line {
		if c < utf8.RuneSelf {
			coded = append(coded, c)
		} else {
			coded = append(coded, '=', hex[c>>4], hex[c&15])
		}
	}
	for len(coded) > width+1 {
		cut := width
		if i := bytes.LastIndexByte(coded[cut-2:cut], '='); i >= 0 { // =XX stays together
			cut += i - 2
		}
		out = append(append(out, coded[:cut]...), "=\r\n"...)
		coded = coded[cut:]
	}
	return append(out, coded...)
}
