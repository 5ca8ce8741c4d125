// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postern/internal/mail"
)

// Whatever comes, it is refused, or fit and the same for its reader.
func FuzzFit(f *testing.F) {
	for _, s := range []string{
		plainHead + "\r\nGrüße\r\n", plainHead + "\r\n" + longLine, plainHead + "Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n", "\r\n", "From: ü <ü@ü.example>\r\n",
		plainHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\nü\r\n--b\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: \xfc\r\n\r\nx\xfc\r\n--b--\r\nü",
		plainHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat("w7xi", 400) + "\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nü=C3=BC" + strings.Repeat("=C3=BC", 300) + "\r\n--b--\r\n",
		plainHead + "Content-Disposition: attachment; filename=\"ü\\\"\"; x=ü\r\nList-Unsubscribe: <https://ü.example/ü?ü>\r\nKeywords: ü, \"ü\"\r\n\r\n", plainHead + "Cc: \"ü\" <a@b>, (ü) c@d (ü), ü: e@f;\r\nReferences: " + strings.Repeat("<a@b>", 300) + "\r\n\r\n",
		plainHead + "Cc: a@b\r\nCc: c@d\r\nMIME-Version: 1.0\r\nmime-version: 1.0\r\n\r\n", plainHead + "X-A: " + strings.Repeat("a ", 600) + "\r\n b\r\n\tc\r\n\r\n",
		plainHead + "Content-Type: multipart/digest; boundary=\"a b\"\r\n\r\n--a b \r\n\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nü\r\n--a--\r\n--a b--",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		fit, utf8, err := mail.Fit(raw)
		if err != nil {
			var syntax *mail.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		checkFit(t, fit, utf8)
		if _, body, _ := bytes.Cut(raw, []byte("\r\n\r\n")); len(body) == 0 || bytes.HasPrefix(raw, []byte("\r\n")) {
			return
		} else if !bytes.HasSuffix(body, []byte("\r\n")) {
			raw = append(slices.Clone(raw), "\r\n"...)
		}
		if !readable(raw) {
			return
		}
		if before, after := contents(t, raw), contents(t, fit); !slices.Contains(before, undecodable) && !slices.Equal(before, after) {
			t.Fatalf("once decoded it differs:\n%q\n%q\nof\n%q\n%q", before, after, raw, fit)
		}
	})
}

var wellFormed = regexp.MustCompile(`(?i)^content-(type: (multipart/(mixed|alternative)(; charset=[a-z0-9-]+)?; boundary=[a-z0-9]+|text/(plain|html)|message/rfc822|application/octet-stream)(; (charset|name)=[a-z0-9-]+)*|transfer-encoding: (7bit|8bit|binary|base64|quoted-printable)|id: .*)$`)

// readable says whether all who read a message's structure read the same: only then can its parts be compared.
func readable(raw []byte) bool {
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if bytes.Contains(bytes.ToLower(line), []byte("content-")) && !wellFormed.Match(line) || bytes.HasPrefix(line, []byte(" ")) || bytes.HasPrefix(line, []byte("\t")) {
			return false
		}
	}
	return true
}
