// SPDX-License-Identifier: Apache-2.0

package corpus_test

import (
	"bytes"
	"strings"
	"testing"

	"postern/test/corpus"
)

func TestCorpus(t *testing.T) {
	names := map[string]bool{}
	taken := 0
	for _, m := range corpus.All() {
		if names[m.Name] {
			t.Errorf("two mails are %q", m.Name)
		}
		names[m.Name] = true
		if m.Refused == "" {
			taken++
			if bytes.Count(m.Raw, []byte("\n")) != bytes.Count(m.Raw, []byte("\r\n")) || bytes.Count(m.Raw,
				[]byte("\r")) != bytes.Count(m.Raw, []byte("\r\n")) {
				t.Errorf("%s has line ends that are none", m.Name)
			}
		}
		if err := corpus.Same(m.Raw, m.Raw); err != nil {
			t.Errorf("%s is not the same as itself: %v", m.Name, err)
		}
	}
	if taken < 250 {
		t.Errorf("%d mails that have to be taken", taken)
	}
	t.Logf("%d mails, %d of them have to be refused", len(names), len(names)-taken)
}

// What Same has to see, and what it has to pass over.
func TestSame(t *testing.T) {
	const head = "From: a@example.com\r\nSubject: =?utf-8?Q?=C3=BC?=\r\n"
	for _, c := range []struct {
		name, one, other string
		same             bool
	}{
		{
			"folding and traces", head + "\r\nx\r\n",
			"Received: by y\r\nFrom:\r\n a@example.com\r\nSubject: =?utf-8?B?w7w=?=\r\n\r\nx\r\n",
			true,
		},
		{"another subject", head + "\r\nx\r\n", "From: a@example.com\r\nSubject: u\r\n\r\nx\r\n", false},
		{"a field more", head + "\r\nx\r\n", head + "X-Y: z\r\n\r\nx\r\n", false},
		{"the last line's end", head + "\r\nx", head + "\r\nx\r\n", true},
		{"a blank at a line's end", head + "\r\nx \r\ny\r\n", head + "\r\nx\r\ny\r\n", false},
		{"a transfer encoding", head + "Content-Transfer-Encoding: 8bit\r\n\r\nx=\xc3\xbc \r\ny\r\n", head +
			"Content-Transfer-Encoding: quoted-printable\r\n\r\nx=3D=\r\n=C3=BC=20\r\ny\r\n", true},
		{
			"a transfer encoding, wrongly", head + "\r\nx=3D\r\n", head + "Content-Transfer-Encoding: quoted-printable\r\n\r\nx=3D\r\n",
			false,
		},
		{"a cut line", head + "\r\n" + strings.Repeat("x", 1200) + "\r\n", head + "\r\n" + strings.Repeat("x", 998) + "\r\n " +
			strings.Repeat("x", 202) + "\r\n", false},
		{"base64 in other lines", head + "Content-Transfer-Encoding: base64\r\n\r\neHl6eHl6\r\n", head +
			"Content-Transfer-Encoding: base64\r\n\r\neHl6\r\neHl6\r\n", true},
		{"base64, another byte", head + "Content-Transfer-Encoding: base64\r\n\r\neHl6\r\n", head +
			"Content-Transfer-Encoding: base64\r\n\r\neHlA\r\n", false},
		{"a part less", head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n", head +
			"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n", false},
		{"a part's name", head + "Content-Disposition: attachment; filename=a\r\n\r\nx\r\n", head +
			"Content-Disposition: attachment; filename=b\r\n\r\nx\r\n", false},
		{"a part's line end", head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n\r\n--b--\r\n", head +
			"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n", false},
	} {
		if err := corpus.Same([]byte(c.one), []byte(c.other)); (err == nil) != c.same {
			t.Errorf("%s: %v, want same %v", c.name, err, c.same)
		}
	}
}
