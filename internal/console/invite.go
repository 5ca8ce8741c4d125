// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"postern/internal/access"
	"postern/internal/people"
	"postern/internal/store"
)

// What an invitation is for, as the form says it.
const (
	onAccount = "account"
	onKeys    = "keys"
)

// roleRow is a role with what it may do.
type roleRow struct {
	Role     string
	Title    string
	May      string
	Selected bool
}

// roleRows lists the roles; keys says that they are for single keys.
func roleRows(selected string, keys bool) []roleRow {
	var out []roleRow
	for _, r := range access.Roles() {
		out = append(out, roleRow{Role: r, Title: firstLetter(r) + r[1:], May: roleWords(r, keys), Selected: r == selected})
	}
	return out
}

// roleWords says in a sentence what a role may do, on an account or on single keys of it: what it may, or, where that is
// shorter, what it may not.
func roleWords(role string, keys bool) string {
	var may, not []string
	for _, a := range access.Actions() {
		switch {
		case keys && a.OfAccount():
		case access.Allowed(role, a):
			may = append(may, actionWords(a))
		default:
			not = append(not, actionWords(a))
		}
	}
	switch {
	case len(may) == 0:
		return ""
	case len(not) == 0 && !keys:
		return "May do everything."
	case len(may) > 4 && len(not) < len(may):
		return "May do everything but " + enumerate(not, "or") + "."
	}
	return "May " + enumerate(may, "and") + "."
}

// beyondKeys says what a role on single keys does not give.
func beyondKeys() string {
	var not []string
	for _, a := range access.Actions() {
		if a.OfAccount() {
			not = append(not, actionWords(a))
		}
	}
	return "On chosen subaccounts no role may " + enumerate(not, "or") + ": that concerns the account as a whole."
}

// actionWords says what an action is, after "may".
func actionWords(a access.Action) string {
	return map[access.Action]string{
		access.ReadKeys:           "see keys and senders",
		access.ReadMessages:       "read messages",
		access.SendTest:           "send test mail",
		access.CreateKeys:         "create subaccounts",
		access.ManageKeys:         "rename, reset and deactivate keys",
		access.RestrictKeys:       "restrict what keys can do",
		access.DeleteKeys:         "delete subaccounts",
		access.ManageSenders:      "add and remove senders",
		access.ManageSuppressions: "add, remove and import suppressed addresses",
		access.ReadAccount:        "see people and plan",
		access.ManagePeople:       "invite and remove people",
		access.ManageAccount:      "change the policy",
		access.ReadAudit:          "read the audit log",
	}[a]
}

// enumerate is "a, b and c".
func enumerate(list []string, and string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " " + and + " " + list[len(list)-1]
}

// inviteBody is the form that invites somebody.
type inviteBody struct {
	Email, Role, On, Days string
	Query                 string // to find subaccounts by
	Roles                 []roleRow
	Keys                  []keyChoice
	More                  int  // keys that match and are not listed
	Many                  bool // there are more than can be listed: they are searched
	Beyond                string
	Problem               problem
}

// keyChoice is a key that can be chosen.
type keyChoice struct {
	store.Key
	Chosen bool
}

// readInvite reads the form: what was typed, or what a link fills in.
func readInvite(f url.Values) (b inviteBody, keys []int64) {
	b = inviteBody{
		Email: clean(f.Get("email")), Role: f.Get("role"), On: f.Get("on"), Days: strings.TrimSpace(f.Get("days")),
		Query: clean(f.Get("q")),
	}
	for _, s := range f["key"] {
		if id, err := strconv.ParseInt(s, 10, 64); err == nil && id > 0 && !slices.Contains(keys, id) && len(keys) < 1000 {
			keys = append(keys, id)
		}
	}
	if b.On == "" && len(keys) > 0 {
		b.On = onKeys
	}
	if b.On != onKeys {
		b.On = onAccount
	}
	if b.Days == "" {
		b.Days = strconv.Itoa(people.InvitationDays)
	}
	return b, keys
}

func (c *console) showInvite(v *visit) error {
	b, keys := readInvite(v.r.URL.Query())
	return c.inviteForm(v, http.StatusOK, b, keys)
}

func (c *console) inviteForm(v *visit, status int, b inviteBody, chosen []int64) error {
	ctx := v.r.Context()
	b.Roles, b.Beyond = roleRows(b.Role, false), beyondKeys()
	_, total, err := c.Store.Keys(ctx, v.scope, store.KeyFilter{Master: new(false)}, store.Page{Limit: 1})
	if err != nil {
		return err
	}
	b.Many = total > keysToChoose
	if b.Keys, err = c.chosenKeys(ctx, v, chosen); err != nil {
		return err
	}
	f, limit := store.KeyFilter{Sort: "Name", Master: new(false)}, keysToChoose // the primary key is not shared by itself
	if b.Many {
		f.Search, limit = b.Query, keysAPage
	}
	list, match, err := c.Store.Keys(ctx, v.scope, f, store.Page{Limit: limit})
	if err != nil {
		return err
	}
	for _, k := range list {
		if !slices.Contains(chosen, k.ID) {
			b.Keys = append(b.Keys, keyChoice{k, false})
		}
	}
	b.More = match - len(list)
	return c.show(v, status, "invite", "Invite somebody", "account", b)
}

