// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/people"
	"postern/internal/store"
)

// access is a user's access to a key, or to the whole account, on the wire.
type grant struct {
	APIKeyALT      string
	APIKeyID       int64 // 0: the whole account
	AllowedAccess  string
	CreatedAt      string
	CustomName     string
	ID             int64
	InvitationID   int64 `json:",omitempty"` // who is no user yet was invited: there is no access before he accepts
	IsActive       bool
	IsWholeAccount bool
	LastActivityAt string
	RealUserALT    string
	RealUserID     int64
	Role           string
	UserALT        string
	UserID         int64
}

func wireAccess(x store.Access) grant {
	return grant{
		APIKeyALT: x.APIKey, APIKeyID: x.KeyID, AllowedAccess: x.Role, CreatedAt: timestamp(x.CreatedAt), CustomName: x.KeyName, ID: x.ID,
		IsActive: true, IsWholeAccount: x.KeyID == 0, LastActivityAt: timestamp(x.LastSignInAt), RealUserALT: x.Email, RealUserID: x.UserID,
		Role: x.Role, UserALT: x.Email, UserID: x.UserID,
	}
}

func (a *api) listAccesses(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID", "UserALT", "CreatedAt")
	if err != nil {
		return reply{}, err
	}
	f, none, err := a.accessFilter(c, q)
	if err != nil {
		return reply{}, err
	}
	var list []store.Access
	if !none {
		if list, err = a.Store.Accesses(c.Context(), c.managed(), f); err != nil {
			return reply{}, err
		}
	}
	var out []grant
	for _, x := range list {
		if differs(q["role"], x.Role) {
			continue
		}
		out = append(out, wireAccess(x))
	}
	slices.SortFunc(out, func(x, y grant) int {
		switch l.sort {
		case "UserALT":
			return cmp.Or(strings.Compare(x.UserALT, y.UserALT), cmp.Compare(x.ID, y.ID))
		case "CreatedAt":
			return cmp.Or(strings.Compare(x.CreatedAt, y.CreatedAt), cmp.Compare(x.ID, y.ID))
		}
		return cmp.Compare(x.ID, y.ID)
	})
	return pageOf(l, out), nil
}

// accessFilter reads the filters of a listing of accesses. none: they name a key that there is not.
func (a *api) accessFilter(c *call, q query) (f store.AccessFilter, none bool, err error) {
	if f.ID, err = q.id("id", "ID"); err != nil {
		return f, false, err
	}
	if role := q["role"]; role != "" && !access.IsRole(strings.ToLower(role)) {
		return f, false, badRequest(fmt.Sprintf("Role: %q is not a role: there are %s.", cut(role), strings.Join(access.Roles(), ", ")))
	}
	switch user, property := q.firstNamed("Email", "UserALT", "User", "UserID", "RealUser"); {
	case strings.Contains(user, "@"):
		f.Email = mail.Canonical(user)
	case user != "":
		if f.UserID, err = strconv.ParseInt(user, 10, 64); err != nil || f.UserID <= 0 {
			return f, false, badRequest(fmt.Sprintf("%s: %q is neither an ID nor an email address.", property, cut(user)))
		}
	}
	// An access that is taken away is gone.
	if active, err := q.choice("isactive", "IsActive"); err != nil || active != nil && !*active {
		return f, true, err
	}
	name := q.first("apikey", "apikeyalt", "apikeyid", "subaccount", "subaccountid")
	if name == "" {
		return f, false, nil
	}
	kf, err := keyCalled(name)
	if err == nil {
		var k store.Key
		k, err = a.Store.Key(c.Context(), c.managed(), kf)
		f.KeyID = k.ID
	}
	if err != nil && faultOf(err).status == http.StatusNotFound {
		return f, true, nil
	}
	return f, false, err
}

// accessOfPath reads the access that the path names.
func (a *api) accessOfPath(c *call) (store.Access, error) {
	id, err := c.pathID()
	if err != nil {
		return store.Access{}, err
	}
	list, err := a.Store.Accesses(c.Context(), c.managed(), store.AccessFilter{ID: id})
	if err != nil {
		return store.Access{}, err
	}
	if len(list) != 1 {
		return store.Access{}, notFound()
	}
	return list[0], nil
}

func (a *api) getAccess(c *call) (reply, error) {
	x, err := a.accessOfPath(c)
	if err != nil {
		return reply{}, err
	}
	return one(wireAccess(x)), nil
}

// role reads Role, or AllowedAccess, Mailjet's name for it; "" when neither is given.
func (o object) role() (string, error) {
	role, property, err := o.firstText("Role", "AllowedAccess")
	if err != nil || role == "" {
		return "", err
	}
	if role = strings.ToLower(strings.TrimSpace(role)); !access.IsRole(role) {
		return "", badRequest(fmt.Sprintf("Property %s: %q is not a role: there are %s.", property, cut(role),
			strings.Join(access.Roles(), ", ")))
	}
	return role, nil
}

