// SPDX-License-Identifier: Apache-2.0

package dsn_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-message"

	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/courier"
	"postern/internal/dsn"
	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/outcome"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

const returnPath = "bounces@example.com"

// desk sends notices over a fresh store, in which a key may send as *@example.com.
type desk struct {
	*dsn.DSN
	t     *testing.T
	store *store.Store
	way   *submit.Submit
	p     gate.Principal
	log   *bytes.Buffer
	ahead atomic.Int64 // of the clock, in nanoseconds
}

func newDesk(t *testing.T, s *store.Store, change func(*dsn.Config)) *desk {
	t.Helper()
	d := &desk{t: t, store: s, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(d.log, nil))
	b := backendtest.New(t, backend.Config{Store: s, Log: log})
	d.way = b.Submit
	c := dsn.Config{
		Store: s, Keys: b.Keys, Submit: d.way, From: mail.Address{Name: "Postern", Email: "postern@mail.example.net"}, Hostname: "mail.example.net", Default: true, Log: log,
		Now: func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) },
	}
	if change != nil {
		change(&c)
	}
	d.DSN = dsn.New(c)
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(t.Context(), "one")
		if err != nil {
			return err
		}
		k, err := tx.AddKey(t.Context(), store.Key{AccountID: a.ID, APIKey: "0123456789abcdef0123456789abcdef", Name: "one", Master: true, State: store.KeyActive})
		if err != nil {
			return err
		}
		d.p = gate.Principal{KeyID: k.ID, AccountID: a.ID}
		_, err = tx.PutSender(t.Context(), store.Sender{KeyID: k.ID, Email: "*@example.com", Domain: "example.com", Status: store.SenderActive})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const source = "From: ann@example.com\r\nTo: bob@example.org\r\nSubject: Minutes\r\nMessage-ID: <m1@example.com>\r\n\r\nThe body of it.\r\n"

// send hands in a mail by SMTP for each of the recipients.
func (d *desk) send(change func(*submit.Envelope, *submit.Message), to ...submit.Recipient) submit.Receipt {
	d.t.Helper()
	env := submit.Envelope{From: returnPath, Recipients: to}
	m := submit.Message{Raw: []byte(source), From: mail.Address{Email: "ann@example.com"}, Subject: "Minutes", MessageID: "m1@example.com", Source: "smtp", Priority: 2}
	if change != nil {
		change(&env, &m)
	}
	got, err := d.way.Accept(d.t.Context(), d.p, env, m)
	if err != nil {
		d.t.Fatal(err)
	}
	return got
}

// outcome is what becomes of all that is in the queue of the key, after a time.
func (d *desk) outcome(after time.Duration, o courier.Outcome) {
	d.t.Helper()
	now := time.Now().Add(after)
	claimed, err := d.store.Claim(d.t.Context(), store.MainLane, "test", now.Add(24*time.Hour), now.Add(25*time.Hour), 10_000)
	if err != nil {
		d.t.Fatal(err)
	}
	var done []store.Completion
	for _, c := range claimed {
		if c.KeyID == d.p.KeyID {
			done = append(done, outcome.Of(c, "test", o, now))
		}
	}
	if err := d.store.Complete(d.t.Context(), done); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) round() {
	d.t.Helper()
	if err := d.Round(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	n, err := d.store.CountNoticesOfMail(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	if n != 0 {
		d.t.Logf("%d wait", n)
	}
}

// notice is a report, as an independent parser reads it.
type notice struct {
	to       string
	null     bool // its return path
	header   message.Header
	text     string
	whole    textproto.MIMEHeader
	each     []textproto.MIMEHeader
	kind     string // of the third part
	returned string
}

// notices reads all mail of the system account, oldest first.
func (d *desk) notices() []notice {
	d.t.Helper()
	list, err := d.store.Messages(d.t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{})
	if err != nil {
		d.t.Fatal(err)
	}
	var out []notice
	for _, m := range list {
		if m.KeyID == d.p.KeyID {
			continue
		}
		raw, err := d.store.Source(d.t.Context(), store.OfOperator(), m.ID)
		if err != nil {
			d.t.Fatal(err)
		}
		x, _, err := d.store.Handed(d.t.Context(), store.OfOperator(), m.ID)
		if err != nil {
			d.t.Fatal(err)
		}
		n := parse(d.t, raw)
		n.to, n.null = m.Recipient, x.MailFrom == ""
		out = append(out, n)
	}
	return out
}

func parse(t *testing.T, raw []byte) notice {
	t.Helper()
	e, err := message.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	kind, params, err := e.Header.ContentType()
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("%s %v, %v", kind, params, err)
	}
	n := notice{header: e.Header}
	parts := e.MultipartReader()
	for i := 0; ; i++ {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, err := p.Header.ContentType()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case i == 0 && kind == "text/plain":
			n.text = string(body)
		case i == 1 && kind == "message/delivery-status":
			r := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(body, "\r\n"...))))
			if n.whole, err = r.ReadMIMEHeader(); err != nil {
				t.Fatal(err)
			}
			for {
				h, err := r.ReadMIMEHeader()
				if len(h) > 0 {
					n.each = append(n.each, h)
				}
				if err != nil {
					break
				}
			}
		case i == 2:
			n.kind, n.returned = kind, string(body)
		default:
			t.Fatalf("part %d is %s", i, kind)
		}
	}
}

