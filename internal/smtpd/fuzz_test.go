// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// FuzzConversation lets a client say anything to the whole server, over a real connection. LOGIN in its words becomes
// a right login. Whatever is said: the server answers in SMTP and comes to an end, and keeps no mail without a login.
func FuzzConversation(f *testing.F) {
	for _, s := range []string{
		"EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nFrom: a@example.com\r\n\r\nx\r\n.\r\nQUIT\r\n",
		"EHLO x\r\nLOGIN\r\nMAIL FROM:<a@example.com> SIZE=10\r\nRCPT TO:<b@example.net>\r\nDATA\r\nFrom: a@example.com\r\n\r\nx\r\n.\r\nRSET\r\nQUIT\r\n",
		"EHLO x\r\nLOGIN\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nBDAT 5\r\nFrom:BDAT 16 LAST\r\n a@example.com\r\n\r\nQUIT\r\n",
		"HELO x\r\nAUTH LOGIN\r\n*\r\nAUTH PLAIN =\r\nAUTH PLAIN !\r\nVRFY x\r\nNOOP\r\nHELP\r\n\r\n\x00\r\n",
		"EHLO x\r\nLOGIN\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nx\n.\r\nRCPT TO:<c@example.net>\r\n.\r\n",
		"EHLO \xff\r\nMAIL FROM:<\"a b\"@x> BODY=BINARYMIME\r\nRCPT TO:<@a,@b:c@d>\r\nSTARTTLS\r\n",
		strings.Repeat("A", 70000) + "\r\n",
	} {
		f.Add([]byte(s))
	}
	w := start(f, nil)
	login := []byte("AUTH PLAIN " + plain(w.key.APIKey, w.secret))
	f.Fuzz(func(t *testing.T, said []byte) {
		before := w.count(t)
		nc, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		known := bytes.Contains(said, []byte("LOGIN"))
		go func() {
			nc.Write(bytes.ReplaceAll(said, []byte("LOGIN"), login))
			nc.(*net.TCPConn).CloseWrite()
		}()
		r := bufio.NewReader(nc)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("no end within 10 s after %q", said)
				}
				break
			}
			if len(line) < 5 || line[0] < '2' || line[0] > '5' || !strings.HasSuffix(line, "\r\n") {
				t.Fatalf("%q is no reply, to %q", line, said)
			}
			if strings.Contains(line, "Internal server error") {
				t.Fatalf("a panic at %q", said)
			}
		}
		if n := w.count(t); !known && n != before {
			t.Fatalf("a mail was kept without a login: %q", said)
		}
	})
}
