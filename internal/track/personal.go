// SPDX-License-Identifier: Apache-2.0

package track

import (
	"bytes"
	"time"

	"postern/internal/mail"
)

// Paths of the links, after the base.
const (
	openPath  = "/o/"
	clickPath = "/c/"
	unsubPath = "/u/"
)

// Ways are what is done to a mail on its way out, as bits. The numbers are in the store: never change them.
type Ways int

// Ways to make a mail its recipient's own.
const (
	Opens     Ways = 1 << iota // a pixel in its HTML
	Clicks                     // links of its HTML lead through us
	Tags                       // links of its HTML get URLTags
	UnsubHead                  // List-Unsubscribe and List-Unsubscribe-Post (RFC 8058)
	UnsubText                  // its text has a placeholder for the link to unsubscribe
)

// Unsubscribes says whether the mail offers to unsubscribe by us.
func (w Ways) Unsubscribes() bool { return w&(UnsubHead|UnsubText) != 0 }

// Mail is what a mail is to become.
type Mail struct {
	MessageID int64
	KeyID     int64
	Recipient string
	At        time.Time
	Base      string // what links begin with: scheme and host
	Host      string // what links are signed for: the account's own host name, "" for the server's
	Ways      Ways
	URLTags   string // to be added to links: a=b&c=d
}

// Personalise makes a message's source one recipient's own. What the mail's ways do not touch stays byte for byte.
func (s *Signer) Personalise(raw []byte, m Mail) []byte {
	unsub := ""
	if m.Ways.Unsubscribes() {
		t := Token{Kind: Unsub, MessageID: m.MessageID, Link: m.KeyID, At: m.At}
		address := s.SealAddress(t, m.Recipient)
		unsub = m.Base + unsubPath + s.Sign(t, m.Host, address) + "/" + address
	}
	p := &personaliser{signer: s, mail: m, unsub: unsub, tags: escapeQuery(m.URLTags)}
	out := mail.RewriteShown(raw, p.text)
	if m.Ways&UnsubHead != 0 && !mail.HasField(raw, "List-Unsubscribe") {
		out = mail.AddFields(out,
			mail.Field{Name: "List-Unsubscribe", Value: "<" + unsub + ">"},
			mail.Field{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"}) // RFC 8058 §3.1
	}
	return out
}

// personaliser rewrites the texts of one mail.
type personaliser struct {
	signer *Signer
	mail   Mail
	unsub  string // the URL, "" when the mail offers none
	tags   string
	links  int64 // how many were signed
	opened bool  // the pixel is in
}

// text is what a shown text becomes; nil when it stays as it is.
func (p *personaliser) text(s *mail.Shown) []byte {
	text := s.Text
	if p.unsub != "" {
		text = fillPlaceholders(text, p.unsub)
	}
	if s.HTML && p.mail.Ways&(Opens|Clicks|Tags) != 0 {
		text = p.html(text, s.UTF8)
	}
	if len(text) == len(s.Text) && bytes.Equal(text, s.Text) {
		return nil
	}
	return text
}

// pixel is an image that nobody sees and that most programs load when a mail is looked at.
func (p *personaliser) pixel() []byte {
	t := Token{Kind: Open, MessageID: p.mail.MessageID, At: p.mail.At}
	src := p.mail.Base + openPath + p.signer.Sign(t, p.mail.Host, "") + ".gif"
	return []byte(`<img src="` + src + `" width="1" height="1" alt="" style="display:block;border:0;width:1px;height:1px">`)
}

// link is the URL that stands for a link of the mail, "" for one that stays as it is.
func (p *personaliser) link(href string) string {
	target, ok := normal(href)
	if !ok || p.unsub != "" && target == p.unsub {
		return ""
	}
	if p.mail.Ways&Tags != 0 {
		target = addTags(target, p.tags)
	}
	if p.mail.Ways&Clicks == 0 || len(target) > maxTarget {
		return target
	}
	p.links++
	t := Token{Kind: Click, MessageID: p.mail.MessageID, Link: p.links, At: p.mail.At}
	return p.mail.Base + clickPath + p.signer.Sign(t, p.mail.Host, target) + "/" + EncodeTarget(target)
}
