// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"postern/internal/credential"
	"postern/internal/keyring"
	"postern/internal/store"
)

// apiKey is a key on the wire, its properties in alphabetical order.
type apiKey struct {
	ACL             string
	APIKey          string
	CreatedAt       string
	ID              int64
	IsActive        bool
	IsMaster        bool
	Name            string
	QuarantineValue int
	RegionID        int
	Runlevel        string
	SecretKey       string // in the answer that made it, "" in all others (promise 1)
	Secrets         []liveSecret
	Skipspamd       int
	TrackHost       string
	UserID          int64
}

// liveSecret is what can be told of a secret.
type liveSecret struct {
	CreatedAt  string
	ExpiresAt  string
	Hint       string
	ID         int64
	LastUsedAt string
}

func wireKey(k store.Key, owner int64) apiKey {
	out := apiKey{
		ACL: k.ACL, APIKey: k.APIKey, CreatedAt: timestamp(k.CreatedAt), ID: k.ID, IsActive: k.State == store.KeyActive, IsMaster: k.Master,
		Name: k.Name, Runlevel: "Normal", Secrets: []liveSecret{}, UserID: owner,
	}
	if k.State == store.KeySuspended {
		out.Runlevel = "Hardlock"
	}
	for _, x := range k.Secrets {
		out.Secrets = append(out.Secrets, liveSecret{CreatedAt: timestamp(x.CreatedAt), ExpiresAt: timestamp(x.ExpiresAt), Hint: x.Hint, ID: x.ID, LastUsedAt: timestamp(x.LastUsedAt)})
	}
	return out
}

// owner is the ID of the user whom the account's keys belong to, 0 when it has none.
func (a *api) owner(c *call) (int64, error) {
	users, err := a.Store.Users(c.Context(), c.who.AccountID)
	if err != nil || len(users) == 0 {
		return 0, err
	}
	return users[0].ID, nil
}

// oneKey answers a single key.
func (a *api) oneKey(c *call, status int, k store.Key, secret string) (reply, error) {
	owner, err := a.owner(c)
	if err != nil {
		return reply{}, err
	}
	out := wireKey(k, owner)
	out.SecretKey = secret
	r := one(out)
	r.status = status
	return r, nil
}

func (a *api) listKeys(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID", "Name", "CreatedAt", "IsMaster", "IsActive")
	if err != nil {
		return reply{}, err
	}
	f := store.KeyFilter{APIKey: strings.ToLower(q["apikey"]), Name: q["name"], Sort: l.sort}
	if f.Active, err = q.choice("isactive", "IsActive"); err != nil {
		return reply{}, err
	}
	if f.Master, err = q.choice("ismaster", "IsMaster"); err != nil {
		return reply{}, err
	}
	if f.ID, err = q.id("id", "ID"); err != nil {
		return reply{}, err
	}
	keys, total, err := a.Store.Keys(c.Context(), c.managed(), f, l.Page)
	if err != nil {
		return reply{}, err
	}
	if l.countOnly {
		return rows[apiKey](nil, total), nil
	}
	owner, err := a.owner(c)
	if err != nil {
		return reply{}, err
	}
	var out []apiKey
	for _, k := range keys {
		out = append(out, wireKey(k, owner))
	}
	return rows(out, total), nil
}

// keyNamed reads the path's ID or API key. What is neither names no object.
func keyNamed(c *call) (store.KeyFilter, error) {
	s := c.PathValue("id")
	if k, err := credential.ParseAPIKey(strings.ToLower(s)); err == nil {
		return store.KeyFilter{APIKey: k.String()}, nil
	}
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 {
		return store.KeyFilter{}, notFound()
	}
	return store.KeyFilter{ID: id}, nil
}

// isOwn says whether a filter names the calling key itself.
func (c *call) isOwn(f store.KeyFilter) bool {
	return f.ID == c.who.KeyID || f.APIKey == c.who.APIKey
}

func (a *api) getKey(c *call) (reply, error) {
	f, err := keyNamed(c)
	if err != nil {
		return reply{}, err
	}
	k, err := a.Store.Key(c.Context(), c.managed(), f)
	if err != nil {
		return reply{}, err
	}
	return a.oneKey(c, http.StatusOK, k, "")
}

// change reads the properties of a key that can be given; others are ignored.
func (c *call) keyChange() (keyring.KeyChange, error) {
	var change keyring.KeyChange
	body, err := c.object(maxResource)
	if err != nil {
		return change, err
	}
	for _, p := range []struct {
		name string
		into **string
	}{{"Name", &change.Name}, {"ACL", &change.ACL}} {
		if v, given := body[fold(p.name)]; given {
			s, ok := v.str()
			if !ok {
				return change, badRequest(fmt.Sprintf("Property %s: expected a string.", p.name))
			}
			*p.into = &s
		}
	}
	if v, given := body["isactive"]; given {
		is, ok := v.boolean()
		if !ok {
			return change, badRequest("Property IsActive: expected true or false.")
		}
		change.Active = &is
	}
	return change, nil
}

func (a *api) createKey(c *call) (reply, error) {
	if !c.who.Master {
		return reply{}, notAllowed("Subaccounts are created by the master key of the account.")
	}
	change, err := c.keyChange()
	if err != nil {
		return reply{}, err
	}
	if change.Name == nil {
		return reply{}, &fault{status: http.StatusBadRequest, info: "Object properties invalid", message: "Property Name: a name is needed"}
	}
	issued, err := a.Keyring.CreateSubaccount(c.Context(), c.actor(), c.who.AccountID, keyring.NewKey{Name: *change.Name})
	if err != nil {
		return reply{}, err
	}
	return a.oneKey(c, http.StatusCreated, issued.Key, issued.Secret)
}

func (a *api) changeKey(c *call) (reply, error) {
	f, err := keyNamed(c)
	if err != nil {
		return reply{}, err
	}
	if !c.who.Master && !c.isOwn(f) {
		return reply{}, notAllowed("Other keys are changed by the master key of the account.")
	}
	change, err := c.keyChange()
	if err != nil {
		return reply{}, err
	}
	k, err := a.Keyring.Change(c.Context(), c.actor(), c.managed(), f, change, c.who.KeyID)
	if err != nil {
		return reply{}, err
	}
	return a.oneKey(c, http.StatusOK, k, "")
}

func (a *api) resetKey(c *call) (reply, error) {
	f, err := keyNamed(c)
	if err != nil {
		return reply{}, err
	}
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	if v, given := body["overlapseconds"]; given {
		switch n, ok := v.integer(); {
		case !ok || n < 0:
			return reply{}, badRequest("Property OverlapSeconds: expected a whole number of 0 or more.")
		case n > 0:
			return reply{}, badRequest("Property OverlapSeconds: an overlap is not offered by this version: give 0, and the old secret ends at once.")
		}
	}
	issued, err := a.Keyring.Reset(c.Context(), c.actor(), c.managed(), f, keyring.Reset{})
	if err != nil {
		return reply{}, err
	}
	return a.oneKey(c, http.StatusOK, issued.Key, issued.Secret)
}
