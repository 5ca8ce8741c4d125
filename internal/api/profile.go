// SPDX-License-Identifier: Apache-2.0

package api

import (
	"slices"

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
	MaxAllowedAPIKeys int64 // the plan's subaccounts and the master key; of a subaccount, itself
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
	out := user{
		CreatedAt: timestamp(u.CreatedAt), Email: u.Email, ID: u.ID, LastLoginAt: timestamp(u.LastSignInAt), Locale: "en_US",
		MaxAllowedAPIKeys: 1, Timezone: "UTC", Username: u.Email,
	}
	if c.who.Master {
		may, err := a.Keyring.Allowance(c.Context(), c.who.AccountID)
		if err != nil {
			return reply{}, err
		}
		if out.MaxAllowedAPIKeys = unlimitedKeys; may.Subaccounts > 0 {
			out.MaxAllowedAPIKeys = may.Subaccounts + 1
		}
	}
	return one(out), nil
}

// unlimitedKeys is told where no plan sets a limit.
const unlimitedKeys = 1_000_000

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
