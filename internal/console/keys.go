// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"postern/internal/credential"
	"postern/internal/keyring"
	"postern/internal/store"
)

// keysAPage is how many subaccounts stand on a page.
const keysAPage = 50

// keyRow is a key as the page shows it.
type keyRow struct {
	store.Key
	Meter    meter
	LastUsed time.Time
	Hint     string // the last four characters of its secret
}

// Active says whether the key opens anything.
func (k keyRow) Active() bool { return k.State == store.KeyActive }

// Suspended says whether the operator closed it.
func (k keyRow) Suspended() bool { return k.State == store.KeySuspended }

// meter is the age of a secret as a ring: Level is "ok", "due" or "overdue".
type meter struct {
	credential.Age
	Max, Left int    // days of the whole ring, and of its part that is still to come
	Level     string // colours it
	Sign      string // in the middle of the ring
	Text      string
	Tip       string // what the ring says, in full
}

func (c *console) meter(createdAt time.Time, policy credential.Policy) meter {
	a, maxDays := policy.AgeOf(createdAt, c.Now()), policy.Days
	m := meter{Age: a, Max: maxDays, Left: a.DaysLeft, Level: "ok", Sign: strconv.Itoa(a.DaysLeft), Text: "days left"}
	switch {
	case a.Overdue:
		m.Level, m.Left, m.Sign, m.Text = "overdue", maxDays, "!", "overdue"
	case a.DaysLeft == 0:
		m.Level, m.Text = "due", "reset today"
	case a.DaysLeft == 1:
		m.Level, m.Text = "due", "day left"
	case a.Due:
		m.Level = "due"
	}
	m.Tip = fmt.Sprintf("The secret key was made %s ago; it is due for a reset every %d days.", count(a.Days, "day"), maxDays)
	return m
}

func (c *console) keyRow(v *visit, k store.Key) keyRow {
	row := keyRow{Key: k}
	for i, x := range k.Secrets {
		if x.LastUsedAt.After(row.LastUsed) {
			row.LastUsed = x.LastUsedAt
		}
		if i == 0 {
			row.Hint, row.Meter = x.Hint, c.meter(x.CreatedAt, keyring.PolicyOf(v.account))
		}
	}
	return row
}

// keysBody is the API Key Management page.
type keysBody struct {
	Primary     keyRow // without an ID when it is not shared with the user
	Subaccounts []keyRow
	Total       int // of subaccounts that match
	Query       string
	Pages       pager
	Nonce       string
	Issued      *issuedBody // a secret to show, this once
}

// issuedBody is a new secret. It is in this one answer and nowhere else.
type issuedBody struct {
	Name, APIKey, Secret string
	Reset                bool
	File                 string // name to download it under
}

// pager is where in a listing a page stands.
type pager struct {
	From, To, Total int
	Prev, Next      string // addresses, "" when there is none
}

func (c *console) showKeys(v *visit) error {
	b, err := c.keysBody(v)
	if err != nil {
		return err
	}
	if len(b.Subaccounts) == 0 && b.Pages.Prev != "" {
		return v.redirect("/keys")
	}
	return c.show(v, http.StatusOK, "keys", "API keys", "keys", b)
}

func (c *console) keysBody(v *visit) (keysBody, error) {
	ctx := v.r.Context()
	primary, err := c.Store.Key(ctx, v.scope, store.KeyFilter{Master: new(true)})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return keysBody{}, err
	}
	q := clean(v.r.URL.Query().Get("q"))
	n := pageNumber(v.r)
	list, total, err := c.Store.Keys(ctx, v.scope, store.KeyFilter{Master: new(false), Search: q, Sort: "Name"}, store.Page{Limit: keysAPage, Offset: (n - 1) * keysAPage})
	if err != nil {
		return keysBody{}, err
	}
	b := keysBody{
		Primary: c.keyRow(v, primary), Total: total, Query: q, Nonce: c.forms.nonce(v.user.ID),
		Pages: numbered("/keys", url.Values{"q": {q}}, n, keysAPage, len(list), total),
	}
	for _, k := range list {
		b.Subaccounts = append(b.Subaccounts, c.keyRow(v, k))
	}
	return b, nil
}

// pageNumber is the page that was asked for, from 1.
func pageNumber(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || n < 1 || n > 1_000_000 {
		return 1
	}
	return n
}

// numbered makes the pager of a listing whose total is known.
func numbered(path string, query url.Values, n, size, shown, total int) pager {
	p := pager{From: (n-1)*size + 1, To: (n-1)*size + shown, Total: total}
	at := func(n int) string {
		q := url.Values{"page": {strconv.Itoa(n)}}
		for k, vs := range query {
			if vs[0] != "" {
				q[k] = vs
			}
		}
		return path + "?" + q.Encode()
	}
	if n > 1 {
		p.Prev = at(n - 1)
	}
	if p.To < total && shown > 0 {
		p.Next = at(n + 1)
	}
	return p
}

// keyFormBody is a page with one form about a key: Kind is rename, reset, deactivate, activate or new.
type keyFormBody struct {
	Kind    string
	Key     keyRow
	Name    string
	Problem string
	Nonce   string
}

