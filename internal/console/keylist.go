// SPDX-License-Identifier: Apache-2.0

package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/keys"
	"postern/internal/store"
)

const (
	// keysAPage is how many subaccounts stand on a page.
	keysAPage = 50
	// unusedDays is from when on a key counts as unused.
	unusedDays = 30
)

// keysBody is the API Key Management page.
type keysBody struct {
	Primary     *keyRow // nil when it is not shared with the user, or not asked for
	Subaccounts []keyRow
	Total       int // of subaccounts that match
	Query       string
	Show, Sort  string
	Shows       []choice // what to show, each with its address
	Sorts       []choice
	Filtered    bool
	Controls    bool // there is enough to search in
	CSV         string
	Aged        agedBanner
	Room        room
	Pages       pager
	Nonce       string
	Gone        *keys.Key   // the subaccount that was deleted just now
	Issued      *issuedBody // a secret to show, this once
}

// choice is one of several ways to look at a list.
type choice struct{ Value, Label, Link string }

// agedBanner says how many secrets are due.
type agedBanner struct {
	Due, Overdue int
	Stops        bool // overdue ones are refused
}

// Soon is how many are due, and not overdue yet.
func (a agedBanner) Soon() int { return a.Due - a.Overdue }

// room is whether another subaccount can be made.
type room struct {
	May          bool // the user may make subaccounts
	Full, Ask    bool // Ask: he may ask the operator for more
	Plan         string
	Limit, Taken int
}

// issuedBody is a new secret. It is in this one answer and nowhere else.
type issuedBody struct {
	Name, APIKey, Secret string
	Reset                bool
	Old                  *store.Secret // that goes on
	KeyID                int64
	File                 string // name to download it under
	Beneath              string // address of the page that it stands on
}

// pager is where in a listing a page stands.
type pager struct {
	From, To, Total int
	Prev, Next      string // addresses, "" when there is none
}

func keyShows() []choice {
	return []choice{
		{"", "All", ""},
		{store.KeyActive, "Active", ""},
		{store.KeyDeactivated, "Deactivated", ""},
		{store.KeySuspended, "Suspended", ""},
		{"due", "Reset due", ""},
		{"unused", "Unused 30 days", ""},
	}
}

func keySorts() []choice {
	return []choice{
		{"", "By name", ""}, {"created", "Newest first", ""}, {"used", "Last used first", ""}, {"rested", "Longest unused first", ""},
	}
}

// known is value when it is one of the choices, "" otherwise.
func known(value string, choices []choice) string {
	for _, c := range choices {
		if c.Value == value {
			return value
		}
	}
	return ""
}

// keysFilter turns what the address asks for into a filter.
func (c *console) keysFilter(v *visit, show, query string) store.KeyFilter {
	f := store.KeyFilter{Search: query}
	switch show {
	case store.KeyActive, store.KeyDeactivated, store.KeySuspended:
		f.State = show
	case "due":
		f.DueAt = c.Now()
	case "unused":
		f.UnusedSince = c.Now().AddDate(0, 0, -unusedDays)
	}
	return f
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
	ctx, q := v.r.Context(), v.r.URL.Query()
	if v.r.Method == http.MethodPost {
		q = url.Values{} // the page beneath an answer to a form
	}
	n := pageNumber(v.r)
	b := keysBody{Query: clean(q.Get("q")), Show: known(q.Get("show"), keyShows()), Sort: known(q.Get("sort"),
		keySorts()), Nonce: c.forms.nonce(v.user.ID)}
	b.Filtered = b.Query != "" || b.Show != ""
	asked := url.Values{"q": {b.Query}, "show": {b.Show}, "sort": {b.Sort}}
	f := c.keysFilter(v, b.Show, b.Query)
	f.Master = new(true)
	primary, _, err := c.Keys.Keys(ctx, v.scope, f, store.Page{Limit: 1})
	if err != nil {
		return b, err
	}
	f.Master, f.Sort = new(false), map[string]string{"": "Name", "created": "CreatedAt", "used": "LastUsed", "rested": "LastUsed"}[b.Sort]
	list, total, err := c.Keys.Keys(ctx, v.scope, f,
		store.Page{Limit: keysAPage, Offset: (n - 1) * keysAPage, Desc: b.Sort == "created" || b.Sort == "used"})
	if err != nil {
		return b, err
	}
	b.Total, b.Pages = total, numbered("/keys", asked, n, keysAPage, len(list), total)
	rows, err := c.keyRows(v, append(primary, list...))
	if err != nil {
		return b, err
	}
	if len(primary) > 0 {
		b.Primary, rows = &rows[0], rows[1:]
		if n > 1 {
			b.Primary = nil // said on the first page
		}
	}
	b.Subaccounts, b.Controls = rows, b.Filtered || total > 5
	b.choices(asked)
	if id, err := strconv.ParseInt(q.Get("gone"), 10, 64); err == nil && id > 0 {
		gone, err := c.Keys.Key(ctx, v.scope, store.KeyFilter{ID: id, Deleted: true})
		if err == nil {
			b.Gone = &gone
		} else if !isMissing(err) {
			return b, err
		}
	}
	if b.Aged, err = c.aged(v); err != nil {
		return b, err
	}
	b.Room, err = c.room(v)
	return b, err
}

// choices fills in the addresses of the ways to look at the list.
func (b *keysBody) choices(asked url.Values) {
	at := func(path, name, value string) string {
		q := url.Values{}
		for k, vs := range asked {
			if k == name {
				vs = []string{value}
			}
			if vs[0] != "" {
				q[k] = vs
			}
		}
		if len(q) == 0 {
			return path
		}
		return path + "?" + q.Encode()
	}
	b.Shows, b.Sorts = keyShows(), keySorts()
	for i := range b.Shows {
		b.Shows[i].Link = at("/keys", "show", b.Shows[i].Value)
	}
	b.CSV = at("/keys.csv", "", "")
}

// aged counts the active keys of the scope whose secret is due for a reset.
func (c *console) aged(v *visit) (agedBanner, error) {
	b := agedBanner{Stops: accounts.PolicyOf(v.account).Stop}
	var err error
	if b.Due, err = c.Keys.Count(v.r.Context(), v.scope, store.KeyFilter{DueAt: c.Now()}); err == nil && b.Due > 0 {
		b.Overdue, err = c.Keys.Count(v.r.Context(), v.scope, store.KeyFilter{OverdueAt: c.Now()})
	}
	return b, err
}

// room says whether the account's plan allows another subaccount, to who may make one.
func (c *console) room(v *visit) (room, error) {
	if !v.may(access.CreateKeys, 0) {
		return room{}, nil
	}
	may, err := c.Accounts.Allowance(v.r.Context(), v.account.ID)
	if err != nil || may.Subaccounts == 0 {
		return room{May: true}, err
	}
	n, err := c.Keys.Count(v.r.Context(), store.OfAccount(v.account.ID), store.KeyFilter{Master: new(false)})
	return room{May: true, Full: int64(n) >= may.Subaccounts, Ask: v.may(access.ManageAccount,
		0), Plan: may.Plan, Limit: int(may.Subaccounts), Taken: n}, err
}

// Words say why there is no room.
func (r room) Words() string {
	plan := "The account"
	if r.Plan != "" {
		plan = "The plan " + r.Plan
	}
	return fmt.Sprintf("%s allows %s, and %s of them are in use.", plan, count(r.Limit, "subaccount"), number(r.Taken))
}
