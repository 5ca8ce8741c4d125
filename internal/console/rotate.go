// SPDX-License-Identifier: Apache-2.0

package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/credential"
	"postern/internal/keys"
	"postern/internal/store"
)

// recently is how far back a connection counts as one that will break.
const recently = 24 * time.Hour

// connectionsShown is how many connections are named before "and 12 more".
const connectionsShown = 6

// secretUse is a live secret and who uses it.
type secretUse struct {
	keys.Secret
	Newest bool
	Lately bool // used in the last 24 hours: also by a connection that is forgotten, past the bound of them
	Meter  meter
	Recent []useRow // seen in the last 24 hours
	All    []useRow // the latest seen first
	rest   string   // when it was last used, in words
}

// Rest says how long nothing has used it: "for 9 days".
func (s secretUse) Rest() string {
	if words, ok := strings.CutSuffix(s.rest, " ago"); ok {
		return "for " + words
	}
	return "since " + s.rest
}

// Some are the first of those that were seen lately.
func (s secretUse) Some() []useRow { return s.Recent[:min(len(s.Recent), connectionsShown)] }

// More is how many there are beyond Some.
func (s secretUse) More() int { return len(s.Recent) - len(s.Some()) }

// useRow is a connection in words.
type useRow struct {
	keys.Connection
	Who, Door, Times string
	Recent           bool
}

// From is where it comes from.
func (u useRow) From() string {
	if u.Address == "" {
		return "this machine"
	}
	return u.Address
}

func (c *console) useRow(x keys.Connection) useRow {
	u := useRow{Connection: x, Who: x.Client, Door: "SMTP", Times: count(int(x.Count),
		"time"), Recent: x.LastSeenAt.After(c.Now().Add(-recently))}
	if x.Protocol == "http" {
		u.Door = "the HTTP API"
	}
	if u.Who == "" {
		u.Who = "a program without a name"
	}
	return u
}

// uses lists the live secrets of a key, the newest first, with who uses each.
func (c *console) uses(v *visit, k keys.Key) ([]secretUse, error) {
	list, err := c.Keys.Connections(v.r.Context(), k.Record, store.ConnectionFilter{})
	if err != nil {
		return nil, err
	}
	out := make([]secretUse, 0, len(k.Secrets))
	for i, x := range k.Secrets {
		s := secretUse{Secret: x, Newest: i == 0, Meter: c.meter(x, v.account.SecretDays), rest: ago(x.LastUsedAt, c.Now())}
		for _, conn := range list {
			if conn.SecretID != x.ID {
				continue
			}
			u := c.useRow(conn)
			if s.All = append(s.All, u); u.Recent {
				s.Recent = append(s.Recent, u)
			}
		}
		s.Lately = len(s.Recent) > 0 || x.LastUsedAt.After(c.Now().Add(-recently))
		out = append(out, s)
	}
	return out, nil
}

// overlapChoices are how long the old secret may go on, as the form offers it.
func overlapChoices() []choice {
	return []choice{{"1h", "1 hour", ""}, {"24h", "1 day", ""}, {"168h", "7 days", ""}, {"720h", "30 days", ""}}
}

// resetBody is the form that resets a secret.
type resetBody struct {
	Key     keyRow
	Uses    []secretUse
	Choices []choice
	Overlap string // "0", one of the choices, or "own"
	Hours   string // of "own"
	End     int64  // which of two live secrets ends at once, when there is an overlap
	Newest  int64  // the newest secret when the form was shown, 0: none
	Problem string
	Field   string // that the problem is of: "hours", "end" or ""
	Nonce   string
	On      string
}

// Action is where the form goes.
func (b resetBody) Action() string { return keyLink(b.Key.ID, "reset", b.On) }

// Two says whether the overlap needs a choice: three secrets are never live.
func (b resetBody) Two() bool { return len(b.Uses) == 2 }

