// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"postern/internal/keyring"
	"postern/internal/store"
)

// sender is a sender on the wire.
type sender struct {
	CreatedAt       string
	Email           string
	EmailType       string
	Filename        string
	ID              int64
	IsDefaultSender bool
	Name            string
	Status          string
}

func wireSender(x store.Sender) sender {
	status := "Active"
	if x.Status != store.SenderActive {
		status = "Inactive"
	}
	return sender{CreatedAt: timestamp(x.CreatedAt), Email: x.Email, EmailType: "unknown", ID: x.ID, Name: x.Name, Status: status}
}

// senders lists the calling key's own senders by ID.
func (a *api) senders(c *call) ([]sender, error) {
	list, err := a.Store.Senders(c.Context(), c.own())
	if err != nil {
		return nil, err
	}
	out := make([]sender, 0, len(list))
	for _, x := range list {
		out = append(out, wireSender(x))
	}
	slices.SortFunc(out, func(x, y sender) int { return int(x.ID - y.ID) })
	return out, nil
}

func (a *api) listSenders(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID")
	if err != nil {
		return reply{}, err
	}
	all, err := a.senders(c)
	if err != nil {
		return reply{}, err
	}
	all = slices.DeleteFunc(all, func(x sender) bool {
		_, domain, _ := strings.Cut(x.Email, "@")
		return differs(q["email"], x.Email) || differs(q["domain"], domain) || differs(q["status"], x.Status)
	})
	return pageOf(l, all), nil
}

// differs says whether a filter is given and another than what is there.
func differs(filter, is string) bool { return filter != "" && !strings.EqualFold(filter, is) }

// senderNamed reads the sender that the path names by its ID or address.
func (a *api) senderNamed(c *call) (sender, error) {
	all, err := a.senders(c)
	if err != nil {
		return sender{}, err
	}
	id := c.PathValue("id")
	for _, x := range all {
		if strconv.FormatInt(x.ID, 10) == id || strings.EqualFold(x.Email, id) {
			return x, nil
		}
	}
	return sender{}, notFound()
}

func (a *api) getSender(c *call) (reply, error) {
	x, err := a.senderNamed(c)
	if err != nil {
		return reply{}, err
	}
	return one(x), nil
}

// itself names the calling key.
func (c *call) itself() store.KeyFilter { return store.KeyFilter{ID: c.who.KeyID} }

// createSender lets the calling key send from an address or a domain, by its owner's word. One that was deleted is
// revived.
func (a *api) createSender(c *call) (reply, error) {
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	email, _, err := body.firstText("Email")
	if err != nil {
		return reply{}, err
	}
	if email == "" {
		return reply{}, badRequest("Property Email: an address, or a domain as *@example.com, is needed.")
	}
	name, _, err := body.firstText("Name")
	if err != nil {
		return reply{}, err
	}
	all, err := a.senders(c)
	if err != nil {
		return reply{}, err
	}
	if canonical, _, err := keyring.SplitSender(email); err == nil && slices.ContainsFunc(all, func(x sender) bool { return x.Email == canonical }) {
		return reply{}, badRequest(fmt.Sprintf("Property Email: %s is a sender of this API key already.", canonical))
	}
	x, err := a.Keyring.AddSender(c.Context(), c.actor(), c.own(), c.itself(), email, name)
	if err != nil {
		return reply{}, err
	}
	r := one(wireSender(x))
	r.status = http.StatusCreated
	return r, nil
}

// changeSender changes a sender's name; its address is what it is.
func (a *api) changeSender(c *call) (reply, error) {
	x, err := a.senderNamed(c)
	if err != nil {
		return reply{}, err
	}
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	name, err := body.text("Name")
	if err != nil {
		return reply{}, err
	}
	if name == nil || *name == x.Name {
		return one(x), nil
	}
	changed, err := a.Keyring.RenameSender(c.Context(), c.actor(), c.own(), c.itself(), x.ID, *name)
	if err != nil {
		return reply{}, err
	}
	return one(wireSender(changed)), nil
}

func (a *api) deleteSender(c *call) (reply, error) {
	x, err := a.senderNamed(c)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, a.Keyring.RemoveSender(c.Context(), c.actor(), c.own(), c.itself(), x.Email)
}
