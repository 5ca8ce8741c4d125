// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/console"
	"postern/internal/dns"
	"postern/internal/domain"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
	"postern/internal/suppress"
)

// executed has the names of all templates that a test executed.
var executed = &names{seen: map[string]bool{}}

type names struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (n *names) note(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen[name] = true
	return ""
}

// TestMain fails a run of all tests that left a template out: a page that no test renders may break for its first
// reader.
func TestMain(m *testing.M) {
	code := m.Run()
	flag.Parse()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" {
		for _, name := range console.TemplateNames() {
			if !executed.seen[name] {
				fmt.Fprintf(os.Stderr, "no test executed the template %q\n", name)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// world is a server with one account, and what a test needs to reach behind it.
type world struct {
	t     *testing.T
	store *store.Store
	gate  *gate.Gate
	*backend.Backend
	submit   *submit.Submit
	suppress *suppress.List
	signed   keys.SignedUp
	dns      dns.Table // of the domains of senders
	base     string
	secure   bool // what Client says
	now      time.Time
}

var operator = change.Actor{Kind: change.Operator, Origin: "test"}

func newWorld(t *testing.T, change ...func(*console.Config)) *world {
	t.Helper()
	return newWorldOf(t, nil, change...)
}

// newWorldOf is newWorld with other parts behind the entry point.
func newWorldOf(t *testing.T, parts func(*backend.Config), change ...func(*console.Config)) *world {
	t.Helper()
	w := &world{t: t, store: storetest.New(t), dns: dns.Table{}, secure: true, now: time.Now()}
	serverKey := []byte("0123456789abcdefghijklmnopqrstuv")
	behind := backend.Config{
		Store: w.store, ServerKey: serverKey, Now: func() time.Time { return w.now }, Log: slogDiscard(),
		Domain: domain.Config{
			Resolver: w.dns, SPF: []string{"include:spf.mail.test"}, FilesBetween: 1,
			Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no web server") },
		},
	}
	if parts != nil {
		parts(&behind)
	}
	w.Backend = backendtest.New(t, behind)
	w.store, w.gate, w.submit, w.suppress = w.Store, w.Gate, w.Submit, w.Suppress
	var err error
	w.signed, err = w.Keys.SignUp(t.Context(), operator, "Acme", "owner@example.com")
	ok(t, err)
	c := console.Config{
		Backend: w.Backend, SMTPAddr: "127.0.0.1:2525", Hostname: "mail.example.com", Log: slogDiscard(),
		Client: func(*http.Request) (netip.Addr, bool) { return netip.MustParseAddr("192.0.2.7"), w.secure },
		Now:    func() time.Time { return w.now },
	}
	server := httptest.NewUnstartedServer(nil)
	c.BaseURL = "http://" + server.Listener.Addr().String()
	for _, f := range change {
		f(&c)
	}
	server.Config.Handler, err = console.NewNoting(c, executed.note)
	ok(t, err)
	server.Start()
	t.Cleanup(server.Close)
	w.base = "http://" + server.Listener.Addr().String()
	return w
}

// browser is a person's browser: it keeps cookies and follows redirects by GET.
type browser struct {
	w      *world
	client *http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	ok(w.t, err)
	return &browser{w, &http.Client{Jar: jar}}
}

// signedIn is a browser of the account's owner.
func (w *world) signedIn() *browser {
	b := w.browser()
	b.signInAs(w.signed.User)
	return b
}

func (b *browser) signInAs(u store.User) {
	b.w.t.Helper()
	w, ctx := b.w, b.w.t.Context()
	token, err := w.People.NewSignInLink(ctx, operator, u)
	ok(w.t, err)
	// Who has the factor of makeOperator is not asked for it.
	had := w.store.Update(ctx, func(tx *store.Tx) error { return tx.RemoveTOTP(ctx, u.ID) }) == nil
	b.post("/welcome/"+token, nil).is(http.StatusOK)
	if had {
		w.giveFactor(u)
	}
}

// makeOperator makes a user an operator, who has a second factor.
func (w *world) makeOperator(u store.User) {
	w.t.Helper()
	ok(w.t, w.People.SetOperator(w.t.Context(), operator, u.Email, true))
	w.giveFactor(u)
}

func (w *world) giveFactor(u store.User) {
	w.t.Helper()
	ok(w.t, w.store.Update(w.t.Context(), func(tx *store.Tx) error {
		return tx.AddTOTP(w.t.Context(), store.TOTP{UserID: u.ID, Secret: []byte("sealed")})
	}))
}

// answer is a page as it came.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	url    *url.URL
	body   string
	doc    *html.Node
}

func (b *browser) get(path string) answer {
	b.w.t.Helper()
	return b.do(http.MethodGet, path, nil, nil)
}

func (b *browser) post(path string, form url.Values) answer {
	b.w.t.Helper()
	return b.do(http.MethodPost, path, form, nil)
}

func (b *browser) do(method, path string, form url.Values, header map[string]string) answer {
	t := b.w.t
	t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, b.w.base+path, body)
	ok(t, err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	res, err := b.client.Do(r)
	ok(t, err)
	defer res.Body.Close() //nolint:errcheck // read whole
	text, err := io.ReadAll(res.Body)
	ok(t, err)
	a := answer{t: t, status: res.StatusCode, header: res.Header, url: res.Request.URL, body: string(text)}
	a.doc, err = html.Parse(strings.NewReader(a.body))
	ok(t, err)
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") && res.StatusCode/100 != 3 && !strings.HasSuffix(a.url.Path, "/html") {
		a.wellMade()
	}
	return a
}

// wellMade checks what holds for every page of ours.
func (a answer) wellMade() {
	a.t.Helper()
	if strings.Contains(a.body, "ZgotmplZ") {
		a.t.Errorf("%s: a value was filtered out by html/template", a.url.Path)
	}
	titles := slices.DeleteFunc(a.all("title"), func(n *html.Node) bool { return n.Namespace == "svg" }) // a drawing has one of its own
	if len(titles) != 1 || strings.TrimSpace(a.text("title")) == "" {
		a.t.Errorf("%s: it has no title", a.url.Path)
	}
	if attr(a.first("html"), "lang") != "en" {
		a.t.Errorf("%s: its language is not said", a.url.Path)
	}
	ids := map[string]bool{}
	for n := range a.doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, at := range n.Attr {
			if strings.HasPrefix(at.Key, "on") || at.Key == "style" {
				a.t.Errorf("%s: <%s %s> is against the page's policy", a.url.Path, n.Data, at.Key)
			}
			if at.Key == "id" {
				if ids[at.Val] {
					a.t.Errorf("%s: two elements have the id %s", a.url.Path, at.Val)
				}
				ids[at.Val] = true
			}
		}
		switch n.Data {
		case "style":
			a.t.Errorf("%s: an inline style is against the page's policy", a.url.Path)
		case "script":
			if n.FirstChild != nil {
				a.t.Errorf("%s: an inline script is against the page's policy", a.url.Path)
			}
		case "input", "select":
			if attr(n, "type") != "hidden" && !has(n, "hidden") && !labelled(n, a) {
				a.t.Errorf("%s: the field %s has no label", a.url.Path, attr(n, "name"))
			}
		case "button", "a":
			if strings.TrimSpace(textOf(n)) == "" && attr(n, "aria-label") == "" {
				a.t.Errorf("%s: a <%s> has no name", a.url.Path, n.Data)
			}
		}
	}
	if a.header.Get("Content-Security-Policy") == "" {
		a.t.Errorf("%s: no Content-Security-Policy", a.url.Path)
	}
}

