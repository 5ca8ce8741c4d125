// SPDX-License-Identifier: Apache-2.0

package tracking_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	msgdkim "github.com/emersion/go-msgauth/dkim"

	"postern/internal/courier"
	"postern/internal/dkim"
	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/mxtest"
	"postern/internal/queue"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
	"postern/internal/suppress"
	"postern/internal/track"
	"postern/internal/tracking"
)

const (
	person = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0"
	host   = "link.example.com" // an account's own
)

// world is the way of a mail from its acceptance to its reader, and back.
type world struct {
	t      *testing.T
	store  *store.Store
	signer *track.Signer
	submit *submit.Submit
	hits   *tracking.Server
	queue  *queue.Queue
	sink   *mxtest.Server
	base   string
	key    store.Key
	record string // of DKIM
	ahead  atomic.Int64
	client *http.Client
}

func newWorld(t *testing.T, s *store.Store) *world {
	t.Helper()
	w := &world{t: t, store: s, sink: mxtest.NewServer(t, mxtest.Script{})}
	w.ahead.Store(int64(time.Minute))
	w.account(store.Tracking{})
	var err error
	if w.signer, err = track.NewSigner(bytes.Repeat([]byte{7, 8}, 16)); err != nil {
		t.Fatal(err)
	}
	w.hits = tracking.New(tracking.Config{
		Store: s, Suppress: suppress.New(s, w.signer, slog.New(slog.DiscardHandler)), Signer: w.signer, Log: slog.New(slog.DiscardHandler),
		Client: func(r *http.Request) (netip.Addr, bool) {
			if a, err := netip.ParseAddr(r.Header.Get("X-Test-Address")); err == nil {
				return a, true
			}
			return netip.MustParseAddr("198.51.100.7"), true
		},
		Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
	})
	web := httptest.NewServer(w.hits.Beside(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/o/") || strings.HasPrefix(r.URL.Path, "/c/") || strings.HasPrefix(r.URL.Path, "/u/") {
			w.hits.ServeHTTP(rw, r)
			return
		}
		io.WriteString(rw, "the rest of the server")
	})))
	w.base = web.URL
	w.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, web.Listener.Addr().String())
		},
	}}
	w.submit = submit.New(s, func() { w.queue.Wake() }, slog.New(slog.DiscardHandler))
	w.deliver()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- w.queue.Run(ctx) }()
	go func() { ended <- w.hits.Run(ctx) }()
	t.Cleanup(func() {
		web.Close()
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("ended with %v", err)
			}
		}
	})
	return w
}