// action is what a report says of its one recipient, "" for no report.
func action(t *testing.T, list []notice) string {
	t.Helper()
	switch {
	case len(list) == 0:
		return ""
	case len(list) > 1 || len(list[0].each) != 1:
		t.Fatalf("%d notices: %+v", len(list), list)
	}
	return list[0].each[0].Get("Action")
}

// RFC 3461's table: what NOTIFY says, what becomes of the mail, and whether the next server offers DSN.
func TestWhoIsNotifiedOfWhat(t *testing.T) {
	const all = mail.NotifySuccess | mail.NotifyFailure | mail.NotifyDelay
	outcomes := []struct {
		name    string
		after   time.Duration
		outcome courier.Outcome
	}{
		{"passed on without DSN", 0, courier.Outcome{Result: courier.Delivered, Code: 250, Enhanced: "2.0.0", Line: "250 2.0.0 OK", Host: "mx.example.org"}},
		{"passed on with DSN", 0, courier.Outcome{Result: courier.Delivered, Code: 250, Line: "250 OK", Host: "mx.example.org", Notifies: true}},
		{"captured", 0, courier.Outcome{Result: courier.Delivered, Code: 250, Line: "250 captured", Captured: true}},
		{"refused", 0, courier.Outcome{Result: courier.Bounced, Code: 550, Enhanced: "5.1.1", Line: "550 5.1.1 no such user", Host: "mx.example.org", State: mail.StateUserUnknown}},
		{"blocked", 0, courier.Outcome{Result: courier.Bounced, Code: 554, Enhanced: "5.7.1", Line: "554 5.7.1 spam", Host: "mx.example.org", State: mail.StateContentBlocked}},
		{"given up", 6 * 24 * time.Hour, courier.Outcome{Result: courier.Deferred, Code: 451, Line: "451 later", State: mail.StateSystemIssue}},
		{"put off at once", 0, courier.Outcome{Result: courier.Deferred, Code: 451, Line: "451 later", State: mail.StateGreylisted}},
		{"put off after 5 hours", 5 * time.Hour, courier.Outcome{Result: courier.Deferred, Code: 451, Line: "451 later", State: mail.StateSystemIssue}},
	}
	rows := map[mail.Notify][]string{
		0:                  {"", "", "", "failed", "failed", "failed", "", ""},
		mail.NotifyNever:   {"", "", "", "", "", "", "", ""},
		mail.NotifySuccess: {"relayed", "", "delivered", "", "", "", "", ""},
		mail.NotifyFailure: {"", "", "", "failed", "failed", "failed", "", ""},
		mail.NotifyDelay:   {"", "", "", "", "", "", "", "delayed"},
		all:                {"relayed", "", "delivered", "failed", "failed", "failed", "", "delayed"},
	}
	for notify, row := range rows {
		for i, o := range outcomes {
			t.Run(fmt.Sprintf("%s/%s", notify, o.name), func(t *testing.T) {
				d := newDesk(t, storetest.New(t), nil)
				d.send(nil, submit.Recipient{Email: "bob@example.org", Notify: notify})
				d.outcome(o.after, o.outcome)
				d.ahead.Store(int64(o.after))
				d.round()
				d.round() // once is enough
				list := d.notices()
				if got := action(t, list); got != row[i] {
					t.Errorf("%q, want %q\n%s", got, row[i], d.log)
				}
				for _, n := range list {
					if n.to != returnPath || !n.null {
						t.Errorf("to %s, null return path: %v", n.to, n.null)
					}
				}
			})
		}
	}
}

