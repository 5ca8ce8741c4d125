// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/console"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/people"
	"postern/internal/store"
)

// crowd is several accounts made at random. Every record has a word of its own in it, which must not be seen by who may
// not see the record.
type crowd struct {
	*world
	rng    *rand.Rand
	words  []word
	homes  []home
	people []person
	things map[int64]things // by key
}

// word marks a record.
type word struct {
	text    string
	what    string
	account int64
	key     int64 // 0: the account as a whole
	user    int64 // it is this person's address
}

type home struct {
	account store.Account
	keys    []store.Key
}

type person struct {
	store.User
	access []store.Access
}

func newCrowd(t *testing.T, rng *rand.Rand) *crowd {
	c := &crowd{world: newWorld(t), rng: rng, things: map[int64]things{}}
	for i := range 3 {
		c.home(i)
	}
	for i := range 9 {
		c.person(i)
	}
	return c
}

// mark makes a word that is nowhere else.
func (c *crowd) word(what string, accountID, keyID int64) string {
	text := fmt.Sprintf("zq%s%06dx", what, c.rng.IntN(1_000_000))
	c.words = append(c.words, word{text: text, what: what, account: accountID, key: keyID})
	return text
}

func (c *crowd) home(i int) {
	t, ctx := c.t, c.t.Context()
	name := fmt.Sprintf("zqaccount%d%05dx", i, c.rng.IntN(100_000))
	x, err := c.Keys.SignUp(ctx, operator, name, fmt.Sprintf("zqowner%d%05dx@example.com", i, c.rng.IntN(100_000)))
	ok(t, err)
	h := home{account: x.Account, keys: []store.Key{x.Key}}
	c.words = append(c.words, word{text: name, what: "account", account: x.Account.ID})
	c.people = append(c.people, person{User: x.User, access: []store.Access{{AccountID: x.Account.ID, Role: access.Owner}}})
	c.words = append(c.words, word{text: x.User.Email, what: "address", account: x.Account.ID, user: x.User.ID})
	for range 1 + c.rng.IntN(3) {
		k, err := c.Keys.CreateSubaccount(ctx, operator, x.Account.ID, keys.NewKey{Name: "sub", Reference: ""})
		ok(t, err)
		sub := k.Key
		sub.Name = c.word("key", x.Account.ID, sub.ID)
		_, err = c.Keys.Change(ctx, operator, store.OfAccount(x.Account.ID), store.KeyFilter{ID: sub.ID}, keys.KeyChange{Name: &sub.Name, Reference: new(c.word("reference", x.Account.ID, sub.ID))}, 0)
		ok(t, err)
		h.keys = append(h.keys, sub)
	}
	plan, err := c.Accounts.PutPlan(ctx, operator, store.Plan{Name: c.word("plan", x.Account.ID, 0), Users: 50})
	ok(t, err)
	ok(t, c.Accounts.AssignPlan(ctx, operator, x.Account.ID, plan.ID))
	_, err = c.Accounts.Ask(ctx, operator, x.Account.ID, "", "users", 100, c.word("reason", x.Account.ID, 0))
	ok(t, err)
	for _, k := range h.keys {
		c.words = append(c.words, word{text: k.APIKey, what: "API key", account: x.Account.ID, key: k.ID})
		c.things[k.ID] = c.fillKey(k)
	}
	c.homes = append(c.homes, h)
}

