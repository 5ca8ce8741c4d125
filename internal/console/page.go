// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/people"
	"postern/internal/store"
	"postern/internal/throttle"
)

// page is what the frame of every page needs. Body is the page's own.
type page struct {
	Title   string
	Section string // of the navigation: "keys", "messages", "senders"
	User    string // email, "" when nobody is signed in
	Account string
	Others  []people.OtherAccount  // accounts to switch to
	May     map[access.Action]bool // what the user may do in the account, or on a key of it
	NoWay   bool                   // nothing but this page is for the user: a second factor is to be set up
	Wide    bool                   // takes the room of a signed-in user's page also for others
	Body    any
}

// Can says whether the user may do something in the account, or on a key of it.
func (p page) Can(action string) bool { return p.May[access.Action(action)] }

// pageOf is a page of a signed-in user.
func pageOf(v *visit, title, section string, body any) page {
	p := page{
		Title: title, Section: section, User: v.user.Email, NoWay: v.in.MustAddFactor, Account: v.account.Name, Others: v.others,
		May: map[access.Action]bool{access.Operate: v.user.Operator}, Body: body,
	}
	for _, a := range access.Actions() {
		p.May[a] = v.mayAnywhere(a)
	}
	return p
}

// show writes a page of a signed-in user.
func (c *console) show(v *visit, status int, name, title, section string, body any) error {
	c.render(v.w, v.r, status, name, pageOf(v, title, section, body))
	return nil
}

// render writes a page whole or, when its template fails, an error and nothing of it.
func (c *console) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	var b bytes.Buffer
	if err := c.pages.ExecuteTemplate(&b, name, p); err != nil {
		c.Log.ErrorContext(r.Context(), "a page failed", "page", name, "error", err)
		http.Error(w, "The page could not be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	w.Write(b.Bytes()) //nolint:errcheck,gosec // the browser has gone; escaped by html/template
}

// statusError is an error with a page of its own.
type statusError struct {
	status        int
	title, reason string
}

// insecure answers who comes over a connection that is not encrypted. It offers no way on: every page would be this one.
func (c *console) insecure(w http.ResponseWriter, r *http.Request) {
	b := errorBody{
		Status: http.StatusForbidden, Title: "These pages are opened over HTTPS only",
		Reason: "The connection is not encrypted, so a password would cross the network in clear. Use the https:// address of this " +
			"server, or open it on the machine itself.",
	}
	c.render(w, r, b.Status, "error", page{Title: b.Title, Body: b})
}

func (e *statusError) Error() string { return e.title }

func notFound(reason string) error {
	return &statusError{http.StatusNotFound, "Not found", reason}
}

// fail shows an error to somebody who may not be signed in.
func (c *console) fail(w http.ResponseWriter, r *http.Request, err error) {
	c.failFor(w, r, nil, err)
}

func (c *console) failFor(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	var se *statusError
	switch {
	case errors.As(err, &se):
	case errors.Is(err, throttle.ErrFull):
		var user store.User
		if v != nil {
			user = v.user
		}
		se = &statusError{http.StatusTooManyRequests, "Too much at a time", c.busy(w, r, user)}
	case isMissing(err):
		se = &statusError{http.StatusNotFound, "Not found", "There is no such thing in your account. It may belong to another " +
			"account, or the address has a typing error."}
	case errors.Is(err, store.ErrNoRoom):
		se = &statusError{http.StatusServiceUnavailable, "No room on the disk", "The server's disk is full, and what is left of it " +
			"is for what ends credentials. Nothing was changed; try again when its operator has made room."}
	default:
		c.Log.ErrorContext(r.Context(), "a page failed", "path", r.URL.Path, "error", err)
		se = &statusError{http.StatusInternalServerError, "Something went wrong here", "The server could not do this. Nothing is " +
			"left half-done; try again, and if it stays, look at the server's log."}
	}
	body := errorBody{Status: se.status, Title: se.title, Reason: se.reason, Way: "/keys"}
	p := page{Title: se.title, Body: body}
	if v != nil {
		p = pageOf(v, se.title, "", body)
	}
	c.render(w, r, se.status, "error", p)
}

type errorBody struct {
	Status        int
	Title, Reason string
	Way           string // where to go on; "" nowhere
}

// parse reads the templates: each page is a {{define}} that calls head and foot.
func (c *console) parse(files fs.FS, more template.FuncMap) (*template.Template, error) {
	funcs := template.FuncMap{
		"static":  c.staticPath,
		"ago":     func(t time.Time) string { return ago(t, c.Now()) },
		"lasting": func(t time.Time) string { return lasting(t, c.Now()) },
		"ahead":   func(t time.Time) string { return ahead(t, c.Now()) },
		"date":    func(t time.Time) string { return t.UTC().Format("2 Jan 2006") },
		"clock":   func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05 UTC") },
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"size":    size,
		"number":  number,
		"many":    func(n int64) string { return number(int(n)) },
		"first":   firstLetter,
		"dict":    dict,
	}
	maps.Copy(funcs, more)
	return template.New("").Funcs(funcs).ParseFS(files, "templates/*.html")
}

// ago says in words how long ago t was.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return count(int(d/time.Minute), "minute") + " ago"
	case d < 24*time.Hour:
		return count(int(d/time.Hour), "hour") + " ago"
	case d < 60*24*time.Hour:
		return count(int(d/(24*time.Hour)), "day") + " ago"
	}
	return t.UTC().Format("2 Jan 2006")
}

// lasting says in words for how long it has been so since t.
func lasting(t, now time.Time) string {
	switch words := ago(t, now); {
	case words == "just now":
		return "for less than a minute"
	case strings.HasSuffix(words, " ago"):
		return "for " + strings.TrimSuffix(words, " ago")
	default:
		return "since " + words
	}
}

// count is "1 day", "2 days".
func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return number(n) + " " + unit + "s"
}

// number writes 10000 as 10,000.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 1000:
		return count(int(n), "byte")
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// firstLetter is what stands for a person in the menu.
func firstLetter(s string) string {
	for _, r := range s {
		return strings.ToUpper(string(r))
	}
	return "?"
}

// dict gives a template several named values.
func dict(pairs ...any) (map[string]any, error) {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		k, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[k] = pairs[i+1]
	}
	return m, nil
}

// isMissing says whether an error is that there is no such thing, or that it is not the caller's.
func isMissing(err error) bool {
	var e *change.Error
	return errors.Is(err, store.ErrNotFound) || errors.As(err, &e) && e.Kind == change.NotFound
}
