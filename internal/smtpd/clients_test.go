// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/store"
)

// TestClients plays what real clients say, each in its own way, from testdata/clients. "C: " is a line of the client, "C+ "
// one that goes into the same packet as the next, "S: " how the server's reply begins. Each dialogue hands over one
// mail.
func TestClients(t *testing.T) {
	files, err := filepath.Glob("testdata/clients/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	w := start(t, nil)
	b := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	fill := strings.NewReplacer("{plain}", plain(w.key.APIKey, w.secret), "{wrong}", plain(w.key.APIKey, w.secret[:39]+"-"), "{user}", b(w.key.APIKey), "{password}", b(w.secret))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := w.dialUngreeted(t)
			packet := ""
			for line := range strings.SplitSeq(strings.TrimSpace(string(script)), "\n") {
				kind, rest := line[:min(2, len(line))], strings.TrimPrefix(line[min(2, len(line)):], " ")
				switch kind {
				case "C:", "C+":
					packet += fill.Replace(rest) + "\r\n"
					if kind == "C:" {
						c.send(packet)
						packet = ""
					}
				case "S:":
					c.expect(rest)
				}
			}
			c.gone()
			got, err := w.store.Messages(t.Context(), store.OfOperator(), store.MessageFilter{Search: "by " + name}, store.Page{})
			n := 0
			for _, m := range got {
				if m.Subject == "by "+name {
					n++
				}
			}
			if err != nil || n != 1 {
				t.Errorf("%d mails were kept, %v", n, err)
			}
		})
	}
}
