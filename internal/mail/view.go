// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // texts in other charsets become UTF-8
)

// Limits of what is read of a message to look at.
const (
	viewDepth = 20
	viewParts = 1000
	viewBytes = 64 << 20 // decoded, over all parts
)

// Read reads a message to look at it. It is bounded in depth, parts and size, and takes of broken MIME what can be
// read; its error is a *SyntaxError when not even a header is there. HTML is given as it is: whoever shows it must
// keep it from running.
func Read(raw []byte) (*View, error) {
	head, _ := splitHead(raw)
	v := &View{}
	err := eachField(head, func(name, value string, _ []byte) error {
		v.Header = append(v.Header, Field{name, value})
		v.field(strings.ToLower(name), value)
		return nil
	})
	if err != nil && len(v.Header) == 0 {
		return nil, err
	}
	e, err := message.Read(bytes.NewReader(raw))
	if e == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return v, nil //nolint:nilerr // the header could be read: show it
	}
	r := &reader{v: v, parts: viewParts, left: viewBytes}
	r.walk(e, 0)
	return v, nil
}

func (v *View) field(lower, value string) {
	list := func() []Address { l, _ := ParseAddressList(value); return l }
	switch lower {
	case "from":
		v.From = list()
	case "sender":
		if a, err := ParseAddress(value); err == nil {
			v.Sender = &a
		}
	case "to":
		v.To = append(v.To, list()...)
	case "cc":
		v.Cc = append(v.Cc, list()...)
	case "reply-to":
		v.ReplyTo = list()
	case "subject":
		v.Subject = DecodeHeader(value)
	case "message-id":
		v.MessageID = strings.Trim(value, "<> \t")
	case "date":
		v.Date, _ = mail.ParseDate(value)
	}
}

type reader struct {
	v     *View
	parts int
	left  int64
}

func (r *reader) walk(e *message.Entity, depth int) {
	if r.parts--; r.parts < 0 || depth > viewDepth || r.left <= 0 {
		return
	}
	if mr := e.MultipartReader(); mr != nil {
		for {
			p, err := mr.NextPart()
			if p == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
				return
			}
			r.walk(p, depth+1)
			if r.parts <= 0 || r.left <= 0 {
				return
			}
		}
	}
	data, _ := io.ReadAll(io.LimitReader(e.Body, r.left)) // what can be read
	r.left -= int64(len(data))
	kind, params, _ := e.Header.ContentType()
	disposition, dparams, _ := e.Header.ContentDisposition()
	name := dparams["filename"]
	if name == "" {
		name = params["name"]
	}
	name = DecodeHeader(name)
	inline := disposition != "attachment" && name == ""
	switch {
	case inline && kind == "text/plain" && r.v.Text == "":
		r.v.Text = strings.ToValidUTF8(string(data), "\uFFFD")
	case inline && kind == "text/html" && r.v.HTML == "":
		r.v.HTML = strings.ToValidUTF8(string(data), "\uFFFD")
	default:
		if _, _, err := mime.ParseMediaType(kind); err != nil {
			kind = "application/octet-stream"
		}
		id := strings.Trim(e.Header.Get("Content-Id"), "<> \t")
		r.v.Parts = append(r.v.Parts, ViewPart{ContentType: kind, Filename: name, ContentID: id, Size: len(data), Data: data})
	}
}
