// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	_ "modernc.org/sqlite" // to age what was made just now

	"postern/internal/api"
	"postern/internal/backend"
	"postern/internal/change"
	"postern/internal/console"
	"postern/internal/dns"
	"postern/internal/domain"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/notice"
	"postern/internal/senders"
	"postern/internal/store"
	"postern/internal/submit"
	"postern/internal/suppress"
	"postern/internal/webhook"
)

// place is an account with a past.
type place struct {
	t     *testing.T
	file  string
	store *store.Store
	*backend.Backend
	submit   *submit.Submit
	suppress *suppress.List
	signed   keys.SignedUp
	domains  *domain.Checker
	dns      dns.Table
	keys     map[string]store.Key
	base     string
}

var operator = change.Actor{Kind: change.Operator, Origin: "command line"}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, file: filepath.Join(t.TempDir(), "postern.db"), keys: map[string]store.Key{}, dns: dns.Table{}}
	var err error
	p.store, err = store.Open(t.Context(), p.file, store.Options{})
	ok(t, err)
	t.Cleanup(func() { p.store.Close() }) //nolint:errcheck // the test is over
	serverKey := []byte("0123456789abcdefghijklmnopqrstuv")
	log := slog.New(slog.DiscardHandler)
	p.Backend, err = backend.New(backend.Config{
		Store: p.store, ServerKey: serverKey, Log: log,
		Webhook: webhook.Config{Private: true}, // receivers are on this machine
		Domain: domain.Config{
			Resolver: p.dns, SPF: []string{"include:spf.harbour-books.example"},
			Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("the connection was refused")
			},
		},
	})
	ok(t, err)
	p.suppress, p.submit, p.domains = p.Suppress, p.Submit, p.Domains
	p.signed, err = p.Keys.SignUp(t.Context(), operator, "Harbour Books", "mara@harbour-books.example")
	ok(t, err)
	p.keys["Harbour Books"] = p.signed.Key
	server := httptest.NewUnstartedServer(nil)
	// A name, not an address: browsers bind passkeys to one.
	p.base = strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	server.Config.Handler, err = console.New(console.Config{
		Backend: p.Backend, BaseURL: p.base, SMTPAddr: "127.0.0.1:2525", Hostname: "mail.harbour-books.example", Route: "capture", Log: log, Description: api.Description(),
	})
	ok(t, err)
	server.Start()
	t.Cleanup(server.Close)
	return p
}

// signedFrom is where the account's people sit.
func (p *place) signedFrom() netip.Addr { return netip.MustParseAddr("203.0.113.40") }

func (p *place) link() string {
	p.t.Helper()
	token, err := p.People.NewSignInLink(p.t.Context(), operator, p.signed.User)
	ok(p.t, err)
	return p.base + "/welcome/" + token
}

func (p *place) key(name string) {
	p.t.Helper()
	x, err := p.Keys.CreateSubaccount(p.t.Context(), operator, p.signed.Account.ID, keys.NewKey{Name: name})
	ok(p.t, err)
	p.keys[name] = x.Key
}

// age makes a key's secret as old as that, and last used that long ago.
func (p *place) age(name string, days int, used time.Duration) {
	p.t.Helper()
	db, err := sql.Open("sqlite", p.file+"?_pragma=busy_timeout(5000)")
	ok(p.t, err)
	defer db.Close() //nolint:errcheck // written
	now := time.Now()
	_, err = db.ExecContext(p.t.Context(), "UPDATE secret SET created_at = $1, last_used_at = $2 WHERE key_id = $3",
		now.Add(-time.Duration(days)*24*time.Hour).UnixMicro(), now.Add(-used).UnixMicro(), p.keys[name].ID)
	ok(p.t, err)
}

func (p *place) sender(key, sender string) {
	p.t.Helper()
	_, err := p.Senders.AddSender(p.t.Context(), operator, store.OfAccount(p.signed.Account.ID), store.KeyFilter{ID: p.keys[key].ID}, sender, "")
	ok(p.t, err)
}

