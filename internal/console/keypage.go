// SPDX-License-Identifier: Apache-2.0

package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/credential"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/store"
)

// keyBody is a key's own page.
type keyBody struct {
	Key       keyRow
	Policy    credential.Policy
	Secrets   []secretUse
	Days      []dayVolume
	Gauges    []gauge
	Limits    limitsView
	Sharing   *sharing // nil: not the user's to see
	SMTP      smtpBody
	Senders   int
	Test      testMail
	Problem   string // of the test mail
	MaySwitch bool   // activate or deactivate
	Issued    *issuedBody
	Nonce     string
}

// dayVolume is a day of the volume's table.
type dayVolume struct {
	Day      time.Time
	Messages int
}

// gauge is how much of a limit is used.
type gauge struct {
	Per         string // "this hour"
	Used, Limit int
	Default     bool // the limit is the account's
}

// Level colours it.
func (g gauge) Level() string {
	switch {
	case g.Limit == 0:
		return ""
	case g.Used >= g.Limit:
		return "overdue"
	case g.Used*10 >= g.Limit*8:
		return "due"
	}
	return "ok"
}

// limitsView is what bounds a key, in words.
type limitsView struct {
	Permissions []permission
	Networks    []string
	Senders     []string
	Suggested   []string // networks that it was used from, when it is not bound to any
	ByOperator  []string // in words
}

type permission struct {
	Name, Words string
	Has         bool
}

// sharing is who may see and change a key.
type sharing struct {
	Whole  int            // people with the whole account
	Key    []store.Access // and with this key
	Asked  []store.Invitation
	Invite bool
}

func permissionsOf(bits int) []permission {
	out := []permission{
		{"send", "Send mail, by the API and by SMTP", false},
		{"statistics", "Read messages, events and statistics", false},
		{"manage", "Manage keys, senders and sharing by the API", false},
	}
	for i := range out {
		out[i].Has = access.Permission(bits)&access.Permissions()[out[i].Name] != 0
	}
	return out
}

func (c *console) showKey(v *visit) error {
	k, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	b, err := c.keyBody(v, k)
	if err != nil {
		return err
	}
	if b.Test.Sent, err = c.testSent(v, k.Record); err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "key", k.Name, "keys", b)
}

func (c *console) keyBody(v *visit, k keys.Key) (keyBody, error) {
	b := keyBody{Policy: accounts.PolicyOf(v.account), Nonce: c.forms.nonce(v.user.ID)}
	rows, err := c.keyRows(v, []keys.Key{k})
	if err != nil {
		return b, err
	}
	b.Key = rows[0]
	b.MaySwitch = b.Key.May.Manage && !b.Key.Suspended()
	today := c.Now().UTC().Truncate(24 * time.Hour)
	for i, n := range b.Key.Volume.Days {
		b.Days = append(b.Days, dayVolume{today.AddDate(0, 0, i+1-len(b.Key.Volume.Days)), n})
	}
	slices.Reverse(b.Days)
	if b.Secrets, err = c.uses(v, k); err != nil {
		return b, err
	}
	if b.Gauges, err = c.gauges(v, k); err != nil {
		return b, err
	}
	if b.Limits, err = c.limitsView(v, k); err != nil {
		return b, err
	}
	if b.Sharing, err = c.sharing(v, k); err != nil {
		return b, err
	}
	if b.SMTP, err = c.smtpBody(v, k); err != nil {
		return b, err
	}
	b.Test, err = c.testMail(v, k.Record)
	return b, err
}

// gauges say how much of each limit is used.
func (c *console) gauges(v *visit, key keys.Key) ([]gauge, error) {
	use, err := c.Keys.Use(v.r.Context(), key.ID)
	k := key.Record
	return []gauge{
		{Per: "This hour", Used: int(use.ThisHour), Limit: int(k.HourLimit)},
		{Per: "Today", Used: int(use.ThisDay), Limit: int(cmp.Or(k.DayLimit,
			v.account.DayLimit)), Default: k.DayLimit == 0 && v.account.DayLimit > 0},
		{Per: "This month", Used: int(use.ThisMonth), Limit: int(k.MonthLimit)},
	}, err
}

