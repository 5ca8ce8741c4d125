// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/binary"
	"encoding/json"
)

// validJSON is json.Valid, which steps through a state machine at each byte: of a mail's JSON nearly all is one string, and
// here eight of its bytes are looked at together.
func validJSON(text []byte) bool {
	end := afterValue(text, skipSpace(text, 0), 0)
	if end == tooDeep {
		return json.Valid(text)
	}
	return end >= 0 && skipSpace(text, end) == len(text)
}

// What is no place in the text.
const (
	badJSON = -1
	tooDeep = -2 // nested deeper than is looked at here
)

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// afterValue is where the value ends that begins at b[i], or badJSON or tooDeep (RFC 8259 §3).
func afterValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return badJSON
	}
	switch c := b[i]; {
	case c == '"':
		return afterString(b, i)
	case c == '{' || c == '[':
		if depth >= maxDepth {
			return tooDeep
		}
		return afterMany(b, i, depth+1)
	case c == '-' || c >= '0' && c <= '9':
		return afterNumber(b, i)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
			return i + len(word)
		}
	}
	return badJSON
}

// afterMany is afterValue for an object or an array (RFC 8259 §4, §5).
func afterMany(b []byte, i, depth int) int {
	object, last := b[i] == '{', b[i]+2 // { and }, [ and ]
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == last {
		return i + 1
	}
	for {
		if object {
			if i >= len(b) || b[i] != '"' {
				return badJSON
			}
			if i = afterString(b, i); i < 0 {
				return i
			}
			if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
				return badJSON
			}
			i = skipSpace(b, i+1)
		}
		if i = afterValue(b, i, depth); i < 0 {
			return i
		}
		i = skipSpace(b, i)
		if i >= len(b) {
			return badJSON
		}
		if b[i] == last {
			return i + 1
		}
		if b[i] != ',' {
			return badJSON
		}
		i = skipSpace(b, i+1)
	}
}

// Bytes of a word, all of one kind.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// special says whether one of eight bytes ends a plain piece of a string: below 0x20, a quote or a backslash.
func special(w uint64) bool {
	quote, slash := w^('"'*ones), w^('\\'*ones)
	return ((w-0x20*ones)&^w|(quote-ones)&^quote|(slash-ones)&^slash)&highs != 0
}

// afterString is afterValue for a string (RFC 8259 §7).
func afterString(b []byte, i int) int {
	for i++; i < len(b); {
		if len(b)-i >= 8 && !special(binary.LittleEndian.Uint64(b[i:])) {
			i += 8
			continue
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < 0x20:
			return badJSON
		case c == '\\':
			if i = afterEscape(b, i+1); i < 0 {
				return i
			}
		default:
			i++
		}
	}
	return badJSON
}

// afterEscape is where an escape ends whose backslash stands before b[i].
func afterEscape(b []byte, i int) int {
	if i >= len(b) {
		return badJSON
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for n := 1; n <= 4; n++ {
			if i+n >= len(b) || !isHex(b[i+n]) {
				return badJSON
			}
		}
		return i + 5
	}
	return badJSON
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// afterNumber is afterValue for a number (RFC 8259 §6).
func afterNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	whole := digits(b, i)
	if whole == i || b[i] == '0' && whole > i+1 {
		return badJSON
	}
	i = whole
	if i < len(b) && b[i] == '.' {
		end := digits(b, i+1)
		if end == i+1 {
			return badJSON
		}
		i = end
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		end := digits(b, i)
		if end == i {
			return badJSON
		}
		i = end
	}
	return i
}

// digits is where the digits end that begin at b[i].
func digits(b []byte, i int) int {
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	return i
}
