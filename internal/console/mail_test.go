// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/console"
	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/store"
)

type (
	auditEntry = audit.Entry
	gateUse    = gate.Use
)

func mailOf(subject string) mail.Draft {
	return mail.Draft{Subject: subject, Text: "Hello.", MessageID: strings.ReplaceAll(subject, " ", "-") + "@acme.example"}
}

func messagePath(id int64) string { return "/messages/" + strconv.FormatInt(id, 10) }

func TestMessagesWhenThereAreNone(t *testing.T) {
	w := newWorld(t, func(c *console.Config) { c.Route = "capture" })
	w.signedIn().get("/messages").is(http.StatusOK).says("Mail is captured", "No mail has been sent yet", `curl --user "`+w.signed.Key.APIKey, "/v3.1/send", "add the address")
}

func TestMessagesAreListedSearchedAndPaged(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	first := w.send(w.signed.Key, mailOf("First mail"), "one@example.org")
	for i := range 60 {
		w.send(sub.Key, mailOf(fmt.Sprintf("Mail %02d", i)), "two@example.org")
	}
	a := b.get("/messages").is(http.StatusOK).says("Mail 59", "Mail 10", "queued", "Shop", "just now")
	a.lacks("Mail 09", "First mail")
	w.send(sub.Key, mailOf("Came while I read"), "two@example.org")
	older := b.get(attr(a.first("a[rel=next]"), "href")).is(http.StatusOK).says("Mail 09", "First mail")
	older.lacks("Mail 10")
	if len(older.all("a[rel=next]")) != 0 {
		t.Error("there is a page after the last")
	}
	b.get(attr(older.first("a[rel=prev]"), "href")).says("Mail 10", "Mail 59")
	id, uuid := first.Messages[0].ID, first.Messages[0].UUID
	for _, q := range []string{"first", "fir mai", "ONE@example", "one@Example.org", strconv.FormatInt(id, 10), uuid, strings.ToUpper(uuid)} {
		b.get("/messages?q=" + url.QueryEscape(q)).is(http.StatusOK).says("First mail").lacks("Mail 59")
	}
	b.get("/messages?key=" + w.signed.Key.APIKey).says("First mail").lacks("Mail 59")
	b.get("/messages?key=Shop").says("Mail 59").lacks("First mail")
	b.get("/messages?state=queued&q=first").says("First mail")
	for _, nothing := range []string{"state=sent", "state=no+such", "q=no+such", "q=99999999999999999999", "key=no+such", "q=%25", "from=2031-01-01", "to=2001-01-01", "custom=no", "campaign=no", "q=%40example.com"} {
		b.get("/messages?" + nothing).is(http.StatusOK).says("No message matches.").lacks("First mail")
	}
	b.get("/messages?before=x&after=y").is(http.StatusOK)
	b.get("/messages?q=first").says("1 message")
	b.get("/messages?q=mail").says("61 messages", "Mail 59")
	day := time.Now().UTC().Format(time.DateOnly)
	found := b.get("/messages?q=@example.org&from="+day+"&to="+day).is(http.StatusOK).says("Mail 59", "62 messages")
	b.get(attr(found.first("a[rel=next]"), "href")).says("Mail 09", "First mail").lacks("62 messages")
	b.get("/messages?from=2026-02-30").is(http.StatusUnprocessableEntity).says("“2026-02-30” is no day: write it as 2026-01-31.").lacks("First mail", "No message matches")
	b.get("/messages?from=2026-02-02&to=2026-02-01").is(http.StatusUnprocessableEntity).says("The last day is before the first.")
}

