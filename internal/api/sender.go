// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/senders"
	"postern/internal/store"
)

// senderRoutes are the addresses and domains that a key sends from.
func (a *api) senderRoutes() []route {
	const rest, manage = "/v3/REST/", access.MayManage
	return []route{
		{method: "GET", pattern: rest + "sender", handle: a.listSenders, need: manage},
		{method: "POST", pattern: rest + "sender", handle: a.createSender, need: manage},
		{method: "GET", pattern: rest + "sender/{id}", handle: a.getSender, need: manage},
		{method: "PUT", pattern: rest + "sender/{id}", handle: a.changeSender, need: manage},
		{method: "DELETE", pattern: rest + "sender/{id}", handle: a.deleteSender, need: manage},
		{method: "POST", pattern: rest + "sender/{id}/validate", handle: a.validateSender, need: manage},
		{method: "GET", pattern: rest + "dns", handle: a.listDomains, need: manage},
		{method: "GET", pattern: rest + "dns/{id}", handle: a.getDomain, need: manage},
		{method: "POST", pattern: rest + "dns/{id}/check", handle: a.checkDomain, need: manage},
		{method: "GET", pattern: rest + "metasender", handle: a.listMetasenders, need: manage, master: true},
		{method: "POST", pattern: rest + "metasender", handle: a.createMetasender, need: manage, master: true},
		{method: "GET", pattern: rest + "metasender/{id}", handle: a.getMetasender, need: manage, master: true},
		{method: "PUT", pattern: rest + "metasender/{id}", handle: a.changeMetasender, need: manage, master: true},
	}
}

// sender is a sender on the wire.
type sender struct {
	CreatedAt       string
	DNSID           int64 `json:",omitempty"`
	Email           string
	EmailType       string
	Filename        string
	ID              int64
	IsDefaultSender bool
	Name            string
	Status          string
}

func wireSender(x store.Sender) sender {
	return sender{
		CreatedAt: timestamp(x.CreatedAt), DNSID: x.DomainID, Email: x.Email, EmailType: x.EmailType, Filename: x.Filename, ID: x.ID,
		IsDefaultSender: x.Default, Name: x.Name,
		Status: map[string]string{store.SenderActive: "Active", store.SenderInactive: "Inactive", store.SenderDeleted: "Deleted"}[x.Status],
	}
}

// listSenders lists the calling key's own senders.
func (a *api) listSenders(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID", "Email", "CreatedAt", "Name", "Status")
	if err != nil {
		return reply{}, err
	}
	f := store.SenderFilter{
		KeyID: c.who.KeyID, Email: q["email"], Domain: q["domain"], Local: q["localpart"], Status: strings.ToLower(q["status"]),
		Sort: l.sort,
	}
	if f.Sort == "" {
		f.Sort = "ID"
	}
	switch f.Status {
	case "", store.SenderActive, store.SenderInactive, store.SenderDeleted:
	default:
		return reply{}, badRequest(fmt.Sprintf("Status: %q is none of Active, Inactive and Deleted.", cut(q["status"])))
	}
	if f.DomainID, err = q.id("dnsid", "DnsID"); err != nil {
		return reply{}, err
	}
	if f.Whole, err = q.choice("isdomainsender", "IsDomainSender"); err != nil {
		return reply{}, err
	}
	if f.Deleted, err = q.flag("showdeleted", "ShowDeleted"); err != nil {
		return reply{}, err
	}
	return a.pageOfSenders(c, f, l, func(x store.Sender) any { return wireSender(x) })
}

func (a *api) pageOfSenders(c *call, f store.SenderFilter, l listing, wire func(store.Sender) any) (reply, error) {
	list, total, err := a.Senders.List(c.Context(), c.own(), f, l.Page)
	if err != nil {
		return reply{}, err
	}
	out := make([]any, 0, len(list))
	for _, x := range list {
		out = append(out, wire(x.Row))
	}
	if l.countOnly {
		return rows[any](nil, total), nil
	}
	return rows(out, total), nil
}

// senderNamed reads the sender that the path names by its ID or address. A deleted one is still there.
func (a *api) senderNamed(c *call) (store.Sender, error) {
	x, err := a.Senders.Named(c.Context(), c.own(), c.who.KeyID, c.PathValue("id"), true)
	return x.Row, err
}

func (a *api) getSender(c *call) (reply, error) {
	x, err := a.senderNamed(c)
	if err != nil {
		return reply{}, err
	}
	return one(wireSender(x)), nil
}

// itself names the calling key.
func (c *call) itself() store.KeyFilter { return store.KeyFilter{ID: c.who.KeyID} }

