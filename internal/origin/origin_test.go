// SPDX-License-Identifier: Apache-2.0

package origin_test

import (
	"net/netip"
	"testing"

	"postern/internal/origin"
)

func TestSources(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "64:ff9b::c000:201": "192.0.2.1", "127.0.0.1": "127.0.0.1",
		"2001:db8::1": "2001:db8::/64", "2001:db8::ffff:0:0:2": "2001:db8::/64", "2001:db8:0:1::1": "2001:db8:0:1::/64", "fe80::1%eth0": "fe80::/64",
		"::1": "::/64", "64:ff9b:1::c000:201": "64:ff9b:1::/64",
	} {
		if got := origin.Text(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if origin.Of(netip.Addr{}) != (netip.Prefix{}) {
		t.Error("no address is a source of its own")
	}
}
