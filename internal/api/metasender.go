// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"strconv"
	"strings"

	"postern/internal/senders"
	"postern/internal/store"
)

// metasender is a sender of the master key that all keys of the account may send from while it is enabled.
type metasender struct {
	CreatedAt   string
	Description string
	Email       string
	Filename    string
	ID          int64
	IsEnabled   bool
}

func wireMetasender(x store.Sender) metasender {
	return metasender{
		CreatedAt: timestamp(x.CreatedAt), Description: x.Description, Email: x.Email, Filename: x.Filename, ID: x.ID, IsEnabled: x.Lent,
	}
}

func (a *api) listMetasenders(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID", "Email", "CreatedAt")
	if err != nil {
		return reply{}, err
	}
	f := store.SenderFilter{KeyID: c.who.KeyID, Meta: true, Email: q["email"], Sort: l.sort}
	if f.Sort == "" {
		f.Sort = "ID"
	}
	if dns := strings.ToLower(q.first("dns", "dnsid")); dns != "" {
		if f.DomainID, err = strconv.ParseInt(dns, 10, 64); err != nil {
			f.Domain = dns
		}
	}
	if user := q.first("user", "userid", "useralt"); user != "" {
		u, err := a.person(c)
		if err != nil {
			return reply{}, err
		}
		if user != strconv.FormatInt(u.ID, 10) && !strings.EqualFold(user, u.Email) { // all metasenders are the owner's
			return rows[metasender](nil, 0), nil
		}
	}
	return a.pageOfSenders(c, f, l, func(x store.Sender) any { return wireMetasender(x) })
}

// metasenderNamed reads the metasender that the path names by its ID or address.
func (a *api) metasenderNamed(c *call) (store.Sender, error) {
	x, err := a.senderNamed(c)
	if err == nil && (!x.Meta || x.Status == store.SenderDeleted) {
		err = notFound()
	}
	return x, err
}

func (a *api) getMetasender(c *call) (reply, error) {
	x, err := a.metasenderNamed(c)
	if err != nil {
		return reply{}, err
	}
	return one(wireMetasender(x)), nil
}

// createMetasender lends a sender to all keys of the account. One that the master key does not have yet is added to it,
// and is lent once it is proved.
func (a *api) createMetasender(c *call) (reply, error) {
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	n, err := newSender(body)
	if err != nil {
		return reply{}, err
	}
	enabled, err := body.flag("IsEnabled")
	if err != nil {
		return reply{}, err
	}
	if n.Description, _, err = body.firstText("Description"); err != nil {
		return reply{}, err
	}
	n.Meta, n.Lent = true, enabled == nil || *enabled
	x, err := a.Senders.ProposeSender(c.Context(), c.actor(), c.own(), c.itself(), n)
	if err != nil {
		if x.Meta {
			x.Status = store.SenderActive // whatever it is as a sender, as a metasender it is there
		}
		return reply{}, known(err, x, "Metasender")
	}
	r := one(wireMetasender(x))
	r.status = http.StatusCreated
	return r, nil
}

func (a *api) changeMetasender(c *call) (reply, error) {
	x, err := a.metasenderNamed(c)
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
	if change.Lent, err = body.flag("IsEnabled"); err != nil {
		return reply{}, err
	}
	if change.Description, err = body.text("Description"); err != nil {
		return reply{}, err
	}
	if x, err = a.Senders.ChangeSender(c.Context(), c.actor(), c.own(), x.ID, change); err != nil {
		return reply{}, err
	}
	return one(wireMetasender(x)), nil
}
