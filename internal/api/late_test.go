// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"postern/internal/keys"
	"postern/internal/store"
)

// A body may come minutes behind its header. What a secret was accepted for and had not begun by the time it ended is not
// done: not a send, and nothing that would give the caller another secret.
func TestABodyThatComesBehindTheEndOfItsSecretIsRefused(t *testing.T) {
	w := newWorld(t)
	reset := func(k keys.Issued) error {
		_, err := w.Keys.Reset(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: k.Key.ID}, keys.Reset{})
		return err
	}
	suspend := func(k keys.Issued) error {
		_, err := w.Keys.Suspend(t.Context(), operator, store.KeyFilter{ID: k.Key.ID}, "abuse")
		return err
	}
	restrict := func(k keys.Issued) error {
		w.mustDo(t, w.master.Issued, 200, "PUT", "/v3/REST/apikey/"+k.Key.APIKey, `{"Permissions":["statistics"]}`)
		return nil
	}
	newKey := func(name string) keys.Issued {
		k := w.subaccount(t, name)
		w.addSender(t, k.Key, "*@example.com")
		return k
	}
	const v3 = `{"FromEmail":"a@example.com","Subject":"S","Text-part":"T","Recipients":[{"Email":"b@example.org"}]}`
	for _, x := range []struct {
		name, path, body string
		key              keys.Issued
		end              func(keys.Issued) error
		status           int
	}{
		{"send", "/v3.1/send", simple, newKey("a"), reset, 401},
		{"send v3", "/v3/send", v3, newKey("b"), reset, 401},
		{"send, suspended", "/v3.1/send", simple, newKey("c"), suspend, 401},
		{"send, restricted", "/v3.1/send", simple, newKey("d"), restrict, 403},
		{"a new subaccount", "/v3/REST/apikey", `{"Name":"mine"}`, w.master.Issued, reset, 401},
	} {
		conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // of a test
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+x.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(x.key.Key.APIKey, x.key.Secret)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: mail.test\r\nAuthorization: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
			x.path, r.Header.Get("Authorization"), len(x.body))
		in := bufio.NewReader(conn)
		if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") { // the secret is accepted
			t.Fatalf("%s: %q, %v", x.name, line, err)
		}
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if err := x.end(x.key); err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		io.WriteString(conn, x.body) //nolint:errcheck,gosec // the answer tells
		resp, err := http.ReadResponse(in, r)
		if err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != x.status {
			t.Errorf("%s: %d %s, %v; want %d", x.name, resp.StatusCode, text, err, x.status)
		}
		resp.Body.Close() //nolint:errcheck,gosec // read
	}
}
