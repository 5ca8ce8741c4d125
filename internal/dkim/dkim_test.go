// SPDX-License-Identifier: Apache-2.0

package dkim_test

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"postern/internal/dkim"
)

const source = "From: A <a@example.com>\r\nTo: b@example.net,\r\n c@example.net\r\nSubject: Hello  world\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHello \r\n\r\n"

// keys finds one key for example.com and counts how often it is asked.
func keys(t testing.TB) (dkim.Lookup, string, *atomic.Int64) {
	t.Helper()
	key, err := dkim.Generate()
	if err != nil {
		t.Fatal(err)
	}
	record, err := dkim.RecordValue(key)
	if err != nil {
		t.Fatal(err)
	}
	asked := &atomic.Int64{}
	return func(_ context.Context, accountID int64, domain string) (string, []byte, bool, error) {
		asked.Add(1)
		return "postern202611", key, accountID == 7 && domain == "example.com", nil
	}, record, asked
}

func verify(t *testing.T, record, mail string) error {
	t.Helper()
	got, err := msgauth.VerifyWithOptions(strings.NewReader(mail), &msgauth.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if name != dkim.RecordName("postern202611", "example.com") {
			t.Errorf("looked up %q", name)
		}
		return []string{record}, nil
	}})
	if err != nil {
		return err
	}
	if len(got) != 1 {
		t.Fatalf("%d signatures", len(got))
	}
	return got[0].Err
}