// createAccess shares a key, or the whole account, with somebody.
func (a *api) createAccess(c *call) (reply, error) {
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	s := people.Share{Role: access.Sender}
	role, err := body.role()
	if err != nil {
		return reply{}, err
	}
	if role != "" {
		s.Role = role
	}
	if s.Email, err = a.shareWith(c, body); err != nil {
		return reply{}, err
	}
	k, err := a.keyToShare(c, body)
	if err != nil {
		return reply{}, err
	}
	if k.ID != 0 {
		s.KeyIDs = []int64{k.ID}
	}
	given, invited, err := a.People.Give(c.Context(), c.actor(), c.who.AccountID, s)
	if mistake, ok := errors.AsType[*change.Error](err); ok && mistake.Field == "Keys" {
		mistake.Field = "APIKeyID" // as it is called here
	}
	if err != nil {
		return reply{}, err
	}
	out := grant{
		APIKeyALT: k.APIKey, APIKeyID: k.ID, AllowedAccess: s.Role, CustomName: k.Name, IsWholeAccount: k.ID == 0, Role: s.Role,
		RealUserALT: mail.Canonical(s.Email), UserALT: mail.Canonical(s.Email),
	}
	if invited != nil {
		out.CreatedAt, out.InvitationID = timestamp(invited.CreatedAt), invited.ID
	}
	for _, x := range given {
		if x.KeyID == k.ID {
			out = wireAccess(x)
		}
	}
	r := one(out)
	r.status = http.StatusCreated
	return r, nil
}

// shareWith reads whom to share with: an email address, or the ID of a user who has access to the account already.
func (a *api) shareWith(c *call, body object) (string, error) {
	email, property, err := body.firstText("UserALT", "Email", "User", "RealUserALT")
	if err != nil {
		return "", err
	}
	if email = strings.TrimSpace(email); email != "" {
		if err := mail.CheckEmail(email); err != nil {
			return "", badRequest(fmt.Sprintf("Property %s: %v.", property, err))
		}
		return email, nil
	}
	id, err := body.id("UserID")
	if err != nil {
		return "", err
	}
	if id == 0 {
		return "", badRequest("Property UserALT: the email address of who is to get access is needed.")
	}
	list, err := a.Store.Accesses(c.Context(), c.managed(), store.AccessFilter{UserID: id})
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", badRequest(fmt.Sprintf("Property UserID: %d has no access to this account yet: name the email address as UserALT.", id))
	}
	return list[0].Email, nil
}

// keyToShare reads which key to share; none, for the whole account, must be said.
func (a *api) keyToShare(c *call, body object) (store.Key, error) {
	whole, err := body.flag("IsWholeAccount")
	if err != nil {
		return store.Key{}, err
	}
	id, err := body.id("APIKeyID")
	if err != nil {
		return store.Key{}, err
	}
	name, property, err := body.firstText("APIKeyALT", "APIKey")
	if err != nil {
		return store.Key{}, err
	}
	f := store.KeyFilter{ID: id}
	switch named, all := id != 0 || name != "", whole != nil && *whole; {
	case named && all:
		return store.Key{}, badRequest("Property IsWholeAccount: give it, or a key, but not both.")
	case all:
		return store.Key{}, nil
	case !named:
		return store.Key{}, badRequest("Property APIKeyID: the key to share is needed (or APIKeyALT); IsWholeAccount shares the " +
			"account with all its keys.")
	case id != 0:
		property = "APIKeyID"
	default:
		f, err = keyCalled(name)
	}
	var k store.Key
	if err == nil {
		k, err = a.Store.Key(c.Context(), c.managed(), f)
	}
	if err != nil && faultOf(err).status == http.StatusNotFound {
		return k, badRequest("Property " + property + ": the account has no such key.")
	}
	return k, err
}

// changeAccess changes a role, or with IsActive false takes the access away.
func (a *api) changeAccess(c *call) (reply, error) {
	x, err := a.accessOfPath(c)
	if err != nil {
		return reply{}, err
	}
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	role, err := body.role()
	if err != nil {
		return reply{}, err
	}
	active, err := body.flag("IsActive")
	if err != nil {
		return reply{}, err
	}
	if active != nil && !*active {
		if err := a.People.RemoveAccess(c.Context(), c.actor(), c.who.AccountID, x.ID); err != nil {
			return reply{}, err
		}
		out := wireAccess(x)
		out.IsActive = false
		return one(out), nil
	}
	if role != "" {
		if x, err = a.People.ChangeAccess(c.Context(), c.actor(), c.who.AccountID, x.ID, role); err != nil {
			return reply{}, err
		}
	}
	return one(wireAccess(x)), nil
}

func (a *api) deleteAccess(c *call) (reply, error) {
	x, err := a.accessOfPath(c)
	if err != nil {
		return reply{}, err
	}
	err = a.People.RemoveAccess(c.Context(), c.actor(), c.who.AccountID, x.ID)
	var e *change.Error
	if errors.As(err, &e) && e.Kind == change.NotFound {
		err = notFound() // somebody was first
	}
	return reply{status: http.StatusNoContent}, err
}

// differs says whether a filter is given and another than what is there.
func differs(filter, is string) bool { return filter != "" && !strings.EqualFold(filter, is) }
