// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"bytes"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"
)

// header makes the header of a message fit: what is meant for us and what must not leave is taken out, what may stand
// once stands once, and every field is fit.
func (f *fitter) header(head []byte, size int, take func(lower, value string) bool) error {
	if len(head) > maxHeader {
		return &SyntaxError{"", fmt.Sprintf("the header has more than %d bytes", maxHeader)}
	}
	f.seen = make(map[string]int, 16)
	f.fields, f.charset = make([]Field, 0, 16), ""
	f.head = make([]byte, 0, size+192)
	plain, repeated := isPlain(head), false
	err := eachField(head, func(name, value string, whole []byte) error {
		lower := lowerName(name)
		if take(lower, value) || staysHere(lower) || isVoid(lower, value) {
			return nil
		}
		f.seen[lower]++
		repeated = repeated || f.seen[lower] > 1 && standsOnce(lower)
		if !plain && !isPlain(whole) || strings.Contains(value, "=?") && isMisread(lower, value) {
			var err error
			if whole, err = f.field(name, whole, head); err != nil {
				return err
			}
			value = valueOf(whole)
		}
		if whole[len(name)] != ':' { // RFC 5322 §4.5.8: blanks before the colon must not be passed on
			whole = append([]byte(name), whole[bytes.IndexByte(whole, ':'):]...)
		}
		f.fields = append(f.fields, Field{name, value})
		f.head = append(f.head, whole...)
		return nil
	})
	if err == nil && repeated {
		return f.merge()
	}
	return err
}

// lowerName is a field's name in small letters. Those that most mails have cost nothing.
func lowerName(name string) string {
	switch name {
	case "From":
		return "from"
	case "To":
		return "to"
	case "Cc":
		return "cc"
	case "Subject":
		return "subject"
	case "Date":
		return "date"
	case "Message-ID", "Message-Id":
		return "message-id"
	case "MIME-Version", "Mime-Version":
		return "mime-version"
	case "Content-Type":
		return "content-type"
	case "Content-Transfer-Encoding":
		return "content-transfer-encoding"
	case "Reply-To":
		return "reply-to"
	case "Received":
		return "received"
	}
	return strings.ToLower(name)
}

// isMisread says whether a field is in encoded words that nobody decodes: some libraries make them of a long URL or
// message ID (RFC 2047 §5 forbids it).
func isMisread(lower, value string) bool {
	kind := kindOf(lower)
	if kind != urls && kind != msgIDs {
		return false
	}
	_, err := structured(kind, DecodeHeader(value))
	return err == nil && DecodeHeader(value) != value
}

// staysHere says whether a field is nobody else's business: who else gets a mail, what a mailbox or a mail program notes
// for itself, and what only the last server may write (RFC 5321 §4.4).
func staysHere(lower string) bool {
	switch lower {
	case "bcc", "resent-bcc", "return-path", "content-length", "status", "x-status":
		return true
	}
	return strings.HasPrefix(lower, "x-mozilla-") || strings.HasPrefix(lower, "postern-")
}

// isVoid says whether a field says nothing though it has to (RFC 5322 §3.6).
func isVoid(lower, value string) bool {
	switch lower {
	case "message-id":
		return strings.Trim(value, "<> \t") == ""
	case "date", "to", "cc", "reply-to", "sender", "in-reply-to", "references", "mime-version", "content-type", "content-transfer-encoding":
		return value == ""
	}
	return false
}

// standsOnce says whether a field may stand once at most (RFC 5322 §3.6, RFC 2045 §3). Receivers refuse what has it
// twice, or read either.
func standsOnce(lower string) bool {
	switch lower {
	case "from", "sender", "reply-to", "to", "cc", "date", "message-id", "in-reply-to", "references", "subject",
		"mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id", "content-description":
		return true
	}
	return false
}

