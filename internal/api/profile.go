// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"postern/internal/access"
	"postern/internal/accounts"
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
		return store.User{ID: users[0].ID, Locale: "en_US", Timezone: "UTC"}, nil
	}
	return users[0], nil
}

// accountRoutes are the account's own description, its user and its totals. Both are one object, so SDKs put them with
// an ID and without.
func (a *api) accountRoutes() []route {
	const rest = "/v3/REST/"
	const read, manage = access.MayRead, access.MayManage
	return []route{
		{method: "GET", pattern: rest + "apikeytotals", handle: a.keyTotals, need: read},
		{method: "GET", pattern: rest + "user", handle: a.listUser},
		{method: "PUT", pattern: rest + "user", handle: a.changeUser, need: manage, master: true},
		{method: "GET", pattern: rest + "user/{id}", handle: a.getUser},
		{method: "PUT", pattern: rest + "user/{id}", handle: a.changeUser, need: manage, master: true},
		{method: "GET", pattern: rest + "myprofile", handle: a.listProfile},
		{method: "PUT", pattern: rest + "myprofile", handle: a.changeProfile, need: manage, master: true},
		{method: "GET", pattern: rest + "myprofile/{id}", handle: a.getProfile},
		{method: "PUT", pattern: rest + "myprofile/{id}", handle: a.changeProfile, need: manage, master: true},
	}
}

// wireUser is the account's owner on the wire.
func (a *api) wireUser(c *call, u store.User) (user, error) {
	out := user{
		ACL: u.ACL, CreatedAt: timestamp(u.CreatedAt), Email: u.Email, ID: u.ID, LastLoginAt: timestamp(u.LastSignInAt), Locale: u.Locale,
		MaxAllowedAPIKeys: 1, Timezone: u.Timezone, Username: u.Email,
	}
	if !c.who.Master {
		return out, nil
	}
	may, err := a.Accounts.Allowance(c.Context(), c.who.AccountID)
	if out.MaxAllowedAPIKeys = unlimitedKeys; may.Subaccounts > 0 {
		out.MaxAllowedAPIKeys = may.Subaccounts + 1
	}
	return out, err
}

// unlimitedKeys is told where no plan sets a limit.
const unlimitedKeys = 1_000_000

func (a *api) listUser(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID")
	if err != nil {
		return reply{}, err
	}
	activated, err := q.choice("isactivated", "IsActivated")
	if err != nil {
		return reply{}, err
	}
	u, err := a.person(c)
	if err != nil {
		return reply{}, err
	}
	// Who can be an account's user has signed in or was invited by mail: all are activated.
	if u.ID == 0 || differs(q.first("username", "email"), u.Email) || activated != nil && !*activated {
		return pageOf[user](l, nil), nil
	}
	out, err := a.wireUser(c, u)
	return pageOf(l, []user{out}), err
}

// userNamed reads the user, if the path names him by his ID or email address, or nobody.
func (a *api) userNamed(c *call) (store.User, error) {
	u, err := a.person(c)
	if err != nil {
		return u, err
	}
	id := c.PathValue("id")
	if u.ID == 0 || id != "" && id != strconv.FormatInt(u.ID, 10) && (u.Email == "" || !strings.EqualFold(id, u.Email)) {
		return u, notFound()
	}
	return u, nil
}

func (a *api) getUser(c *call) (reply, error) {
	u, err := a.userNamed(c)
	if err != nil {
		return reply{}, err
	}
	out, err := a.wireUser(c, u)
	return one(out), err
}

func (a *api) changeUser(c *call) (reply, error) {
	u, err := a.userNamed(c)
	if err != nil {
		return reply{}, err
	}
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	// What one signs in with is not changed by a program.
	for _, property := range []string{"Email", "Username"} {
		s, err := body.text(property)
		if err != nil {
			return reply{}, err
		}
		if s != nil && !strings.EqualFold(strings.TrimSpace(*s), u.Email) {
			return reply{}, badRequest("Property " + property +
				": it is what the user signs in with, and is not changed here: invite the new address as an owner, and remove the old one.")
		}
	}
	var change accounts.UserChange
	for _, p := range []struct {
		name string
		into **string
	}{{"Locale", &change.Locale}, {"Timezone", &change.Timezone}, {"ACL", &change.ACL}} {
		if *p.into, err = body.text(p.name); err != nil {
			return reply{}, err
		}
	}
	if u, err = a.Accounts.ChangeUser(c.Context(), c.actor(), c.who.AccountID, u.ID, change); err != nil {
		return reply{}, err
	}
	out, err := a.wireUser(c, u)
	return one(out), err
}

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
	EstimatedVolume       int64
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

