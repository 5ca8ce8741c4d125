// SPDX-License-Identifier: Apache-2.0

package connlimit_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"postern/internal/connlimit"
)

// take takes n places for an address, all of which must be there.
func take(t *testing.T, l *connlimit.Limiter, from string, n int) (last func()) {
	t.Helper()
	for i := range n {
		release, by := l.Take(netip.MustParseAddr(from))
		if by != connlimit.None {
			t.Fatalf("connection %d from %s: refused by the bound %q", i+1, from, by)
		}
		last = release
	}
	return last
}

func refused(t *testing.T, l *connlimit.Limiter, from string, want connlimit.Bound) {
	t.Helper()
	if _, by := l.Take(netip.MustParseAddr(from)); by != want {
		t.Fatalf("from %s: %q, want %q", from, by, want)
	}
}

func TestOneSourceHasAHundred(t *testing.T) {
	for name, x := range map[string][3]string{
		"an IPv4 address":           {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
		"IPv4 written as IPv6":      {"192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2"},
		"an IPv6 /64":               {"2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"},
		"loopback is a source, too": {"127.0.0.1", "127.0.0.1", "::1"},
		"a zone":                    {"fe80::1%eth0", "fe80::2%eth1", "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			l := connlimit.New(connlimit.Config{})
			release := take(t, l, x[0], 100)
			refused(t, l, x[1], connlimit.Source)
			take(t, l, x[2], 1)
			release()
			release() // once is enough
			take(t, l, x[1], 1)
			refused(t, l, x[0], connlimit.Source)
			if got := l.Stats(); got.Open != 101 || got.Sources != 2 || got.Refused[connlimit.Source] != 2 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestPlacesAreKeptForSourcesThatHoldFew(t *testing.T) {
	l := connlimit.New(connlimit.Config{})
	for i := range 10 { // they would take all 1,000
		for range 100 {
			l.Take(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		}
	}
	if got := l.Stats(); got.Open != 760 { // three quarters, and five each of the last two
		t.Fatalf("%+v", got)
	}
	refused(t, l, "192.0.2.7", connlimit.Reserved)
	take(t, l, "198.51.100.1", 5)
	refused(t, l, "198.51.100.1", connlimit.Reserved)
	for i := range 47 {
		take(t, l, fmt.Sprintf("203.0.113.%d", i), 5)
	}
	refused(t, l, "198.51.100.2", connlimit.Total)
	refused(t, l, "192.0.2.1", connlimit.Total)
}

func TestAProxyIsNoSource(t *testing.T) {
	proxy := netip.MustParsePrefix("10.0.0.0/8")
	l := connlimit.New(connlimit.Config{All: 200, PerSource: 10, Proxy: proxy.Contains})
	take(t, l, "10.0.0.1", 150)
	take(t, l, "192.0.2.1", 5)
	refused(t, l, "192.0.2.1", connlimit.Reserved)
	take(t, l, "::ffff:10.0.0.1", 45)
	refused(t, l, "10.0.0.1", connlimit.Total)
}

// listen begins a limited listener that answers who is refused, and hands over what it accepts.
func listen(t *testing.T, l *connlimit.Limiter, refuse func(net.Conn, connlimit.Bound)) (net.Addr, <-chan net.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := l.Listen(inner, refuse)
	accepted := make(chan net.Conn, 100)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := x.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	})
	t.Cleanup(func() {
		x.Close() //nolint:errcheck,gosec // the test is over
		done.Wait()
	})
	return inner.Addr(), accepted
}

func dial(t *testing.T, to net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) //nolint:errcheck,gosec // the test is over
	return c
}

func TestWhoIsRefusedReadsWhy(t *testing.T) {
	l := connlimit.New(connlimit.Config{PerSource: 2})
	at, accepted := listen(t, l, func(c net.Conn, by connlimit.Bound) {
		io.WriteString(c, "no: "+by.String()) //nolint:errcheck,gosec // the client would miss it
	})
	dial(t, at)
	dial(t, at)
	first := <-accepted
	<-accepted
	third := dial(t, at)
	// What it sends before it is closed must not cost it the answer.
	if _, err := io.WriteString(third, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(third); string(got) != "no: source" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	first.Close() //nolint:errcheck,gosec // it is the place that counts
	dial(t, at)
	<-accepted
	if got := l.Stats(); got.Open != 2 || got.Refused[connlimit.Source] != 1 {
		t.Errorf("%+v", got)
	}
}

// A client that is refused and does not close is closed all the same, however many there are.
func TestRefusedConnectionsDoNotStay(t *testing.T) {
	l := connlimit.New(connlimit.Config{PerSource: 1})
	for name, refuse := range map[string]func(net.Conn, connlimit.Bound){
		"with an answer": func(c net.Conn, _ connlimit.Bound) { io.WriteString(c, "no") }, //nolint:errcheck,gosec // as above
		"without one":    nil,
	} {
		at, _ := listen(t, l, refuse)
		l.Take(netip.MustParseAddr("127.0.0.1"))
		var clients []net.Conn
		for range 50 {
			clients = append(clients, dial(t, at))
		}
		for _, c := range clients {
			c.SetReadDeadline(time.Now().Add(time.Minute)) //nolint:errcheck,gosec // a test that hangs
			if _, err := io.ReadAll(c); err != nil && isTimeout(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func isTimeout(err error) bool {
	n, ok := err.(net.Error) //nolint:errorlint // net's own
	return ok && n.Timeout()
}