// keyLink is the address of one of a key's forms. on is where the user came from, "key" for the key's own page.
func keyLink(id int64, page, on string) string {
	link := "/keys/" + strconv.FormatInt(id, 10) + "/" + page
	if on == "key" {
		link += "?on=key"
	}
	return link
}

// cameFrom says which page a form stood on, and back is where to go after it.
func (v *visit) cameFrom() string {
	if v.r.URL.Query().Get("on") == "key" {
		return "key"
	}
	return ""
}

func (v *visit) back(keyID int64) error {
	if v.cameFrom() == "key" {
		return v.redirect("/keys/" + strconv.FormatInt(keyID, 10))
	}
	return v.redirect("/keys")
}

// mayRotate says whether the visit's user may make and end secrets of a key. The primary key's secret opens everything
// of the account by the API, sharing too: it is for who may share.
func (v *visit) mayRotate(k keys.Key) bool {
	return v.may(access.ManageKeys, k.ID) && (!k.Master || v.may(access.ManagePeople, 0))
}

// rotated is the key of a page about its secrets.
func (c *console) rotated(v *visit) (keys.Key, error) {
	k, err := c.keyOf(v.r.Context(), v)
	if err == nil && !v.mayRotate(k) {
		err = &statusError{http.StatusForbidden, "Your role does not allow this", "The secret of the primary key opens everything " +
			"of the account by the API, and is for its owners to reset. An owner can change your role on the Account page."}
	}
	return k, err
}

func (c *console) showReset(v *visit) error {
	k, err := c.rotated(v)
	if err != nil {
		return err
	}
	return c.resetForm(v, http.StatusOK, k, resetBody{Overlap: "0"})
}

func (c *console) resetForm(v *visit, status int, k keys.Key, b resetBody) error {
	b.Key, b.Choices, b.On, b.Nonce = c.keyRow(v, k), overlapChoices(), v.cameFrom(), c.forms.nonce(v.user.ID)
	var err error
	if b.Uses, err = c.uses(v, k); err != nil {
		return err
	}
	if b.Two() && b.End == 0 {
		b.End = leastUsed(b.Uses).ID
	}
	if len(b.Uses) > 0 {
		b.Newest = b.Uses[0].ID
	}
	return c.show(v, status, "key-reset", "Reset Secret Key · "+k.Name, "keys", b)
}

// leastUsed is the one of two live secrets that nothing uses, or nothing used lately: ending it breaks least.
func leastUsed(two []secretUse) secretUse {
	if two[0].LastUsedAt.Before(two[1].LastUsedAt) {
		return two[0]
	}
	return two[1]
}

// readReset reads how to reset from the form; a problem is a sentence in b.
func (b *resetBody) readReset(form map[string][]string) (keys.Reset, bool) {
	get := func(name string) string {
		if vs := form[name]; len(vs) > 0 {
			return strings.TrimSpace(vs[0])
		}
		return ""
	}
	b.Overlap, b.Hours = get("overlap"), get("hours")
	var how keys.Reset
	if newest, err := strconv.ParseInt(get("newest"), 10, 64); err == nil {
		how.NewestSecretID = &newest
	}
	switch {
	case b.Hours != "" && b.Overlap != "own":
		b.Field, b.Problem = "hours", "You gave a number of hours, and chose something else: choose the hours, or leave them empty."
		return how, false
	case b.Overlap == "" || b.Overlap == "0":
		b.Overlap = "0"
		return how, true
	case b.Overlap == "own":
		n, err := strconv.Atoi(b.Hours)
		if longest := int(credential.MaxOverlap / time.Hour); err != nil || n < 1 || n > longest {
			b.Field, b.Problem = "hours", "Give a whole number of hours, 1 to "+number(longest)+"."
			return how, false
		}
		how.Overlap = time.Duration(n) * time.Hour
	case slices.ContainsFunc(overlapChoices(), func(c choice) bool { return c.Value == b.Overlap }):
		how.Overlap, _ = time.ParseDuration(b.Overlap) //nolint:errcheck // one of ours
	default:
		b.Problem, b.Overlap = "Choose how long the old secret key goes on working.", "0"
		return how, false
	}
	how.EndSecretID, _ = strconv.ParseInt(get("end"), 10, 64) //nolint:errcheck // keys says what is wrong with it
	b.End = how.EndSecretID
	return how, true
}

