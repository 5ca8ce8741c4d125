// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
	"golang.org/x/text/encoding/charmap"
)

// Same says what a reader of the mail that arrived gets differently from what was handed over. Folding, transfer
// encodings and what is between the parts may have changed; fields may have been added, and those that must not leave
// taken out.
func Same(sent, got []byte) error {
	head1, body1 := split(string(sent))
	head2, body2 := split(string(got))
	if err := sameFields(fieldsOf(head1), fieldsOf(head2)); err != nil {
		return err
	}
	want, have := leaves(head1, body1, "1", 0), leaves(head2, body2, "1", 0)
	if len(want) != len(have) {
		return fmt.Errorf("%d parts were sent, %d arrived", len(want), len(have))
	}
	for i, w := range want {
		h := have[i]
		if w.Charset == "" {
			h.Charset = "" // one may be added
		}
		if w != h {
			return fmt.Errorf("part %s differs: sent\n%.200q, arrived\n%.200q\nfrom their first difference: %q, %q", w.Path, w, h,
				after(w.Content, h.Content), after(h.Content, w.Content))
		}
	}
	return nil
}

// Body is what comes after the header: for mails that arrive byte for byte.
func Body(raw []byte) string {
	_, body := split(string(raw))
	if !strings.HasSuffix(body, "\r\n") && body != "" {
		body += "\r\n"
	}
	return body
}

// after is a piece of s from where it differs from other.
func after(s, other string) string {
	i := 0
	for i < len(s) && i < len(other) && s[i] == other[i] {
		i++
	}
	return s[i:min(len(s), i+60)]
}

type field struct{ name, value string }

// mayChange are fields that say how the mail travels, or are each server's own.
var mayChange = regexp.MustCompile("^(received|return-path|dkim-signature|date|message-id|content-transfer-encoding|content-type|" +
	"mime-version|bcc|resent-bcc|content-length|x-mj-.*|x-mailjet-.*)$")

func sameFields(sent, got []field) error {
	relevant := func(list []field) []field {
		return slices.DeleteFunc(slices.Clone(list), func(f field) bool { return mayChange.MatchString(f.name) })
	}
	want, have := relevant(sent), relevant(got)
	if len(want) != len(have) {
		return fmt.Errorf("%d fields were sent, %d arrived: %.300q, %.300q", len(want), len(have), want, have)
	}
	for i := range want {
		if want[i] != have[i] {
			return fmt.Errorf("field %s differs: sent %.300q, arrived %.300q; from their first difference: %q, %q", want[i].name,
				want[i].value, have[i].value,
				after(want[i].value, have[i].value), after(have[i].value, want[i].value))
		}
	}
	return nil
}

// split parts the header, with its last line end, from the body.
func split(s string) (head, body string) {
	if rest, ok := strings.CutPrefix(s, "\r\n"); ok {
		return "", rest
	}
	if head, body, ok := strings.Cut(s, "\r\n\r\n"); ok {
		return head + "\r\n", body
	}
	if !strings.HasSuffix(s, "\r\n") {
		s += "\r\n"
	}
	return s, ""
}

var blanksRun = regexp.MustCompile(`[ \t]+`)

