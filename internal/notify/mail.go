// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"unicode/utf8"

	"postern/internal/notice"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/submit"
)

//go:embed letter.html
var letterHTML string

// textWidth is where paragraphs of the text part are broken.
const textWidth = 72

// compose makes the mail of a notice. The same notice has the same Message-ID each time.
func (n *Notify) compose(id string, to []mail.Address, notice notice.Notice) (submit.Message, submit.Envelope, error) {
	l, err := write(n.BaseURL, notice)
	if err != nil {
		return submit.Message{}, submit.Envelope{}, err
	}
	l = l.clean()
	html, err := l.html()
	if err != nil {
		return submit.Message{}, submit.Envelope{}, err
	}
	d := mail.Draft{
		From: n.From, To: to, Subject: l.Subject, Text: l.text(), HTML: html, Date: notice.At, MessageID: id + "@" +
			mail.Domain(n.From.Email),
		Headers: []mail.Field{{Name: "Auto-Submitted", Value: "auto-generated"}}, // RFC 3834: nothing answers by itself
	}
	raw, err := mail.Compose(d)
	if err != nil {
		return submit.Message{}, submit.Envelope{}, fmt.Errorf("compose: %w", err)
	}
	env := submit.Envelope{From: n.From.Email}
	utf8 := mail.NeedsUTF8(n.From.Email)
	for _, a := range to {
		env.Recipients = append(env.Recipients, submit.Recipient{Email: a.Email, Kind: store.To})
		utf8 = utf8 || mail.NeedsUTF8(a.Email)
	}
	const off = 1 // no tracking
	var seal func([]byte) []byte
	if notice.Sealed() {
		seal = n.Notices.SealBody
	}
	return submit.Message{
		Seal: seal, Raw: raw, From: n.From, Subject: l.Subject, MessageID: d.MessageID, HasText: true, HasHTML: true, UTF8: utf8,
		CustomID: id, Priority: 3, TrackOpens: off, TrackClicks: off, Source: "postern", Client: "notice",
	}, env, nil
}

// clean makes what people wrote fit for one line; a quote keeps its lines.
func (l letter) clean() letter {
	line := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	l.Subject = line(l.Subject)
	if utf8.RuneCountInString(l.Subject) > 200 {
		l.Subject = string([]rune(l.Subject)[:199]) + "…"
	}
	for i := range l.Facts {
		l.Facts[i].Value = line(l.Facts[i].Value)
	}
	for i := range l.Lines {
		l.Lines[i] = line(l.Lines[i])
	}
	l.Quote = strings.TrimSpace(strings.ReplaceAll(l.Quote, "\r\n", "\n"))
	return l
}

// text is the letter for readers of text.
func (l letter) text() string {
	var b strings.Builder
	paragraph := func(s string) { b.WriteString(wrap(s, textWidth, "") + "\n\n") }
	for _, s := range l.Lines {
		paragraph(s)
	}
	width := 0
	for _, f := range l.Facts {
		width = max(width, len(f.Name)+2)
	}
	for _, f := range l.Facts {
		fmt.Fprintf(&b, "  %-*s%s\n", width, f.Name+":", f.Value)
	}
	if len(l.Facts) > 0 {
		b.WriteByte('\n')
	}
	if l.Quote != "" {
		for s := range strings.SplitSeq(l.Quote, "\n") {
			b.WriteString(wrap(s, textWidth, "> ") + "\n")
		}
		b.WriteByte('\n')
	}
	b.WriteString(l.Button + ":\n" + l.URL + "\n\n") // a link of its own line is never broken
	for _, s := range l.After {
		paragraph(s)
	}
	b.WriteString("-- \n" + wrap(l.Why, textWidth, "") + "\n")
	return b.String()
}

// wrap breaks a paragraph into lines that begin with lead.
func wrap(s string, width int, lead string) string {
	var b strings.Builder
	b.WriteString(lead)
	used := 0
	for i, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case used+1+n > width-len(lead):
			b.WriteString("\n" + lead)
			used = 0
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	return strings.TrimRight(b.String(), " ")
}

// html is the letter for everybody else: nothing in it is loaded from anywhere.
func (l letter) html() (string, error) {
	t, err := template.New("letter").Parse(letterHTML)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, l); err != nil {
		return "", fmt.Errorf("the letter's HTML: %w", err)
	}
	return b.String(), nil
}
