// SPDX-License-Identifier: Apache-2.0

package console

import (
	"net/http"
	"strconv"
	"strings"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/keys"
	"postern/internal/store"
)

func (c *console) trackingRoutes() []route {
	return []route{
		{"GET", "/account/tracking", access.ManageAccount, false, c.showTracking},
		{"POST", "/account/tracking", access.ManageAccount, false, c.setTracking},
		{"GET", "/keys/{id}/links", access.RestrictKeys, false, c.showLinks},
		{"POST", "/keys/{id}/links", access.RestrictKeys, false, c.setLinks},
	}
}

// trackingBody is the form of what an account's mail tells of its recipients.
type trackingBody struct {
	Opens, Clicks bool
	Unsubscribe   string
	Base          string // what links begin with
	Problem       problem
}

func (c *console) showTracking(v *visit) error {
	t := v.account.Tracking
	return c.tracking(v, http.StatusOK,
		trackingBody{Opens: t.Opens, Clicks: t.Clicks, Unsubscribe: accounts.UnsubscribeWord(t.Unsubscribe)})
}

func (c *console) tracking(v *visit, status int, b trackingBody) error {
	b.Base = c.BaseURL
	return c.show(v, status, "tracking", "Tracking", "account", b)
}

func (c *console) setTracking(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	f := v.r.PostForm
	b := trackingBody{Opens: f.Get("opens") != "", Clicks: f.Get("clicks") != "", Unsubscribe: f.Get("unsubscribe")}
	_, err := c.Accounts.ChangeAccount(v.r.Context(), v.actor, v.account.ID,
		accounts.AccountChange{TrackOpens: &b.Opens, TrackClicks: &b.Clicks, Unsubscribe: &b.Unsubscribe})
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "Unsubscribe")
		return c.tracking(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/account?done=tracking")
}

// linksBody is the form of the host name that the links in a key's mail have.
type linksBody struct {
	Key     keyRow
	Host    string
	Server  string // the server's own
	Problem problem
}

func (c *console) showLinks(v *visit) error {
	k, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	return c.links(v, http.StatusOK, k, linksBody{Host: k.TrackHost})
}

func (c *console) links(v *visit, status int, k keys.Key, b linksBody) error {
	b.Key, b.Server = c.keyRow(v, k), hostOfURL(c.BaseURL)
	return c.show(v, status, "key-links", "Tracked links · "+k.Name, "keys", b)
}

// hostOfURL is the host name of a base URL.
func hostOfURL(base string) string {
	_, rest, _ := strings.Cut(base, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

func (c *console) setLinks(v *visit) error {
	k, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	if err := parseForm(v.r); err != nil {
		return err
	}
	b := linksBody{Host: strings.TrimSpace(v.r.PostForm.Get("host"))}
	_, err = c.Keys.Change(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: k.ID}, keys.KeyChange{TrackHost: &b.Host}, 0)
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "TrackHost")
		return c.links(v, http.StatusUnprocessableEntity, k, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/keys/" + strconv.FormatInt(k.ID, 10))
}
