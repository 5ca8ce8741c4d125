// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"postern/internal/dns"
)

// zone is what a server on loopback answers: by name and type a list of records, or an rcode.
type zone map[string]any

// serve answers by UDP, and counts the questions.
func serve(t *testing.T, z zone) (addr string, asked *atomic.Int64) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { pc.Close(); <-done })
	asked = &atomic.Int64{}
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			asked.Add(1)
			if b, err := z.answer(m); err == nil {
				pc.WriteTo(b, from)
			}
		}
	}()
	return pc.LocalAddr().String(), asked
}

func (z zone) answer(m dnsmessage.Message) ([]byte, error) {
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	name := strings.TrimSuffix(q.Name.String(), ".")
	switch v := z[strings.TrimPrefix(q.Type.String(), "Type")+" "+name].(type) {
	case dnsmessage.RCode:
		m.RCode = v
	case []dnsmessage.ResourceBody:
		for _, body := range v {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}, Body: body})
		}
	default:
		if _, exists := z[name]; !exists {
			m.RCode = dnsmessage.RCodeNameError
		}
	}
	return m.Pack()
}

func records(b ...dnsmessage.ResourceBody) []dnsmessage.ResourceBody { return b }

func mx(pref uint16, host string) dnsmessage.ResourceBody {
	return &dnsmessage.MXResource{Pref: pref, MX: dnsmessage.MustNewName(host)}
}

func a(ip string) dnsmessage.ResourceBody {
	return &dnsmessage.AResource{A: netip.MustParseAddr(ip).As4()}
}

func aaaa(ip string) dnsmessage.ResourceBody {
	return &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(ip).As16()}
}

// kind says in a word what a look-up's error is.
func kind(err error) string {
	var e *dns.Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &e):
		return "untyped: " + err.Error()
	case e.NotFound == e.Temporary:
		return "neither or both"
	case e.NotFound:
		return "not found"
	}
	return "temporary"
}

func TestResolver(t *testing.T) {
	const broken = dnsmessage.RCodeServerFailure
	addr, _ := serve(t, zone{
		"MX order.example":   records(mx(20, "c.example."), mx(5, "A.example."), mx(10, "b.example.")),
		"MX null.example":    records(mx(0, ".")),
		"MX broken.example":  broken,
		"MX refused.example": dnsmessage.RCodeRefused,
		"bare.example":       true, // exists, without a record
		"A both.example":     records(a("192.0.2.1")), "AAAA both.example": records(aaaa("2001:db8::1")),
		"AAAA six.example": records(aaaa("2001:db8::6")), "six.example": true,
		"A half.example": records(a("192.0.2.2")), "AAAA half.example": broken,
		"A half2.example": broken, "AAAA half2.example": records(aaaa("2001:db8::2")),
		"half3.example": true, "AAAA half3.example": broken,
		"half4.example": true, "A half4.example": broken,
		"TXT t.example": records(&dnsmessage.TXTResource{TXT: []string{"v=DKIM1; ", "k=rsa"}}, &dnsmessage.TXTResource{TXT: []string{"other"}}),
	})
	r := dns.New(addr)
	for domain, want := range map[string]string{
		"order.example": "a.example b.example c.example", "null.example": "", "bare.example": "! not found", "absent.example": "! not found",
		"broken.example": "! temporary", "refused.example": "! temporary", "b..example": "! not found", strings.Repeat("a", 70) + ".example": "! not found",
	} {
		list, err := r.MX(t.Context(), domain)
		var hosts []string
		for _, m := range list {
			hosts = append(hosts, m.Host)
		}
		checkLookup(t, "MX "+domain, strings.Join(hosts, " "), err, want)
		if domain == "null.example" && (len(list) != 1 || list[0].Host != "") {
			t.Errorf("null MX: %+v", list)
		}
	}
	for host, want := range map[string]string{
		"both.example": "192.0.2.1 2001:db8::1", "six.example": "2001:db8::6", "half.example": "192.0.2.2", "half2.example": "2001:db8::2",
		"bare.example": "! not found", "absent.example": "! not found", "half3.example": "! temporary", "half4.example": "! temporary",
	} {
		list, err := r.IP(t.Context(), host)
		var ips []string
		for _, ip := range list {
			ips = append(ips, ip.String())
		}
		checkLookup(t, "IP "+host, strings.Join(ips, " "), err, want)
	}
	texts, err := r.TXT(t.Context(), "t.example")
	slices.Sort(texts)
	checkLookup(t, "TXT t.example", strings.Join(texts, "|"), err, "other|v=DKIM1; k=rsa")
}

func checkLookup(t *testing.T, what, got string, err error, want string) {
	t.Helper()
	if k := kind(err); k != "" {
		got = "! " + k
	}
	if got != want {
		t.Errorf("%s: %q (%v), want %q", what, got, err, want)
	}
}

// Answers are remembered, also that there is none; a failure is not.
func TestResolverRemembers(t *testing.T) {
	z := zone{"MX b.example": records(mx(1, "mx.b.example.")), "MX broken.example": dnsmessage.RCodeServerFailure}
	addr, asked := serve(t, z)
	r := dns.New(addr)
	for domain, again := range map[string]bool{"b.example": false, "absent.example": false, "broken.example": true} {
		r.MX(t.Context(), domain)
		n := asked.Load()
		first, _ := r.MX(t.Context(), domain)
		if (asked.Load() > n) != again {
			t.Errorf("%s: asked again: %v", domain, !again)
		}
		if len(first) > 0 {
			first[0].Host = "changed"
			if second, _ := r.MX(t.Context(), domain); second[0].Host != "mx.b.example" {
				t.Error("a caller changed what is remembered")
			}
		}
	}
}

func TestResolverGivesUp(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0") // never answers
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := dns.New(pc.LocalAddr().String()).MX(ctx, "b.example"); kind(err) != "temporary" {
		t.Errorf("%v", err)
	}
}

// Hosts of one preference take turns (RFC 5321 §5.1), here and in a test's world.
func TestEqualPreferenceTakesTurns(t *testing.T) {
	addr, _ := serve(t, zone{"MX b.example": records(mx(10, "one.example."), mx(10, "two.example."), mx(20, "last.example."))})
	r := dns.New(addr)
	table := dns.Table{"b.example": {MX: []dns.MX{{Host: "last.example", Pref: 20}, {Host: "one.example", Pref: 10}, {Host: "two.example", Pref: 10}}}}
	for name, look := range map[string]func(context.Context, string) ([]dns.MX, error){"Resolver": r.MX, "Table": table.MX} {
		first := map[string]bool{}
		for range 100 { // that one is always first has a chance of 2^-99
			list, err := look(t.Context(), "b.example")
			if err != nil || len(list) != 3 || list[2].Host != "last.example" {
				t.Fatalf("%s: %v, %v", name, list, err)
			}
			first[list[0].Host] = true
		}
		if len(first) != 2 {
			t.Errorf("%s: first is always %v", name, first)
		}
	}
}