// records publishes what a domain should have, but for its SPF record, and adds a domain that waits for proof.
func (p *place) records() {
	t := p.t
	scope := store.OfAccount(p.signed.Account.ID)
	name, value, err := p.Senders.DKIMRecord(t.Context(), p.signed.Account.ID, "harbour-books.example")
	ok(t, err)
	p.dns[name] = dns.Records{TXT: []string{value}}
	p.dns["harbour-books.example"] = dns.Records{TXT: []string{"v=spf1 mx include:_spf.elsewhere.example ~all"}}
	d, err := p.store.Domain(t.Context(), scope, store.DomainFilter{KeyID: p.signed.Key.ID, Domain: "harbour-books.example"})
	ok(t, err)
	_, err = p.domains.Check(t.Context(), operator, scope, d.ID)
	ok(t, err)
	_, err = p.Senders.ProposeSender(t.Context(), operator, scope, store.KeyFilter{ID: p.keys["Newsletter"].ID}, senders.NewSender{Email: "letters.example"})
	ok(t, err)
	_, err = p.Senders.ProposeSender(t.Context(), operator, scope, store.KeyFilter{ID: p.keys["Newsletter"].ID}, senders.NewSender{Email: "mara@letters.example"})
	ok(t, err)
}

// senderLink is where the link leads that was mailed to an address.
func (p *place) senderLink() string {
	kept, err := p.store.DueNotices(p.t.Context(), time.Now().Add(time.Hour), 1000)
	ok(p.t, err)
	for _, k := range kept {
		n, err := p.Notices.Open(k)
		ok(p.t, err)
		if n.Kind == notice.SenderLink {
			return n.Link
		}
	}
	p.t.Fatal("no link was mailed")
	return ""
}

func (p *place) send(key string, d mail.Draft) int64 {
	p.t.Helper()
	d.Date = time.Now()
	if d.MessageID == "" {
		d.MessageID = strconv.FormatInt(time.Now().UnixNano(), 36) + "@harbour-books.example"
	}
	raw, err := mail.Compose(d)
	ok(p.t, err)
	k := p.keys[key]
	r, err := p.submit.Accept(p.t.Context(), gate.Principal{KeyID: k.ID, AccountID: k.AccountID, APIKey: k.APIKey, Master: k.Master},
		submit.Envelope{From: d.From.Email, Recipients: []submit.Recipient{{Email: d.To[0].Email}}},
		submit.Message{
			Raw: raw, From: d.From, Subject: d.Subject, MessageID: d.MessageID, HasText: d.Text != "", HasHTML: d.HTML != "", Attachments: len(d.Attachments), Priority: 2,
			Source: "http", Address: netip.MustParseAddr("203.0.113.9"), Client: "mailjet-apiv3-go/4.0.7",
		})
	ok(p.t, err)
	return r.Messages[0].ID
}

// outcome records what came of an attempt at all messages that are due.
func (p *place) outcome(at time.Time, of func(c store.Claimed) store.Completion) {
	p.t.Helper()
	claimed, err := p.store.Claim(p.t.Context(), store.MainLane, "tour", at, at.Add(time.Hour), 1000)
	ok(p.t, err)
	var done []store.Completion
	for _, c := range claimed {
		d := of(c)
		d.Claimed, d.Owner, d.At = c, "tour", at
		done = append(done, d)
	}
	ok(p.t, p.store.Complete(p.t.Context(), done))
}

const orderHTML = `<!doctype html><body style="margin:0;background:#f3efe7;font-family:Georgia,serif;color:#22304a">
<div style="max-width:520px;margin:0 auto;padding:32px 28px;background:#fff">
<img src="cid:mark@harbour" width="48" height="48" alt="">
<h1 style="font-size:24px;margin:16px 0 8px">Your books are on their way</h1>
<p style="line-height:1.6">Hello Jonas, your order <b>HB-20418</b> left our harbour this morning. It should be with you on Thursday.</p>
<table style="width:100%;border-collapse:collapse;margin:20px 0"><tr><td style="padding:8px 0;border-top:1px solid #ddd">The Old Man and the Sea</td><td align="right" style="border-top:1px solid #ddd">12.00 €</td></tr>
<tr><td style="padding:8px 0;border-top:1px solid #ddd">Moby-Dick</td><td align="right" style="border-top:1px solid #ddd">18.50 €</td></tr></table>
<p><a href="https://harbour-books.example/orders/HB-20418" style="background:#22304a;color:#fff;padding:12px 20px;text-decoration:none;border-radius:4px">Follow the parcel</a></p></div></body>`

