// SPDX-License-Identifier: Apache-2.0

package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"postern/internal/credential"
	"postern/internal/store"
)

const sendersAPage = 50

// sendersBody is the list of senders.
type sendersBody struct {
	Rows  []senderRow
	Query string
	Pages pager
}

type senderRow struct {
	store.Sender
	Key   store.Key
	Whole bool // all addresses of the domain
	DKIM  dnsRecord
}

// dnsRecord is a TXT record to publish; Value is "" when there is none.
type dnsRecord struct{ Name, Value string }

// Label is the sender as people write it.
func (r senderRow) Label() string { return strings.TrimPrefix(r.Email, "*@") }

func (c *console) showSenders(v *visit) error {
	ctx := v.r.Context()
	q, n := clean(v.r.URL.Query().Get("q")), pageNumber(v.r)
	list, total, err := c.Store.FindSenders(ctx, v.scope, store.SenderFilter{Search: q}, store.Page{Limit: sendersAPage, Offset: (n - 1) * sendersAPage})
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
	return c.show(v, http.StatusOK, "senders", "Senders", "senders", b)
}

func (c *console) senderRow(v *visit, x store.Sender) (senderRow, error) {
	row := senderRow{Sender: x, Whole: strings.HasPrefix(x.Email, "*@")}
	var err error
	if row.Key, err = c.Store.Key(v.r.Context(), v.scope, store.KeyFilter{ID: x.KeyID}); err != nil {
		return row, err
	}
	row.DKIM.Name, row.DKIM.Value, _, err = c.Keyring.DKIMRecord(v.r.Context(), x.Domain)
	return row, err
}

// senderFormBody is the form that adds a sender.
type senderFormBody struct {
	Sender        string
	Key           string // API key
	Keys          []store.Key
	ManyKeys      bool
	SenderProblem string
	KeyProblem    string
}

func (c *console) showNewSender(v *visit) error {
	return c.senderForm(v, http.StatusOK, senderFormBody{Key: v.r.URL.Query().Get("key")})
}

func (c *console) senderForm(v *visit, status int, b senderFormBody) error {
	keys, total, err := c.Store.Keys(v.r.Context(), v.scope, store.KeyFilter{}, store.Page{Limit: keysToChoose})
	if err != nil {
		return err
	}
	if b.ManyKeys = total > len(keys); !b.ManyKeys {
		b.Keys = keys
	}
	return c.show(v, status, "sender-form", "Add a sender", "senders", b)
}

func (c *console) addSender(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	b := senderFormBody{Sender: strings.TrimSpace(v.r.PostForm.Get("sender")), Key: strings.TrimSpace(v.r.PostForm.Get("key"))}
	if _, err := credential.ParseAPIKey(b.Key); err != nil {
		b.KeyProblem = "This is not an API key: it has 32 characters, 0 to 9 and a to f."
		return c.senderForm(v, http.StatusUnprocessableEntity, b)
	}
	if b.Sender == "" {
		b.SenderProblem = "Give an address or a domain."
		return c.senderForm(v, http.StatusUnprocessableEntity, b)
	}
	if _, err := c.Store.Key(v.r.Context(), v.scope, store.KeyFilter{APIKey: b.Key}); err != nil {
		return err
	}
	_, err := c.Keyring.AddSender(v.r.Context(), v.actor, v.scope, store.KeyFilter{APIKey: b.Key}, b.Sender, "")
	if e := userError(err); e != nil {
		b.SenderProblem = sentence(e.Reason)
		return c.senderForm(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/senders")
}

// senderOf reads the sender that the address names, within the user's account.
func (c *console) senderOf(v *visit) (senderRow, error) {
	missing := notFound("There is no such sender in your account.")
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return senderRow{}, missing
	}
	list, _, err := c.Store.FindSenders(v.r.Context(), v.scope, store.SenderFilter{ID: id}, store.Page{Limit: 1})
	if err != nil {
		return senderRow{}, err
	}
	if len(list) == 0 {
		return senderRow{}, missing
	}
	return c.senderRow(v, list[0])
}

func (c *console) showRemoveSender(v *visit) error {
	row, err := c.senderOf(v)
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "sender-remove", "Remove a sender", "senders", row)
}

func (c *console) removeSender(v *visit) error {
	row, err := c.senderOf(v)
	if err != nil {
		return err
	}
	if err := c.Keyring.RemoveSender(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: row.KeyID}, row.Email); err != nil {
		return err
	}
	return v.redirect("/senders")
}