// fillKey gives a key a sender, messages, an invitation, and somebody who shares it.
func (c *crowd) fillKey(k store.Key) things {
	t, ctx := c.t, c.t.Context()
	x := things{key: k.ID, apiKey: k.APIKey}
	for range 1 + c.rng.IntN(3) {
		r := c.send(k, mail.Draft{From: mail.Address{Email: c.word("sender", k.AccountID, k.ID) + "@example.com"}, Subject: c.word("subject", k.AccountID, k.ID), Text: c.word("text", k.AccountID, k.ID)}, c.word("recipient", k.AccountID, k.ID)+"@example.net")
		x.message = r.Messages[0].ID
	}
	list, _, err := c.store.FindSenders(ctx, store.OfKey(k.AccountID, k.ID), store.SenderFilter{}, store.Page{})
	ok(t, err)
	x.sender = list[0].ID
	x.suppression = c.suppression(k, c.word("suppressed", k.AccountID, k.ID)+"@example.net")
	share := people.Share{Email: c.word("invited", k.AccountID, 0) + "@example.com", Role: access.Sender}
	if !k.Master { // which is not shared by itself
		share.KeyIDs = []int64{k.ID}
	}
	i, err := c.People.Invite(ctx, operator, k.AccountID, share)
	ok(t, err)
	x.invitation = i.ID
	return x
}

