// SPDX-License-Identifier: Apache-2.0

package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"postern/internal/access"
	"postern/internal/credential"
	"postern/internal/domain"
	"postern/internal/keys"
	"postern/internal/senders"
	"postern/internal/store"
)

const sendersAPage = 50

// sendersBody is the list of senders.
type sendersBody struct {
	Rows  []senderRow
	Lent  []senderRow // of the primary key, to who does not see that
	Query string
	Pages pager
}

type senderRow struct {
	senders.Sender
	Of     domain.Domain
	Manage bool // the user may change it
}

// Label is the sender as people write it.
func (r senderRow) Label() string { return strings.TrimPrefix(r.Email, "*@") }

// Active says whether mail from it is accepted.
func (r senderRow) Active() bool { return r.Status == store.SenderActive }

// How says in words why it may be used, or what it waits for.
func (r senderRow) How() string {
	switch {
	case !r.Active() && r.Whole():
		return "Mail from this domain is refused until the domain is proved to be yours."
	case !r.Active():
		return "Mail from this address is refused until somebody follows the link that was mailed to it, or its domain is proved."
	}
	switch r.Proof {
	case store.ProofMail:
		return "Somebody who reads mail at this address has allowed it."
	case store.ProofDNS:
		return "The domain was proved by its TXT record."
	case store.ProofFile:
		return "The domain was proved by a file on its web server."
	case store.ProofDomain:
		return "Its domain is proved, and so is every address of it."
	}
	return "Allowed by the word of who operates this server."
}

func (c *console) showSenders(v *visit) error {
	ctx := v.r.Context()
	q, n := clean(v.r.URL.Query().Get("q")), pageNumber(v.r)
	list, total, err := c.Senders.List(ctx, v.scope, store.SenderFilter{Search: q},
		store.Page{Limit: sendersAPage, Offset: (n - 1) * sendersAPage})
	if err != nil {
		return err
	}
	if len(list) == 0 && n > 1 {
		return v.redirect("/senders")
	}
	b := sendersBody{Query: q, Pages: numbered("/senders", url.Values{"q": {q}}, n, sendersAPage, len(list), total)}
	for _, x := range list {
		row, err := c.senderRow(v, x)
		if err != nil {
			return err
		}
		b.Rows = append(b.Rows, row)
	}
	if !v.scope.Whole() && q == "" && n == 1 {
		lent, err := c.Senders.Shared(ctx, v.account.ID)
		if err != nil {
			return err
		}
		for _, x := range lent {
			b.Lent = append(b.Lent, senderRow{Sender: x})
		}
	}
	return c.show(v, http.StatusOK, "senders", "Senders", "senders", b)
}

func (c *console) senderRow(v *visit, x senders.Sender) (senderRow, error) {
	row := senderRow{Sender: x, Manage: v.may(access.ManageSenders, x.Key.ID)}
	var err error
	row.Of, err = c.Domains.Of(v.r.Context(), v.scope, x)
	return row, err
}

// senderFormBody is the form that adds a sender.
type senderFormBody struct {
	Sender        string
	Key           string // API key
	Keys          []keys.Key
	ManyKeys      bool
	Operator      bool // the user may give the operator's word
	Word          bool // and does
	SenderProblem string
	KeyProblem    string
}

func (c *console) showNewSender(v *visit) error {
	return c.senderForm(v, http.StatusOK, senderFormBody{Key: v.r.URL.Query().Get("key")})
}

func (c *console) senderForm(v *visit, status int, b senderFormBody) error {
	pick, err := c.keyPicker(v, b.Key)
	if err != nil {
		return err
	}
	b.Keys, b.ManyKeys = pick.Keys, pick.ManyKeys
	b.Operator = v.user.Operator
	return c.show(v, status, "sender-form", "Add a sender", "senders", b)
}

// addSender adds a sender that is to be proved, or, when an operator says so, one that may be used at once.
func (c *console) addSender(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	b := senderFormBody{
		Sender: strings.TrimSpace(v.r.PostForm.Get("sender")), Key: strings.TrimSpace(v.r.PostForm.Get("key")),
		Word: v.r.PostForm.Has("word") && v.user.Operator,
	}
	if _, err := credential.ParseAPIKey(b.Key); err != nil {
		b.KeyProblem = "This is not an API key: it has 32 characters, 0 to 9 and a to f."
		return c.senderForm(v, http.StatusUnprocessableEntity, b)
	}
	if b.Sender == "" {
		b.SenderProblem = "Give an address or a domain."
		return c.senderForm(v, http.StatusUnprocessableEntity, b)
	}
	key := store.KeyFilter{APIKey: b.Key}
	if _, err := c.Keys.Key(v.r.Context(), v.scope, key); err != nil {
		return err
	}
	var x store.Sender
	var err error
	if b.Word {
		x, err = c.Senders.AddSender(v.r.Context(), v.actor, v.scope, key, b.Sender, "")
	} else {
		x, err = c.Senders.ProposeSender(v.r.Context(), v.actor, v.scope, key, senders.NewSender{Email: b.Sender})
	}
	if e := userError(err); e != nil {
		b.SenderProblem = sentence(e.Reason)
		return c.senderForm(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect(senderPath(x.ID))
}

func senderPath(id int64) string { return "/senders/" + strconv.FormatInt(id, 10) }

// senderOf reads the sender that the address names, within the user's account.
func (c *console) senderOf(v *visit) (senderRow, error) {
	missing := notFound("There is no such sender in your account.")
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return senderRow{}, missing
	}
	x, err := c.Senders.One(v.r.Context(), v.scope, store.SenderFilter{ID: id})
	if isMissing(err) {
		return senderRow{}, missing
	}
	if err != nil {
		return senderRow{}, err
	}
	return c.senderRow(v, x)
}

// removeSenderBody is the page that asks whether to remove a sender.
type removeSenderBody struct {
	senderRow
	Resting []senders.Sender // addresses that are not allowed any more with it
}

func (c *console) showRemoveSender(v *visit) error {
	row, err := c.senderOf(v)
	if err != nil {
		return err
	}
	b := removeSenderBody{senderRow: row}
	if b.Resting, err = c.Senders.Resting(v.r.Context(), v.scope, row.Sender); err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "sender-remove", "Remove a sender", "senders", b)
}

func (c *console) removeSender(v *visit) error {
	row, err := c.senderOf(v)
	if err != nil {
		return err
	}
	if err := c.Senders.RemoveSender(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: row.Key.ID}, row.Email); err != nil {
		return err
	}
	return v.redirect("/senders")
}