// mark is a small picture for the mail, as SVG.
const mark = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><circle cx="24" cy="24" r="24" fill="#22304a"/><path d="M12 30q6-5 12 0t12 0M14 24l10-12v12" fill="none" stroke="#fff" stroke-width="3"/></svg>`

// past fills the account: keys of all ages and states, senders, mails with every outcome. It returns a mail that was
// sent after a delay, and one that bounced.
func (p *place) past() (sent, bounced int64) {
	t := p.t
	for _, name := range []string{"Billing", "Newsletter", "Shop", "Staging", "Support desk", "Warehouse and returns, Rotterdam"} {
		p.key(name)
	}
	p.age("Harbour Books", 23, 4*time.Minute)
	p.age("Billing", 71, 2*time.Hour)
	p.age("Newsletter", 81, 26*time.Hour)
	p.age("Shop", 12, 20*time.Second)
	p.age("Staging", 97, 80*24*time.Hour)
	p.age("Support desk", 44, 35*time.Minute)
	scope := store.OfAccount(p.signed.Account.ID)
	_, err := p.Keys.Change(t.Context(), operator, scope, store.KeyFilter{ID: p.keys["Staging"].ID}, keys.KeyChange{Active: new(false)}, 0)
	ok(t, err)
	p.sender("Harbour Books", "harbour-books.example")
	p.sender("Billing", "invoices@harbour-books.example")
	p.sender("Shop", "orders@harbour-books.example")
	p.records()

	from := mail.Address{Name: "Harbour Books", Email: "orders@harbour-books.example"}
	order := mail.Draft{
		From: from, To: []mail.Address{{Name: "Jonas Weber", Email: "jonas.weber@post.example"}}, Subject: "Your books are on their way",
		Text: "Hello Jonas,\n\nyour order HB-20418 left our harbour this morning.", HTML: orderHTML,
		Inlined:     []mail.Part{{ContentType: "image/svg+xml", Filename: "mark.svg", ContentID: "mark@harbour", Data: []byte(mark)}},
		Attachments: []mail.Part{{ContentType: "application/pdf", Filename: "Invoice HB-20418.pdf", Data: []byte(strings.Repeat("%PDF", 9000))}},
	}
	sent = p.send("Shop", order)
	bounced = p.send("Shop", mail.Draft{From: from, To: []mail.Address{{Email: "gone@post.example"}}, Subject: "We have found the edition you were looking for", Text: "Hello,\n\nthe first edition is here.\n\nHarbour Books"})
	blocked := p.send("Billing", mail.Draft{From: mail.Address{Email: "invoices@harbour-books.example"}, To: []mail.Address{{Email: "ap@large-customer.example"}}, Subject: "Invoice 2026-1131", Text: "Attached."})
	now := time.Now().Add(-3 * time.Hour)
	p.outcome(time.Now().Add(time.Second), func(c store.Claimed) store.Completion {
		reply := store.Reply{Code: 451, Enhanced: "4.7.1", Line: "Greylisting in action, please come back later", Host: "mx1.post.example [198.51.100.20]", TLS: "TLS 1.3"}
		d := store.Completion{Result: store.CompletedDeferred, Due: now, Reply: reply, StateID: int(mail.StateGreylisted)}
		switch c.MessageID {
		case bounced:
			d = store.Completion{Result: store.CompletedBounced, Permanent: true, StateID: int(mail.StateUserUnknown), Reply: store.Reply{Code: 550, Enhanced: "5.1.1", Line: "<gone@post.example>: Recipient address rejected: User unknown in virtual mailbox table", Host: "mx1.post.example [198.51.100.20]", TLS: "TLS 1.3"}}
		case blocked:
			d = store.Completion{Result: store.CompletedBounced, Permanent: true, Blocked: true, StateID: int(mail.StatePolicyIssue), Reply: store.Reply{Code: 550, Enhanced: "5.7.1", Line: "Message rejected due to local policy", Host: "mx.large-customer.example"}}
		}
		return d
	})
	for i, subject := range []string{"Your invoice for October", "Reset your password", "Autumn reading: twelve books for long evenings", "Welcome to Harbour Books", "Your return has arrived", "Order HB-20419 confirmed"} {
		p.send([]string{"Harbour Books", "Harbour Books", "Shop"}[i%3], mail.Draft{From: from, To: []mail.Address{{Email: fmt.Sprintf("reader%02d@post.example", i*7)}}, Subject: subject, Text: "Hello."})
	}
	p.outcome(time.Now().Add(time.Second), func(store.Claimed) store.Completion {
		return store.Completion{Result: store.CompletedSent, Reply: store.Reply{Code: 250, Enhanced: "2.0.0", Line: "Ok: queued as 4Xy2Zk1c9Wz1", Host: "mx1.post.example [198.51.100.20]", TLS: "TLS 1.3"}}
	})
	p.send("Shop", mail.Draft{From: from, To: []mail.Address{{Email: "long.name.of.a.person.with.several.names@subdomain.of.a.company.example"}}, Subject: "A subject that is so long that it does not fit on a line of a telephone, nor on the one of a table", Text: "Hello."})
	p.outcome(time.Now().Add(time.Second), func(store.Claimed) store.Completion {
		return store.Completion{Result: store.CompletedDeferred, Due: time.Now().Add(9 * time.Minute), StateID: int(mail.StateConnectionIssue), Reply: store.Reply{Line: "connect to mx.company.example: no answer within 30 s"}}
	})
	p.send("Harbour Books", mail.Draft{From: from, To: []mail.Address{{Email: "ines@post.example"}}, Subject: "Grüße aus dem Hafen ⚓", Text: "Hallo."})
	return sent, bounced
}

func TestATourOfEveryPage(t *testing.T) {
	ctx := tab(t)
	p := newPlace(t)
	tour := &tour{t, ctx, screenshots()}

	load(t, ctx, p.base+"/sign-in", 200)
	tour.look("sign-in")
	do(t, ctx, typed("input[name=email]", "mara@harbour-books.example"), typed("input[name=password]", "not this one"))
	press(t, ctx, click("form button"))
	tour.look("sign-in-refused")
	tour.description(p.base)
	load(t, ctx, p.base+"/nothing", 404)
	tour.look("error-signed-out")
	load(t, ctx, p.link(), 200)
	tour.look("welcome")
	press(t, ctx, click("button"))
	tour.look("password-first")
	for name, path := range map[string]string{"keys-empty": "/keys", "messages-empty": "/messages", "senders-empty": "/senders"} {
		load(t, ctx, p.base+path, 200)
		tour.look(name)
	}

	sent, bounced := p.past()
	p.rotation()
	key := p.keys["Shop"]
	at := func(page string) string { return fmt.Sprintf("/keys/%d/%s", key.ID, page) }
	for _, c := range []struct{ name, path string }{
		{"keys", "/keys"},
		{"keys-search", "/keys?q=no+such"},
		{"key-new", "/keys/new"},
		{"keys-due", "/keys?show=due"},
		{"key", fmt.Sprintf("/keys/%d", p.keys["Billing"].ID)},
		{"key-suspended", fmt.Sprintf("/keys/%d", p.keys["Newsletter"].ID)},
		{"key-primary", fmt.Sprintf("/keys/%d", p.signed.Key.ID)},
		{"key-reset-overlap", fmt.Sprintf("/keys/%d/reset", p.keys["Billing"].ID)},
		{"key-retire", fmt.Sprintf("/keys/%d/secrets/%d/retire", p.keys["Billing"].ID, p.live("Billing")[1].ID)},
		{"key-links", fmt.Sprintf("/keys/%d/links", p.keys["Billing"].ID)},
		{"key-restrict", fmt.Sprintf("/keys/%d/restrict?networks=suggested", p.keys["Billing"].ID)},
		{"key-delete", at("delete")},
		{"key-reset", at("reset")},
		{"key-rename", at("rename")},
		{"key-deactivate", at("deactivate")},
		{"smtp", at("smtp")},
		{"messages", "/messages"},
		{"messages-none-match", "/messages?q=nothing"},
		{"messages-found", "/messages?q=order&from=2026-01-01&custom="},
		{"message", fmt.Sprintf("/messages/%d", sent)},
		{"message-bounced", fmt.Sprintf("/messages/%d", bounced)},
		{"message-take-back", fmt.Sprintf("/messages/%d/cancel", bounced)},
		{"message-headers", fmt.Sprintf("/messages/%d?view=headers", sent)},
		{"message-source", fmt.Sprintf("/messages/%d?view=source", sent)},
		{"senders", "/senders"},
		{"sender", "/senders/1"},
		{"sender-waits", "/senders/4"},
		{"sender-link", p.senderLink()},
		{"sender-new", "/senders/new"},
		{"sender-remove", "/senders/1/remove"},
	} {
		load(t, ctx, p.base+c.path, 200)
		tour.look(c.name)
	}
	load(t, ctx, p.base+"/senders/4", 200)
	press(t, ctx, click(`form[action$="/check"] button`))
	tour.look("sender-not-proved")
	load(t, ctx, p.base+"/senders/1", 200)
	do(t, ctx, typed(`input[name="name"]`, "Orders and news, "+strings.Repeat("withoutaspace", 9)))
	press(t, ctx, click(`form[action$="/name"] button`))
	tour.look("sender-named")
	load(t, ctx, p.base+"/keys", 200)
	do(t, ctx, click(fmt.Sprintf(`tr:has(a[href="%s"]) summary`, at("reset"))))
	tour.look("keys-menu")
	do(t, ctx, click(fmt.Sprintf(`a[href="%s"]`, at("reset"))), seen("#dialog-reset"))
	tour.look("keys-dialog-reset")
	press(t, ctx, click("#dialog-reset form button"))
	do(t, ctx, seen("dialog.issued:modal"))
	tour.look("keys-secret")
	load(t, ctx, p.base+"/keys", 200)
	do(t, ctx, click("details.who summary"))
	tour.look("user-menu")
	load(t, ctx, p.base+"/messages/999999", 404)
	tour.look("error")
}

// description looks at the page of the API: whole for its width, and for the rest at one operation of each group, since
// they are many and alike.
func (l *tour) description(base string) {
	l.t.Helper()
	load(l.t, l.ctx, base+"/openapi", 200)
	do(l.t, l.ctx, chromedp.EmulateViewport(360, 740))
	if over := eval[int64](l.t, l.ctx, "document.documentElement.scrollWidth"); over > 360 {
		l.t.Errorf("openapi is %d pixels wide on a screen of 360: %s", over, eval[string](l.t, l.ctx, widest))
	}
	eval[bool](l.t, l.ctx, `document.querySelectorAll(".operation ~ .operation, .contents ul:nth-of-type(n + 3)").forEach((e) => e.remove()), true`)
	l.look("openapi")
}

// screenshots is where pictures go; "" takes none.
func screenshots() string { return os.Getenv("POSTERN_SCREENSHOTS") }

// tour looks at pages in both widths and both schemes.
type tour struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp keeps its browser in it
	dir string
}

// look fails when a page is wider than the screen, and takes its pictures.
func (l *tour) look(name string) {
	l.t.Helper()
	for _, width := range []int64{1600, 1201, 1024, 768, 320} { // between and beyond the two that are looked at closely
		do(l.t, l.ctx, chromedp.EmulateViewport(width, 800))
		l.within(name, width)
	}
	for _, size := range []struct {
		width  int64
		height float64
	}{{1280, 800}, {360, 740}} {
		do(l.t, l.ctx, chromedp.EmulateViewport(size.width, int64(size.height)))
		l.within(name, size.width)
		for _, s := range []string{"light", "dark"} {
			do(l.t, l.ctx, scheme(s))
			for _, problem := range eval[[]string](l.t, l.ctx, accessible) {
				l.t.Errorf("%s, %d pixels wide and %s: %s", name, size.width, s, problem)
			}
			if l.dir == "" {
				continue
			}
			eval[bool](l.t, l.ctx, "scrollTo(0, 0), true") // a picture begins at the top
			height := eval[float64](l.t, l.ctx, "document.querySelector('dialog[open]') ? 0 : document.documentElement.scrollHeight")
			picture := l.picture(float64(size.width), min(max(height, size.height), 2600), height > size.height)
			file := filepath.Join(l.dir, fmt.Sprintf("%s-%d-%s.png", name, size.width, s))
			ok(l.t, os.MkdirAll(l.dir, 0o750))
			ok(l.t, os.WriteFile(file, picture, 0o600))
		}
	}
	do(l.t, l.ctx, scheme("light"), chromedp.EmulateViewport(1280, 800))
}

// within fails when a page is wider than the screen, also with an account whose name is long.
func (l *tour) within(name string, width int64) {
	l.t.Helper()
	for _, account := range []string{"", "Bäckerei Müller & Söhne GmbH & Co. KG, Zweigniederlassung Süd"} {
		over := eval[struct {
			Width int64
			Which string
		}](l.t, l.ctx, fmt.Sprintf(`((account) => {
			const who = document.querySelector(".who-account"), was = who?.textContent;
			if (who && account) who.textContent = account;
			const width = document.documentElement.scrollWidth;
			const found = {Width: width, Which: width > innerWidth ? %s : ""};
			if (who) who.textContent = was;
			return found;
		})(%q)`, widest, account))
		if over.Width > width {
			l.t.Errorf("%s is %d pixels wide on a screen of %d: %s", name, over.Width, width, over.Which)
			return
		}
	}
}

func (l *tour) picture(width, height float64, beyond bool) []byte {
	l.t.Helper()
	shot, err := chromedp.Run(l.ctx, func(ctx context.Context, t *chromedp.Target) (page.CaptureScreenshotResult, error) {
		return cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{Clip: &page.Viewport{Width: width, Height: height, Scale: 1}, CaptureBeyondViewport: &beyond})
	})
	ok(l.t, err)
	return shot.Data
}

// widest names the elements that stick out.
const widest = `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.tagName + "." + e.className).join(" ")`

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