// restrictionWords name what the operator can restrict.
var restrictionWords = map[string]string{
	"Permissions": "what it may do", "Networks": "networks", "AllowedSenders": "senders",
	"HourLimit": "messages an hour", "DayLimit": "messages a day", "MonthLimit": "messages a month",
}

func (c *console) limitsView(v *visit, key keys.Key) (limitsView, error) {
	k := key.Record
	l := limitsView{Permissions: permissionsOf(k.Permissions), Networks: strings.Fields(k.Networks)}
	for _, s := range mail.SplitList(k.AllowedSenders) {
		l.Senders = append(l.Senders, strings.TrimPrefix(s, "*@"))
	}
	for _, property := range keys.Restricting(k.Bound) {
		l.ByOperator = append(l.ByOperator, restrictionWords[property])
	}
	if k.Networks != "" {
		return l, nil
	}
	suggested, err := c.Keys.Suggest(v.r.Context(), k)
	l.Suggested = suggested.Networks
	return l, err
}

func (c *console) sharing(v *visit, k keys.Key) (*sharing, error) {
	if !v.may(access.ReadAccount, 0) {
		return nil, nil
	}
	s := &sharing{Invite: v.may(access.ManagePeople, 0)}
	whole := store.OfAccount(v.account.ID)
	var err error
	if s.Key, err = c.Store.Accesses(v.r.Context(), whole, store.AccessFilter{KeyID: k.ID}); err != nil {
		return nil, err
	}
	all, err := c.Store.Accesses(v.r.Context(), whole, store.AccessFilter{Whole: true})
	if err != nil {
		return nil, err
	}
	s.Whole = len(all)
	asked, err := c.Store.Invitations(v.r.Context(), v.account.ID)
	for _, x := range asked {
		if x.Open(c.Now()) && slices.Contains(x.KeyIDs, k.ID) {
			s.Asked = append(s.Asked, x)
		}
	}
	return s, err
}

// deleteBody is the form that deletes a subaccount.
type deleteBody struct {
	Key     keyRow
	Queued  int
	Queue   string // "send" or "cancel"
	Name    string // as it was typed
	Problem string
	Uses    []secretUse
}

func (c *console) showDelete(v *visit) error {
	k, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	return c.deleteForm(v, http.StatusOK, k, deleteBody{Queue: "send"})
}

func (c *console) deleteForm(v *visit, status int, k keys.Key, b deleteBody) error {
	if k.Master {
		return &statusError{http.StatusConflict, "The primary key cannot be deleted", "It is the account's own. Deactivate it, and " +
			"it opens nothing."}
	}
	n, err := c.Messages.Queued(v.r.Context(), v.scope, k.ID)
	if err != nil {
		return err
	}
	b.Key, b.Queued = c.keyRow(v, k), int(n)
	if b.Uses, err = c.uses(v, k); err != nil {
		return err
	}
	return c.show(v, status, "key-delete", "Delete · "+k.Name, "keys", b)
}

func (c *console) deleteKey(v *visit) error {
	k, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	if err := parseForm(v.r); err != nil {
		return err
	}
	b := deleteBody{Queue: v.r.PostForm.Get("queue"), Name: strings.TrimSpace(v.r.PostForm.Get("name"))}
	if b.Queue != "cancel" {
		b.Queue = "send"
	}
	if b.Name != k.Name {
		b.Problem = "Type " + k.Name + " exactly as it stands here."
		return c.deleteForm(v, http.StatusUnprocessableEntity, k, b)
	}
	err = c.Keys.Delete(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: k.ID}, b.Queue == "cancel")
	if e := userError(err); e != nil {
		b.Problem = sentence(e.Reason)
		return c.deleteForm(v, http.StatusUnprocessableEntity, k, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/keys?gone=" + strconv.FormatInt(k.ID, 10))
}