// TestMessagesAreTriedTakenBackAndSentAgain does on the pages what a person does with mail that hangs or bounced.
func TestMessagesAreTriedTakenBackAndSentAgain(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	receipt := w.send(w.signed.Key, mailOf("Hi"), "a@example.org", "b@example.org", "c@example.org")
	now := time.Now()
	claimed, err := w.store.Claim(t.Context(), store.MainLane, "w1", now.Add(time.Minute), now.Add(2*time.Minute), 10)
	ok(t, err)
	waits, bounced, unknown := receipt.Messages[0].ID, receipt.Messages[1].ID, receipt.Messages[2].ID
	b.post(messagePath(waits)+"/retry", nil).is(http.StatusConflict).says("being tried at this moment")
	for _, x := range claimed {
		d := store.Completion{Claimed: x, Owner: "w1", At: now, Result: store.CompletedDeferred, Due: now.Add(time.Hour)}
		switch x.MessageID {
		case bounced:
			d.Result = store.CompletedBounced
		case unknown:
			d.Result, d.Permanent, d.StateID = store.CompletedBounced, true, int(mail.StateUserUnknown)
		}
		ok(t, w.store.Complete(t.Context(), []store.Completion{d}))
	}
	b.get(messagePath(waits)).says("Next attempt", "Try now", "Take back").lacks("Send again")
	b.post(messagePath(waits)+"/retry", nil).is(http.StatusOK).says("Try now")
	due, err := w.store.NextAttempt(t.Context(), store.OfOperator(), waits)
	ok(t, err)
	if due.After(time.Now()) {
		t.Errorf("tried now, and due at %v", due)
	}
	b.get(messagePath(waits)+"/cancel").is(http.StatusOK).says("Take this message back?", "a@example.org")
	b.post(messagePath(waits)+"/cancel", nil).is(http.StatusOK).says("Blocked", "taken back by "+w.signed.User.Email)
	b.post(messagePath(waits)+"/cancel", nil).is(http.StatusConflict).says("does not wait any more")
	b.get(messagePath(unknown)).says("It cannot be sent again.", "suppression list").lacks("Send again")

	page := b.get(messagePath(bounced)).says("Given up", "Send again").lacks("Try now")
	form := url.Values{"nonce": {attr(page.first("input[name=nonce]"), "value")}}
	_, err = w.Keys.Suspend(t.Context(), operator, store.KeyFilter{ID: w.signed.Key.ID}, "spam")
	ok(t, err)
	b.post(messagePath(bounced)+"/resend", form).is(http.StatusConflict).says("The API key is suspended")
	b.get(messagePath(bounced)).says("It cannot be sent again.", "suspended: nothing is sent with it").lacks("Send again")
	_, err = w.Keys.Restore(t.Context(), operator, store.KeyFilter{ID: w.signed.Key.ID})
	ok(t, err)
	page = b.get(messagePath(bounced))
	form = url.Values{"nonce": {attr(page.first("input[name=nonce]"), "value")}}
	b.post(messagePath(bounced)+"/resend", form).is(http.StatusOK).says("Accepted from these pages", "Sends again", "message "+strconv.FormatInt(bounced, 10))
	before, err := w.store.CountMessages(t.Context(), store.OfOperator(), store.MessageFilter{})
	ok(t, err)
	b.post(messagePath(bounced)+"/resend", form).is(http.StatusOK).says("Sent again as")
	after, err := w.store.CountMessages(t.Context(), store.OfOperator(), store.MessageFilter{})
	ok(t, err)
	if before != 4 || after != before {
		t.Errorf("%d messages, and %d after a reload", before, after)
	}
}

// TestWhatRecipientsDoIsInTheHistory shows opens and clicks, and apart what a machine opened.
func TestWhatRecipientsDoIsInTheHistory(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	id := w.send(w.signed.Key, mailOf("Hi"), "a@example.org").Messages[0].ID
	for _, e := range []store.Engagement{
		{Type: store.EventOpen, Doing: store.Doing{Agent: "Proxy/1.0", Machine: true}},
		{Type: store.EventOpen, Doing: store.Doing{IP: "192.0.2.7", Agent: "Reader <b>/2.0"}},
		{Type: store.EventClick, Doing: store.Doing{URL: "https://shop.example/?a=1&b=<i>"}},
		{Type: store.EventUnsub, Doing: store.Doing{Source: "List-Unsubscribe"}},
		{Type: store.EventSpam, Doing: store.Doing{Source: "report"}},
	} {
		e.MessageID, e.At = id, time.Now()
		ok(t, w.store.Engage(t.Context(), e))
	}
	b.get(messagePath(id)).is(http.StatusOK).says("Opened by a machine", "Proxy/1.0", "Opened", "192.0.2.7 · Reader <b>/2.0", "Clicked", "https://shop.example/?a=1&b=<i>", "Unsubscribed", "List-Unsubscribe", "Reported as spam")
}