func (w *world) account(tr store.Tracking) {
	w.t.Helper()
	ctx := w.t.Context()
	err := w.store.Update(ctx, func(tx *store.Tx) error {
		if w.key.ID != 0 {
			a, err := tx.Account(ctx, w.key.AccountID)
			if a.Tracking = tr; err == nil {
				err = tx.ChangeAccount(ctx, a)
			}
			return err
		}
		a, err := tx.AddAccount(ctx, "one")
		if err != nil {
			return err
		}
		if w.key, err = tx.AddKey(ctx, store.Key{AccountID: a.ID, APIKey: "0123456789abcdef0123456789abcdef", Name: "one", Master: true, State: store.KeyActive}); err != nil {
			return err
		}
		_, err = tx.PutSender(ctx, store.Sender{KeyID: w.key.ID, Email: "*@example.com", Domain: "example.com", Status: store.SenderActive})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.submit != nil {
		w.submit.Forget(0)
	}
}

// deliver makes the queue, whose relay is the sink, and whose mail is signed.
func (w *world) deliver() {
	w.t.Helper()
	pkcs8, err := dkim.Generate()
	if err != nil {
		w.t.Fatal(err)
	}
	if w.record, err = dkim.RecordValue(pkcs8); err != nil {
		w.t.Fatal(err)
	}
	h, port, _ := net.SplitHostPort(w.sink.Addr)
	relay, err := courier.NewRelay(courier.RelayConfig{
		Host: h, Port: port, TLS: courier.TLSNever, Hostname: "postern.example.com",
		Signer: dkim.NewSigner(func(context.Context, int64, string) (string, []byte, bool, error) { return "s", pkcs8, true, nil }),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { relay.Close() })
	w.queue = queue.New(queue.Config{
		Store: w.store, Courier: relay, Log: slog.New(slog.DiscardHandler), ExclusiveDB: true,
		Personalise: func(out store.Outgoing, c store.Claimed) []byte {
			return w.signer.Personalise(out.Body, track.Mail{
				MessageID: c.MessageID, KeyID: c.KeyID, Recipient: c.Recipient, At: time.Now(), Base: track.Base(w.base, out.TrackHost), Host: out.TrackHost, Ways: track.Ways(c.Ways), URLTags: out.URLTags,
			})
		},
	})
}

// send sends a mail, and returns its messages and what arrived at each, by address.
func (w *world) send(html string, change func(*submit.Message), to ...string) (submit.Receipt, map[string]mxtest.Mail) {
	w.t.Helper()
	before := len(w.sink.Mails())
	raw, err := mail.Compose(mail.Draft{From: mail.Address{Email: "shop@example.com"}, Subject: "Offers", HTML: html, Text: "plain", Date: time.Now(), MessageID: "1@example.com"})
	if err != nil {
		w.t.Fatal(err)
	}
	m := submit.Message{Raw: raw, From: mail.Address{Email: "shop@example.com"}, HasHTML: true, HasText: true, Source: "http", Priority: 2}
	if change != nil {
		change(&m)
	}
	env := submit.Envelope{From: "shop@example.com"}
	for _, a := range to {
		env.Recipients = append(env.Recipients, submit.Recipient{Email: a})
	}
	receipt, err := w.submit.Accept(w.t.Context(), gate.Principal{KeyID: w.key.ID, AccountID: w.key.AccountID, APIKey: w.key.APIKey}, env, m)
	if err != nil {
		w.t.Fatal(err)
	}
	w.until("it is sent", func() bool {
		for _, a := range receipt.Messages {
			if w.message(a.ID).DoneAt.IsZero() {
				return false
			}
		}
		return true
	})
	got := map[string]mxtest.Mail{}
	for _, x := range w.sink.Mails()[before:] {
		for _, a := range x.To {
			got[a] = x
		}
	}
	return receipt, got
}

func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (w *world) message(id int64) store.Message {
	w.t.Helper()
	m, err := w.store.Message(w.t.Context(), store.OfKey(w.key.AccountID, w.key.ID), store.MessageFilter{ID: id})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) events(id int64) []store.Event {
	w.t.Helper()
	events, err := w.store.Events(w.t.Context(), store.OfKey(w.key.AccountID, w.key.ID), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return events
}

// ask makes a request and returns its answer with the body read.
func (w *world) ask(method, link, body string, header ...string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, link, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("User-Agent", person)
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res, string(text)
}

var (
	pixels = regexp.MustCompile(`src="([^"]+\.gif)" width="1"`)
	links  = regexp.MustCompile(`href="([^"]+/c/[^"]+)"`)
	leaves = regexp.MustCompile(`(?m)^List-Unsubscribe: <([^>]+)>\r$`)
)

// find is the first group of what a mail has of a pattern.
func (w *world) find(x mxtest.Mail, p *regexp.Regexp) string {
	w.t.Helper()
	text := string(x.Data)
	if v, err := mail.Read(x.Data); err == nil && p != leaves {
		text = v.HTML
	}
	m := p.FindStringSubmatch(text)
	if m == nil {
		w.t.Fatalf("no %v in\n%s", p, x.Data)
	}
	return m[1]
}

const shop = `<html><body><a href="https://example.com/offers?a=1&amp;b=2">Öffnen</a></body></html>`

func tracked(m *submit.Message) { m.TrackOpens, m.TrackClicks = store.TrackOn, store.TrackOn }

// A tracked mail from its acceptance to what its two recipients do with it.
func TestOpenClickUnsubscribe(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		w.account(store.Tracking{Unsubscribe: store.UnsubscribeAll})
		receipt, got := w.send(shop, tracked, "a@example.net", "b@example.net")
		a, b := receipt.Of("a@example.net").ID, receipt.Of("b@example.net").ID
		if len(got) != 2 || w.find(got["a@example.net"], pixels) == w.find(got["b@example.net"], pixels) {
			t.Fatal("the recipients have one mail")
		}
		for to, x := range got {
			w.verifies(to, x)
		}
		mine := got["a@example.net"]
		res, body := w.ask("GET", w.find(mine, pixels), "")
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "image/gif" || !strings.HasPrefix(body, "GIF89a") || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("the pixel: %d %v", res.StatusCode, res.Header)
		}
		w.until("it is opened", func() bool { return w.message(a).Status == store.StatusOpened })
		res, _ = w.ask("GET", w.find(mine, links), "")
		if res.StatusCode != http.StatusFound || res.Header.Get("Location") != "https://example.com/offers?a=1&b=2" || res.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("the link: %d %v", res.StatusCode, res.Header)
		}
		w.until("it is clicked", func() bool { return w.message(a).Status == store.StatusClicked })
		leave := w.find(mine, leaves)
		if !bytes.Contains(mine.Data, []byte("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")) {
			t.Error("no List-Unsubscribe-Post")
		}
		if res, _ = w.ask("POST", leave, "List-Unsubscribe=One-Click"); res.StatusCode != http.StatusOK || res.Header.Get("Set-Cookie") != "" {
			t.Errorf("one click: %d %v", res.StatusCode, res.Header)
		}
		if m := w.message(a); m.Status != store.StatusUnsub {
			t.Errorf("after the answer: %v", m.Status)
		}
		events := w.events(a)
		if len(events) != 4 || events[1].IP != "198.51.100.7" || events[1].Agent != person || events[2].URL != "https://example.com/offers?a=1&b=2" || events[3].Agent != "List-Unsubscribe" {
			t.Errorf("events %+v", events)
		}
		if m := w.message(b); m.Status != store.StatusSent || m.TrackOpens != store.TrackOn {
			t.Errorf("the other: %+v", m)
		}
		want := store.Counts{Total: 2, Sent: 2, Opened: 1, OpenEvents: 1, Clicked: 1, ClickEvents: 1, Unsub: 1, UnsubEvents: 1}
		c, err := s.Counters(t.Context(), store.OfAccount(w.key.AccountID), store.ByMessage, time.Time{}, time.Time{})
		if c.OpenDelay, c.ClickDelay = 0, 0; err != nil || c != want {
			t.Errorf("counters %+v, %v", c, err)
		}
	})
}

