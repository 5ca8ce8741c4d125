// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"encoding/base64"
	"net"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/mxtest"
	"postern/internal/server"
)

// TestDeliveryStatusNotifications: by the wire, from MAIL and RCPT with the parameters of RFC 3461 to the notice that
// arrives at the return path, through servers that offer DSN and that do not.
func TestDeliveryStatusNotifications(t *testing.T) {
	onRcpt := func(address string) string {
		if strings.Contains(address, "nobody") {
			return "550 5.1.1 no such user"
		}
		return ""
	}
	for name, x := range map[string]struct {
		offers []string
		want   []string // actions and recipients of the notices
	}{
		"without DSN": {[]string{"PIPELINING"}, []string{"failed nobody@example.org", "relayed good@example.org"}},
		"with DSN":    {[]string{"PIPELINING", "DSN"}, []string{"failed nobody@example.org"}},
	} {
		t.Run(name, func(t *testing.T) {
			sink := mxtest.NewServer(t, mxtest.Script{Offers: x.offers, OnRcpt: onRcpt})
			c, s := settings(t)
			s.Route = "smtp://" + sink.Addr + "?tls=never"
			srv, out := start(t, c, s)
			text := <-out
			user, secret := regexp.MustCompile(`\b[0-9a-f]{32}\b`).FindString(text), regexp.MustCompile(`pstn[0-9A-Za-z]{36}`).FindString(text)
			if _, err := control.Dial(server.SocketPath(c.Data)).AddSender(t.Context(), user, "*@shop.example", ""); err != nil {
				t.Fatal(err)
			}
			uuid := talk(t, srv.SMTPAddr().String(), []string{
				"EHLO client.example", "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+secret)),
				"MAIL FROM:<bounces@shop.example> RET=FULL ENVID=order+2B1",
				"RCPT TO:<good@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@example.org",
				"RCPT TO:<nobody@example.org>", "RCPT TO:<nobody+quiet@example.org> NOTIFY=NEVER", "DATA",
				"From: news@shop.example\r\nTo: good@example.org\r\nSubject: Order\r\n\r\nThe order.\r\n.", "QUIT",
			})
			var got []string
			for end := time.Now().Add(2 * time.Minute); len(got) < len(x.want); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%q", got)
				}
				got = nil
				for _, m := range sink.Mails() {
					if strings.HasPrefix(m.From, "<>") {
						report := string(m.Data)
						action := regexp.MustCompile(`(?m)^Action: (\w+)`).FindStringSubmatch(report)
						to := regexp.MustCompile(`(?m)^Final-Recipient: rfc822; (\S+)`).FindStringSubmatch(report)
						if action == nil || to == nil || !strings.Contains(report, "Original-Envelope-Id: order+1\r\n") || !slices.Equal(m.To, []string{"bounces@shop.example"}) {
							t.Fatalf("to %q: %s", m.To, report)
						}
						if full := strings.Contains(report, "The order."); full != (action[1] == "failed") {
							t.Errorf("returned: %v\n%s", full, report)
						}
						got = append(got, action[1]+" "+to[1])
					}
				}
				slices.Sort(got)
			}
			if !slices.Equal(got, x.want) {
				t.Errorf("%q", got)
			}
			m, err := control.Dial(server.SocketPath(c.Data)).ShowMessage(t.Context(), uuid)
			if err != nil {
				t.Fatal(err)
			}
			relayed := slices.Contains(x.want, "relayed good@example.org")
			if m.Notify != "SUCCESS,FAILURE" || (len(m.Notices) == 1) != relayed || relayed && (m.Notices[0].Kind != "relayed" || m.Notices[0].State != "sent" || m.Notices[0].At.IsZero()) {
				t.Errorf("the history: %q, %+v", m.Notify, m.Notices)
			}
			passed := slices.ContainsFunc(sink.Lines(), func(l string) bool {
				return l == "RCPT TO:<good@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@example.org"
			})
			if passed != slices.Contains(x.offers, "DSN") {
				t.Errorf("%q", sink.Lines())
			}
		})
	}
}

// talk says each of the lines and reads its answer, which is no refusal. It returns the UUID that a mail is queued as.
func talk(t *testing.T, addr string, lines []string) (uuid string) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := textproto.NewConn(nc)
	if _, _, err := c.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if err := c.PrintfLine("%s", l); err != nil {
			t.Fatal(err)
		}
		if code, text, err := c.ReadResponse(0); err != nil || code >= 400 {
			t.Fatalf("%s: %d %s, %v", l, code, text, err)
		} else if _, queued, ok := strings.Cut(text, "queued as "); ok {
			uuid = queued
		}
	}
	return uuid
}