func TestTheHistoryOfAMessage(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	receipt := w.send(w.signed.Key, mailOf("Hi"), "a@example.org", "b@example.org")
	a, c := receipt.Messages[0].ID, receipt.Messages[1].ID
	b.get(messagePath(a)).is(http.StatusOK).says("Accepted by the HTTP API", "198.51.100.4 test/1.0", "Waiting for its turn")
	now := time.Now()
	claimed, err := w.store.Claim(t.Context(), store.MainLane, "w1", now.Add(time.Minute), now.Add(2*time.Minute), 10)
	ok(t, err)
	b.get(messagePath(a)).says("Being tried now")
	var done []store.Completion
	for _, x := range claimed {
		d := store.Completion{Claimed: x, Owner: "w1", At: now, StateID: int(mail.StateGreylisted), Result: store.CompletedDeferred, Due: now.Add(time.Hour), Reply: store.Reply{Code: 451, Enhanced: "4.7.1", Line: "451 4.7.1 Greylisted <b>, try later", Host: "mx1.example.org", TLS: "TLS 1.3"}}
		if x.MessageID == c {
			d.Result, d.Permanent, d.StateID, d.Reply.Line = store.CompletedBounced, true, int(mail.StateUserUnknown), "No such user"
		}
		done = append(done, d)
	}
	ok(t, w.store.Complete(t.Context(), done))
	b.get(messagePath(a)).says("deferred", "Put off by the other side", "attempt 1", "451 4.7.1 Greylisted <b>, try later", "mx1.example.org · TLS 1.3", "greylisted", "Next attempt")
	b.get(messagePath(c)).says("bounce", "Bounced", "No such user", "user unknown").lacks("Next attempt")
	claimed, err = w.store.Claim(t.Context(), store.MainLane, "w1", now.Add(2*time.Hour), now.Add(3*time.Hour), 10)
	ok(t, err)
	ok(t, w.store.Complete(t.Context(), []store.Completion{{Claimed: claimed[0], Owner: "w1", At: now.Add(time.Hour), Result: store.CompletedSent, Reply: store.Reply{Code: 250, Enhanced: "2.0.0", Line: "250 2.0.0 OK"}}}))
	b.get(messagePath(a)).says("Sent", "attempt 2", "250 2.0.0 OK").lacks("Next attempt", "</span> 451", "</span> 250") // each code once
	b.get("/messages?state=sent").says("a@example.org").lacks("b@example.org")
	b.get("/messages?state=hardbounced").says("b@example.org", "hard bounce").lacks("a@example.org")
}

// picture is a PNG of one pixel.
var picture = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82")

