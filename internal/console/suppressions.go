// SPDX-License-Identifier: Apache-2.0

package console

import (
	"net/http"
	"slices"
	"strconv"

	"postern/internal/access"
	"postern/internal/credential"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/suppress"
)

const suppressionsAPage = 50

func (c *console) suppressionRoutes() []route {
	return []route{
		{"GET", "/suppressions", access.ReadMessages, false, c.showSuppressions},
		{"GET", "/suppressions.csv", access.ReadMessages, false, c.exportSuppressions},
		{"GET", "/suppressions/new", access.ManageSuppressions, false, c.showNewSuppression},
		{"POST", "/suppressions/new", access.ManageSuppressions, false, c.addSuppressions},
		{"GET", importPath, access.ManageSuppressions, false, c.showImport},
		{"POST", importPath, access.ManageSuppressions, false, c.importSuppressions},
		{"GET", "/suppressions/{id}", access.ReadMessages, false, c.showSuppression},
		{"POST", "/suppressions/{id}", access.ManageSuppressions, false, c.changeSuppression},
		{"GET", "/suppressions/{id}/remove", access.ManageSuppressions, false, c.showRemoveSuppression},
		{"POST", "/suppressions/{id}/remove", access.ManageSuppressions, false, c.removeSuppression},
	}
}

// keyPicker is which key a list or a form is about: chosen from the keys, or typed where there are many.
type keyPicker struct {
	Key      string // API key, or what was typed
	Keys     []keys.Key
	ManyKeys bool
	Problem  string
}

func (c *console) keyPicker(v *visit, key string) (keyPicker, error) {
	b := keyPicker{Key: clean(key)}
	list, total, err := c.Keys.Keys(v.r.Context(), v.scope, store.KeyFilter{}, store.Page{Limit: keysToChoose})
	if b.ManyKeys = total > len(list); !b.ManyKeys {
		b.Keys = list
	}
	return b, err
}

// chosen is the key that was chosen or typed; none is ErrNotFound.
func (c *console) chosen(v *visit, key string) (store.Key, error) {
	key = clean(key) // as no name is: PostgreSQL takes neither NUL nor what is not UTF-8
	f := store.KeyFilter{Name: key}
	if _, err := credential.ParseAPIKey(key); err == nil {
		f = store.KeyFilter{APIKey: key}
	}
	if key == "" {
		return store.Key{}, store.ErrNotFound
	}
	k, err := c.Keys.Key(v.r.Context(), v.scope, f)
	return k.Record, err
}

// suppressionsBody is the list of addresses that keys send nothing to.
type suppressionsBody struct {
	Choice   keyPicker
	Rows     []suppress.Suppression
	Query    string
	Reason   string
	Reasons  []string
	Filtered bool
	Total    int
	Newer    string
	Older    string
	CSV      string
}

// suppressionFilter reads what to filter by. ok is false when it cannot match anything.
func (c *console) suppressionFilter(v *visit) (b suppressionsBody, f suppress.Filter, ok bool, err error) {
	q := v.r.URL.Query()
	if b.Choice, err = c.keyPicker(v, q.Get("key")); err != nil {
		return b, f, false, err
	}
	b.Query, b.Reason, b.Reasons = clean(q.Get("q")), q.Get("reason"), suppress.Reasons()
	if !slices.Contains(b.Reasons, b.Reason) {
		b.Reason = ""
	}
	f = suppress.Filter{Search: b.Query, Reason: b.Reason}
	b.Filtered = b.Query != "" || b.Reason != "" || b.Choice.Key != ""
	b.CSV = b.at("/suppressions.csv")
	if b.Choice.Key == "" {
		return b, f, true, nil
	}
	key, err := c.chosen(v, b.Choice.Key)
	if isMissing(err) {
		return b, f, false, nil
	}
	f.KeyID = key.ID
	return b, f, err == nil, err
}

// at is an address with what the list is filtered by.
func (b *suppressionsBody) at(path string, more ...string) string {
	return pageAddress(path, map[string]string{"q": b.Query, "reason": b.Reason, "key": b.Choice.Key}, more...)
}

func (c *console) showSuppressions(v *visit) error {
	b, f, ok, err := c.suppressionFilter(v)
	if err != nil {
		return err
	}
	if ok {
		if b.Total, err = c.Suppress.Count(v.r.Context(), v.scope, f); err != nil {
			return err
		}
		if err := c.pageOfSuppressions(v, f, &b); err != nil {
			return err
		}
	}
	return c.show(v, http.StatusOK, "suppressions", "Suppressions", "suppressions", b)
}

// pageOfSuppressions reads a page, newest first, and sets the links to its neighbours. A page begins at an entry: however
// long the list is, a page costs the same.
func (c *console) pageOfSuppressions(v *visit, f suppress.Filter, b *suppressionsBody) (err error) {
	n := neighboursOf(v)
	f.Below, f.Above = n.below, n.above
	list, err := c.Suppress.Entries(v.r.Context(), v.scope, f, n.page(suppressionsAPage))
	if err != nil {
		return err
	}
	at := func(name, id string) string { return b.at("/suppressions", name, id) }
	b.Rows, b.Newer, b.Older = around(n, suppressionsAPage, list, func(x suppress.Suppression) int64 { return x.ID }, at)
	return nil
}