// Action is where the form goes.
func (b keyFormBody) Action() string {
	return "/keys/" + strconv.FormatInt(b.Key.ID, 10) + "/" + b.Kind
}

var errNoKey = notFound("There is no such key in your account.")

// keyOf reads the key that the address names, within the user's account.
func (c *console) keyOf(ctx context.Context, v *visit) (store.Key, error) {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return store.Key{}, errNoKey
	}
	k, err := c.Store.Key(ctx, v.scope, store.KeyFilter{ID: id})
	if errors.Is(err, store.ErrNotFound) {
		err = errNoKey
	}
	return k, err
}

func (c *console) showKeyForm(kind string) func(*visit) error {
	return func(v *visit) error {
		k, err := c.keyOf(v.r.Context(), v)
		if err != nil {
			return err
		}
		return c.keyForm(v, http.StatusOK, keyFormBody{Kind: kind, Key: c.keyRow(v, k), Name: k.Name})
	}
}

func (c *console) keyForm(v *visit, status int, b keyFormBody) error {
	titles := map[string]string{"rename": "Rename", "reset": "Reset Secret Key", "deactivate": "Deactivate", "activate": "Activate", "new": "Create subaccount"}
	title := titles[b.Kind]
	if b.Kind != "new" {
		title += " · " + b.Key.Name
	}
	b.Nonce = c.forms.nonce(v.user.ID)
	return c.show(v, status, "key-form", title, "keys", b)
}

func (c *console) showNewKey(v *visit) error {
	return c.keyForm(v, http.StatusOK, keyFormBody{Kind: "new"})
}

func (c *console) createKey(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	if !c.forms.use(v.user.ID, v.r.PostForm.Get("nonce")) {
		return c.shownAlready(v)
	}
	name := v.r.PostForm.Get("name")
	issued, err := c.Keyring.CreateSubaccount(v.r.Context(), v.actor, v.account.ID, keyring.NewKey{Name: name})
	if e := userError(err); e != nil {
		return c.keyForm(v, http.StatusUnprocessableEntity, keyFormBody{Kind: "new", Name: name, Problem: sentence(e.Reason)})
	}
	if err != nil {
		return err
	}
	return c.showIssued(v, issued, false)
}

func (c *console) resetKey(v *visit) error {
	k, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	if err := parseForm(v.r); err != nil {
		return err
	}
	if !c.forms.use(v.user.ID, v.r.PostForm.Get("nonce")) {
		return c.shownAlready(v)
	}
	issued, err := c.Keyring.Reset(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: k.ID}, keyring.Reset{})
	if err != nil {
		return err
	}
	return c.showIssued(v, issued, true)
}

// showIssued is the answer with a secret in it.
func (c *console) showIssued(v *visit, x keyring.Issued, reset bool) error {
	b, err := c.keysBody(v)
	if err != nil { // the secret exists by now: it must be seen, whatever stands beneath it
		c.Log.ErrorContext(v.r.Context(), "the keys could not be listed", "error", err)
		b = keysBody{Primary: c.keyRow(v, x.Key), Nonce: c.forms.nonce(v.user.ID)}
	}
	b.Issued = &issuedBody{Name: x.Key.Name, APIKey: x.Key.APIKey, Secret: x.Secret, Reset: reset, File: "postern-" + x.Key.APIKey[:8] + ".env"}
	return c.show(v, http.StatusOK, "keys", "API keys", "keys", b)
}

// shownAlready answers a form that was sent a second time: by a reload of the page that showed a secret.
func (c *console) shownAlready(v *visit) error {
	return c.show(v, http.StatusConflict, "shown", "The secret key was shown already", "keys", nil)
}

func (c *console) renameKey(v *visit) error {
	k, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	if err := parseForm(v.r); err != nil {
		return err
	}
	name := v.r.PostForm.Get("name")
	_, err = c.Keyring.Change(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: k.ID}, keyring.KeyChange{Name: &name}, 0)
	if e := userError(err); e != nil {
		return c.keyForm(v, http.StatusUnprocessableEntity, keyFormBody{Kind: "rename", Key: c.keyRow(v, k), Name: name, Problem: sentence(e.Reason)})
	}
	if err != nil {
		return err
	}
	return v.redirect("/keys")
}

func (c *console) setKeyActive(active bool) func(*visit) error {
	kind := "deactivate"
	if active {
		kind = "activate"
	}
	return func(v *visit) error {
		k, err := c.keyOf(v.r.Context(), v)
		if err != nil {
			return err
		}
		_, err = c.Keyring.Change(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: k.ID}, keyring.KeyChange{Active: &active}, 0)
		if e := userError(err); e != nil {
			return c.keyForm(v, http.StatusUnprocessableEntity, keyFormBody{Kind: kind, Key: c.keyRow(v, k), Problem: sentence(e.Reason)})
		}
		if err != nil {
			return err
		}
		return v.redirect("/keys")
	}
}

// userError is a mistake that the user can mend in the form, or nil.
func userError(err error) *keyring.Error {
	var e *keyring.Error
	if errors.As(err, &e) && e.Kind != keyring.NotFound {
		return e
	}
	return nil
}