// chosenKeys are those of the account that were chosen already.
func (c *console) chosenKeys(ctx context.Context, v *visit, ids []int64) ([]keyChoice, error) {
	keys, err := c.Store.KeysByID(ctx, v.scope, ids)
	if err != nil {
		return nil, err
	}
	var out []keyChoice
	for _, id := range ids {
		if k, ok := keys[id]; ok && k.DeletedAt.IsZero() && !k.Master {
			out = append(out, keyChoice{k, true})
		}
	}
	return out, nil
}

func (c *console) invite(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	b, keys := readInvite(v.r.PostForm)
	again := func(p problem) error {
		b.Problem = p
		return c.inviteForm(v, http.StatusUnprocessableEntity, b, keys)
	}
	days, ok := formNumber(b.Days)
	switch {
	case b.Email == "":
		return again(problem{"Email", "Give the address that the invitation goes to."})
	case b.Role == "":
		return again(problem{"Role", "Choose a role."})
	case !ok || days < 1 || days > people.MaxInvitationDays:
		return again(problem{"Days", "Give 1 to " + strconv.Itoa(people.MaxInvitationDays) + " days."})
	case b.On == onKeys && len(keys) == 0:
		return again(problem{"Keys", "Choose at least one subaccount, or share the whole account."})
	}
	s := people.Share{Email: b.Email, Role: b.Role, Days: int(days)}
	if b.On == onKeys {
		s.KeyIDs = keys
	}
	_, err := c.People.Invite(v.r.Context(), v.actor, v.account.ID, s)
	if e := userError(err); e != nil {
		return again(problemOf(e, "Email", "Role", "Days", "Keys"))
	}
	if err != nil {
		return err
	}
	return v.redirect("/account?done=invited")
}

// withdrawBody asks whether an invitation is to end.
type withdrawBody struct {
	invitationRow
}

// numberOf reads the number that the address names, 0 when it is none.
func numberOf(v *visit) int64 {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0
	}
	return id
}

func (c *console) showWithdraw(v *visit) error {
	list, err := c.invitations(v.r.Context(), v)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(list, func(i invitationRow) bool { return i.ID == numberOf(v) })
	if at < 0 {
		return notFound("There is no such open invitation in your account. It may be accepted or withdrawn by now.")
	}
	return c.show(v, http.StatusOK, "invitation-withdraw", "Withdraw an invitation", "account", withdrawBody{list[at]})
}

func (c *console) withdraw(v *visit) error {
	if err := c.People.Withdraw(v.r.Context(), v.actor, v.account.ID, numberOf(v)); err != nil {
		return err
	}
	return v.redirect("/account?done=withdrawn")
}

// accessBody is a form about what somebody has: Kind is role or remove.
type accessBody struct {
	Kind    string
	Access  store.Access
	You     bool
	Roles   []roleRow
	Problem problem
}

// accessOf reads the access that the address names, within the account.
func (c *console) accessOf(v *visit) (store.Access, error) {
	missing := notFound("There is no such access to your account. It may be removed by now.")
	id := numberOf(v)
	if id == 0 {
		return store.Access{}, missing
	}
	list, err := c.Store.Accesses(v.r.Context(), v.scope, store.AccessFilter{ID: id})
	if err != nil {
		return store.Access{}, err
	}
	if len(list) != 1 {
		return store.Access{}, missing
	}
	return list[0], nil
}

func (c *console) showAccess(kind string) func(*visit) error {
	return func(v *visit) error {
		x, err := c.accessOf(v)
		if err != nil {
			return err
		}
		return c.accessForm(v, http.StatusOK, accessBody{Kind: kind, Access: x, Roles: roleRows(x.Role, x.KeyID != 0)})
	}
}

func (c *console) accessForm(v *visit, status int, b accessBody) error {
	title := map[string]string{"role": "Change a role", "remove": "Remove an access"}[b.Kind]
	b.You = b.Access.UserID == v.user.ID
	return c.show(v, status, "access-form", title, "account", b)
}

func (c *console) changeRole(v *visit) error {
	x, err := c.accessOf(v)
	if err != nil {
		return err
	}
	if err := parseForm(v.r); err != nil {
		return err
	}
	role := v.r.PostForm.Get("role")
	_, err = c.People.ChangeAccess(v.r.Context(), v.actor, v.account.ID, x.ID, role)
	if e := userError(err); e != nil {
		return c.accessForm(v, http.StatusUnprocessableEntity,
			accessBody{Kind: "role", Access: x, Roles: roleRows(role, x.KeyID != 0), Problem: problemOf(e, "Role")})
	}
	if err != nil {
		return err
	}
	return v.redirect(c.afterAccess(v, x, "role"))
}

func (c *console) removeAccess(v *visit) error {
	x, err := c.accessOf(v)
	if err != nil {
		return err
	}
	err = c.People.RemoveAccess(v.r.Context(), v.actor, v.account.ID, x.ID)
	if e := userError(err); e != nil {
		return c.accessForm(v, http.StatusUnprocessableEntity, accessBody{Kind: "remove", Access: x, Problem: problemOf(e)})
	}
	if err != nil {
		return err
	}
	return v.redirect(c.afterAccess(v, x, "removed"))
}

// afterAccess is where to go when an access was changed: who changed his own may not see the Account page any more.
func (c *console) afterAccess(v *visit, x store.Access, done string) string {
	if x.UserID == v.user.ID {
		return "/keys"
	}
	return "/account?done=" + done
}