func labelled(n *html.Node, a answer) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Data == "label" {
			return true
		}
	}
	return slices.ContainsFunc(a.all("label"), func(l *html.Node) bool { return attr(l, "for") == attr(n, "id") && attr(n, "id") != "" })
}

func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s answered %d, want %d: %s", a.url.Path, a.status, status, a.text("main"))
	}
	return a
}

// at fails unless redirects ended at path.
func (a answer) at(path string) answer {
	a.t.Helper()
	if a.url.Path != path {
		a.t.Fatalf("the browser is at %s, want %s", a.url.Path, path)
	}
	return a
}

func (a answer) says(words ...string) answer {
	a.t.Helper()
	text := strings.Join(strings.Fields(textOf(a.doc)), " ")
	for _, w := range words {
		if !strings.Contains(text, w) {
			a.t.Errorf("%s does not say %q; it says %q", a.url.Path, w, text)
		}
	}
	return a
}

func (a answer) lacks(words ...string) answer {
	a.t.Helper()
	for _, w := range words {
		if strings.Contains(a.body, w) {
			a.t.Errorf("%s has %q in it", a.url.Path, w)
		}
	}
	return a
}

// all are the elements that match "tag", "tag.class", "#id" or "tag[attr=value]".
func (a answer) all(selector string) []*html.Node { return find(a.doc, selector) }

