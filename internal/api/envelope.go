// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// envelope is what every resource answers: Count rows of this page, Total that match.
type envelope struct {
	Count int
	Data  any
	Total int
}

// rows makes an envelope of a page of a listing.
func rows[T any](data []T, total int) reply {
	if data == nil {
		data = []T{}
	}
	return reply{body: envelope{Count: len(data), Data: data, Total: total}}
}

// one makes an envelope of a single object.
func one[T any](object T) reply { return rows([]T{object}, 1) }

// errorV3 is an error of /v3.
type errorV3 struct {
	ErrorIdentifier string `json:",omitempty"`
	ErrorInfo       string
	ErrorMessage    string
	StatusCode      int
}

// errorV31 is an error of Send API v3.1: of a message, or of the whole call.
type errorV31 struct {
	ErrorIdentifier string
	ErrorCode       string `json:",omitempty"`
	StatusCode      int
	ErrorMessage    string
	ErrorRelatedTo  []string `json:",omitempty"`
}

// v31 says whether a request is answered in the way of Send API v3.1.
func v31(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v3.1/") }

// fail answers an error. What is ours is logged under the identifier that the caller gets.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := faultOf(err)
	id := a.identify(r, f)
	h := w.Header()
	switch f.status {
	case http.StatusUnauthorized:
		if !ofBrowser(r) {
			h.Set("WWW-Authenticate", `Basic realm="Provide an apiKey and secretKey"`)
		}
	case http.StatusMethodNotAllowed:
		h.Set("Allow", f.allow)
	case http.StatusUnsupportedMediaType:
		h.Set("Accept-Encoding", "gzip, identity") // RFC 9110 §15.5.16
	}
	if v31(r) {
		a.write(w, r, reply{status: f.status, body: errorOf(f, id), retryAfter: f.retryAfter})
		return
	}
	if f.status != http.StatusUnauthorized && f.status < 500 {
		id = ""
	}
	a.write(w, r, reply{
		status: f.status, body: errorV3{ErrorIdentifier: id, ErrorInfo: f.info, ErrorMessage: f.message, StatusCode: f.status},
		retryAfter: f.retryAfter,
	})
}

// ofBrowser says whether a browser sent a request, by its Fetch Metadata. It is not asked for a password: what is typed then
// it keeps, and sends with each later request, also with those that other sites make. Programs get the challenge (some send
// their credentials only then): of the headers, Node's fetch sends Sec-Fetch-Mode: cors alone.
func ofBrowser(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Sec-Fetch-Mode") == "navigate"
}

func errorOf(f *fault, id string) errorV31 {
	return errorV31{ErrorIdentifier: id, ErrorCode: f.code, StatusCode: f.status, ErrorMessage: f.message, ErrorRelatedTo: f.related}
}

// identify gives an error its identifier, and logs it when it is ours.
func (a *api) identify(r *http.Request, f *fault) string {
	id := uuid.NewString()
	if f.status >= 500 {
		if f.message == "" {
			f.message = "Something went wrong on this server. Its log has more under the ErrorIdentifier " + id + "."
		}
		level, why := slog.LevelError, any(f.cause)
		switch {
		case r.Context().Err() != nil:
			level, why = slog.LevelDebug, "who asked has gone"
		case f.cause == nil:
			level, why = slog.LevelWarn, f.message
		}
		a.Log.Log(r.Context(), level, "request failed", "error_identifier", id, "method", r.Method, "path", r.URL.Path, "error", why)
	}
	return id
}

// write answers JSON. A body that cannot be written as JSON is a mistake of ours and panics before the first byte.
func (a *api) write(w http.ResponseWriter, r *http.Request, out reply) {
	if out.status == http.StatusNoContent {
		w.WriteHeader(out.status)
		return
	}
	b, given := out.body.(written)
	if !given {
		b = encode(out.body)
	}
	contentType := "application/json"
	if v31(r) {
		contentType = "application/json; charset=UTF-8"
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	if out.replayed {
		h.Set(replayHeader, "true")
	}
	if out.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(out.retryAfter.Seconds()))))
	}
	if out.status == 0 {
		out.status = http.StatusOK
	}
	w.WriteHeader(out.status)
	w.Write(b) //nolint:errcheck,gosec // the client has gone
}

// written is a body that is JSON already.
type written []byte

func encode(body any) written {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		panic(err)
	}
	return b.Bytes()[:b.Len()-1] // without the line feed of Encode
}

// timestamp is a time on the wire: RFC 3339 in UTC, "" when it is unset.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