// fieldsOf reads a header: names in small letters, values unfolded, decoded, and with one blank for several.
func fieldsOf(head string) []field {
	var out []field
	for line := range strings.SplitAfterSeq(head, "\r\n") {
		line = strings.TrimSuffix(line, "\r\n")
		if line == "" {
			continue
		}
		if len(out) > 0 && (line[0] == ' ' || line[0] == '\t') {
			out[len(out)-1].value += line
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		out = append(out, field{strings.ToLower(strings.TrimRight(name, " \t")), value})
	}
	for i := range out {
		out[i].value = decodeWords(strings.TrimSpace(blanksRun.ReplaceAllString(unicodeOf(out[i].value), " ")))
	}
	return joined(out)
}

// unicodeOf reads what is no UTF-8 as most readers do.
func unicodeOf(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out, _ := charmap.Windows1252.NewDecoder().String(s)
	return out
}

// joined has one To and one Cc with the addresses of all (RFC 5322 §3.6 allows no more).
func joined(fields []field) []field {
	var out []field
	for _, f := range fields {
		i := slices.IndexFunc(out, func(o field) bool { return o.name == f.name && (f.name == "to" || f.name == "cc") })
		if i < 0 {
			out = append(out, f)
			continue
		}
		out[i].value += ", " + f.value
	}
	return out
}

func decodeWords(s string) string {
	d := mime.WordDecoder{CharsetReader: charset.Reader}
	if out, err := d.DecodeHeader(s); err == nil {
		return out
	}
	return s
}

func valueOf(fields []field, name string) string {
	for _, f := range fields {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// Part is one that has no parts, out of its transfer encoding.
type Part struct{ Path, Type, Charset, Name, Content string }

// Parts are those of a mail, as a reader gets them.
func Parts(raw []byte) []Part {
	head, body := split(string(raw))
	return leaves(head, body, "1", 0)
}

// Field is the first of a name (in small letters) in the header, decoded.
func Field(raw []byte, name string) string {
	head, _ := split(string(raw))
	return valueOf(fieldsOf(head), name)
}

func leaves(head, body, path string, depth int) []Part {
	fields := fieldsOf(head)
	kind, params, _ := mime.ParseMediaType(valueOf(fields, "content-type"))
	if kind == "" {
		kind = "text/plain" // RFC 2045 §5.2
	}
	encoding := strings.ToLower(strings.Trim(valueOf(fields, "content-transfer-encoding"), `" `))
	encoding, _, _ = strings.Cut(encoding, " ")
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" && depth < 20 {
		var out []Part
		list, open := parts(body, params["boundary"])
		for i, p := range list {
			h, b := splitPart(p)
			out = append(out, leaves(h, b, fmt.Sprintf("%s.%d", path, i+1), depth+1)...)
		}
		if open && len(out) > 0 { // how many line ends belong to a part that does not end, nobody can say
			out[len(out)-1].Content = strings.TrimRight(out[len(out)-1].Content, "\r\n")
		}
		return out
	}
	content := decode(encoding, body)
	if (kind == "message/rfc822" || kind == "message/global") && depth < 20 {
		h, b := split(content)
		out := []Part{{path, kind, "", "", fmt.Sprint(slices.DeleteFunc(fieldsOf(h),
			func(f field) bool { return mayChange.MatchString(f.name) }))}}
		return append(out, leaves(h, b, path+".m", depth+1)...)
	}
	if path == "1" {
		content = strings.TrimSuffix(content, "\r\n") // the client ends the last line where the mail does not
	}
	disposition, dparams, _ := mime.ParseMediaType(valueOf(fields, "content-disposition"))
	name := disposition + " " + decodeWords(dparams["filename"]) + decodeWords(params["name"])
	return []Part{{path, kind, strings.ToLower(params["charset"]), name, content}}
}

// splitPart is split for a part, which may begin with the blank line, or be a header alone.
func splitPart(s string) (head, body string) {
	if s == "" {
		return "", ""
	}
	return split(s)
}

// parts cuts a multipart's body (RFC 2046 §5.1.1), the line end before a boundary left out. open says that the last one
// does not end.
func parts(body, boundary string) (out []string, open bool) {
	begun, start, at := false, 0, 0
	for line := range strings.SplitAfterSeq(body, "\r\n") {
		rest, ok := strings.CutPrefix(line, "--"+boundary)
		rest = strings.TrimRight(rest, " \t\r\n")
		if ok && (rest == "" || rest == "--") {
			if begun {
				out = append(out, body[start:max(start, at-2)])
			}
			begun, start = true, at+len(line)
			if rest == "--" {
				return out, false
			}
		}
		at += len(line)
	}
	if begun {
		out = append(out, body[start:])
	}
	return out, true
}

func decode(encoding, body string) string {
	switch encoding {
	case "base64":
		return decodeBase64(body)
	case "quoted-printable":
		return decodeQuotedPrintable(body)
	}
	return body
}

// decodeBase64 passes over what is not base64 (RFC 2045 §6.8), and reads on after an end.
func decodeBase64(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '+' || r == '/' || r == '=' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, s)
	var out []byte
	for piece := range strings.SplitSeq(s, "=") {
		if len(piece)%4 == 1 {
			piece = piece[:len(piece)-1]
		}
		out, _ = base64.RawStdEncoding.AppendDecode(out, []byte(piece)) // of its alphabet alone
	}
	return string(out)
}

// decodeQuotedPrintable reads RFC 2045 §6.7; what is no code stands for itself.
func decodeQuotedPrintable(s string) string {
	var out strings.Builder
	for line := range strings.SplitAfterSeq(s, "\r\n") {
		text, ended := strings.CutSuffix(line, "\r\n")
		text = strings.TrimRight(text, " \t") // rule 3: blanks at the end of a line were added on the way
		text, soft := strings.CutSuffix(text, "=")
		for i := 0; i < len(text); i++ {
			if text[i] == '=' && i+2 < len(text) {
				if c, err := hex.DecodeString(text[i+1 : i+3]); err == nil {
					out.Write(c)
					i += 2
					continue
				}
			}
			out.WriteByte(text[i])
		}
		if ended && !soft {
			out.WriteString("\r\n")
		}
	}
	return out.String()
}