// verifies checks a mail's DKIM signature, and that it covers what RFC 8058 §4 asks for.
func (w *world) verifies(to string, x mxtest.Mail) {
	w.t.Helper()
	found, err := msgdkim.VerifyWithOptions(bytes.NewReader(x.Data), &msgdkim.VerifyOptions{LookupTXT: func(string) ([]string, error) { return []string{w.record}, nil }})
	if err != nil || len(found) != 1 || found[0].Err != nil {
		w.t.Fatalf("%s: signatures %+v, %v", to, found, err)
	}
	keys := strings.ToLower(strings.Join(found[0].HeaderKeys, " "))
	if !strings.Contains(keys, "list-unsubscribe ") || !strings.Contains(keys, "list-unsubscribe-post") {
		w.t.Errorf("%s: signed are %s", to, keys)
	}
}

func TestMachines(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	receipt, got := w.send(shop, tracked, "a@example.net")
	id, x := receipt.Messages[0].ID, got["a@example.net"]
	n := 0
	for agent, machine := range map[string]bool{
		"Mozilla/5.0": true, "": true, "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; BingPreview/1.0b) Chrome/W.X.Y.Z Safari/537.36": true,
		"Barracuda Sentinel (EE)": true, "python-requests/2.32": true,
		person: false,
		"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)":       false,
		"YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html":                        false,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)": false,
	} {
		n++
		w.ask("GET", w.find(x, pixels), "", "User-Agent", agent, "X-Test-Address", netip.AddrFrom4([4]byte{203, 0, 113, byte(n)}).String())
		w.until("it is noted", func() bool { return len(w.events(id)) == n+1 })
		if e := w.events(id)[n]; e.Machine != machine {
			t.Errorf("%q: machine %v", agent, e.Machine)
		}
	}
	w.ask("GET", w.find(x, pixels), "", "Sec-Purpose", "prefetch;prerender", "X-Test-Address", "203.0.113.200")
	w.ahead.Store(0)
	w.ask("GET", w.find(x, links), "")
	w.until("both are noted", func() bool { return len(w.events(id)) == n+3 })
	for _, e := range w.events(id)[n+1:] {
		if !e.Machine {
			t.Errorf("%v by %q at once, or prefetched: a person's", e.Type, e.Agent)
		}
	}
	c, err := w.store.Counters(t.Context(), store.OfAccount(w.key.AccountID), store.ByMessage, time.Time{}, time.Time{})
	if err != nil || c.MachineOpens != 6 || c.OpenEvents != 4 || c.Opened != 1 || c.Clicked != 0 {
		t.Errorf("counters %+v, %v", c, err)
	}
	w.until("all are counted", func() bool {
		s := w.hits.Stats()
		return s.Open.Machine == 6 && s.Open.Person == 4 && s.Click.Machine == 1
	})
}

