// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays may stand in each other. Clients' own data (Variables) is rarely deeper
// than five.
const maxDepth = 64

// value is one value of a JSON text that is known to be well formed, without white space around it. Walking it in
// place costs no tree: a mail of megabytes is read once, and property names can fold case and be missing, null or of
// the wrong type in ways that decoding into structs does not tell apart.
type value []byte

// parseJSON checks that text is one JSON value in UTF-8, not nested too deep.
func parseJSON(text []byte) (value, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // .NET and PowerShell like to send one
	if err := checkUTF8(text); err != nil {
		return nil, err
	}
	if !validJSON(text) {
		var v json.RawMessage
		if err := json.Unmarshal(text, &v); err != nil {
			return nil, err // says where
		}
		return nil, errors.New("not JSON")
	}
	if depth(text) > maxDepth {
		return nil, errors.New("objects and arrays are nested more than " + strconv.Itoa(maxDepth) + " deep")
	}
	if at := loneSurrogate(text); at >= 0 {
		return nil, fmt.Errorf("the body is not UTF-8: %s, at byte %d, is half of a surrogate pair and no character", text[at:at+6], at)
	}
	return value(bytes.Trim(text, " \t\r\n")), nil
}

// checkUTF8 says where a text is not UTF-8, which JSON must be (RFC 8259 §8.1). Readers that put U+FFFD for such bytes
// would send something else than was given.
func checkUTF8(text []byte) error {
	if utf8.Valid(text) {
		if len(text) > 1 && (text[0] == 0 || text[1] == 0) {
			return errors.New("the body is not UTF-8: it looks like UTF-16 or UTF-32")
		}
		return nil
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return errors.New("the body is not UTF-8: it begins as UTF-16 does")
	}
	at := 0
	for at < len(text) {
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return fmt.Errorf("the body is not UTF-8: byte %d is 0x%02X", at, text[at])
}

// loneSurrogate is where a well-formed JSON text has an escape that is half of a surrogate pair (RFC 8259 §8.2), or -1.
func loneSurrogate(text []byte) int {
	if !bytes.Contains(text, []byte(`\ud`)) && !bytes.Contains(text, []byte(`\uD`)) {
		return -1
	}
	for i := 0; ; {
		n := bytes.IndexByte(text[i:], '\\')
		if n < 0 {
			return -1
		}
		i += n
		if text[i+1] != 'u' {
			i += 2
			continue
		}
		if r := hex4(text[i+2:]); utf16.IsSurrogate(r) {
			rest := text[i+6:]
			if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' || utf16.DecodeRune(r, hex4(rest[2:])) == utf8.RuneError {
				return i
			}
			i += 6
		}
		i += 6
	}
}

// depth is how deep the brackets of text are nested.
func depth(text []byte) int {
	deepest, n := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringLen(text[i:]) - 1
		case '{', '[':
			n++
			deepest = max(deepest, n)
		case '}', ']':
			n--
		}
	}
	return deepest
}

