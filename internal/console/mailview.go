// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"postern/internal/mail"
)

// mailPolicy is the policy of a mail's HTML: it has no origin, runs nothing, and loads nothing but what is inside it.
// It may be framed by our own page alone. What connects without loading (preconnect, DNS) no policy forbids: shownHTML does.
const mailPolicy = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; " +
	"frame-ancestors 'self'"

// inlineImages bounds the pictures that are written into a mail's HTML, in bytes.
const inlineImages = 12 << 20

// sourceOf reads the source of the message that the address names.
func (c *console) sourceOf(v *visit) ([]byte, error) {
	_, raw, err := c.messageOf(v, c.Messages.Message)
	if err == nil && raw == nil {
		err = notFound("The source of this message is not kept any more.")
	}
	return raw, err
}

// showMessageHTML answers with the mail's HTML for the frame on the message's page. Its pictures are written into it
// (data: URLs): a frame without an origin sends no cookie, so that it cannot ask for them.
func (c *console) showMessageHTML(v *visit) error {
	raw, err := c.sourceOf(v)
	if err != nil {
		return err
	}
	view, err := mail.Read(raw)
	if err != nil || view.HTML == "" {
		return notFound("This message has no HTML part.")
	}
	h := v.w.Header()
	h.Set("Content-Security-Policy", mailPolicy)
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Content-Type", "text/html; charset=utf-8")
	shown, err := shownHTML(view.HTML, view.Parts)
	if err != nil {
		v.w.WriteHeader(http.StatusUnprocessableEntity)
		shown = "<p>This HTML is not shown: " + html.EscapeString(err.Error()) + ". The source of the message has it."
	}
	io.WriteString(v.w, shown) //nolint:errcheck,gosec // made again from what is harmless, and under mailPolicy
	return nil
}

// partByContentID finds the part that a cid: URL means.
func partByContentID(parts []mail.ViewPart, ref string) *mail.ViewPart {
	if len(ref) < 4 || !strings.EqualFold(ref[:4], "cid:") {
		return nil
	}
	id := ref[4:]
	if decoded, err := url.PathUnescape(id); err == nil {
		id = decoded
	}
	for i := range parts {
		if parts[i].ContentID != "" && strings.Trim(parts[i].ContentID, "<>") == id {
			return &parts[i]
		}
	}
	return nil
}

// imageType is the type of a picture, and of anything else one that no browser shows.
func imageType(contentType string) string {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.HasPrefix(t, "image/") {
		return "application/octet-stream"
	}
	return t
}

// showMessageSource is the whole source of a message, to keep.
func (c *console) showMessageSource(v *visit) error {
	raw, err := c.sourceOf(v)
	if err != nil {
		return err
	}
	return download(v, "message-"+v.r.PathValue("id")+".eml", raw)
}

// showMessagePart is one attachment, to keep: a browser never opens it as a page of this site.
func (c *console) showMessagePart(v *visit) error {
	raw, err := c.sourceOf(v)
	if err != nil {
		return err
	}
	view, err := mail.Read(raw)
	n, err2 := strconv.Atoi(v.r.PathValue("n"))
	if errors.Join(err, err2) != nil || n < 1 || n > len(view.Parts) {
		return notFound("This message has no such attachment.")
	}
	p := view.Parts[n-1]
	return download(v, partName(p, n), p.Data)
}

func partName(p mail.ViewPart, n int) string {
	if p.Filename != "" {
		return p.Filename
	}
	return "part-" + strconv.Itoa(n)
}

func download(v *visit, name string, data []byte) error {
	h := v.w.Header()
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("Content-Disposition", disposition(name))
	v.w.Write(data) //nolint:errcheck,gosec // a download of bytes
	return nil
}

// disposition names a download (RFC 6266): plain characters, and the whole name in UTF-8 (RFC 8187).
func disposition(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '/' || r == '\\' || r == '\uFFFD' {
			return '_'
		}
		return r
	}, name)
	plain := strings.Map(func(r rune) rune {
		if r >= 0x7f || r == '"' || r == '%' {
			return '_'
		}
		return r
	}, name)
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, plain, strings.ReplaceAll(url.QueryEscape(name), "+", "%20"))
}
