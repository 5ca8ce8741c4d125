// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"postern/internal/change"

	"postern/internal/access"
	"postern/internal/mail"
	"postern/internal/store"
)

// unsubscribeWords are what an account's mail is given a List-Unsubscribe field for, in the order of the store's
// numbers.
func unsubscribeWords() []string { return []string{"never", "campaigns", "all"} }

// UnsubscribeWord is the word of a store's number.
func UnsubscribeWord(n int) string {
	if words := unsubscribeWords(); n >= 0 && n < len(words) {
		return words[n]
	}
	return "never"
}

// track changes what an account's mail tells of its recipients.
func (c *AccountChange) track(t *store.Tracking, log *change.Log) error {
	say := map[bool]string{false: "not tracked", true: "tracked"}
	if c.TrackOpens != nil {
		log.Note("opens", say[t.Opens], say[*c.TrackOpens])
		t.Opens = *c.TrackOpens
	}
	if c.TrackClicks != nil {
		log.Note("clicks", say[t.Clicks], say[*c.TrackClicks])
		t.Clicks = *c.TrackClicks
	}
	if c.Unsubscribe != nil {
		n := slices.Index(unsubscribeWords(), *c.Unsubscribe)
		if n < 0 {
			return change.Wrong("Unsubscribe", fmt.Errorf("%q is none of %s", access.Short(*c.Unsubscribe), strings.Join(unsubscribeWords(), ", ")))
		}
		log.Note("List-Unsubscribe in mail", UnsubscribeWord(t.Unsubscribe), *c.Unsubscribe)
		t.Unsubscribe = n
	}
	return nil
}

// cleanHost reads a host name for links: a name in the DNS with two labels at least, in A-labels.
func cleanHost(s string) (string, error) {
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	if s == "" {
		return "", nil
	}
	if err := mail.CheckEmail("x@" + s); err != nil || strings.ContainsAny(s, "@ ") {
		return "", fmt.Errorf("%q is not a host name: give one such as links.example.com, without https:// and without a path", access.Short(s))
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
func (k *Keyring) allowHost(ctx context.Context, tx *store.Tx, by change.Actor, key *store.Key) error {
	host := key.TrackHost
	if k.ownHost != nil && k.ownHost(host) {
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
		err = change.Wrong("TrackHost", fmt.Errorf("%s is in no domain that this key may send from: add the domain as a sender first", host))
	}
	return err
}
