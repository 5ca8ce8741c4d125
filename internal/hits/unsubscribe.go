// SPDX-License-Identifier: Apache-2.0

package hits

import (
	"context"
	"embed"
	"errors"
	"mime"
	"net/http"
	"time"

	"postern/internal/store"
	"postern/internal/track"
)

const (
	maxForm   = 64 << 10        // bytes of a form
	leaveTime = 8 * time.Second // for an unsubscription to be durable
	// oneClick is who unsubscribes by RFC 8058: the mail program, at the recipient's one click.
	oneClick = "List-Unsubscribe"
)

//go:embed page.html page.css
var files embed.FS

// page is what a person sees.
type page struct {
	Title, Text string
	Ask         bool   // with the button
	Action      string // of the button
}

func (h *Hits) show(w http.ResponseWriter, status int, p page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	h.page.Execute(w, p) //nolint:errcheck,gosec // who asked has gone
}

func style(w http.ResponseWriter, _ *http.Request) {
	b, err := files.ReadFile("page.css")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write(b) //nolint:errcheck,gosec // who asked has gone
}

func (h *Hits) notFound(w http.ResponseWriter, _ *http.Request) {
	h.show(w, http.StatusNotFound, page{Title: "There is nothing here", Text: "The link is not whole, or it is not one of ours. If you copied it from a mail, copy all of it."})
}

// ask shows the page with the button. Looking at it changes nothing: programs that look into mail follow every link.
func (h *Hits) ask(w http.ResponseWriter, r *http.Request) {
	if _, ok := h.check(r, track.Unsub, r.PathValue("token"), ""); !ok {
		h.stats.unsub.refused.Add(1)
		h.notFound(w, r)
		return
	}
	h.show(w, http.StatusOK, question(r))
}

func question(r *http.Request) page {
	return page{Title: "Unsubscribe", Text: "You get no more mail from this sender at the address that this mail was sent to.", Ask: true, Action: r.URL.Path}
}

// leave unsubscribes: by the button of the page, or at once by the mail program's (RFC 8058 §3.2: a POST, without
// cookies, that is not answered with a redirect).
func (h *Hits) leave(w http.ResponseWriter, r *http.Request) {
	t, ok := h.check(r, track.Unsub, r.PathValue("token"), "")
	if !ok {
		h.stats.unsub.refused.Add(1)
		h.notFound(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	by, ok := form(r)
	if !ok {
		h.show(w, http.StatusBadRequest, question(r))
		return
	}
	now := h.c.Now()
	e := store.Engagement{MessageID: t.MessageID, Type: store.EventUnsub, At: now, Doing: h.doing(r, time.Hour)}
	if e.Machine = false; by != "" { // a machine that posts this was told to
		e.Agent = by
	}
	switch err := h.unsubscribe(r.Context(), e, now); {
	case errors.Is(err, store.ErrNotFound):
		h.stats.unsub.unknown.Add(1)
		h.show(w, http.StatusGone, page{Title: "This mail is too old", Text: "The server does not know the mail any more that this link is from. Use the link of a newer one, or write to its sender."})
	case err != nil:
		h.stats.unsub.failed.Add(1)
		h.c.Log.ErrorContext(r.Context(), "an unsubscription was not written down", "message", e.MessageID, "error", err)
		w.Header().Set("Retry-After", "60")
		h.show(w, http.StatusServiceUnavailable, page{Title: "Not yet", Text: "The server could not note it down. Please try again in a minute.", Ask: true, Action: r.URL.Path})
	default:
		h.show(w, http.StatusOK, page{Title: "You are unsubscribed", Text: "No more mail from this sender goes to the address that this mail was sent to."})
	}
}

// form reads what a POST says, and by whom it was sent: by "" a person, else the mail program.
func form(r *http.Request) (by string, ok bool) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "multipart/form-data" { // RFC 8058 §3.1 lets both be
		if err := r.ParseMultipartForm(maxForm); err != nil {
			return "", false
		}
	} else if err := r.ParseForm(); err != nil {
		return "", false
	}
	if r.PostFormValue("List-Unsubscribe") == "One-Click" {
		return oneClick, true
	}
	return "", r.PostFormValue("unsubscribe") == "yes"
}

// unsubscribe writes an unsubscription down, once.
func (h *Hits) unsubscribe(ctx context.Context, e store.Engagement, now time.Time) error {
	x := hit{kind: track.Unsub, message: e.MessageID}
	if h.recent.known(x, now) {
		h.stats.unsub.repeated.Add(1)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if err := h.c.Store.Engage(ctx, e); err != nil {
		return err
	}
	h.recent.seen(x, now, againGone)
	h.stats.unsub.person.Add(1)
	return nil
}
