// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"postern/internal/change"
	"postern/internal/keys"
	"postern/internal/store"
)

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

// keyFormBody is a page with one form about a key: Kind is rename, deactivate, activate or new.
type keyFormBody struct {
	Kind      string
	Key       keyRow
	Name      string
	Reference string
	Problem   string
	Field     string // that the problem is of: "reference", or "" for the first
	Nonce     string
	On        string
	Room      room
}

// Action is where the form goes.
func (b keyFormBody) Action() string { return keyLink(b.Key.ID, b.Kind, b.On) }

// complain puts a mistake at its field.
func (b keyFormBody) complain(e *change.Error) keyFormBody {
	if b.Problem = sentence(e.Reason); e.Field == "Reference" {
		b.Field = "reference"
	}
	return b
}

var errNoKey = notFound("There is no such key in your account.")

// keyOf reads the key that the address names, within the user's account.
func (c *console) keyOf(ctx context.Context, v *visit) (keys.Key, error) {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return keys.Key{}, errNoKey
	}
	k, err := c.Keys.Key(ctx, v.scope, store.KeyFilter{ID: id})
	if !isMissing(err) {
		return k, err
	}
	if k, err = c.Keys.Key(ctx, v.scope, store.KeyFilter{ID: id, Deleted: true}); isMissing(err) {
		return k, errNoKey
	}
	if err != nil {
		return k, err
	}
	return k, &statusError{
		http.StatusNotFound, "This subaccount was deleted", "The API key " + k.APIKey + " was deleted on " +
			k.DeletedAt.UTC().Format("2 January 2006") + ". It opens nothing and is never given out again. What it sent stays under " +
			"Messages for as long as messages are kept.",
	}
}

func (c *console) showKeyForm(kind string) func(*visit) error {
	return func(v *visit) error {
		k, err := c.keyOf(v.r.Context(), v)
		if err != nil {
			return err
		}
		return c.keyForm(v, http.StatusOK, keyFormBody{Kind: kind, Key: c.keyRow(v, k), Name: k.Name, Reference: k.Reference})
	}
}

func (c *console) keyForm(v *visit, status int, b keyFormBody) error {
	titles := map[string]string{"rename": "Rename", "deactivate": "Deactivate", "activate": "Activate", "new": "Create subaccount"}
	title := titles[b.Kind]
	if b.Kind != "new" {
		title += " · " + b.Key.Name
	} else {
		var err error
		if b.Room, err = c.room(v); err != nil {
			return err
		}
	}
	b.Nonce, b.On = c.forms.nonce(v.user.ID), v.cameFrom()
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
	b := keyFormBody{Kind: "new", Name: v.r.PostForm.Get("name"), Reference: v.r.PostForm.Get("reference")}
	issued, err := c.Keys.CreateSubaccount(v.r.Context(), v.actor, v.account.ID, keys.NewKey{Name: b.Name, Reference: b.Reference})
	if e := userError(err); e != nil {
		return c.keyForm(v, http.StatusUnprocessableEntity, b.complain(e))
	}
	if err != nil {
		return err
	}
	return c.showIssued(v, issued, false)
}

// showIssued is the answer with a secret in it. Beneath it stands the page that the form was on. The secret exists by
// now: it must be seen, whatever can be shown beneath it.
func (c *console) showIssued(v *visit, x keys.Issued, reset bool) error {
	b := &issuedBody{
		Name: x.Key.Name, APIKey: x.Key.APIKey, Secret: x.Secret, Reset: reset, KeyID: x.Key.ID,
		File: "postern-" + x.Key.APIKey[:8] + ".env", Beneath: "/keys",
	}
	if len(x.Key.Secrets) == 2 {
		b.Old = &x.Key.Secrets[1]
	}
	key, err := c.Keys.Show(v.r.Context(), x.Key)
	if err != nil {
		c.Log.ErrorContext(v.r.Context(), "the key could not be read", "error", err)
		key = keys.Key{ID: x.Key.ID, Name: x.Key.Name, APIKey: x.Key.APIKey, Record: x.Key}
	}
	if v.cameFrom() == "key" && err == nil {
		page, err := c.keyBody(v, key)
		if err == nil {
			b.Beneath, page.Issued = "/keys/"+strconv.FormatInt(x.Key.ID, 10), b
			return c.show(v, http.StatusOK, "key", x.Key.Name, "keys", page)
		}
		c.Log.ErrorContext(v.r.Context(), "the key could not be shown", "error", err)
	}
	page, err := c.keysBody(v)
	if err != nil {
		c.Log.ErrorContext(v.r.Context(), "the keys could not be listed", "error", err)
		row := c.keyRow(v, key)
		page = keysBody{Primary: &row, Nonce: c.forms.nonce(v.user.ID)}
	}
	page.Issued = b
	return c.show(v, http.StatusOK, "keys", "API keys", "keys", page)
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
	b := keyFormBody{Kind: "rename", Key: c.keyRow(v, k), Name: v.r.PostForm.Get("name"), Reference: k.Reference}
	change := keys.KeyChange{Name: &b.Name}
	if v.r.PostForm.Has("reference") {
		b.Reference = v.r.PostForm.Get("reference")
		change.Reference = &b.Reference
	}
	_, err = c.Keys.Change(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: k.ID}, change, 0)
	if e := userError(err); e != nil {
		return c.keyForm(v, http.StatusUnprocessableEntity, b.complain(e))
	}
	if err != nil {
		return err
	}
	return v.back(k.ID)
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
		_, err = c.Keys.Change(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: k.ID}, keys.KeyChange{Active: &active}, 0)
		if e := userError(err); e != nil {
			return c.keyForm(v, http.StatusUnprocessableEntity, keyFormBody{Kind: kind, Key: c.keyRow(v, k), Problem: sentence(e.Reason)})
		}
		if err != nil {
			return err
		}
		return v.back(k.ID)
	}
}

// userError is a mistake that the user can mend in the form, or nil.
func userError(err error) *change.Error {
	var e *change.Error
	if errors.As(err, &e) && e.Kind != change.NotFound {
		return e
	}
	return nil
}
