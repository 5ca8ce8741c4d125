// SPDX-License-Identifier: Apache-2.0

package notify_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/notice"
	"postern/internal/store/storetest"
)

// TestEveryKindHasWords reads the mail of each kind of notice as it came out.
func TestEveryKindHasWords(t *testing.T) {
	until := time.Date(2026, 12, 7, 9, 30, 0, 0, time.UTC)
	const apiKey = "0123456789abcdef0123456789abcdef"
	cases := []struct {
		notice  notice.Notice
		subject string
		link    string
		says    []string // in the text and in the HTML
	}{
		{
			notice.Notice{Kind: notice.Invitation, Link: "/invitation/TOKEN", Role: "sender", By: "user ann@example.com", AccountName: "Harbour", KeyNames: []string{"Shop", "Web"}, Until: until},
			"You are invited to an account on Postern", "/invitation/TOKEN",
			[]string{"2 keys of the account “Harbour”", "Shop, Web", "sender: sends, and sees what was sent", "ann@example.com", "7 December 2026, 09:30 UTC", "23 November 2026, 09:30 UTC", "do nothing"},
		},
		{
			notice.Notice{Kind: notice.AccessGiven, Link: "/keys", Role: "owner", By: "operator", AccountName: "Harbour"},
			"Your access on Postern has changed", "/keys",
			[]string{"The operator has shared the account “Harbour”", "owner: everything", "23 November 2026, 09:30 UTC"},
		},
		{
			notice.Notice{Kind: notice.RequestMade, Link: "/operator/requests/7", By: "user ann@example.com", AccountName: "Harbour", What: "messages a month", Wanted: 50000, Reason: "Christmas is near.\nThank you!"},
			"An account asks for 50000 messages a month", "/operator/requests/7",
			[]string{"ann@example.com", "Christmas is near.", "Thank you!", "23 November 2026"},
		},
		{
			notice.Notice{Kind: notice.RequestGranted, Link: "/account", What: "subaccounts", Wanted: 20, Reason: "Have fun."},
			"Granted: 20 subaccounts", "/account",
			[]string{"was granted", "Have fun.", "Harbour"},
		},
		{
			notice.Notice{Kind: notice.RequestDeclined, Link: "/account", What: "people", Wanted: 20, Reason: "Pay first."},
			"Declined: 20 people", "/account",
			[]string{"was declined", "Pay first.", "ask again"},
		},
		{
			notice.Notice{Kind: notice.PasswordReset, Link: "/reset/TOKEN", Until: until, Address: "198.51.100.7"},
			"Set a new password", "/reset/TOKEN",
			[]string{"198.51.100.7", "7 December 2026, 09:30 UTC", "your password stays as it is"},
		},
		{
			notice.Notice{Kind: notice.SignInChanged, What: "a passkey was added", Address: "198.51.100.7"},
			"Security alert: a passkey was added", "/security",
			[]string{"a passkey was added", "198.51.100.7", "23 November 2026, 09:30 UTC", "set a new password at once"},
		},
		{
			notice.Notice{Kind: notice.KeySuspended, KeyID: 5, KeyName: "Shop", APIKey: apiKey, Reason: "Spam was sent."},
			"The API key 01234567… is suspended", "/keys/5",
			[]string{"Shop", apiKey, "Spam was sent.", "23 November 2026, 09:30 UTC"},
		},
		{
			notice.Notice{Kind: notice.KeyRestored, KeyID: 5, KeyName: "Shop", APIKey: apiKey},
			"The API key 01234567… works again", "/keys/5",
			[]string{"Shop", apiKey, "with the same secret"},
		},
		{
			notice.Notice{Kind: notice.AccountSuspended, AccountName: "Harbour", Reason: "The invoice is not paid.", Link: "/account"},
			"Your account is suspended", "/account",
			[]string{"Harbour", "with all its keys", "The invoice is not paid.", "23 November 2026, 09:30 UTC"},
		},
		{
			notice.Notice{Kind: notice.AccountRestored, AccountName: "Harbour", Link: "/account"},
			"Your account works again", "/account",
			[]string{"Harbour", "with the same secrets"},
		},
		{
			notice.Notice{Kind: notice.CredentialDue, KeyID: 5, KeyName: "Shop", APIKey: apiKey, Days: 14, Until: until},
			"The secret key of 01234567… is due in 14 days", "/keys/5",
			[]string{"by 7 December 2026", apiKey, "It will keep working", "which connections still use it"},
		},
		{
			notice.Notice{Kind: notice.CredentialOverdue, KeyID: 5, KeyName: "Shop", APIKey: apiKey, Days: 1, Until: until, Stops: true},
			"The secret key of 01234567… is overdue", "/keys/5",
			[]string{"by 7 December 2026", apiKey, "It has stopped working"},
		},
		{
			notice.Notice{Kind: notice.CredentialLeaked, KeyID: 5, KeyName: "Shop", APIKey: apiKey, Hint: "x9Zq", Address: "198.51.100.7", FoundURL: "https://paste.example/x"},
			"A secret key of 01234567… has leaked and was revoked", "/keys/5",
			[]string{"ends in x9Zq", "198.51.100.7", "https://paste.example/x", apiKey, "23 November 2026, 09:30 UTC", "revoked at once"},
		},
		{
			notice.Notice{Kind: notice.HookDead, KeyID: 5, KeyName: "Shop", APIKey: apiKey, What: "sent, open", Address: "https://hooks.example.com", Reason: "no answer in time", Wanted: 12, Until: until, Link: "/webhooks?key=" + apiKey},
			"Webhook disabled for 01234567…", "/webhooks?key=" + apiKey,
			[]string{"errors for a day", "12 events", "sent, open", "https://hooks.example.com", "no answer in time", "save the URL again"},
		},
		{
			notice.Notice{Kind: notice.SenderLink, Link: "/sender-link/TOKEN", AccountName: "Harbour", KeyID: 5, KeyName: "Shop", APIKey: apiKey, What: "news@shop.example", Until: until},
			"Confirm your address as a sender on Postern", "/sender-link/TOKEN",
			[]string{"news@shop.example", "Harbour", "Shop", "7 December 2026, 09:30 UTC", "do nothing"},
		},
		{
			notice.Notice{Kind: notice.DomainBroken, Link: "/senders?q=shop.example", KeyID: 5, KeyName: "Shop", APIKey: apiKey, What: "shop.example", Reason: "SPF: shop.example has no SPF record"},
			"A DNS record of shop.example is broken", "/senders?q=shop.example",
			[]string{"SPF: shop.example has no SPF record", "Shop", apiKey, "23 November 2026, 09:30 UTC"},
		},
		{
			notice.Notice{Kind: notice.DomainMended, Link: "/senders?q=shop.example", KeyID: 5, KeyName: "Shop", APIKey: apiKey, What: "shop.example", Reason: "SPF"},
			"The DNS records of shop.example are right again", "/senders?q=shop.example",
			[]string{"SPF", "Shop", apiKey},
		},
	}
	seen := map[string]bool{}
	for _, c := range cases {
		seen[c.notice.Kind] = true
		d := newDesk(t, storetest.New(t))
		c.notice.To = []string{"friend@example.org"}
		d.tell(d.up.Account.ID, c.notice)
		d.Round(t.Context())
		mails := d.mails()
		if len(mails) != 1 {
			t.Errorf("%s: %d mails\n%s", c.notice.Kind, len(mails), d.log)
			continue
		}
		m := mails[0]
		if m.View.Subject != c.subject || m.Message.Subject != c.subject {
			t.Errorf("%s: the subject is %q, want %q", c.notice.Kind, m.View.Subject, c.subject)
		}
		text, html := strings.Join(strings.Fields(m.Text), " "), strings.Join(strings.Fields(unescape(m.HTML)), " ")
		for _, want := range append(c.says, baseURL+c.link) {
			if strings.Contains(want, "\n") || !strings.Contains(text, want) {
				t.Errorf("%s: the text has no %q:\n%s", c.notice.Kind, want, m.Text)
			}
			if !strings.Contains(html, want) {
				t.Errorf("%s: the HTML has no %q:\n%s", c.notice.Kind, want, m.HTML)
			}
		}
		if !strings.Contains(m.Text, "\n"+baseURL+c.link+"\r\n") && !strings.Contains(m.Text, "\n"+baseURL+c.link+"\n") {
			t.Errorf("%s: the link has no line of its own:\n%s", c.notice.Kind, m.Text)
		}
		if remote := regexp.MustCompile(`(?i)<(img|link|script|iframe|object|embed|video|audio|form)\b|\bsrc=|url\(|@import`).FindString(m.HTML); remote != "" {
			t.Errorf("%s: the HTML has %s", c.notice.Kind, remote)
		}
		for line := range strings.SplitSeq(m.Text, "\n") {
			if len([]rune(line)) > 78 && !strings.Contains(line, "://") && !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: a long line %q", c.notice.Kind, line)
			}
		}
		if strings.Contains(m.Text, "  \n") || strings.Contains(text, "%!") || strings.Contains(text, " .") || strings.Contains(text, "January 0001") || strings.Contains(text, "By: Postern") {
			t.Errorf("%s reads badly:\n%s", c.notice.Kind, m.Text)
		}
		if strings.Contains(d.log.String(), "TOKEN") {
			t.Errorf("%s: the link is in the log", c.notice.Kind)
		}
	}
	source, err := os.ReadFile("../notice/notice.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`(?m)^\t[A-Z]\w+\s+= "([^"]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(kinds) < len(cases) {
		t.Errorf("%d kinds found", len(kinds))
	}
	for _, k := range kinds {
		if !seen[k[1]] {
			t.Errorf("the mail of %q is not tested", k[1])
		}
	}
}

func unescape(s string) string {
	return strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&amp;", "&").Replace(s)
}

// TestWhatPeopleWriteStaysText: names and reasons neither become markup nor header fields.
func TestWhatPeopleWriteStaysText(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	d.tell(d.up.Account.ID, notice.Notice{
		Kind: notice.Invitation, To: []string{"friend@example.org"}, AccountName: "A\r\nBcc: all@example.net\r\n\r\n<img src=x>", By: "user <b>x</b>", Role: "<i>", Link: "/invitation/x",
	})
	d.tell(d.up.Account.ID, notice.Notice{Kind: notice.KeySuspended, To: []string{"friend@example.org"}, KeyName: strings.Repeat("ü", 300), Reason: "</blockquote><script>alert(1)</script>\r\n.\r\nmore"})
	d.tell(d.up.Account.ID, notice.Notice{Kind: notice.PasswordReset, To: []string{"friend@example.org"}, Link: "//evil.example/x"})
	d.Round(t.Context())
	mails := d.mails()
	if len(mails) != 3 {
		t.Fatalf("%d mails\n%s", len(mails), d.log)
	}
	for _, m := range mails {
		if regexp.MustCompile(`(?i)<(img|script|b|i)\b`).MatchString(m.HTML) || regexp.MustCompile(`(?mi)^Bcc:`).MatchString(m.raw) {
			t.Errorf("%s", m.raw)
		}
	}
	if !strings.Contains(mails[1].Text, "> more") || len([]rune(mails[1].View.Subject)) > 200 {
		t.Errorf("%q\n%s", mails[1].View.Subject, mails[1].Text)
	}
	if !strings.Contains(mails[2].Text, baseURL+"//evil.example/x") {
		t.Errorf("the link leads away:\n%s", mails[2].Text)
	}
}

// TestNobodyWritesByTheOperatorsAddress: what customers call themselves stands in no subject, and nothing that a reader of
// mail would make a link of stands in the mail that strangers get.
func TestNobodyWritesByTheOperatorsAddress(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	const bad = "URGENT verify at https://evil.example/login or www.evil.example"
	for _, kind := range []string{
		notice.Invitation, notice.AccessGiven, notice.RequestMade, notice.SenderLink, notice.KeySuspended, notice.KeyRestored, notice.CredentialDue, notice.CredentialOverdue,
		notice.CredentialLeaked, notice.HookDead, notice.DomainBroken, notice.DomainMended,
	} {
		d.tell(d.up.Account.ID, notice.Notice{
			Kind: kind, To: []string{"friend@example.org"}, AccountName: bad, KeyName: bad, KeyNames: []string{bad}, Reason: bad, By: "user ann@example.com", What: "shop.example", Link: "/x",
		})
	}
	d.Round(t.Context())
	mails := d.mails()
	if len(mails) != 12 {
		t.Fatalf("%d mails\n%s", len(mails), d.log)
	}
	for i, m := range mails {
		if strings.Contains(m.View.Subject, "URGENT") || strings.Contains(m.View.Subject, "evil") {
			t.Errorf("a subject is %q", m.View.Subject)
		}
		if i < 4 && (strings.Contains(m.Text+m.HTML, "evil.example") || strings.Contains(m.Text+m.HTML, "https://evil")) {
			t.Errorf("a link can be made of %s", m.Text)
		}
	}
}