// person makes somebody with access at random: to accounts and to single keys, in one home or in two.
func (c *crowd) person(i int) {
	t, ctx := c.t, c.t.Context()
	p := person{}
	email := fmt.Sprintf("zqperson%d%05dx@example.com", i, c.rng.IntN(100_000))
	homes := c.rng.Perm(len(c.homes))[:1+c.rng.IntN(2)]
	ok(t, c.store.Update(ctx, func(tx *store.Tx) (err error) {
		if p.User, err = tx.AddUser(ctx, store.User{AccountID: c.homes[homes[0]].account.ID, Email: email}); err != nil {
			return err
		}
		for _, at := range homes {
			h := c.homes[at]
			role := access.Roles()[c.rng.IntN(4)]
			if c.rng.IntN(3) == 0 {
				p.access = append(p.access, store.Access{AccountID: h.account.ID, Role: role})
				if err := tx.PutAccess(ctx, p.ID, h.account.ID, 0, role); err != nil {
					return err
				}
				continue
			}
			for _, k := range c.rng.Perm(len(h.keys))[:1+c.rng.IntN(2)] {
				key := h.keys[k]
				p.access = append(p.access, store.Access{AccountID: h.account.ID, KeyID: key.ID, Role: role})
				if err := tx.PutAccess(ctx, p.ID, h.account.ID, key.ID, role); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	c.people = append(c.people, p)
	for _, x := range p.access {
		c.words = append(c.words, word{text: email, what: "address", account: x.AccountID, key: x.KeyID, user: p.ID})
	}
}

// sees says whether a person who works in an account may see a record there.
func (p person) sees(w word, in int64) bool {
	switch {
	case w.user == p.ID:
		return true
	case w.what == "account" && slices.ContainsFunc(p.access, func(x store.Access) bool { return x.AccountID == w.account }):
		return true // the way to switch to it
	case w.account != in:
		return false
	}
	return slices.ContainsFunc(p.access, func(x store.Access) bool {
		switch {
		case x.AccountID != in:
			return false
		case w.what == "address" && x.KeyID != 0: // who shares a key is on the key's page
			return w.key == 0 || w.key == x.KeyID
		case w.key == 0:
			return x.KeyID == 0 && access.Allowed(x.Role, access.ReadAccount) || w.what == "address" && x.KeyID == 0
		}
		return x.KeyID == 0 || x.KeyID == w.key
	})
}

// seed is the test's, printed, or the one to repeat.
func seed(t *testing.T) uint64 {
	n := uint64(time.Now().UnixNano()) //nolint:gosec // any bits do
	if s := os.Getenv("POSTERN_SEED"); s != "" {
		var err error
		n, err = strconv.ParseUint(s, 10, 64)
		ok(t, err)
	}
	t.Logf("POSTERN_SEED=%d repeats it", n)
	return n
}

// TestNobodySeesWhatIsNotShared makes accounts, people and mail at random, and asks for every page with the number of
// everything there is, as everybody, in every account that he can switch to. No word of what he may not see is in any
// answer. Then it posts every form about what he may not see: nothing changes.
func TestNobodySeesWhatIsNotShared(t *testing.T) {
	n := seed(t)
	c := newCrowd(t, rand.New(rand.NewPCG(n, n))) //nolint:gosec // repeatable on purpose
	paths := c.paths(http.MethodGet)
	pages, forms := 0, 0
	for _, p := range c.people {
		b := c.as(p.User)
		var in []int64
		for _, x := range p.access {
			if !slices.Contains(in, x.AccountID) {
				in = append(in, x.AccountID)
			}
		}
		for _, at := range in {
			b.post("/switch", url.Values{"account": {strconv.FormatInt(at, 10)}})
			for _, path := range paths {
				a := b.get(path)
				pages++
				for _, w := range c.words {
					if strings.Contains(a.body, w.text) && !p.sees(w, at) && !c.alsoSees(p, w, at) {
						t.Errorf("%s (%v), in the account %d, sees the %s %s of account %d, key %d at %s", p.Email, p.access, at, w.what, w.text, w.account, w.key, path)
					}
				}
				if a.status >= 500 {
					t.Errorf("%s answered %d", path, a.status)
				}
			}
			before := c.state()
			forms += c.postForeign(b, p, at)
			if after := c.state(); after != before {
				t.Fatalf("%s has changed what is not shared with him:\n%s\n%s", p.Email, before, after)
			}
		}
	}
	t.Logf("%d pages and %d forms, %d words", pages, forms, len(c.words))
	if pages < 500 || forms < 100 {
		t.Errorf("only %d pages and %d forms were tried", pages, forms)
	}
}

// alsoSees: an address stands for several words, one for each thing that is shared with its person.
func (c *crowd) alsoSees(p person, w word, in int64) bool {
	return w.user != 0 && slices.ContainsFunc(c.words, func(o word) bool { return o.user == w.user && p.sees(o, in) })
}

// state is all that could be changed.
func (c *crowd) state() string { return (&grounds{world: c.world}).mark() }

// paths are the routes of a method with the numbers of everything.
func (c *crowd) paths(method string) []string {
	var out []string
	g := &grounds{world: c.world, plan: store.Plan{ID: 1}, user: c.people[0].User}
	for _, rt := range console.Routes() {
		if rt.Method != method {
			continue
		}
		for _, h := range c.homes {
			g.signed.Account = h.account
			for _, k := range h.keys {
				path := g.fill(rt.Pattern, c.thingsOf(k))
				if strings.HasPrefix(path, "/statistics") {
					path += "?key=" + k.APIKey
				}
				if !slices.Contains(out, path) {
					out = append(out, path)
				}
			}
		}
	}
	return out
}

// thingsOf are the things of a key; an access is looked up when there is one.
func (c *crowd) thingsOf(k store.Key) things {
	x := c.things[k.ID]
	list, err := c.store.Accesses(c.t.Context(), store.OfAccount(k.AccountID), store.AccessFilter{})
	ok(c.t, err)
	x.access = list[int(k.ID)%len(list)].ID
	return x
}

// postForeign posts all forms about keys that are not shared with a person, or that he may not change, and counts them.
func (c *crowd) postForeign(b *browser, p person, in int64) (n int) {
	g := &grounds{world: c.world, plan: store.Plan{ID: 1}, user: c.people[0].User}
	for _, h := range c.homes {
		if h.account.ID == in {
			continue
		}
		g.signed.Account = h.account
		k := h.keys[c.rng.IntN(len(h.keys))]
		x := c.thingsOf(k)
		for _, rt := range console.Routes() {
			if rt.Method != http.MethodPost || rt.Action == access.Own || !strings.Contains(rt.Pattern, "{") && rt.Pattern != "/senders/new" && rt.Pattern != "/account/invite" {
				continue
			}
			form := g.form(b, x)
			if rt.Pattern == "/account/invite" {
				form["on"], form["key"] = []string{"keys"}, []string{strconv.FormatInt(x.key, 10)}
			}
			n++
			if a := b.post(g.fill(rt.Pattern, x), form); a.status != http.StatusForbidden && a.status != http.StatusNotFound {
				c.t.Errorf("%s: POST %s of account %d, from account %d, answered %d", p.Email, rt.Pattern, h.account.ID, in, a.status)
			}
		}
	}
	return n
}