// A delay is told of once, and the end of it after that.
func TestDelayIsToldOnce(t *testing.T) {
	d := newDesk(t, storetest.New(t), nil)
	d.send(nil, submit.Recipient{Email: "bob@example.org", Notify: mail.NotifyDelay | mail.NotifyFailure})
	later := courier.Outcome{Result: courier.Deferred, Code: 451, Line: "451 later"}
	var got []string
	for _, after := range []time.Duration{time.Hour, 5 * time.Hour, 9 * time.Hour, 6 * 24 * time.Hour} {
		d.outcome(after, later)
		d.ahead.Store(int64(after))
		d.round()
	}
	for _, n := range d.notices() {
		got = append(got, n.each[0].Get("Action")+" "+n.each[0].Get("Status"))
	}
	if strings.Join(got, ", ") != "delayed 4.4.7, failed 5.4.7" {
		t.Errorf("%q", got)
	}
	if n := d.notices()[0]; n.each[0].Get("Will-Retry-Until") == "" || !strings.Contains(n.text, "has not been delivered") || !strings.Contains(n.text, "do not need to send it again") {
		t.Errorf("%v\n%s", n.each[0], n.text)
	}
}

// There is no notice to the null return path, and none of mail by the HTTP API, which reads events, unless it was asked for.
func TestNobodyToNotify(t *testing.T) {
	refused := courier.Outcome{Result: courier.Bounced, Code: 550, Line: "550 no", State: mail.StateUserUnknown}
	for name, x := range map[string]struct {
		change func(*submit.Envelope, *submit.Message)
		notify mail.Notify
		config func(*dsn.Config)
		want   string
	}{
		"null return path":      {func(e *submit.Envelope, _ *submit.Message) { e.From = "" }, mail.NotifyFailure, nil, ""},
		"by HTTP":               {func(_ *submit.Envelope, m *submit.Message) { m.Source = "http" }, 0, nil, ""},
		"by HTTP, asked for":    {func(_ *submit.Envelope, m *submit.Message) { m.Source = "http" }, mail.NotifyFailure, nil, "failed"},
		"by default, off":       {nil, 0, func(c *dsn.Config) { c.Default = false }, ""},
		"asked for, though off": {nil, mail.NotifyFailure, func(c *dsn.Config) { c.Default = false }, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, storetest.New(t), x.config)
			d.send(x.change, submit.Recipient{Email: "bob@example.org", Notify: x.notify})
			d.outcome(0, refused)
			d.round()
			if got := action(t, d.notices()); got != x.want {
				t.Errorf("%q, want %q", got, x.want)
			}
			if n, err := d.store.CountNoticesOfMail(t.Context()); err != nil || n != 0 {
				t.Errorf("%d wait, %v", n, err)
			}
		})
	}
}

// An address that the key sends nothing to is told of to who asked for it alone; so is what was taken back.
func TestSuppressedAndCancelled(t *testing.T) {
	for _, notify := range []mail.Notify{0, mail.NotifyFailure} {
		want := ""
		if notify != 0 {
			want = "failed"
		}
		d := newDesk(t, storetest.New(t), nil)
		k, err := d.store.Key(t.Context(), store.OfOperator(), store.KeyFilter{ID: d.p.KeyID})
		if err != nil {
			t.Fatal(err)
		}
		err = d.store.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.AddSuppressions(t.Context(), k, []store.Suppression{{Email: "bob@example.org", Reason: store.SuppressedManual}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		d.send(nil, submit.Recipient{Email: "bob@example.org", Notify: notify})
		d.round()
		if got := action(t, d.notices()); got != want {
			t.Errorf("suppressed, %s: %q, want %q", notify, got, want)
		}

		d = newDesk(t, storetest.New(t), nil)
		got := d.send(nil, submit.Recipient{Email: "bob@example.org", Notify: notify})
		d.outcome(0, courier.Outcome{Result: courier.Deferred, Code: 451, Line: "451 later"})
		if err := d.store.Cancel(t.Context(), store.OfKey(d.p.AccountID, d.p.KeyID), got.Messages[0].ID, "taken back"); err != nil {
			t.Fatal(err)
		}
		d.round()
		if got := action(t, d.notices()); got != want {
			t.Errorf("taken back, %s: %q, want %q", notify, got, want)
		}
	}
}