func TestSignatureVerifies(t *testing.T) {
	lookup, record, _ := keys(t)
	s := dkim.NewSigner(lookup)
	header, err := s.Sign(t.Context(), 1, 7, "example.com", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(header, []byte("\r\n")) || !bytes.HasPrefix(header, []byte("DKIM-Signature:")) {
		t.Fatalf("header %q", header)
	}
	signed := string(header) + source
	if err := verify(t, record, signed); err != nil {
		t.Errorf("the mail as signed: %v", err)
	}
	if err := verify(t, record, strings.Replace(signed, "Hello  world", "Hello world", 1)); err != nil {
		t.Errorf("blanks folded on the way: %v", err)
	}
	for what, changed := range map[string]string{
		"another subject": strings.Replace(signed, "Hello  world", "Goodbye", 1),
		"another body":    strings.Replace(signed, "Hello \r\n", "Goodbye\r\n", 1),
		"a second From":   strings.Replace(signed, "From: A", "From: Evil <evil@example.org>\r\nFrom: A", 1),
	} {
		if err := verify(t, record, changed); err == nil {
			t.Errorf("%s was not noticed", what)
		}
	}
}

// A signed mail is worth sending again with other words to whom it was not for: no field that a reader or a mail program
// goes by can be put before it, whether or not the mail has one already.
func TestNothingCanBePutBefore(t *testing.T) {
	lookup, record, _ := keys(t)
	const (
		plain = "From: A <a@example.com>\r\nSubject: x\r\n\r\nHello\r\n"
		full  = "From: A <a@example.com>\r\nTo: b@example.net\r\nCc: c@example.net\r\nReply-To: a@example.com\r\nSubject: x\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n" +
			"Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n" +
			"Sender: a@example.com\r\nIn-Reply-To: <0@example.com>\r\nReferences: <0@example.com>\r\nList-Unsubscribe: <https://example.com/u>\r\n\r\nHello\r\n"
	)
	always := []string{
		"From: E <e@example.org>", "To: victim@example.org", "Cc: victim@example.org", "Subject: pay at once", "Date: Tue, 24 Nov 2026 10:00:00 +0000",
		"Reply-To: e@example.org", "Message-ID: <2@example.org>", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=Hello", "Content-Transfer-Encoding: base64",
		"sUBJECT : in other letters",
	}
	ofLists := []string{
		"List-Unsubscribe: <https://example.org/u>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click", "Sender: e@example.org", "References: <9@example.org>", "In-Reply-To: <9@example.org>",
	}
	s := dkim.NewSigner(lookup)
	for i, x := range []struct {
		mail          string
		breaks, holds []string
	}{
		{plain, always, append([]string{"List-Id: <l.example.net>", "X-Spam: no", "Received: by example.net"}, ofLists...)},
		{full, append(ofLists, always...), []string{"X-Spam: no", "Received: by example.net"}},
	} {
		header, err := s.Sign(t.Context(), int64(i+1), 7, "example.com", []byte(x.mail))
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(t, record, string(header)+x.mail); err != nil {
			t.Fatalf("as signed: %v", err)
		}
		for _, field := range x.breaks {
			before, behind := field+"\r\n"+string(header)+x.mail, string(header)+strings.Replace(x.mail, "\r\n\r\n", "\r\n"+field+"\r\n\r\n", 1)
			if verify(t, record, before) == nil || verify(t, record, behind) == nil {
				t.Errorf("mail %d: %q can be added", i+1, field)
			}
		}
		for _, field := range x.holds {
			if err := verify(t, record, field+"\r\n"+string(header)+x.mail); err != nil {
				t.Errorf("mail %d: %q on the way: %v", i+1, field, err)
			}
		}
	}
}

func TestNoKeyNoSignature(t *testing.T) {
	lookup, _, _ := keys(t)
	header, err := dkim.NewSigner(lookup).Sign(t.Context(), 1, 7, "example.org", []byte(source))
	if err != nil || header != nil {
		t.Errorf("a foreign domain: %q, %v", header, err)
	}
	header, err = dkim.NewSigner(lookup).Sign(t.Context(), 1, 8, "example.com", []byte(source)) // another account
	if err != nil || header != nil {
		t.Errorf("%q, %v", header, err)
	}
}

// A submission to many domains is signed once, and its key looked up once.
func TestSignsASubmissionOnce(t *testing.T) {
	lookup, _, asked := keys(t)
	s := dkim.NewSigner(lookup)
	if _, err := s.Sign(t.Context(), 1, 7, "example.com", []byte(source)); err != nil {
		t.Fatal(err)
	}
	headers := make([][]byte, 50)
	var wg sync.WaitGroup
	for i := range headers {
		wg.Go(func() { headers[i], _ = s.Sign(t.Context(), 2, 7, "example.com", []byte(source)) })
	}
	wg.Wait()
	for _, h := range headers {
		if len(h) == 0 || &h[0] != &headers[0][0] {
			t.Fatal("one submission has several signatures")
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the key was looked up %d times", n)
	}
}

func TestSelector(t *testing.T) {
	if got := dkim.Selector(time.Date(2026, 11, 30, 23, 30, 0, 0, time.FixedZone("", -3600))); !regexp.MustCompile(`^postern202612-[a-z2-7]{6}$`).MatchString(got) {
		t.Errorf("selector %q: months are in UTC", got)
	}
}

func BenchmarkSign(b *testing.B) {
	lookup, _, _ := keys(b)
	s := dkim.NewSigner(lookup)
	body := []byte(source + strings.Repeat("The quick brown fox jumps over the lazy dog, again and again and again.\r\n", 56))
	for i := int64(0); b.Loop(); i++ {
		if _, err := s.Sign(b.Context(), i, 7, "example.com", body); err != nil {
			b.Fatal(err)
		}
	}
}

// A source that cannot be signed, or a key that cannot be read, is an error for all who ask, and is asked for anew.
func TestWhatCannotBeSigned(t *testing.T) {
	lookup, _, _ := keys(t)
	s := dkim.NewSigner(lookup)
	for range 2 {
		if header, err := s.Sign(t.Context(), 1, 7, "example.com", []byte("From: a@example.com\r\nno end of the header")); err == nil {
			t.Errorf("signed what is no mail: %q", header)
		}
	}
	if _, err := s.Sign(t.Context(), 1, 7, "example.com", []byte(source)); err != nil {
		t.Errorf("the failure was remembered: %v", err)
	}
	bad := dkim.NewSigner(func(context.Context, int64, string) (string, []byte, bool, error) {
		return "s", []byte("no key"), true, nil
	})
	if _, err := bad.Sign(t.Context(), 1, 7, "example.com", []byte(source)); err == nil || !strings.Contains(err.Error(), "example.com") {
		t.Errorf("a key that cannot be read: %v", err)
	}
	if _, err := dkim.RecordValue([]byte("no key")); err == nil {
		t.Error("a record of no key")
	}
}

// The courier adds the last line's ending where it is missing: the signature holds with it.
func TestBodyWithoutAnEnd(t *testing.T) {
	lookup, record, _ := keys(t)
	s := dkim.NewSigner(lookup)
	for i, body := range []string{"", "\r\n", "Hello", "Hello\r\n", "Hello\r\n\r\n\r\n", ".\r\n..\r\n", "\r\n\r\nHello \t x \r\n"} {
		mail := "From: A <a@example.com>\r\nSubject: x\r\n\r\n" + body
		header, err := s.Sign(t.Context(), int64(i+1), 7, "example.com", []byte(mail))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(mail, "\r\n") {
			mail += "\r\n"
		}
		if err := verify(t, record, string(header)+mail); err != nil {
			t.Errorf("%q: %v", body, err)
		}
	}
}