func TestAMailIsShownWithoutItsPowers(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	d := mailOf(`<script>alert("subject")</script>`)
	d.From = mail.Address{Name: `<i>Name</i>`, Email: "hello@acme.example"}
	d.MessageID = "x@acme.example"
	d.HTML = `<!doctype html><p>Hi <script>alert("html")</script><img src="cid:logo@acme" onerror="alert(1)"><img src="https://track.example/p.gif"><a href="cid:logo@acme">x</a><img src=cid:nothing></p>`
	d.Inlined = []mail.Part{{ContentType: "image/png", Filename: "logo.png", ContentID: "logo@acme", Data: picture}}
	d.Attachments = []mail.Part{{ContentType: "text/html", Filename: `in"voice ü.html`, Data: []byte("<script>alert('attachment')</script>")}}
	id := w.send(w.signed.Key, d, "a@example.org").Messages[0].ID

	page := b.get(messagePath(id)).is(http.StatusOK).says(`<script>alert("subject")</script>`, `<i>Name</i>`, "logo.png", "Attachments")
	page.lacks("alert(1)")
	frame := page.first("iframe")
	if !has(frame, "sandbox") || attr(frame, "sandbox") != "" || attr(frame, "src") != messagePath(id)+"/html" {
		t.Errorf("the frame is %v", frame.Attr)
	}
	if !strings.Contains(page.header.Get("Content-Security-Policy"), "frame-src 'self'") {
		t.Error("the page may not show the frame")
	}

	inside := b.get(messagePath(id) + "/html").is(http.StatusOK)
	csp := inside.header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "sandbox; default-src 'none'; img-src data:;") || strings.Contains(csp, "allow-") || strings.Contains(csp, "script-src") {
		t.Errorf("the mail's policy is %s", csp)
	}
	if !strings.Contains(inside.body, `<img src="data:image/png;base64,iVBOR`) || strings.Contains(inside.body, `href="data:`) || strings.Contains(inside.body, "track.example") {
		t.Errorf("pictures: %s", inside.body)
	}

	var parts int
	for i, link := range find(page.first("ul.parts"), "a") {
		parts++
		p := b.get(attr(link, "href")).is(http.StatusOK)
		disposition, values, err := mime.ParseMediaType(p.header.Get("Content-Disposition"))
		ok(t, err)
		if p.header.Get("Content-Type") != "application/octet-stream" || p.header.Get("X-Content-Type-Options") != "nosniff" || disposition != "attachment" || values["filename"] == "" {
			t.Errorf("part %d: %v", i, p.header)
		}
	}
	if parts != 2 {
		t.Errorf("%d attachments are listed", parts)
	}
	b.get(messagePath(id) + "/parts/3").is(http.StatusNotFound)
	b.get(messagePath(id) + "/parts/0").is(http.StatusNotFound)
	if a := b.get(messagePath(id) + "/source").is(http.StatusOK); !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") || !strings.Contains(a.body, "MIME-Version") {
		t.Errorf("the source is %v", a.header)
	}
	b.get(messagePath(id) + "?view=text").says("Hello.").lacks("<iframe")
	b.get(messagePath(id)+"?view=headers").says("Message-ID", "x@acme.example")
	b.get(messagePath(id) + "?view=source").says("Content-Type: multipart/mixed").lacks("<script>alert")
	b.get(messagePath(id) + "?view=nothing").is(http.StatusOK)
}

func TestBrokenMailIsShown(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	w.send(w.signed.Key, mailOf("Makes the sender"), "a@example.org")
	d := mail.Draft{From: mail.Address{Email: "hello@acme.example"}}
	for _, raw := range []string{"no header at all", "\r\n\r\nbody", "Subject: x\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a", strings.Repeat("\xff\x00<script>", 100)} {
		id := w.sendRaw(w.signed.Key, d, []byte(raw), "a@example.org").Messages[0].ID
		b.get(messagePath(id)).is(http.StatusOK).says("(no subject)").lacks("<script>\xff")
		b.get(messagePath(id) + "?view=source").is(http.StatusOK)
		b.get(messagePath(id) + "/html").is(http.StatusNotFound)
		b.get(messagePath(id) + "/source").is(http.StatusOK)
	}
	long := w.sendRaw(w.signed.Key, d, []byte("Subject: long\r\nFrom: a@b.example\r\nTo: A <a@b.example>\r\nCc: c@d.example\r\nReply-To: r@b.example\r\n\r\n"+strings.Repeat("0123456789\r\n", 50_000)), "a@example.org").Messages[0].ID
	b.get(messagePath(long)+"?view=source").says("This is its beginning.", "Reply to", "Cc")
}

func TestDownloadsAreNamedSafely(t *testing.T) {
	for name, want := range map[string]string{
		"a.pdf":           "a.pdf",
		"../../etc/pw":    ".._.._etc_pw",
		"a\r\nSet-Cookie": "a__Set-Cookie",
		`q"uote`:          `q"uote`,
		"ünï.txt":         "ünï.txt",
		"50% off; x.txt":  "50% off; x.txt",
	} {
		h := console.Disposition(name)
		if strings.ContainsAny(h, "\r\n") {
			t.Errorf("%q breaks the header", name)
		}
		_, values, err := mime.ParseMediaType(h)
		if err != nil || values["filename"] != want {
			t.Errorf("%q is named %q (%s, %v)", name, values["filename"], h, err)
		}
	}
}
