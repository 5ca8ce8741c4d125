// SPDX-License-Identifier: Apache-2.0

package console

import (
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"postern/internal/mail"
)

// Bounds of the HTML that is shown: its tree takes some hundred bytes for each tag.
const (
	maxShownHTML = 16 << 20 // bytes
	maxShownTags = 200_000
)

// errNotShown says that a mail's HTML is too much to be shown.
var errNotShown = errors.New("it is too large, or nested too deeply")

// shownElements are what a mail is laid out with. Of other elements only what is in them is shown, and of hiddenElements not
// even that.
func shownElements() []atom.Atom {
	return []atom.Atom{
		atom.Html, atom.Head, atom.Body, atom.Style, atom.A, atom.Abbr, atom.Acronym, atom.Address, atom.Area, atom.Article, atom.Aside,
		atom.B, atom.Bdi,
		atom.Bdo, atom.Big, atom.Blockquote, atom.Br, atom.Caption, atom.Center, atom.Cite, atom.Code, atom.Col, atom.Colgroup, atom.Dd,
		atom.Del,
		atom.Details, atom.Dfn, atom.Dir, atom.Div, atom.Dl, atom.Dt, atom.Em, atom.Figcaption, atom.Figure, atom.Font, atom.Footer,
		atom.H1, atom.H2,
		atom.H3, atom.H4, atom.H5, atom.H6, atom.Header, atom.Hr, atom.I, atom.Img, atom.Ins, atom.Kbd, atom.Li, atom.Main, atom.Map,
		atom.Mark, atom.Menu,
		atom.Nav, atom.Nobr, atom.Ol, atom.P, atom.Pre, atom.Q, atom.Rp, atom.Rt, atom.Ruby, atom.S, atom.Samp, atom.Section, atom.Small,
		atom.Span,
		atom.Strike, atom.Strong, atom.Sub, atom.Summary, atom.Sup, atom.Table, atom.Tbody, atom.Td, atom.Tfoot, atom.Th, atom.Thead,
		atom.Time, atom.Tr,
		atom.Tt, atom.U, atom.Ul, atom.Var, atom.Wbr,
	}
}

func hiddenElements() []atom.Atom {
	return []atom.Atom{
		atom.Script, atom.Template, atom.Title, atom.Iframe, atom.Frame, atom.Embed, atom.Applet, atom.Noembed, atom.Noframes,
		atom.Textarea, atom.Select, atom.Svg, atom.Math,
	}
}

// shownAttributes say how something looks. None of them is an address.
func shownAttributes() []string {
	return []string{
		"abbr", "align", "alink", "alt", "bgcolor", "border", "bordercolor", "bottommargin", "cellpadding", "cellspacing", "class",
		"clear", "color",
		"cols", "colspan", "coords", "datetime", "dir", "face", "frame", "headers", "height", "hspace", "id", "lang", "leftmargin",
		"link", "marginheight",
		"marginwidth", "media", "name", "noshade", "nowrap", "open", "reversed", "rightmargin", "role", "rowspan", "rules", "scope",
		"shape", "size", "span",
		"start", "style", "summary", "text", "title", "topmargin", "type", "usemap", "valign", "value", "vlink", "vspace", "width",
	}
}

// shownHTML is a mail's HTML made again from what is known to load nothing: no element or attribute is left that connects to
// anything when the page is shown (<link rel=preconnect>, <meta http-equiv=refresh>, srcset, poster, …), which a policy does
// not forbid in every browser. Links stay, for people to press. Styles stay, too: what they load is forbidden by mailPolicy.
// Pictures that the mail has with it are written into it, of cid: (RFC 2392), as far as there is room for them.
func shownHTML(source string, parts []mail.ViewPart) (string, error) {
	if len(source) > maxShownHTML || strings.Count(source, "<") > maxShownTags {
		return "", errNotShown
	}
	doc, err := html.ParseWithOptions(strings.NewReader(source), html.ParseOptionEnableScripting(false))
	if err != nil {
		return "", errNotShown // the parser's own bound of depth
	}
	s := &shown{shows: shownElements(), hides: hiddenElements(), attributes: shownAttributes(), parts: parts, left: inlineImages}
	s.children(doc)
	return s.out.String(), nil
}

// shown writes a mail's HTML.
type shown struct {
	out        strings.Builder
	shows      []atom.Atom
	hides      []atom.Atom
	attributes []string
	parts      []mail.ViewPart
	left       int // bytes of pictures for which there is room
}

func (s *shown) children(n *html.Node) {
	for c := range n.ChildNodes() {
		s.node(c)
	}
}

// node writes a node; its depth is bounded by the parser.
func (s *shown) node(n *html.Node) {
	switch n.Type {
	case html.TextNode:
		if n.Parent.DataAtom == atom.Style {
			s.out.WriteString(n.Data) // it ends before </style, or the parser would have ended it there
			return
		}
		s.out.WriteString(html.EscapeString(n.Data))
	case html.DoctypeNode:
		html.Render(&s.out, n) //nolint:errcheck,gosec // a Builder takes everything; whether the mail is in quirks mode shows
	case html.ElementNode:
		s.element(n)
	case html.ErrorNode, html.DocumentNode, html.CommentNode, html.RawNode: // comments are Outlook's conditions
	}
}

func (s *shown) element(n *html.Node) {
	switch {
	case n.Namespace != "", slices.Contains(s.hides, n.DataAtom):
		return
	case n.DataAtom == 0, !slices.Contains(s.shows, n.DataAtom):
		s.children(n)
		return
	}
	t := html.Token{Type: html.StartTagToken, DataAtom: n.DataAtom, Data: n.Data}
	for _, a := range n.Attr {
		if a, ok := s.attribute(n.DataAtom, a); ok {
			t.Attr = append(t.Attr, a)
		}
	}
	io.WriteString(&s.out, t.String()) //nolint:errcheck,gosec // as above
	switch n.DataAtom {
	case atom.Area, atom.Br, atom.Col, atom.Hr, atom.Img, atom.Wbr: // they have no end
		return
	case atom.Pre:
		s.out.WriteString("\n") // one is not shown, and the parser has taken it
	}
	s.children(n)
	s.out.WriteString("</" + n.Data + ">")
}

// attribute is an attribute as it is shown, and whether it is.
func (s *shown) attribute(of atom.Atom, a html.Attribute) (html.Attribute, bool) {
	switch {
	case a.Namespace != "":
		return a, false
	case a.Key == "href" && (of == atom.A || of == atom.Area):
		return a, true
	case a.Key == "src" && of == atom.Img, a.Key == "background" && of != atom.A:
		a.Val = s.picture(a.Val)
		return a, strings.HasPrefix(a.Val, "data:image/")
	}
	return a, slices.Contains(s.attributes, a.Key) || strings.HasPrefix(a.Key, "aria-") || strings.HasPrefix(a.Key, "data-")
}

// picture is the address of a picture inside the mail as the picture itself, and any other as it is.
func (s *shown) picture(ref string) string {
	p := partByContentID(s.parts, ref)
	if p == nil || len(p.Data) > s.left {
		return ref
	}
	s.left -= len(p.Data)
	return "data:" + imageType(p.ContentType) + ";base64," + base64.StdEncoding.EncodeToString(p.Data)
}