// createSender adds an address or a domain that the calling key wants to send from. A key's word is no proof: it is
// inactive until it is proved, and an address is mailed a link. One that was deleted is revived.
func (a *api) createSender(c *call) (reply, error) {
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	n, err := newSender(body)
	if err != nil {
		return reply{}, err
	}
	return a.propose(c, n)
}

func newSender(body object) (n senders.NewSender, err error) {
	for _, p := range []struct {
		name string
		into *string
	}{{"Email", &n.Email}, {"Name", &n.Name}, {"EmailType", &n.EmailType}} {
		if *p.into, _, err = body.firstText(p.name); err != nil {
			return n, err
		}
	}
	if n.Email == "" {
		return n, badRequest("Property Email: an address, or a domain as *@example.com, is needed.")
	}
	isDefault, err := body.flag("IsDefaultSender")
	n.Default = isDefault != nil && *isDefault
	return n, err
}

func (a *api) propose(c *call, n senders.NewSender) (reply, error) {
	x, err := a.Senders.ProposeSender(c.Context(), c.actor(), c.own(), c.itself(), n)
	if err != nil {
		return reply{}, known(err, x, "Sender")
	}
	r := one(wireSender(x))
	r.status = http.StatusCreated
	return r, nil
}

// known says of a sender that is there already what Mailjet says: clients look for these words.
func known(err error, x store.Sender, resource string) error {
	var e *change.Error
	switch {
	case !errors.As(err, &e) || e.Kind != change.Conflict || e.Field != "Email":
		return err
	case x.Status == store.SenderInactive:
		return badRequest(`There is an already existing inactive sender with the same email. You can use "validate" action in order to activate it.`)
	}
	return badRequest(fmt.Sprintf("MJ18 A %s resource with value %q for Email already exists.", resource, x.Email))
}

// changeSender changes a sender's name, type, and whether it is the default; its address is what it is. A deleted one is
// revived.
func (a *api) changeSender(c *call) (reply, error) {
	x, err := a.senderNamed(c)
	if err != nil {
		return reply{}, err
	}
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	if err := sameEmail(body, x); err != nil {
		return reply{}, err
	}
	var change senders.SenderChange
	if change.Name, err = body.text("Name"); err != nil {
		return reply{}, err
	}
	if change.EmailType, err = body.text("EmailType"); err != nil {
		return reply{}, err
	}
	if change.Default, err = body.flag("IsDefaultSender"); err != nil {
		return reply{}, err
	}
	if x.Status == store.SenderDeleted {
		n := senders.NewSender{Email: x.Email, Name: x.Name, EmailType: x.EmailType}
		if x, err = a.Senders.ProposeSender(c.Context(), c.actor(), c.own(), c.itself(), n); err != nil {
			return reply{}, known(err, x, "Sender")
		}
	}
	if x, err = a.Senders.ChangeSender(c.Context(), c.actor(), c.own(), x.ID, change); err != nil {
		return reply{}, err
	}
	return one(wireSender(x)), nil
}

// sameEmail lets a body repeat the address that it is about, and have no other.
func sameEmail(body object, x store.Sender) error {
	email, err := body.text("Email")
	if err != nil || email == nil {
		return err
	}
	if canonical, _, err := senders.Split(*email); err != nil || canonical != x.Email {
		return badRequest("Not allowed to change email address")
	}
	return nil
}

func (a *api) deleteSender(c *call) (reply, error) {
	x, err := a.senderNamed(c)
	if err == nil && x.Status == store.SenderDeleted {
		err = notFound()
	}
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, a.Senders.RemoveSender(c.Context(), c.actor(), c.own(), c.itself(), x.Email)
}

// validation is what came of an attempt to prove a sender.
type validation struct {
	Errors           map[string]string
	GlobalError      string
	ValidationMethod string
}

// validateSender tries to prove a sender, by its domain or by mailing a link. Also a failure is answered with 200.
func (a *api) validateSender(c *call) (reply, error) {
	x, err := a.senderNamed(c)
	switch {
	case err != nil:
		return reply{}, err
	case x.Status == store.SenderDeleted:
		return reply{}, notFound()
	case x.Status == store.SenderActive:
		return reply{}, badRequest(fmt.Sprintf("The sender %q is active already.", x.Email))
	}
	v, err := a.Domains.Validate(c.Context(), c.actor(), c.own(), x)
	if err != nil {
		return reply{}, err
	}
	out := validation{Errors: map[string]string{}, GlobalError: v.Problem, ValidationMethod: v.Method}
	if v.DNSError != "" {
		out.Errors["DNSValidationError"] = v.DNSError
	}
	if v.FileError != "" {
		out.Errors["FileValidationError"] = v.FileError
	}
	return one(out), nil
}