func (c *console) resetKey(v *visit) error {
	k, err := c.rotated(v)
	if err != nil {
		return err
	}
	if err := parseForm(v.r); err != nil {
		return err
	}
	var b resetBody
	how, ok := b.readReset(v.r.PostForm)
	if !ok {
		return c.resetForm(v, http.StatusUnprocessableEntity, k, b)
	}
	if !c.forms.use(v.user.ID, v.r.PostForm.Get("nonce")) {
		return c.shownAlready(v)
	}
	issued, err := c.Keys.Reset(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: k.ID}, how)
	if e := userError(err); e != nil {
		if e.Field == "NewestSecretID" {
			b.Problem = c.resetMeanwhile(v, k)
			return c.resetForm(v, http.StatusConflict, k, b)
		}
		if b.Problem = sentence(e.Reason); e.Field == "EndSecretID" {
			b.Field = "end"
		}
		return c.resetForm(v, http.StatusUnprocessableEntity, k, b)
	}
	if err != nil {
		return err
	}
	return c.showIssued(v, issued, true)
}

// resetMeanwhile says who has reset a key since its form was shown: another tab, or somebody else.
func (c *console) resetMeanwhile(v *visit, k keys.Key) string {
	by := ""
	f := store.AuditFilter{Action: "key.reset", Target: "key " + k.APIKey}
	log, err := c.AuditLog.Entries(v.r.Context(), store.OfAccount(v.account.ID), f, store.Page{Limit: 1, Desc: true})
	if err == nil && len(log) == 1 {
		by = " " + ago(log[0].At, c.Now()) + " by " + log[0].ActorName()
	}
	return "The secret key was reset" + by + ", after this form was opened. Nothing was changed. To reset it once more, send the " +
		"form again."
}

// retireBody is the form that ends one of two live secrets.
type retireBody struct {
	Key     keyRow
	Use     secretUse // of the one to end
	Other   secretUse
	Problem string
}

// secretOf finds the live secret that the address names, beside another: the only one cannot be retired.
func (c *console) secretOf(v *visit) (keys.Key, retireBody, error) {
	k, err := c.rotated(v)
	if err != nil {
		return k, retireBody{}, err
	}
	b := retireBody{Key: c.keyRow(v, k)}
	uses, err := c.uses(v, k)
	if err != nil {
		return k, b, err
	}
	id, err := strconv.ParseInt(v.r.PathValue("secret"), 10, 64)
	i := slices.IndexFunc(uses, func(s secretUse) bool { return s.ID == id })
	if err != nil || i < 0 {
		return k, b, notFound("That secret key has ended, or there never was one.")
	}
	if b.Use = uses[i]; len(uses) == 2 {
		b.Other = uses[1-i]
	}
	return k, b, nil
}

func (c *console) showRetire(v *visit) error {
	k, b, err := c.secretOf(v)
	if err != nil {
		return err
	}
	if b.Other.ID == 0 {
		return v.redirect(keyLink(k.ID, "reset", "key"))
	}
	return c.show(v, http.StatusOK, "key-retire", "Retire a secret key · "+k.Name, "keys", b)
}

func (c *console) retireSecret(v *visit) error {
	k, b, err := c.secretOf(v)
	if err != nil {
		return err
	}
	_, err = c.Keys.Retire(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: k.ID}, b.Use.ID)
	if e := userError(err); e != nil {
		b.Problem = sentence(e.Reason)
		return c.show(v, http.StatusUnprocessableEntity, "key-retire", "Retire a secret key · "+k.Name, "keys", b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/keys/" + strconv.FormatInt(k.ID, 10))
}