func TestRepetitionsSayNothingNew(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	_, got := w.send(shop, tracked, "a@example.net")
	x := got["a@example.net"]
	for range 5 {
		w.ask("GET", w.find(x, pixels), "")
		w.ask("HEAD", w.find(x, pixels), "")
	}
	if res, _ := w.ask("HEAD", w.find(x, links), ""); res.StatusCode != http.StatusFound || res.Header.Get("Location") == "" {
		t.Errorf("HEAD of a link: %d", res.StatusCode)
	}
	w.ask("GET", w.find(x, pixels), "", "X-Test-Address", "2001:db8::1")
	w.ask("GET", w.find(x, pixels), "", "X-Test-Address", "2001:db8::a:2") // one network is one reader: it has 2^64 addresses
	w.ahead.Add(int64(11 * time.Second))
	w.ask("GET", w.find(x, pixels), "")
	w.until("they are noted", func() bool { return w.hits.Stats().Open.Person == 3 })
	if s := w.hits.Stats(); s.Open.Repeated != 5 || s.Click.Person != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestForgedLinks(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	_, got := w.send(shop, tracked, "a@example.net")
	x := got["a@example.net"]
	pixel, link := w.find(x, pixels), w.find(x, links)
	head := link[:strings.LastIndexByte(link, '/')]
	token := head[strings.LastIndexByte(head, '/')+1:]
	for name, bad := range map[string]string{
		"another target":         head + "/" + track.EncodeTarget("https://evil.example/"),
		"no target":              head + "/",
		"a target in clear":      head + "/https://evil.example/",
		"a click as a pixel":     w.base + "/o/" + token + ".gif",
		"a click as a leave":     strings.Replace(link, "/c/", "/u/", 1),
		"a pixel without .gif":   strings.TrimSuffix(pixel, ".gif"),
		"a letter changed":       strings.Replace(pixel, ".gif", "x.gif", 1),
		"nothing":                w.base + "/o/.gif",
		"javascript, not signed": w.base + "/c/x/" + track.EncodeTarget("javascript:alert(1)"),
		"long":                   w.base + "/u/" + strings.Repeat("A", 5000),
	} {
		res, body := w.ask("GET", bad, "")
		if to := res.Header.Get("Location"); strings.HasPrefix(to, "/c/") { // the path was cleaned
			res, body = w.ask("GET", w.base+to, "")
		}
		if res.StatusCode != http.StatusNotFound || res.Header.Get("Location") != "" || strings.Contains(body, "evil") {
			t.Errorf("%s: %d %v", name, res.StatusCode, res.Header)
		}
	}
	if res, _ := w.ask("POST", link, ""); res.StatusCode == http.StatusFound {
		t.Error("POST to a link leads somewhere")
	}
	// What is signed by ourselves is still not led to when it is no http URL.
	bad := "javascript:alert(1)"
	signed := w.base + "/c/" + w.signer.Sign(track.Token{Kind: track.Click, MessageID: 1, Link: 1, At: time.Now()}, "", bad) + "/" + track.EncodeTarget(bad)
	if res, _ := w.ask("GET", signed, ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("javascript: %d", res.StatusCode)
	}
}

func TestUnsubscribe(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	w.account(store.Tracking{Unsubscribe: store.UnsubscribeCampaigns})
	if _, got := w.send(shop, nil, "a@example.net"); leaves.Match(got["a@example.net"].Data) {
		t.Error("a mail of no campaign can be unsubscribed from")
	}
	spring := func(m *submit.Message) { m.Campaign = "spring" }
	receipt, got := w.send(shop, spring, "a@example.net")
	id, link := receipt.Messages[0].ID, w.find(got["a@example.net"], leaves)
	if m := w.message(id); m.TrackOpens != store.TrackOff || !track.Ways(m.Ways).Unsubscribes() {
		t.Errorf("message %+v", m)
	}
	res, body := w.ask("GET", link, "")
	if res.StatusCode != http.StatusOK || !strings.Contains(body, "<button") || res.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("the page: %d %s", res.StatusCode, body)
	}
	if res, _ = w.ask("GET", w.base+"/u/page.css", ""); res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/css") {
		t.Errorf("its style: %d", res.StatusCode)
	}
	for _, body := range []string{"", "List-Unsubscribe=Two-Click", "unsubscribe=no"} {
		if res, _ = w.ask("POST", link, body); res.StatusCode != http.StatusBadRequest {
			t.Errorf("POST %q: %d", body, res.StatusCode)
		}
	}
	if m := w.message(id); m.Status != store.StatusSent {
		t.Errorf("looking at the page unsubscribed: %v", m.Status)
	}
	if res, body = w.ask("POST", link, "unsubscribe=yes"); res.StatusCode != http.StatusOK || !strings.Contains(body, "You are unsubscribed") {
		t.Errorf("the button: %d %s", res.StatusCode, body)
	}
	if res, _ = w.ask("POST", link, "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n", "Content-Type", "multipart/form-data; boundary=b", "User-Agent", ""); res.StatusCode != http.StatusOK {
		t.Errorf("a multipart form: %d", res.StatusCode)
	}
	events := w.events(id)
	if w.message(id).Status != store.StatusUnsub || len(events) != 2 || events[1].Agent != person || events[1].Machine {
		t.Errorf("events %+v", events)
	}
	token := track.Token{Kind: track.Unsub, MessageID: 999, Link: w.key.ID, At: time.Now()}
	sealed := w.signer.SealAddress(token, "Forgotten@Example.net")
	gone := w.base + "/u/" + w.signer.Sign(token, "", sealed) + "/" + sealed
	if res, _ = w.ask("POST", gone, "List-Unsubscribe=One-Click"); res.StatusCode != http.StatusOK {
		t.Errorf("a message that is forgotten: %d", res.StatusCode)
	}
	list, err := w.store.Suppressions(t.Context(), store.OfKey(w.key.AccountID, w.key.ID), store.SuppressionFilter{}, store.Page{Limit: 10})
	if err != nil || len(list) != 2 || list[0].Reason != store.SuppressedUnsub || list[1].Reason != store.SuppressedUnsub {
		t.Errorf("suppressed are %+v, %v", list, err)
	}
	if receipt, _ := w.send(shop, nil, "forgotten@example.net"); w.message(receipt.Messages[0].ID).Status != store.StatusBlocked {
		t.Error("who unsubscribed got mail")
	}
	// Taken off the list, and unsubscribed once more from the same mail a moment later.
	if err := w.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.RemoveSuppression(t.Context(), w.key.ID, list[0].ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if res, _ = w.ask("POST", link, "List-Unsubscribe=One-Click"); res.StatusCode != http.StatusOK {
		t.Errorf("once more: %d", res.StatusCode)
	}
	if receipt, _ := w.send(shop, nil, "a@example.net"); w.message(receipt.Messages[0].ID).Status != store.StatusBlocked {
		t.Error("who unsubscribed once more got mail")
	}
	own := func(m *submit.Message) {
		m.Raw = append([]byte("List-Unsubscribe: <mailto:leave@example.com>\r\n"), m.Raw...)
		m.Campaign = "spring"
	}
	receipt, got = w.send(shop, own, "b@example.net")
	if leaves.FindSubmatch(got["b@example.net"].Data) == nil || bytes.Contains(got["b@example.net"].Data, []byte("List-Unsubscribe-Post")) || w.message(receipt.Messages[0].ID).Ways != 0 {
		t.Errorf("a mail with a List-Unsubscribe of its own: %s", got["b@example.net"].Data)
	}
}

