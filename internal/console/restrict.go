// SPDX-License-Identifier: Apache-2.0

package console

import (
	"net/http"
	"strconv"
	"strings"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/store"
)

// restrictBody is the form of a key's restrictions.
type restrictBody struct {
	Key              keyRow
	Permissions      []permission
	Networks         string // a line each
	Senders          string
	Hour, Day, Month string
	Waits            bool
	AccountDay       int               // the account's default
	Suggested        []string          // networks that it was used from
	Filled           bool              // Networks are a suggestion that was asked for, and not kept yet
	Problems         map[string]string // by field
	Shut             []useRow          // connections that would be refused
	Sure             bool
}

// Problem is what is wrong with a field.
func (b restrictBody) Problem(field string) string { return b.Problems[field] }

func (c *console) showRestrict(v *visit) error {
	key, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	k := key.Record
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	b := restrictBody{
		Permissions: permissionsOf(k.Permissions), Networks: oneALine(strings.Fields(k.Networks)),
		Hour: number(k.HourLimit), Day: number(k.DayLimit), Month: number(k.MonthLimit), Waits: k.OverHourWaits,
	}
	var senders []string
	for _, s := range mail.SplitList(k.AllowedSenders) {
		if domain, whole := strings.CutPrefix(s, "*@"); whole && strings.Contains(domain, ".") { // one label is read with its *@ alone
			s = domain
		}
		senders = append(senders, s)
	}
	b.Senders = oneALine(senders)
	if v.r.URL.Query().Get("networks") == "suggested" {
		suggested, err := c.Keys.Suggest(v.r.Context(), k)
		if err != nil {
			return err
		}
		b.Networks, b.Filled = oneALine(suggested.Networks), len(suggested.Networks) > 0
	}
	return c.restrictForm(v, http.StatusOK, key, b)
}

func oneALine(list []string) string { return strings.Join(list, "\n") }

func (c *console) restrictForm(v *visit, status int, k keys.Key, b restrictBody) error {
	b.Key, b.AccountDay = c.keyRow(v, k), int(v.account.DayLimit)
	suggested, err := c.Keys.Suggest(v.r.Context(), k.Record)
	if err != nil {
		return err
	}
	b.Suggested = suggested.Networks
	return c.show(v, status, "key-restrict", "Restrictions · "+k.Name, "keys", b)
}

// readRestrict reads the form. What is wrong is in b.Problems.
func (b *restrictBody) readRestrict(form map[string][]string) keys.KeyChange {
	get := func(name string) string {
		if vs := form[name]; len(vs) > 0 {
			return strings.TrimSpace(vs[0])
		}
		return ""
	}
	b.Problems = map[string]string{}
	var bits access.Permission
	for _, name := range form["permission"] {
		bits |= access.Permissions()[name]
	}
	b.Permissions = permissionsOf(int(bits))
	b.Networks, b.Senders, b.Hour, b.Day, b.Month = get("networks"), get("senders"), get("hour"), get("day"), get("month")
	b.Waits, b.Sure = get("over") == "wait", get("sure") == "yes"
	c := keys.KeyChange{Permissions: &bits, Networks: &b.Networks, AllowedSenders: &b.Senders, OverHourWaits: &b.Waits}
	if bits == 0 {
		b.Problems["Permissions"] = "Choose at least one. To close a key, deactivate it."
	}
	for _, x := range []struct {
		field, text string
		to          **int64
	}{{"HourLimit", b.Hour, &c.HourLimit}, {"DayLimit", b.Day, &c.DayLimit}, {"MonthLimit", b.Month, &c.MonthLimit}} {
		n, err := strconv.ParseInt(strings.NewReplacer(",", "", " ", "", "\u00a0", "").Replace(x.text), 10, 64)
		if x.text != "" && (err != nil || n < 0) {
			b.Problems[x.field] = "Give a whole number of messages, or leave it empty for no limit."
		}
		*x.to = &n
	}
	return c
}

func (c *console) restrictKey(v *visit) error {
	k, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	if err := parseForm(v.r); err != nil {
		return err
	}
	var b restrictBody
	asked := b.readRestrict(v.r.PostForm)
	if len(b.Problems) > 0 {
		return c.restrictForm(v, http.StatusUnprocessableEntity, k, b)
	}
	shut, err := c.Keys.ShutOut(v.r.Context(), k.Record, asked)
	for _, x := range shut {
		b.Shut = append(b.Shut, c.useRow(x))
	}
	if err == nil && len(b.Shut) > 0 && !b.Sure {
		b.Problems["Networks"] = count(len(b.Shut), "connection") +
			" of the last 7 days would be refused. Add their networks, or say below that you mean it."
		return c.restrictForm(v, http.StatusUnprocessableEntity, k, b)
	}
	if err != nil && userError(err) == nil {
		return err
	}
	_, err = c.Keys.Change(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: k.ID}, asked, 0)
	if e := userError(err); e != nil {
		b.Problems[e.Field] = sentence(e.Reason)
		status := http.StatusUnprocessableEntity
		if e.Kind == change.NotAllowed {
			status = http.StatusForbidden
		}
		return c.restrictForm(v, status, k, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/keys/" + strconv.FormatInt(k.ID, 10))
}

// DayHelp is what counts when the key has no daily limit of its own.
func (b restrictBody) DayHelp() string {
	if b.AccountDay > 0 {
		return number(b.AccountDay) + ", the account’s"
	}
	return "no limit"
}
