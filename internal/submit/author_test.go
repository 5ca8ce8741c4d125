// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"errors"
	"testing"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

func author(field, email string) mail.Author {
	return mail.Author{Field: field, Address: mail.Address{Email: email}}
}

// Every address that a header names as an author or sender is the key's.
func TestAuthors(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	for name, c := range map[string]struct {
		authors []mail.Author
		field   string // of the refusal; "": accepted
	}{
		"none beside From":                 {nil, ""},
		"From alone":                       {[]mail.Author{author("From", "news@example.org")}, ""},
		"two of the key's":                 {[]mail.Author{author("From", "news@example.org"), author("From", "any@bücher.example")}, ""},
		"a stranger in From":               {[]mail.Author{author("From", "news@example.org"), author("From", "ceo@bank.example")}, "From"},
		"a stranger first":                 {[]mail.Author{author("From", "ceo@bank.example"), author("From", "news@example.org")}, "From"},
		"the key's as Sender":              {[]mail.Author{author("From", "news@example.org"), author("Sender", `"News"@EXAMPLE.org`)}, ""},
		"a stranger as Sender":             {[]mail.Author{author("From", "news@example.org"), author("Sender", "ceo@bank.example")}, "Sender"},
		"a neighbour as Sender":            {[]mail.Author{author("Sender", "ceo@example.org")}, "Sender"},
		"a stranger sent it on":            {[]mail.Author{author("Resent-From", "any@bücher.example"), author("Resent-From", "ceo@bank.example")}, "Resent-From"},
		"a stranger sent it on for others": {[]mail.Author{author("Resent-Sender", "ceo@bank.example")}, "Resent-Sender"},
		"an address in the local part":     {[]mail.Author{author("From", `"ceo@bank.example, x"@bücher.example`)}, "From"},
		"no address as Sender":             {[]mail.Author{author("Sender", "ceo")}, "Sender"},
	} {
		_, err := d.send(t, "news@example.org", func(m *submit.Message) { m.Authors = c.authors })
		var e *submit.Error
		if c.field == "" && err != nil || c.field != "" && (!errors.As(err, &e) || e.Code != submit.SenderNotAllowed || e.Field != c.field) {
			t.Errorf("%s: %v, want a refusal of %q", name, err, c.field)
		}
	}
}

// A key that is restricted to some of its senders writes as nobody else, in any of the fields and on the envelope.
func TestAuthorsOfARestrictedKey(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	d.limit(t, func(k *store.Key) { k.AllowedSenders = "news@example.org" })
	if _, err := d.send(t, "news@example.org", nil); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"From", "Sender", "Resent-From", "Resent-Sender"} {
		_, err := d.send(t, "news@example.org", func(m *submit.Message) { m.Authors = []mail.Author{author(field, "any@bücher.example")} })
		if code(err) != submit.SenderNotAllowed {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, from := range []string{"any@bücher.example", "any@bounces.bücher.example"} {
		if _, err := d.sendBy(t, from); code(err) != submit.SenderNotAllowed {
			t.Errorf("MAIL FROM %s: %v", from, err)
		}
	}
}

// sendBy sends a mail of news@example.org with a return path.
func (d *desk) sendBy(t *testing.T, returnPath string) (submit.Receipt, error) {
	t.Helper()
	env := submit.Envelope{From: returnPath, Recipients: []submit.Recipient{{Email: "r@example.net"}}}
	return d.Accept(t.Context(), d.p, env, submit.Message{Raw: []byte("From: news@example.org\r\n\r\nx\r\n"), From: mail.Address{Email: "news@example.org"}, Source: "smtp"})
}

func TestReturnPath(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	err := d.store.Update(t.Context(), func(tx *store.Tx) error {
		for _, x := range [][2]string{{"*@shop.co.uk", "shop.co.uk"}, {"*@github.io", "github.io"}, {"*@example", "example"}, {"me@freemail.example", "freemail.example"}} {
			if _, err := tx.PutSender(t.Context(), store.Sender{KeyID: d.p.KeyID, Email: x[0], Domain: x[1], Status: store.SenderActive}); err != nil {
				return err
			}
		}
		_, err := tx.PutSender(t.Context(), store.Sender{KeyID: d.p.KeyID, Email: "*@unproved.example", Domain: "unproved.example", Status: store.SenderInactive})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for from, ok := range map[string]bool{
		"": true, "news@example.org": true, `"NEWS"@EXAMPLE.org`: true, "me@freemail.example": true,
		"stranger@freemail.example": false, "me+tag@freemail.example": false, "bounces@example.org": false, "news@bounces.example.org": false,
		"any@bücher.example": true, "x@bounces.bücher.example": true, "x@a.b.xn--bcher-kva.example": true, "x@notxn--bcher-kva.example": false,
		"x@shop.co.uk": true, "x@mail.shop.co.uk": true, "postmaster@co.uk": false, "postmaster@uk": false, "x@other.co.uk": false,
		"postmaster@com": false, "postmaster@org": false, "alice@alice.github.io": false, "ceo@bank.example": false, "x@unproved.example": false, "x@below.unproved.example": false,
	} {
		if _, err := d.sendBy(t, from); ok != (err == nil) || !ok && code(err) != submit.SenderNotAllowed {
			t.Errorf("MAIL FROM:<%s>: %v, want it taken: %v", from, err, ok)
		}
	}
}

// An address that some programs read as another is nobody's, though it is in a domain of the key. The API writes its From
// by itself.
func TestAuthorsThatReadAsOthers(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	for _, local := range []string{"=?utf-8?q?ceo=40bank.example=2C?=any", `"ceo@bank.example>"`, `"ceo@bank.example, x"`} {
		email := local + "@bücher.example"
		if _, err := d.send(t, email, nil); code(err) != submit.SenderNotAllowed {
			t.Errorf("%s as author: %v", email, err)
		}
	}
	if _, err := d.send(t, `"a b"@bücher.example`, nil); err != nil {
		t.Error(err)
	}
}