// Links under an account's own host name, where nothing else is.
func TestTrackHost(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	_, before := w.send(shop, tracked, "a@example.net")
	w.key.TrackHost = host
	err := w.store.Update(t.Context(), func(tx *store.Tx) error { return tx.ChangeKey(t.Context(), w.key) })
	if err != nil {
		t.Fatal(err)
	}
	w.hits.HostsChanged()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(w.base, "http://"))
	own := "http://" + host + ":" + port
	w.until("the host is known", func() bool { res, _ := w.ask("GET", own+"/", ""); return res.StatusCode == http.StatusNotFound })
	for _, path := range []string{"/", "/keys", "/v3/REST/apikey", "/healthz", "/metrics"} {
		if res, body := w.ask("GET", own+path, ""); res.StatusCode != http.StatusNotFound || strings.Contains(body, "rest of the server") {
			t.Errorf("%s is answered: %d", path, res.StatusCode)
		}
	}
	_, got := w.send(shop, tracked, "b@example.net")
	link := w.find(got["b@example.net"], links)
	if !strings.HasPrefix(link, own+"/c/") {
		t.Fatalf("the link is %s", link)
	}
	if res, _ := w.ask("GET", link, ""); res.StatusCode != http.StatusFound {
		t.Errorf("the link: %d", res.StatusCode)
	}
	old := w.find(before["a@example.net"], links)
	for name, bad := range map[string]string{"the server's link under the account's name": strings.Replace(old, w.base, own, 1), "the account's under the server's": strings.Replace(link, own, w.base, 1)} {
		if res, _ := w.ask("GET", bad, ""); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	if res, _ := w.ask("GET", old, ""); res.StatusCode != http.StatusFound {
		t.Errorf("a link from before: %d", res.StatusCode)
	}
}

