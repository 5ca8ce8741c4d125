// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/store"
)

// cleanHost reads a host name for links: a name in the DNS with two labels at least, in A-labels.
func cleanHost(s string) (string, error) {
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	if s == "" {
		return "", nil
	}
	if err := mail.CheckEmail("x@" + s); err != nil || strings.ContainsAny(s, "@ ") {
		return "", fmt.Errorf("%q is not a host name: give one such as links.example.com, without https:// and without a path",
			access.Short(s))
	}
	host := mail.Domain("x@" + s)
	last := host[strings.LastIndexByte(host, '.')+1:]
	if !strings.Contains(host, ".") || net.ParseIP(host) != nil || strings.Trim(last, "0123456789") == "" {
		return "", fmt.Errorf("%q is not a host name in the DNS: give one such as links.example.com", access.Short(s))
	}
	return host, nil
}

// allowHost says whether a key may have links under a host name: one that is not the server's own, that no other
// account has, and that is in a domain which the key may send from as a whole. So nobody
// puts links under another's name. The operator need not be told whose a name is.
func (k *Keys) allowHost(ctx context.Context, tx *store.Tx, by change.Actor, key *store.Key) error {
	host := key.TrackHost
	if k.ownHost(host) {
		return change.Wrong("TrackHost", errors.New("this is the name of the server itself: leave it empty, and links have it"))
	}
	free, err := tx.TrackHostFree(ctx, host, key.AccountID)
	if err != nil {
		return err
	}
	if !free {
		return change.Wrong("TrackHost", errors.New("this name is taken by another account"))
	}
	if by.Kind == change.Operator {
		return nil
	}
	var senders []string
	for rest := host; strings.Contains(rest, "."); rest = rest[strings.IndexByte(rest, '.')+1:] {
		senders = append(senders, "*@"+rest)
	}
	ok, err := tx.SendsFrom(ctx, key.AccountID, key.ID, senders)
	if err == nil && !ok {
		err = change.Wrong("TrackHost", fmt.Errorf("%s is in no domain that this key may send from: add the domain as a sender first",
			host))
	}
	return err
}
