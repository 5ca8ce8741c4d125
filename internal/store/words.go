// SPDX-License-Identifier: Apache-2.0

package store

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"postern/internal/mail"
)

// Bounds of the words of a document or a query.
const (
	maxWord  = 40 // letters: of a longer word, its beginning
	maxWords = 200
	// minPrefix is from how many letters a word of a query also finds the words that begin with it.
	minPrefix = 3
	// indexedPrefix is up to how many letters the index has such beginnings ready (sqlite.go).
	indexedPrefix = 5
)

// words cuts text into words as the index has them: letters and digits, in lower case, without accents.
func words(text string) []string {
	var out []string
	var b strings.Builder
	n := 0
	end := func() {
		if n > 0 && len(out) < maxWords {
			out = append(out, b.String())
		}
		b.Reset()
		n = 0
	}
	if !ascii(text) {
		text = norm.NFKD.String(strings.ToValidUTF8(text, " "))
	}
	for _, r := range text {
		switch {
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			if n++; n <= maxWord {
				b.WriteRune(unicode.ToLower(r))
			}
		case !unicode.Is(unicode.Mn, r):
			end()
		}
	}
	end()
	return out
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// mark is a word of the index that no text has: a number of something that a message belongs to.
func mark(kind string, n int64) string { return "=" + kind + strconv.FormatInt(n, 10) }

// Kinds of marks.
const (
	markAccount  = "a"
	markKey      = "k"
	markCampaign = "c"
	markSender   = "s"
	markDomain   = "d" // of the recipient
)

// markOfCustomID is the mark of a CustomID. It is made of it, so that two may share one: rows are compared whole besides.
func markOfCustomID(s string) string { return mark("u", mail.DestinationID(s)) }

// document is what the index knows of a message.
type document struct {
	id, account, key, campaign, sender                         int64
	recipient, subject, from, fromName, customID, campaignName string
}

const documentColumns = "m.id, m.account_id, m.key_id, s.campaign_id, s.sender_id, m.recipient, s.subject, s.header_from, " +
	"s.from_name, s.custom_id, s.campaign"

func scanDocument(r scanner) (document, error) {
	var d document
	err := r.scan(&d.id, &d.account, &d.key, &d.campaign, &d.sender, &d.recipient, &d.subject, &d.from, &d.fromName, &d.customID,
		&d.campaignName)
	return d, err
}

// words are the document: marks, and the words of what a person remembers of a mail.
func (d *document) words() []string {
	out := []string{mark(markAccount, d.account), mark(markKey, d.key), mark(markSender, d.sender), mark(markDomain,
		mail.DestinationID(mail.Domain(d.recipient)))}
	if d.campaign != 0 {
		out = append(out, mark(markCampaign, d.campaign))
	}
	if d.customID != "" {
		out = append(out, markOfCustomID(d.customID))
	}
	for _, text := range []string{d.recipient, d.subject, d.from, d.fromName, d.customID, d.campaignName} {
		out = append(out, words(text)...)
	}
	// However the address is written, a search for the whole of it finds it.
	if box, err := mail.ParseMailbox(d.recipient); err == nil && box.Canonical() != strings.ToLower(d.recipient) {
		out = append(out, words(box.Canonical())...)
	}
	return out
}

// term is one condition on a document: it has one of some words, or a word with this beginning.
type term struct {
	any    []string
	prefix bool
}

// termsOf are the conditions of what somebody typed: all its words, of which the longer ones may be beginnings.
func termsOf(text string) []term {
	var out []term
	for _, w := range words(text) {
		out = append(out, term{any: []string{w}, prefix: utf8.RuneCountInString(w) >= minPrefix})
	}
	return out
}

// wide says whether the index has to gather all words that begin with the term's.
func (t term) wide() bool { return t.prefix && utf8.RuneCountInString(t.any[0]) > indexedPrefix }

// atHand are conditions that the index can follow without gathering: of a long beginning, its own beginning.
func atHand(terms []term) []term {
	out := slices.Clone(terms)
	for i, t := range out {
		if t.wide() {
			out[i].any = []string{string([]rune(t.any[0])[:indexedPrefix])}
		}
	}
	return out
}

// matches says whether a document fulfils all terms.
func matches(document []string, terms []term) bool {
	for _, t := range terms {
		if !t.in(document) {
			return false
		}
	}
	return true
}

func (t term) in(document []string) bool {
	for _, w := range document {
		for _, want := range t.any {
			if w == want || t.prefix && strings.HasPrefix(w, want) {
				return true
			}
		}
	}
	return false
}

// expression writes terms in the language of an index: the words of a term are joined by or, terms by and. Words are
// letters, digits and "=" alone.
func expression(terms []term, quote, or, and, begins string) string {
	var b strings.Builder
	for i, t := range terms {
		if i > 0 {
			b.WriteString(and)
		}
		b.WriteString("(")
		for j, w := range t.any {
			if j > 0 {
				b.WriteString(or)
			}
			b.WriteString(quote + w + quote)
			if t.prefix {
				b.WriteString(begins)
			}
		}
		b.WriteString(")")
	}
	return b.String()
}