// What is not tracked goes out as it came, in one transaction; tags alone change links and add none of ours.
func TestUntrackedStaysWhole(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	receipt, got := w.send(shop, func(m *submit.Message) { m.TrackOpens = store.TrackOff }, "a@example.net", "b@example.net")
	raw, err := w.store.Source(t.Context(), store.OfOperator(), receipt.Messages[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.sink.Mails()) != 1 || !bytes.HasSuffix(got["a@example.net"].Data, raw) {
		t.Error("an untracked mail was changed, or went one by one")
	}
	_, got = w.send(shop, func(m *submit.Message) { m.URLTags = "?utm_source=x" }, "a@example.net")
	v, err := mail.Read(got["a@example.net"].Data)
	if err != nil || !strings.Contains(v.HTML, `href="https://example.com/offers?a=1&amp;b=2&amp;utm_source=x"`) || strings.Contains(v.HTML, w.base) {
		t.Errorf("%v: %s", err, v.HTML)
	}
	_, got = w.send(`<a href="[[UNSUB_LINK_EN]]">leave</a>`, nil, "a@example.net")
	if v, err = mail.Read(got["a@example.net"].Data); err != nil || !strings.Contains(v.HTML, `href="`+w.base+`/u/`) {
		t.Errorf("a place: %v %s", err, v.HTML)
	}
}

// More than can be written down is let go, and nobody waits.
func TestFlood(t *testing.T) {
	signer, err := track.NewSigner(bytes.Repeat([]byte{7, 8}, 16))
	if err != nil {
		t.Fatal(err)
	}
	h := tracking.New(tracking.Config{
		Store: storetest.New(t), Signer: signer, Log: slog.New(slog.DiscardHandler),
		Client: func(*http.Request) (netip.Addr, bool) { return netip.Addr{}, true },
	}) // and it does not run: nothing is written down
	const n = 9000
	for i := range n {
		rec := httptest.NewRecorder()
		u := &url.URL{Path: "/o/" + signer.Sign(track.Token{Kind: track.Open, MessageID: int64(i + 1)}, "", "") + ".gif"}
		h.ServeHTTP(rec, &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}})
		if rec.Code != http.StatusOK {
			t.Fatalf("%d", rec.Code)
		}
	}
	if s := h.Stats(); s.Waiting+int(s.Open.Shed) != n || s.Open.Shed == 0 {
		t.Errorf("stats %+v", s)
	}
	// What waits is written down at the end.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if s := h.Stats(); s.Waiting != 0 || s.Open.Unknown == 0 {
		t.Errorf("after the end: %+v", s)
	}
}
