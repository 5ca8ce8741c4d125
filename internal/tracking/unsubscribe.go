// SPDX-License-Identifier: Apache-2.0

package tracking

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

func (h *Server) show(w http.ResponseWriter, status int, p page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "+
		"frame-ancestors 'none'")
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

func (h *Server) notFound(w http.ResponseWriter, _ *http.Request) {
	h.show(w, http.StatusNotFound, page{Title: "There is nothing here", Text: "The link is not whole, or it is not one of ours. If " +
		"you copied it from a mail, copy all of it."})
}

// ask shows the page with the button. Looking at it changes nothing: programs that look into mail follow every link.
func (h *Server) ask(w http.ResponseWriter, r *http.Request) {
	if _, ok := h.check(r, track.Unsub, r.PathValue("token"), r.PathValue("address")); !ok {
		h.stats.unsub.refused.Add(1)
		h.notFound(w, r)
		return
	}
	h.show(w, http.StatusOK, question(r))
}

func question(r *http.Request) page {
	return page{Title: "Unsubscribe", Text: "Press the button, and no more mail from this sender goes to the address that this mail " +
		"was sent to.", Ask: true, Action: r.URL.Path}
}

// leave unsubscribes: by the button of the page, or at once by the mail program's (RFC 8058 §3.2: a POST, without
// cookies, that is not answered with a redirect).
func (h *Server) leave(w http.ResponseWriter, r *http.Request) {
	t, ok := h.check(r, track.Unsub, r.PathValue("token"), r.PathValue("address"))
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
	if e.Machine = false; by != "" { // a machine posts this because a person pressed its button
		e.Agent = by
	}
	if err := h.unsubscribe(r.Context(), e, t, r.PathValue("address")); err != nil {
		h.stats.unsub.failed.Add(1)
		h.c.Log.ErrorContext(r.Context(), "an unsubscription was not written down", "message", e.MessageID, "error", err)
		w.Header().Set("Retry-After", "60")
		h.show(w, http.StatusServiceUnavailable, page{Title: "Not yet", Text: "The server could not note it down. Please try again " +
			"in a minute.", Ask: true, Action: r.URL.Path})
		return
	}
	h.show(w, http.StatusOK, page{Title: "You are unsubscribed", Text: "No more mail from this sender goes to the address that this " +
		"mail was sent to."})
}

// form reads what a POST says, and by whom it was sent: by "" a person, else the mail program.
func form(r *http.Request) (by string, ok bool) {
	// RFC 8058 §3.1 lets both be
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "multipart/form-data" {
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
func (h *Server) unsubscribe(ctx context.Context, e store.Engagement, t track.Token, address string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	x := hit{kind: track.Unsub, message: e.MessageID}
	if h.recent.known(x, e.At) {
		off, err := h.suppressed(ctx, t, address)
		if err != nil {
			return err
		}
		if off {
			h.stats.unsub.repeated.Add(1)
			return nil
		}
	}
	n := &h.stats.unsub.person
	err := h.c.Store.Engage(ctx, e)
	if errors.Is(err, store.ErrNotFound) {
		n = &h.stats.unsub.unknown
		err = h.suppress(ctx, t, address)
	}
	if err != nil {
		return err
	}
	h.recent.seen(x, e.At, againGone)
	n.Add(1)
	return nil
}

// suppressed says whether the address of a link still is on its key's list: it may have been taken off since.
func (h *Server) suppressed(ctx context.Context, t track.Token, address string) (bool, error) {
	email, ok := h.c.Signer.OpenAddress(t, address)
	if !ok {
		return false, nil
	}
	return h.c.Suppress.Has(ctx, t.Link, email)
}

// suppress honours an unsubscription from a message that is forgotten with its plan's retention: the link has what it
// takes.
func (h *Server) suppress(ctx context.Context, t track.Token, address string) error {
	email, ok := h.c.Signer.OpenAddress(t, address)
	if !ok {
		return errors.New("the address in the link cannot be read")
	}
	return h.c.Suppress.Unsubscribe(ctx, t.Link, email, t.MessageID)
}