// merge makes one field of those that stand there twice: of equal ones the first is kept, the recipients of two are put
// into one; of others nobody knows which one counts, and they are refused.
func (f *fitter) merge() error {
	first := map[string]int{}
	var fields []Field
	var wholes [][]byte
	more := map[int][]string{} // what is put behind a field
	err := eachField(f.head, func(name, value string, whole []byte) error {
		lower := strings.ToLower(name)
		i, again := first[lower]
		switch {
		case !standsOnce(lower) || !again:
			first[lower] = len(fields)
			fields, wholes = append(fields, Field{name, value}), append(wholes, whole)
		case lower == "to", lower == "cc":
			more[i] = append(more[i], strings.Trim(string(whole[bytes.IndexByte(whole, ':')+1:]), " \t\r\n"))
		case lower == "from" || fields[i].Value != value:
			return &SyntaxError{fields[i].Name, "there is more than one"}
		}
		return nil
	})
	for i, lists := range more {
		lists = append([]string{string(bytes.TrimRight(wholes[i], " \t\r\n"))}, lists...)
		wholes[i] = []byte(strings.Join(lists, ",\r\n ") + "\r\n")
		fields[i].Value = valueOf(wholes[i])
	}
	f.fields, f.head = fields, append(f.head[:0:0], bytes.Join(wholes, nil)...)
	return err
}

// field makes one field fit, by its own grammar. head is the header that it stands in.
func (f *fitter) field(name string, whole, head []byte) ([]byte, error) {
	colon := bytes.IndexByte(whole, ':')
	raw := bytes.TrimRight(bytes.ReplaceAll(whole[colon+1:], crlf, nil), " \t")
	if lower := lowerName(name); ascii(raw) && isMisread(lower, string(raw)) {
		raw = []byte(DecodeHeader(string(raw)))
		pieces, err := structured(kindOf(lower), strings.TrimSpace(string(raw)))
		if err != nil {
			return nil, named(name, err)
		}
		return foldField(name, " "+strings.Join(pieces, " "))
	}
	if ascii(raw) {
		return foldField(name, string(raw))
	}
	text := f.toUTF8(bytes.TrimSpace(raw), head)
	lower := strings.ToLower(name)
	kind := kindOf(lower)
	var value string
	var err error
	switch kind {
	case unstructured:
		value = encodeWords(text, mime.QEncoding)
	case addresses:
		// In a broken list what was encoded may let the rest be read as more names: it is made fit as a whole.
		for needed, times := f.utf8, 0; times < 4; times++ {
			f.guessed, f.utf8 = false, needed
			if value = f.addresses(text); ascii(value) || value == text {
				break
			}
			text = value
		}
		if f.guessed && !utf8.Valid(raw) { // a name may be guessed, a mailbox may not
			err = &SyntaxError{name, "has an address that is not UTF-8"}
		}
	case params:
		value, err = encodeParams(text)
	case trace:
		value = strings.Map(func(r rune) rune {
			if r >= utf8.RuneSelf {
				return '?'
			}
			return r
		}, text)
	case msgIDs: // RFC 6532 §3.3
		if value, f.utf8 = text, true; !utf8.Valid(raw) {
			err = &SyntaxError{name, "has bytes that are not UTF-8"}
		}
	default:
		var pieces []string
		pieces, err = structured(kind, text)
		value = strings.Join(pieces, " ")
	}
	if err != nil {
		return nil, named(name, err)
	}
	return foldField(name, " "+value)
}

func named(name string, err error) error {
	if e, ok := err.(*SyntaxError); ok { //nolint:errorlint // made here
		return &SyntaxError{name, e.Reason}
	}
	return err
}

// valueOf is a field's value, unfolded.
func valueOf(whole []byte) string {
	return string(bytes.TrimSpace(bytes.ReplaceAll(whole[bytes.IndexByte(whole, ':')+1:], crlf, nil)))
}

