// SPDX-License-Identifier: Apache-2.0

package track

import (
	"bytes"

	"postern/internal/mail"
)

// placeholderName is what stands in each placeholder of the link to unsubscribe: [[UNSUB_LINK]], with or without a language behind it
// ([[UNSUB_LINK_EN]], [[UNSUB_LINK_pt-BR]]), in any case. Editors that take it for a URL write its brackets in percent.
const placeholderName = "unsub_link"

// HasPlaceholder says whether a message's text has a placeholder for the link to unsubscribe.
func HasPlaceholder(raw []byte) bool {
	found := false
	mail.RewriteShown(raw, func(s *mail.Shown) []byte {
		found = found || hasPlaceholder(s.Text)
		return nil
	})
	return found
}

func hasPlaceholder(text []byte) bool {
	_, _, ok := nextPlaceholder(text, 0)
	return ok
}

// fillPlaceholders puts link into all placeholders of a text; without one it is text itself.
func fillPlaceholders(text []byte, link string) []byte {
	var out []byte
	done := 0
	for {
		start, end, ok := nextPlaceholder(text, done)
		if !ok {
			break
		}
		out = append(append(out, text[done:start]...), link...)
		done = end
	}
	if done == 0 {
		return text
	}
	return append(out, text[done:]...)
}

// nextPlaceholder finds the first placeholder at or after from.
func nextPlaceholder(text []byte, from int) (start, end int, ok bool) {
	for at := from; ; {
		n := indexFold(text[at:], placeholderName)
		if n < 0 {
			return 0, 0, false
		}
		word := at + n
		at = word + len(placeholderName)
		before := bracket(text[from:word], "[[", "%5b%5b", true)
		end := afterLanguage(text, at)
		if after := bracket(text[end:], "]]", "%5d%5d", false); before > 0 && after > 0 {
			return word - before, end + after, true
		}
	}
}

// bracket is how long the bracket is that text ends or begins with, 0 for none.
func bracket(text []byte, plain, escaped string, atEnd bool) int {
	for _, b := range []string{plain, escaped} {
		if len(text) < len(b) {
			continue
		}
		part := text[:len(b)]
		if atEnd {
			part = text[len(text)-len(b):]
		}
		if bytes.EqualFold(part, []byte(b)) {
			return len(b)
		}
	}
	return 0
}

// afterLanguage is where _EN or _pt-BR ends that begins at at, or at itself.
func afterLanguage(text []byte, at int) int {
	letters := func(i int) bool { return i+2 <= len(text) && letter(text[i]) && letter(text[i+1]) }
	if at >= len(text) || text[at] != '_' || !letters(at+1) {
		return at
	}
	if at += 3; at < len(text) && (text[at] == '_' || text[at] == '-') && letters(at+1) {
		at += 3
	}
	return at
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// indexFold finds a word of lower-case ASCII, in any case. Its _, which texts have few of, is looked for.
func indexFold(text []byte, word string) int {
	const rare = 5 // the _ of unsub_link
	for at := rare; at < len(text); at++ {
		n := bytes.IndexByte(text[at:], word[rare])
		if n < 0 {
			return -1
		}
		at += n
		if start := at - rare; start+len(word) <= len(text) && bytes.EqualFold(text[start:start+len(word)], []byte(word)) {
			return start
		}
	}
	return -1
}