// wireProfile is the profile on the wire. A subaccount may be somebody else's: it learns the IDs alone. Until another
// is given, the account's and its owner's names stand in it.
func (a *api) wireProfile(c *call, p store.Profile) (profile, error) {
	u, err := a.person(c)
	if err != nil {
		return profile{}, err
	}
	out := profile{ID: c.who.AccountID, UserID: u.ID}
	if !c.who.Master {
		return out, nil
	}
	of, err := a.Store.Account(c.Context(), c.who.AccountID)
	if err != nil {
		return out, err
	}
	out = profile{
		AddressCity: p.City, AddressCountry: p.Country, AddressPostalCode: p.PostalCode, AddressState: p.State, AddressStreet: p.Street,
		BillingEmail: p.BillingEmail, BirthdayAt: timestamp(p.BirthdayAt), CompanyName: cmp.Or(p.Company, of.Name),
		CompanyNumOfEmployees: p.Employees, ContactPhone: p.Phone, EstimatedVolume: p.EstimatedVolume,
		Features: p.Features, Firstname: cmp.Or(p.FirstName, u.Name), ID: of.ID,
		Industry: p.Industry, JobTitle: p.JobTitle, Lastname: p.LastName, UserID: u.ID, VATNumber: p.VATNumber, Website: p.Website,
	}
	return out, nil
}

func (a *api) readProfile(c *call) (profile, error) {
	p, err := a.Store.Profile(c.Context(), c.who.AccountID)
	if err != nil {
		return profile{}, err
	}
	return a.wireProfile(c, p)
}

func (a *api) listProfile(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID")
	if err != nil {
		return reply{}, err
	}
	p, err := a.readProfile(c)
	if err != nil {
		return reply{}, err
	}
	if differs(q.first("user", "userid"), strconv.FormatInt(p.UserID, 10)) {
		return pageOf[profile](l, nil), nil
	}
	return pageOf(l, []profile{p}), nil
}

// ownProfile says no when the path names another profile than the account's.
func (c *call) ownProfile() error {
	if id := c.PathValue("id"); id != "" && id != strconv.FormatInt(c.who.AccountID, 10) {
		return notFound()
	}
	return nil
}

func (a *api) getProfile(c *call) (reply, error) {
	if err := c.ownProfile(); err != nil {
		return reply{}, err
	}
	p, err := a.readProfile(c)
	return one(p), err
}

func (a *api) changeProfile(c *call) (reply, error) {
	if err := c.ownProfile(); err != nil {
		return reply{}, err
	}
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	change := accounts.ProfileChange{Texts: map[string]string{}}
	for _, property := range accounts.ProfileTexts() {
		s, err := body.textOrNumber(property)
		if err != nil {
			return reply{}, err
		}
		if s != nil {
			change.Texts[property] = *s
		}
	}
	if change.EstimatedVolume, err = body.whole("EstimatedVolume"); err != nil {
		return reply{}, err
	}
	if change.BirthdayAt, err = body.date("BirthdayAt"); err != nil {
		return reply{}, err
	}
	p, err := a.Accounts.ChangeProfile(c.Context(), c.actor(), c.who.AccountID, change)
	if err != nil {
		return reply{}, err
	}
	out, err := a.wireProfile(c, p)
	return one(out), err
}

// totals are the counters of a key since its creation.
type totals struct {
	BlockedCount        int64
	BouncedCount        int64
	ClickedCount        int64
	DeferredCount       int64
	DeliveredCount      int64
	HardBouncedCount    int64
	LastActivity        int64 // Unix seconds; 0: nothing yet
	OpenedCount         int64
	PreQueuedCount      int64
	ProcessedCount      int64
	QueuedCount         int64
	SoftBouncedCount    int64
	SpamcomplaintCount  int64
	UnsubscribedCount   int64
	WorkFlowExitedCount int64
}

// keyTotals answers for the calling key: a master key's own too, not its account's.
func (a *api) keyTotals(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID")
	if err != nil {
		return reply{}, err
	}
	n, last, err := a.Report.Lifetime(c.Context(), c.own())
	if err != nil {
		return reply{}, err
	}
	out := totals{
		BlockedCount: n.Blocked, BouncedCount: n.Hard + n.Soft, ClickedCount: n.Clicked, DeferredCount: n.Deferred, DeliveredCount: n.Sent,
		HardBouncedCount: n.Hard, OpenedCount: n.Opened, ProcessedCount: n.Total, QueuedCount: n.Queued(), SoftBouncedCount: n.Soft,
		SpamcomplaintCount: n.Spam, UnsubscribedCount: n.Unsub,
	}
	if !last.IsZero() {
		out.LastActivity = last.Unix()
	}
	return pageOf(l, []totals{out}), nil
}