// toUTF8 reads bytes of a header that names no charset: UTF-8, the charset of the text below, or what most have that are
// neither.
func (f *fitter) toUTF8(raw, head []byte) string {
	const usual = "windows-1252"
	if utf8.Valid(raw) {
		return string(raw)
	}
	if f.charset == "" { // once for a header, however many fields ask
		f.charset = usual
		eachField(head, func(n, value string, _ []byte) error { //nolint:errcheck,gosec // it was read before
			if lowerName(n) == "content-type" {
				_, p := mediaType(value)
				switch c := strings.ToLower(p["charset"]); {
				case c == "", c == "utf-8", c == "us-ascii", !asciiTransparent(c):
				default:
					f.charset = c
				}
			}
			return nil
		})
	}
	out, err := decodeCharset(f.charset, raw)
	if err != nil {
		out, err = decodeCharset(usual, raw)
	}
	if err != nil {
		out = raw
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

// foldField writes a field with its lines folded where they get long (RFC 5322 §2.2.3): before a blank, and in a
// structured field also behind a comma or a semicolon and between two brackets. value begins with its blank.
func foldField(name, value string) ([]byte, error) {
	s := name + ":" + value
	separators := kindOf(strings.ToLower(name)) != unstructured
	for _, start := range []int{len(name) + 2, len(name) + 1} { // right behind the name only where it must be
		if out, ok := fold(s, start, separators); ok {
			return out, nil
		}
	}
	return nil, &SyntaxError{name, fmt.Sprintf("a line has more than %d bytes, and no blank to fold it at", maxLine)}
}

// fold folds a line from start on, where it can be.
func fold(s string, start int, separators bool) (out []byte, ok bool) {
	const long = 78 // RFC 5322 §2.1.1
	out = make([]byte, 0, len(s)+len(s)/20+4)
	line, last := 0, 0 // where the line begins, and where it can end
	indent := ""
	put := func(end int) bool {
		out = append(append(append(out, indent...), s[line:end]...), '\r', '\n')
		return len(indent)+end-line <= maxLine
	}
	var q quoting
	for i := range len(s) + 1 {
		if i == len(s) || i >= start && canFold(s, i, separators && q.open()) {
			if len(indent)+i-line > long && last > line {
				if !put(last) {
					return nil, false
				}
				if line, indent = last, ""; s[line] != ' ' && s[line] != '\t' {
					indent = " "
				}
			}
			last = i
		}
		if i < len(s) && i > start {
			q.next(s[i])
		}
	}
	return out, put(len(s))
}

// canFold says whether a line end may stand before s[i].
func canFold(s string, i int, separators bool) bool {
	before, c := s[i-1], s[i]
	if c == ' ' || c == '\t' {
		return before != ' ' && before != '\t' || i == 1
	}
	return separators && (before == ',' || before == ';' || before == '>' && c == '<')
}

// quoting walks through a structured field.
type quoting struct {
	quoted, escaped, angle bool
	comments               int
}

// open says that no quotation, comment or bracket is begun.
func (q *quoting) open() bool { return !q.quoted && !q.angle && q.comments == 0 }

func (q *quoting) next(c byte) {
	switch {
	case q.escaped:
		q.escaped = false
	case c == '\\' && (q.quoted || q.comments > 0):
		q.escaped = true
	case q.quoted:
		q.quoted = c != '"'
	case c == '(':
		q.comments++
	case c == ')' && q.comments > 0:
		q.comments--
	case q.comments > 0:
	case c == '"':
		q.quoted = true
	case c == '<':
		q.angle = true
	case c == '>':
		q.angle = false
	}
}

// encodeWords encodes the words of a text that are not ASCII (RFC 2047 §5), with the blanks between them; others stay as
// they are, also those that are encoded already.
func encodeWords(text string, by mime.WordEncoder) string {
	words := strings.Split(text, " ")
	var out []string
	for i := 0; i < len(words); {
		if ascii(words[i]) {
			out = append(out, words[i])
			i++
			continue
		}
		end := i + 1
		for k := end; k < len(words); k++ {
			if !ascii(words[k]) {
				end = k + 1
			} else if words[k] != "" {
				break
			}
		}
		run := strings.Join(words[i:end], " ")
		if i > 0 && isEncodedWord(words[i-1]) { // the blank between two encoded words is not shown
			run = " " + run
		}
		if end < len(words) && isEncodedWord(words[end]) {
			run += " "
		}
		out = append(out, by.Encode("utf-8", run))
		i = end
	}
	return strings.Join(out, " ")
}

func isEncodedWord(s string) bool { return strings.HasPrefix(s, "=?") && strings.HasSuffix(s, "?=") }

// addresses encodes names and comments of an address list, and writes domains in A-labels. A local part has no other
// form than UTF-8: it needs SMTPUTF8.
func (f *fitter) addresses(list string) string {
	var out strings.Builder
	var q quoting
	start := 0
	for i := range len(list) + 1 {
		if i == len(list) || q.open() && strings.IndexByte(",;:", list[i]) >= 0 {
			out.WriteString(f.mailbox(list[start:i]))
			if i < len(list) {
				out.WriteByte(list[i])
			}
			start = i + 1
		}
		if i < len(list) {
			q.next(list[i])
		}
	}
	return out.String()
}

// mailbox encodes one mailbox, or the name of a group.
func (f *fitter) mailbox(s string) string {
	if ascii(s) {
		return s
	}
	blank := s[:len(s)-len(strings.TrimLeft(s, " \t"))]
	s = strings.TrimSpace(s)
	var q quoting
	angle := -1
	for i := range len(s) {
		if q.open() && s[i] == '<' {
			angle = i
			break
		}
		q.next(s[i])
	}
	switch {
	case angle >= 0:
		end := strings.LastIndexByte(s, '>') + 1
		if end <= angle {
			end = len(s)
		}
		name := strings.TrimSpace(s[:angle])
		if !ascii(name) {
			name = strings.Join(phrase(DecodeHeader(unquoted(name))), " ")
		}
		if name != "" {
			name += " "
		}
		return blank + name + f.address(s[angle:end]) + f.comments(s[end:])
	case hasAddress(s):
		return blank + f.comments(s)
	}
	return blank + strings.Join(phrase(DecodeHeader(unquoted(s))), " ")
}

// commentIn is where the first comment begins, and the last one ends.
func commentIn(s string) (open, end int) {
	if open = strings.IndexByte(s, '('); open < 0 {
		return len(s), len(s)
	}
	if end = strings.LastIndexByte(s, ')'); end < open {
		end = len(s)
	}
	return open, end
}

func hasAddress(s string) bool {
	open, end := commentIn(s)
	return strings.Contains(s[:open], "@") || strings.Contains(s[end:], "@")
}

// comments encodes what stands in the comments of an address, and the address outside of them.
func (f *fitter) comments(s string) string {
	if ascii(s) {
		return s
	}
	open, end := commentIn(s)
	if open == end {
		return f.address(s)
	}
	inside := encodeWords(strings.NewReplacer("(", " ", ")", " ", `\`, "").Replace(s[open+1:end]), mime.BEncoding)
	return f.address(s[:open]) + "(" + inside + ")" + f.address(strings.TrimPrefix(s[end:], ")"))
}

// address writes an address with its domain in A-labels.
func (f *fitter) address(s string) string {
	if ascii(s) {
		return s
	}
	f.guessed = true
	at := strings.LastIndexByte(s, '@')
	if at >= 0 {
		end := at + 1 + len(strings.TrimRight(s[at+1:], "> \t"))
		if domain, err := asciiDomain(s[at+1 : end]); err == nil {
			s = s[:at+1] + domain + s[end:]
		}
	}
	f.utf8 = f.utf8 || !ascii(s)
	return s
}

// unquoted is a phrase as it is read: without its quotation marks.
func unquoted(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			out.WriteByte(s[i])
		case s[i] != '"':
			out.WriteByte(s[i])
		}
	}
	return out.String()
}
