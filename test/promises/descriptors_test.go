// SPDX-License-Identifier: Apache-2.0

package promises_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"postern/test/program"
	"postern/test/sink"
)

// from opens a connection from an address of loopback.
func from(t *testing.T, address, to string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: time.Minute}).DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })                //nolint:errcheck,gosec // the test is over
	c.SetDeadline(time.Now().Add(3 * time.Minute)) //nolint:errcheck,gosec // a test that hangs
	return c
}

// TestConnectionsLeaveDescriptors: a process that may open few files is held full of idle connections, at the HTTP port, at
// the SMTP port and at the control socket, from two addresses. Each still has places for others, the database can be read
// and written, a secret can be ended, and mail goes out.
func TestConnectionsLeaveDescriptors(t *testing.T) {
	out := sink.Start(t, true)
	s := program.New(t, "", "--route", "smtp://"+out.Addr)
	s.Files = 64
	s.Start(t)
	s.Command(t, "sender", "add", "*@example.com")
	var commands []net.Conn
	for i := range 60 {
		address := fmt.Sprintf("127.0.1.%d", i%2+1)
		c := from(t, address, s.HTTP)
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err == nil && i%4 < 2 {
			http.ReadResponse(bufio.NewReader(c), nil) //nolint:errcheck,gosec,bodyclose // it may be refused
		}
		from(t, address, s.SMTP)
		if c, err := net.Dial("unix", s.Data+"/control.sock"); err == nil {
			commands = append(commands, c)
		}
	}
	log, err := os.ReadFile(s.Log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "there are fewer connections than there could be") {
		t.Error("that there are fewer connections is not in the log")
	}
	for _, word := range []string{"too many open files", "unable to open database"} {
		if strings.Contains(string(log), word) {
			t.Errorf("%s: %s", word, log)
		}
	}
	if line, err := bufio.NewReader(from(t, "127.0.9.9", s.SMTP)).ReadString('\n'); err != nil || !strings.HasPrefix(line, "220 ") {
		t.Errorf("SMTP from another source: %q %v", line, err)
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.9.9")}}).DialContext}}
	res, err := client.Get("http://" + s.HTTP + "/healthz")
	if err != nil {
		t.Fatal("no place for another source: ", err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close() //nolint:errcheck,gosec // read whole
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %d %s %v", res.StatusCode, body, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.HTTP+"/v3.1/send", strings.NewReader(
		`{"Messages":[{"From":{"Email":"a@example.com"},"To":[{"Email":"b@example.org"}],"Subject":"x","TextPart":"x"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(s.APIKey, s.SecretKey)
	req.Header.Set("Content-Type", "application/json")
	if res, err = client.Do(req); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("a mail: %v %v", res, err)
	}
	res.Body.Close() //nolint:errcheck,gosec // its status counts
	select {
	case <-out.Got():
	case <-time.After(2 * time.Minute):
		t.Error("the mail does not go out")
	}
	for _, c := range commands { // they would be closed after ten seconds
		c.Close() //nolint:errcheck,gosec // the next is what counts
	}
	s.Command(t, "key", "reset", s.APIKey)
}
