// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/store"
)

// Connection is a way in which a secret is used.
type Connection struct {
	SecretID    int64
	SecretHint  string
	Protocol    string    // "http", "smtp"
	Address     string    // "" where there is none
	Client      string    // User-Agent, or EHLO name
	FirstSeenAt time.Time `json:",omitzero"`
	LastSeenAt  time.Time `json:",omitzero"`
	Count       int64
}

// Connections lists who uses the live secrets of a key: the newest secret's first, of each the latest seen.
func (k *Keys) Connections(ctx context.Context, key store.Key, f store.ConnectionFilter) ([]Connection, error) {
	hints := map[int64]string{}
	for _, x := range key.Secrets {
		hints[x.ID] = x.Hint
	}
	f.KeyID, f.Ended = key.ID, false
	list, err := k.store.Connections(ctx, store.OfAccount(key.AccountID), f)
	out := []Connection{}
	for _, c := range list {
		if hint, live := hints[c.SecretID]; live { // an overlap that is over may not be noted yet
			out = append(out, Connection{
				SecretID: c.SecretID, SecretHint: hint, Protocol: c.Protocol, Address: c.Address, Client: c.Client,
				FirstSeenAt: c.FirstSeenAt, LastSeenAt: c.LastSeenAt, Count: c.Count,
			})
		}
	}
	return out, err
}

// SuggestDays is how far back connections are looked at for a suggestion.
const SuggestDays = 30

// Suggestion is networks that hold all addresses from which a key was used in the last SuggestDays, with secrets that have
// ended since as well: a reset is no reason to shut anybody out. There are none when it comes from more networks than a key
// can be restricted to.
type Suggestion struct {
	Networks  []string
	Addresses int // that they are made of
	Unknown   int // connections without an address, which no network holds
}

// Suggest suggests networks that a key could be restricted to.
func (k *Keys) Suggest(ctx context.Context, key store.Key) (Suggestion, error) {
	f := store.ConnectionFilter{KeyID: key.ID, Since: k.now().AddDate(0, 0, -SuggestDays), Ended: true}
	list, err := k.store.Connections(ctx, store.OfAccount(key.AccountID), f)
	out := Suggestion{Networks: []string{}}
	seen := map[netip.Addr]bool{}
	var all []netip.Addr
	for _, c := range list {
		a, err := netip.ParseAddr(c.Address)
		if err != nil {
			out.Unknown++
			continue
		}
		if !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	out.Addresses = len(all)
	if networks := access.SuggestNetworks(all); len(networks) <= access.MaxNetworks {
		out.Networks = append(out.Networks, strings.Fields(access.FormatNetworks(networks))...)
	}
	return out, err
}

// ShutOutDays is how far back connections count as ones that a restriction shuts out: a program may run once a week.
const ShutOutDays = 7

// ShutOut lists the connections of the last ShutOutDays by live secrets that a change of a key would refuse: those from
// elsewhere than its networks, and by SMTP when it may not send.
func (k *Keys) ShutOut(ctx context.Context, key store.Key, c KeyChange) ([]Connection, error) {
	if c.Networks == nil && c.Permissions == nil {
		return nil, nil
	}
	l := key.Limits
	if err := c.restrict(&l, nil); err != nil {
		return nil, err
	}
	networks, err := access.ParseNetworks(l.Networks)
	if err != nil {
		return nil, err
	}
	sends := access.Permission(l.Permissions)&access.MaySend != 0
	list, err := k.Connections(ctx, key, store.ConnectionFilter{Since: k.now().AddDate(0, 0, -ShutOutDays)})
	return slices.DeleteFunc(list, func(c Connection) bool {
		return admits(networks, c.Address) && (sends || c.Protocol != "smtp")
	}), err
}

// admits says whether a key that is restricted to networks may be used from an address. One that is not known is in none.
func admits(networks []netip.Prefix, address string) bool {
	if len(networks) == 0 {
		return true
	}
	a, err := netip.ParseAddr(address)
	return err == nil && slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}