// stringLen is the length of the JSON string that b begins with, quotes included.
func stringLen(b []byte) int {
	for i := 1; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		i += n + 1
		escapes := 0
		for j := i - 2; j > 0 && b[j] == '\\'; j-- {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}

// valueLen is the length of the JSON value that b begins with.
func valueLen(b []byte) int {
	switch b[0] {
	case '"':
		return stringLen(b)
	case '{', '[':
		n := 0
		for i := 0; i < len(b); i++ {
			switch b[i] {
			case '"':
				i += stringLen(b[i:]) - 1
			case '{', '[':
				n++
			case '}', ']':
				if n--; n == 0 {
					return i + 1
				}
			}
		}
		return len(b)
	}
	if n := bytes.IndexAny(b, ",]} \t\r\n"); n >= 0 {
		return n
	}
	return len(b)
}

func (v value) isObject() bool { return v[0] == '{' }

func (v value) isArray() bool { return v[0] == '[' }

func (v value) isNull() bool { return v[0] == 'n' }

// members walks an object. A name that stands in it twice comes twice.
func (v value) members() iter.Seq2[string, value] {
	return func(yield func(string, value) bool) {
		rest := trimLeft(v[1:])
		for rest[0] != '}' {
			n := stringLen(rest)
			name, _ := value(rest[:n]).str()
			rest = trimLeft(trimLeft(rest[n:])[1:]) // the colon
			n = valueLen(rest)
			if !yield(name, value(rest[:n])) {
				return
			}
			rest = next(rest[n:])
		}
	}
}

// elements walks an array.
func (v value) elements() iter.Seq[value] {
	return func(yield func(value) bool) {
		rest := trimLeft(v[1:])
		for rest[0] != ']' {
			n := valueLen(rest)
			if !yield(value(rest[:n])) {
				return
			}
			rest = next(rest[n:])
		}
	}
}

// count is the number of elements of an array, or members of an object.
func (v value) count() int {
	n := 0
	if v.isObject() {
		for range v.members() {
			n++
		}
		return n
	}
	for range v.elements() {
		n++
	}
	return n
}

// has says whether an object has a member that is not null, by its folded name.
func (v value) has(folded string) bool {
	for name, x := range v.members() {
		if !x.isNull() && fold(name) == folded {
			return true
		}
	}
	return false
}

func trimLeft(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\t' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// next passes the comma before the next member or element, if there is one.
func next(b []byte) []byte {
	b = trimLeft(b)
	if b[0] == ',' {
		return trimLeft(b[1:])
	}
	return b
}

// str is a string's text.
func (v value) str() (string, bool) {
	if v[0] != '"' {
		return "", false
	}
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	return unescape(inner), true
}

// unescape reads the inside of a well-formed JSON string, several times as fast as encoding/json: the text of a mail
// has an escape on each line.
func unescape(b []byte) string {
	var out strings.Builder
	out.Grow(len(b))
	for {
		i := bytes.IndexByte(b, '\\')
		if i < 0 {
			out.Write(b)
			return out.String()
		}
		out.Write(b[:i])
		c := b[i+1]
		b = b[i+2:]
		switch c {
		case 'b':
			out.WriteByte('\b')
		case 'f':
			out.WriteByte('\f')
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case 't':
			out.WriteByte('\t')
		case 'u':
			r := hex4(b)
			b = b[4:]
			if utf16.IsSurrogate(r) { // a whole pair: parseJSON has looked
				r = utf16.DecodeRune(r, hex4(b[2:]))
				b = b[6:]
			}
			out.WriteRune(r)
		default: // a quote, a slash, a backslash
			out.WriteByte(c)
		}
	}
}

func hex4(b []byte) rune {
	n, _ := strconv.ParseUint(string(b[:4]), 16, 16) // well formed
	return rune(n)
}

// boolean reads true and false.
func (v value) boolean() (is, ok bool) { return v[0] == 't', v[0] == 't' || v[0] == 'f' }

func (v value) isNumber() bool { return v[0] == '-' || v[0] >= '0' && v[0] <= '9' }

// looseBoolean reads true and false in the spellings of Send API v3's clients: 1 and 0, and either as a string.
func (v value) looseBoolean() (is, ok bool) {
	s, isString := v.str()
	if !isString {
		s = string(v)
	}
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "true", "yes", "y":
		return true, true
	case "0", "false", "no", "n", "":
		return false, true
	}
	return false, false
}

// looseInteger reads a whole number that stands in a string.
func (v value) looseInteger() (int64, bool) {
	s, ok := v.str()
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return n, err == nil
}

// integer reads a whole number; 2.0 and 1e3 are whole.
func (v value) integer() (int64, bool) {
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
		return n, true
	}
	if v[0] != '-' && (v[0] < '0' || v[0] > '9') {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// fold is a property name as it is compared.
func fold(name string) string { return strings.ToLower(name) }
