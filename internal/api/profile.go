// SPDX-License-Identifier: Apache-2.0

package api

import (
	"slices"
	"strconv"
	"strings"

	"postern/internal/store"
)

// pageOf cuts a page out of a list that is in memory.
func pageOf[T any](l listing, all []T) reply {
	total := len(all)
	if l.Desc {
		all = slices.Clone(all)
		slices.Reverse(all)
	}
	if l.countOnly {
		return rows[T](nil, total)
	}
	all = all[min(l.Offset, total):]
	return rows(all[:min(l.Limit, len(all))], total)
}

// emptyList answers for the resources of marketing, whatever the filters.
func (a *api) emptyList(*call) (reply, error) { return rows[struct{}](nil, 0), nil }

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

func (a *api) getSender(c *call) (reply, error) {
	all, err := a.senders(c)
	if err != nil {
		return reply{}, err
	}
	id := c.PathValue("id")
	for _, x := range all {
		if strconv.FormatInt(x.ID, 10) == id || strings.EqualFold(x.Email, id) {
			return one(x), nil
		}
	}
	return reply{}, notFound()
}

// user is the person behind the account.
type user struct {
	ACL               string
	CreatedAt         string
	Email             string
	FirstIp           string //nolint:revive,staticcheck // the wire's spelling
	ID                int64
	LastIp            string //nolint:revive,staticcheck // the wire's spelling
	LastLoginAt       string
	Locale            string
	MaxAllowedAPIKeys int
	Timezone          string
	Username          string
	WarnedRatelimitAt string
}

// person is the account's owner as the calling key may see him. A subaccount may be somebody else's: it learns the
// number that its apikey shows, and nothing else.
func (a *api) person(c *call) (store.User, error) {
	users, err := a.Store.Users(c.Context(), c.who.AccountID)
	if err != nil || len(users) == 0 {
		return store.User{}, err
	}
	if !c.who.Master {
		return store.User{ID: users[0].ID}, nil
	}
	return users[0], nil
}

func (a *api) getUser(c *call) (reply, error) {
	u, err := a.person(c)
	if err != nil {
		return reply{}, err
	}
	return one(user{
		CreatedAt: timestamp(u.CreatedAt), Email: u.Email, ID: u.ID, LastLoginAt: timestamp(u.LastSignInAt), Locale: "en_US",
		MaxAllowedAPIKeys: maxAllowedKeys, Timezone: "UTC", Username: u.Email,
	}), nil
}

// maxAllowedKeys is told where no plan sets a limit.
const maxAllowedKeys = 1_000_000

// profile is the account's own description.
type profile struct {
	AddressCity           string
	AddressCountry        string
	AddressPostalCode     string
	AddressState          string
	AddressStreet         string
	BillingEmail          string
	BirthdayAt            string
	CompanyName           string
	CompanyNumOfEmployees string
	ContactPhone          string
	EstimatedVolume       int
	Features              string
	Firstname             string
	ID                    int64
	Industry              string
	JobTitle              string
	Lastname              string
	UserID                int64
	VAT                   float64
	VATNumber             string
	Website               string
}

func (a *api) getProfile(c *call) (reply, error) {
	u, err := a.person(c)
	if err != nil {
		return reply{}, err
	}
	out := profile{ID: c.who.AccountID, UserID: u.ID, Firstname: u.Name}
	if c.who.Master {
		account, err := a.Store.Account(c.Context(), c.who.AccountID)
		if err != nil {
			return reply{}, err
		}
		out.CompanyName = account.Name
	}
	return one(out), nil
}