// exportSuppressions writes what the list shows as a table.
func (c *console) exportSuppressions(v *visit) error {
	_, f, ok, err := c.suppressionFilter(v)
	if err != nil {
		return err
	}
	if !ok {
		return v.redirect("/suppressions")
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="suppressions-`+c.Now().UTC().Format("2006-01-02")+`.csv"`)
	if err := c.Suppress.Export(v.r.Context(), v.w, v.scope, f); err != nil {
		if v.r.Context().Err() == nil {
			c.Log.ErrorContext(v.r.Context(), "an export of suppressions broke off", "error", err)
		}
		panic(http.ErrAbortHandler) // a short file must not pass for a whole one
	}
	return nil
}

// suppressionForm is the form that adds addresses, and the one that imports a file.
type suppressionForm struct {
	Choice  keyPicker
	Emails  string
	Note    string
	Reason  string
	Reasons []string
	Problem string
}

func (c *console) showNewSuppression(v *visit) error {
	return c.suppressionForm(v, http.StatusOK, "suppression-new", suppressionForm{}, v.r.URL.Query().Get("key"))
}

func (c *console) suppressionForm(v *visit, status int, name string, b suppressionForm, key string) error {
	problem := b.Choice.Problem
	var err error
	if b.Choice, err = c.keyPicker(v, key); err != nil {
		return err
	}
	b.Choice.Problem, b.Reasons = problem, suppress.Reasons()
	if b.Reason == "" {
		b.Reason = store.SuppressedManual.String()
	}
	title := "Suppress addresses"
	if name == "suppression-import" {
		title = "Import a suppression list"
	}
	return c.show(v, status, name, title, "suppressions", b)
}

const noSuchKey = "There is no such key among those that you may change."

func (c *console) addSuppressions(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	form := v.r.PostForm
	b := suppressionForm{Emails: form.Get("emails"), Note: form.Get("note"), Reason: form.Get("reason")}
	again := func() error {
		return c.suppressionForm(v, http.StatusUnprocessableEntity, "suppression-new", b, form.Get("key"))
	}
	key, err := c.chosen(v, clean(form.Get("key")))
	if isMissing(err) {
		b.Choice.Problem = noSuchKey
		return again()
	}
	if err != nil {
		return err
	}
	var entries []suppress.Entry
	for _, email := range mail.SplitList(b.Emails) {
		entries = append(entries, suppress.Entry{Email: email, Reason: b.Reason, Note: b.Note})
	}
	if len(entries) == 0 {
		b.Problem = "Give at least one address."
		return again()
	}
	if _, err = c.Suppress.Add(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: key.ID}, entries); err != nil {
		if e := userError(err); e != nil {
			b.Problem = sentence(e.Reason)
			return again()
		}
		return err
	}
	return v.redirect("/suppressions?key=" + key.APIKey)
}

// suppressionBody is one entry.
type suppressionBody struct {
	suppress.Suppression
	Reasons   []string
	MayChange bool
	Problem   string
}

// suppressionOf reads the entry that the address names, within what the user may do this to.
func (c *console) suppressionOf(v *visit) (suppressionBody, error) {
	x, err := c.Suppress.Find(v.r.Context(), v.scope, v.r.PathValue("id"))
	if isMissing(err) {
		return suppressionBody{}, notFound("There is no such suppression in your account. It may have been removed.")
	}
	if err != nil {
		return suppressionBody{}, err
	}
	return suppressionBody{Suppression: x, Reasons: suppress.Reasons(), MayChange: v.may(access.ManageSuppressions, x.KeyID)}, nil
}

func (c *console) showSuppression(v *visit) error {
	b, err := c.suppressionOf(v)
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "suppression", b.Email, "suppressions", b)
}

func (c *console) changeSuppression(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	b, err := c.suppressionOf(v)
	if err != nil {
		return err
	}
	reason, note := v.r.PostForm.Get("reason"), v.r.PostForm.Get("note")
	if _, err = c.Suppress.Change(v.r.Context(), v.actor, v.scope, strconv.FormatInt(b.ID, 10), &reason, &note); err != nil {
		if e := userError(err); e != nil {
			b.Problem = sentence(e.Reason)
			return c.show(v, http.StatusUnprocessableEntity, "suppression", b.Email, "suppressions", b)
		}
		return err
	}
	return v.redirect("/suppressions/" + strconv.FormatInt(b.ID, 10))
}

func (c *console) showRemoveSuppression(v *visit) error {
	b, err := c.suppressionOf(v)
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "suppression-remove", "Remove a suppression", "suppressions", b)
}

func (c *console) removeSuppression(v *visit) error {
	b, err := c.suppressionOf(v)
	if err != nil {
		return err
	}
	if _, err := c.Suppress.Remove(v.r.Context(), v.actor, v.scope, strconv.FormatInt(b.ID, 10)); err != nil {
		return err
	}
	return v.redirect("/suppressions?key=" + b.APIKey)
}