func find(in *html.Node, selector string) []*html.Node {
	var key, value string
	tag, rest, byAttr := strings.Cut(selector, "[")
	if byAttr {
		key, value, _ = strings.Cut(strings.TrimSuffix(rest, "]"), "=")
	} else if t, c, byClass := strings.Cut(selector, "."); byClass {
		tag, key, value = t, "class", c
	} else if t, id, byID := strings.Cut(selector, "#"); byID {
		tag, key, value = t, "id", id
	}
	var out []*html.Node
	for n := range in.Descendants() {
		if n.Type != html.ElementNode || tag != "" && n.Data != tag {
			continue
		}
		if key == "" || key == "class" && slices.Contains(strings.Fields(attr(n, "class")), value) || key != "class" && has(n, key) && (value == "" || attr(n, key) == value) {
			out = append(out, n)
		}
	}
	return out
}

func (a answer) first(selector string) *html.Node {
	a.t.Helper()
	all := a.all(selector)
	if len(all) == 0 {
		a.t.Fatalf("%s has no %s", a.url.Path, selector)
	}
	return all[0]
}

func (a answer) text(selector string) string {
	if all := a.all(selector); len(all) > 0 {
		return strings.Join(strings.Fields(textOf(all[0])), " ")
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "style" && d.Parent.Data != "script" {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

// form reads the values of the form that goes to action, as a browser would send them.
func (a answer) form(action string) url.Values {
	a.t.Helper()
	v := url.Values{}
	form := a.first("form[action=" + action + "]")
	for _, in := range find(form, "input") {
		if kind := attr(in, "type"); kind != "radio" && kind != "checkbox" || has(in, "checked") {
			v.Add(attr(in, "name"), attr(in, "value"))
		}
	}
	for _, in := range find(form, "textarea") {
		v.Set(attr(in, "name"), textOf(in))
	}
	return v
}

// send accepts a mail by the account's key.
func (w *world) send(key store.Key, d mail.Draft, to ...string) submit.Receipt {
	w.t.Helper()
	if d.From.Email == "" {
		d.From = mail.Address{Name: "Acme", Email: "hello@acme.example"}
	}
	if d.Date.IsZero() {
		d.Date = w.now
	}
	if len(d.To) == 0 {
		for _, x := range to {
			d.To = append(d.To, mail.Address{Email: x})
		}
	}
	_, err := w.Senders.AddSender(w.t.Context(), operator, store.OfAccount(key.AccountID), store.KeyFilter{ID: key.ID}, d.From.Email, "")
	ok(w.t, err)
	raw, err := mail.Compose(d)
	ok(w.t, err)
	return w.sendRaw(key, d, raw, to...)
}

func (w *world) sendRaw(key store.Key, d mail.Draft, raw []byte, to ...string) submit.Receipt {
	w.t.Helper()
	env := submit.Envelope{From: d.From.Email}
	for _, x := range to {
		env.Recipients = append(env.Recipients, submit.Recipient{Email: x})
	}
	p := gate.Principal{KeyID: key.ID, AccountID: key.AccountID, APIKey: key.APIKey, Master: key.Master}
	r, err := w.submit.Accept(w.t.Context(), p, env, submit.Message{
		Raw: raw, From: d.From, Subject: d.Subject, MessageID: d.MessageID, HasText: d.Text != "", HasHTML: d.HTML != "", Attachments: len(d.Attachments), Priority: 2,
		Source: "http", Address: netip.MustParseAddr("198.51.100.4"), Client: "test/1.0",
	})
	ok(w.t, err)
	return r
}

// subaccount makes one behind the pages.
func (w *world) subaccount(name string) keys.Issued {
	w.t.Helper()
	x, err := w.Keys.CreateSubaccount(w.t.Context(), operator, w.signed.Account.ID, keys.NewKey{Name: name})
	ok(w.t, err)
	return x
}

// opens says whether a secret opens the gate.
func (w *world) opens(apiKey, secret string) bool {
	_, err := w.gate.Verify(gate.Source{Protocol: "http"}, apiKey, secret)
	return err == nil
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
