// SPDX-License-Identifier: Apache-2.0

package track

import (
	"bytes"
	"html"
	"strings"

	tokens "golang.org/x/net/html"
)

// html rewrites the links of an HTML text and puts in the pixel. All that it does not change it copies byte for byte:
// mails are written for programs that are easily upset. utf8 decodes a piece of the text from its charset.
func (p *personaliser) html(text []byte, utf8 func([]byte) string) []byte {
	out := make([]byte, 0, len(text)+len(text)/4+256)
	out, body := p.markup(out, text, utf8, 0)
	if p.mail.Ways&Opens == 0 || p.opened {
		return out
	}
	p.opened = true
	if body < 0 {
		return append(out, p.pixel()...)
	}
	tail := bytes.Clone(out[body:])
	return append(append(out[:body], p.pixel()...), tail...)
}

// maxNested is how deep Outlook's comments are looked into.
const maxNested = 2

// markup appends text with its links rewritten, and says where in out the last </body> begins, else the last </html>,
// else -1.
func (p *personaliser) markup(out, text []byte, utf8 func([]byte) string, depth int) (_ []byte, end int) {
	z := tokens.NewTokenizer(bytes.NewReader(text))
	body, htm, done := -1, -1, 0
	for {
		kind := z.Next()
		raw := text[done : done+len(z.Raw())]
		done += len(raw)
		switch kind {
		case tokens.ErrorToken:
			out = append(append(out, raw...), text[done:]...)
			if body < 0 {
				body = htm
			}
			return out, body
		case tokens.StartTagToken, tokens.SelfClosingTagToken:
			if name, more := z.TagName(); more && linking(name) {
				out = p.tag(out, raw, utf8)
				continue
			}
		case tokens.EndTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "body":
				body = len(out)
			case "html":
				htm = len(out)
			}
		case tokens.CommentToken:
			if from, to, ok := conditional(raw); ok && depth < maxNested {
				out = append(out, raw[:from]...)
				out, _ = p.markup(out, raw[from:to], utf8, depth+1)
				out = append(out, raw[to:]...)
				continue
			}
		}
		out = append(out, raw...)
	}
}

// linking says whether an element's href is a link to click: also those that Outlook draws buttons with (VML).
func linking(name []byte) bool {
	return string(name) == "a" || string(name) == "area" || bytes.HasPrefix(name, []byte("v:"))
}

// conditional finds the HTML in a comment that Outlook alone reads: <!--[if mso]> … <![endif]-->.
func conditional(comment []byte) (from, to int, ok bool) {
	if !bytes.HasPrefix(comment, []byte("<!--[if")) {
		return 0, 0, false
	}
	from = bytes.Index(comment, []byte("]>")) + 2
	to = bytes.LastIndex(comment, []byte("<![endif]"))
	return from, to, from >= 2 && to > from
}

// tag appends a start tag with its href rewritten.
func (p *personaliser) tag(out, raw []byte, utf8 func([]byte) string) []byte {
	from, to, found := href(raw)
	if !found || p.mail.Ways&(Clicks|Tags) == 0 {
		return append(out, raw...)
	}
	link := p.link(unescape(utf8(raw[from:to])))
	if link == "" {
		return append(out, raw...)
	}
	link = html.EscapeString(link)
	if quote := raw[from-1]; quote != '"' && quote != '\'' {
		link = `"` + link + `"`
	}
	out = append(out, raw[:from]...)
	out = append(out, link...)
	return append(out, raw[to:]...)
}

// unescape reads an attribute's value as a browser does: there &copy=1 is no ©.
func unescape(value string) string {
	if !strings.Contains(value, "&") {
		return value
	}
	quote := `"`
	if strings.Contains(value, quote) {
		if quote = "'"; strings.Contains(value, quote) {
			return "" // never within quotes of either kind, and no URL outside of them
		}
	}
	z := tokens.NewTokenizer(strings.NewReader("<a href=" + quote + value + quote + ">"))
	z.Next()
	z.TagName()
	_, v, _ := z.TagAttr()
	return string(v)
}

const blanks = " \n\r\t\f"

// href finds the value of a start tag's first href, its quotes left out. It walks the attributes as HTML's tokenizer
// does (WHATWG HTML §13.2.5.32 to 39).
func href(tag []byte) (from, to int, ok bool) {
	at := skip(tag, 1, func(c byte) bool { return !is(c, blanks+"/>") }) // the name
	for {
		at = skip(tag, at, func(c byte) bool { return is(c, blanks+"/") })
		if at >= len(tag) || tag[at] == '>' {
			return 0, 0, false
		}
		start := at
		at = skip(tag, at+1, func(c byte) bool { return !is(c, blanks+"/>=") }) // = may be the first character of a name
		name := tag[start:at]
		at = skip(tag, at, func(c byte) bool { return is(c, blanks) })
		if at >= len(tag) || tag[at] != '=' {
			if bytes.EqualFold(name, []byte("href")) {
				return 0, 0, false // without a value
			}
			continue
		}
		at = skip(tag, at+1, func(c byte) bool { return is(c, blanks) })
		if from, to, at = value(tag, at); from < 0 {
			return 0, 0, false
		}
		if bytes.EqualFold(name, []byte("href")) {
			return from, to, to > from
		}
	}
}

// value says where an attribute's value is and what comes after it; from is -1 when the tag ends before it does.
func value(tag []byte, at int) (from, to, next int) {
	if at >= len(tag) || tag[at] == '>' {
		return at, at, at
	}
	if quote := tag[at]; quote == '"' || quote == '\'' {
		n := bytes.IndexByte(tag[at+1:], quote)
		if n < 0 {
			return -1, -1, -1
		}
		return at + 1, at + 1 + n, at + 2 + n
	}
	to = skip(tag, at, func(c byte) bool { return !is(c, blanks+">") })
	return at, to, to
}

func skip(b []byte, at int, over func(byte) bool) int {
	for at < len(b) && over(b[at]) {
		at++
	}
	return at
}

func is(c byte, set string) bool { return strings.IndexByte(set, c) >= 0 }
