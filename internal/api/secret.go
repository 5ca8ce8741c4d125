// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"slices"
	"time"

	"postern/internal/credential"
	"postern/internal/keys"
	"postern/internal/store"
)

// resetKey gives a key a new secret.
func (a *api) resetKey(c *call) (reply, error) {
	f, err := keyNamed(c)
	if err != nil {
		return reply{}, err
	}
	body, err := c.destructive("OverlapSeconds", "EndSecretID")
	if err != nil {
		return reply{}, err
	}
	var how keys.Reset
	seconds, err := body.whole("OverlapSeconds")
	if err != nil {
		return reply{}, err
	}
	if seconds != nil {
		// More seconds than a Duration holds are still too many.
		how.Overlap = time.Duration(min(*seconds, 2*int64(credential.MaxOverlap/time.Second))) * time.Second
	}
	if how.EndSecretID, err = body.id("EndSecretID"); err != nil {
		return reply{}, err
	}
	issued, err := a.Keys.Reset(c.Context(), c.actor(), c.managed(), f, how)
	if err != nil {
		return reply{}, err
	}
	return a.oneKey(c, http.StatusOK, issued.Key, issued.Secret)
}

// destructive reads the body of a call that ends something: it has the named properties and no others, and no parameters
// in its query.
func (c *call) destructive(properties ...string) (object, error) {
	q, err := c.query()
	if err == nil {
		err = q.only()
	}
	if err != nil {
		return nil, err
	}
	body, err := c.object(maxResource)
	if err == nil {
		err = body.only(properties...)
	}
	return body, err
}

// retireSecret ends one of two live secrets early.
func (a *api) retireSecret(c *call) (reply, error) {
	f, err := keyNamed(c)
	if err != nil {
		return reply{}, err
	}
	body, err := c.destructive("SecretID")
	if err != nil {
		return reply{}, err
	}
	id, err := body.id("SecretID")
	if err != nil {
		return reply{}, err
	}
	if id == 0 {
		return reply{}, badRequest("Property SecretID: the ID of the secret key to end is needed; the key's Secrets have it.")
	}
	k, err := a.Keys.Retire(c.Context(), c.actor(), c.managed(), f, id)
	if err != nil {
		return reply{}, err
	}
	return a.oneKey(c, http.StatusOK, k, "")
}

// connection is who uses a secret.
type connection struct {
	Address     string
	Client      string
	Count       int64
	FirstSeenAt string
	LastSeenAt  string
	Protocol    string
	SecretID    int64
}

// listConnections lists who uses the live secrets of a key: the newest secret's first, of each the latest seen.
func (a *api) listConnections(c *call) (reply, error) {
	k, err := a.keyOfPath(c)
	if err != nil {
		return reply{}, err
	}
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("SecretID", "LastSeenAt", "FirstSeenAt", "Count")
	if err != nil {
		return reply{}, err
	}
	f := store.ConnectionFilter{}
	if f.SecretID, err = q.id("secretid", "SecretID"); err != nil {
		return reply{}, err
	}
	if f.Since, err = q.time("fromts", "FromTS"); err != nil {
		return reply{}, err
	}
	list, err := a.Keys.Connections(c.Context(), k, f)
	if err != nil {
		return reply{}, err
	}
	slices.SortStableFunc(list, func(x, y keys.Connection) int {
		switch l.sort {
		case "SecretID":
			return int(x.SecretID - y.SecretID)
		case "LastSeenAt":
			return x.LastSeenAt.Compare(y.LastSeenAt)
		case "FirstSeenAt":
			return x.FirstSeenAt.Compare(y.FirstSeenAt)
		case "Count":
			return int(x.Count - y.Count)
		}
		return 0
	})
	out := make([]connection, 0, len(list))
	for _, x := range list {
		out = append(out, connection{
			Address: x.Address, Client: x.Client, Count: x.Count, FirstSeenAt: timestamp(x.FirstSeenAt),
			LastSeenAt: timestamp(x.LastSeenAt),
			Protocol:   x.Protocol, SecretID: x.SecretID,
		})
	}
	return pageOf(l, out), nil
}

// suggestion is what a key could be restricted to.
type suggestion struct {
	Addresses int // how many different ones were seen
	Days      int
	Networks  []string
}

// suggestNetworks answers few networks that hold all addresses a key was used from of late.
func (a *api) suggestNetworks(c *call) (reply, error) {
	k, err := a.keyOfPath(c)
	if err != nil {
		return reply{}, err
	}
	x, err := a.Keys.Suggest(c.Context(), k)
	if err != nil {
		return reply{}, err
	}
	return one(suggestion{Addresses: x.Addresses, Days: keys.SuggestDays, Networks: x.Networks}), nil
}

// keyOfPath reads the key that the path names.
func (a *api) keyOfPath(c *call) (store.Key, error) {
	f, err := keyNamed(c)
	if err != nil {
		return store.Key{}, err
	}
	k, err := a.Keys.Key(c.Context(), c.managed(), f)
	return k.Record, err
}
