// SPDX-License-Identifier: Apache-2.0

package console

import (
	"html/template"
	"io/fs"
	"net/http"
	"regexp"
	"testing/fstest"
	"time"

	"postern/internal/access"
	"postern/internal/mail"
)

var definition = regexp.MustCompile(`{{define "([^"]+)"}}`)

// TemplateNames are the names of all templates.
func TemplateNames() []string {
	var out []string
	for _, f := range noting() {
		for _, m := range definition.FindAllSubmatch(f.Data, -1) {
			out = append(out, string(m[1]))
		}
	}
	return out
}

// noting are the templates, each of which begins by saying its name to the function "executed".
func noting() fstest.MapFS {
	out := fstest.MapFS{}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(templateFiles, name)
		if err != nil {
			panic(err)
		}
		out[name] = &fstest.MapFile{Data: definition.ReplaceAll(data, []byte(`$0{{executed "$1"}}`))}
	}
	return out
}

// NewNoting is New with a function that is told the name of every template that is executed.
func NewNoting(c Config, note func(name string) string) (http.Handler, error) {
	return newConsole(c, noting(), template.FuncMap{"executed": note})
}

// Forms has the nonces of forms to the tests.
type Forms struct{ f *forms }

// NewForms makes nonces by a clock.
func NewForms(now func() time.Time) Forms { return Forms{newForms(now)} }

// Nonce makes one.
func (f Forms) Nonce(user int64) string { return f.f.nonce(user) }

// Use uses one.
func (f Forms) Use(user int64, nonce string) bool { return f.f.use(user, nonce) }

// Disposition names a download.
func Disposition(name string) string { return disposition(name) }

// LocalPath is where to go after signing in.
func LocalPath(next string) string { return localPath(next) }

// ShownHTML is a mail's HTML as it is shown.
func ShownHTML(source string, parts []mail.ViewPart) (string, error) { return shownHTML(source, parts) }

// ForgotTakes is how long an answer to a forgotten password takes.
const ForgotTakes = forgotTakes

// ClientWords says what a browser is.
func ClientWords(agent string) string { return clientWords(agent) }

// ActionWords says what an action is.
func ActionWords(a access.Action) string { return actionWords(a) }

// Route is a route of signed-in users as the tests see it.
type Route struct {
	Method, Pattern string
	Action          access.Action
	Fresh           bool
}

// Routes lists the routes of signed-in users.
func Routes() []Route {
	var out []Route
	for _, r := range (&console{}).routes() {
		out = append(out, Route{r.method, r.pattern, r.action, r.fresh})
	}
	return out
}

// NiceStep is the distance of a chart's lines.
var NiceStep = niceStep

// TimeToFillIn is how much longer than its page a form is taken.
const TimeToFillIn = timeToFillIn
