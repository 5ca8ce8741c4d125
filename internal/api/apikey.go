// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"postern/internal/access"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/store"
)

// apiKey is a key on the wire, its properties in alphabetical order.
type apiKey struct {
	ACL             string
	APIKey          string
	AllowedSenders  []string // none: all of the key's senders
	CreatedAt       string
	DayLimit        int64 // messages; 0: no limit
	HourLimit       int64
	ID              int64
	IsActive        bool
	IsMaster        bool
	LastUsedAt      string
	MonthLimit      int64
	Name            string
	Networks        []string // none: all
	OverHourWaits   bool
	Permissions     []string
	QuarantineValue int
	Reference       string
	RegionID        int
	Restricted      []string `json:"RestrictedByOperator,omitempty"` // properties that only the operator loosens
	Runlevel        string
	SecretKey       string // in the answer that made it, "" in all others (promise 1)
	Secrets         []liveSecret
	Skipspamd       int
	TrackHost       string
	UserID          int64
}

// liveSecret is what can be told of a secret.
type liveSecret struct {
	CreatedAt  string
	DaysLeft   int // until it is due by the account's policy; negative when that is past
	ExpiresAt  string
	Hint       string
	ID         int64
	IsDue      bool
	IsOverdue  bool
	LastUsedAt string
}

// userOf reads the user whom the account's keys belong to, 0 when it has none.
func (a *api) userOf(c *call) (int64, error) {
	users, err := a.Store.Users(c.Context(), c.who.AccountID)
	if err != nil || len(users) == 0 {
		return 0, err
	}
	return users[0].ID, nil
}

func wireKey(x keys.Key, userID int64) apiKey {
	k := x.Record
	out := apiKey{
		ACL: k.ACL, APIKey: k.APIKey, AllowedSenders: append([]string{}, mail.SplitList(k.AllowedSenders)...),
		CreatedAt: timestamp(k.CreatedAt),
		DayLimit:  k.DayLimit, HourLimit: k.HourLimit, ID: k.ID, IsActive: k.State == store.KeyActive, IsMaster: k.Master,
		LastUsedAt: timestamp(x.LastUsedAt),
		MonthLimit: k.MonthLimit, Name: k.Name, Networks: listed(k.Networks), OverHourWaits: k.OverHourWaits,
		Permissions: strings.Split(access.Permission(k.Permissions).String(), ","), Reference: k.Reference,
		Restricted: keys.Restricting(k.Bound), Runlevel: "Normal", TrackHost: k.TrackHost,
		Secrets: []liveSecret{}, UserID: userID,
	}
	switch {
	case !k.DeletedAt.IsZero():
		out.Runlevel = "Deleted"
	case k.State == store.KeySuspended:
		out.Runlevel = "Hardlock"
	}
	for _, s := range x.Secrets {
		out.Secrets = append(out.Secrets, liveSecret{
			CreatedAt: timestamp(s.CreatedAt), DaysLeft: s.DaysLeft, ExpiresAt: timestamp(s.ExpiresAt), Hint: s.Hint, ID: s.ID,
			IsDue: s.Due, IsOverdue: s.Overdue, LastUsedAt: timestamp(s.LastUsedAt),
		})
	}
	return out
}

// listed is a stored list, with a space between, on the wire.
func listed(s string) []string { return append([]string{}, strings.Fields(s)...) }

// oneKey answers a single key.
func (a *api) oneKey(c *call, status int, k store.Key, secret string) (reply, error) {
	x, err := a.Keys.Show(c.Context(), k)
	if err != nil {
		return reply{}, err
	}
	user, err := a.userOf(c)
	if err != nil {
		return reply{}, err
	}
	out := wireKey(x, user)
	out.SecretKey = secret
	r := one(out)
	r.status = status
	return r, nil
}

// keyFilter reads the filters of a listing of keys. none: they name keys that there are not.
func (a *api) keyFilter(c *call, q query) (f store.KeyFilter, none bool, err error) {
	if f, err = q.keyFilter(); err != nil {
		return f, false, err
	}
	switch kind := strings.ToLower(q["keytype"]); kind {
	case "":
	case "master", "sub":
		is := kind == "master"
		none = f.Master != nil && *f.Master != is
		f.Master = &is
	default:
		return f, false, badRequest(fmt.Sprintf("KeyType: %q is neither Master nor Sub.", cut(q["keytype"])))
	}
	switch level := strings.ToLower(q["customstatus"]); level {
	case "":
	case "normal":
		f.NotSuspended = true
	case "softlock":
		none = true // nothing here is half locked
	case "hardlock":
		none = none || f.State != "" && f.State != store.KeySuspended
		f.State = store.KeySuspended
	case "deleted":
		f.Deleted = true
	default:
		return f, false, badRequest(fmt.Sprintf("CustomStatus: %q is none of Normal, Softlock, Hardlock and Deleted.",
			cut(q["customstatus"])))
	}
	if user := q.first("user", "userid", "useralt"); user != "" {
		u, err := a.person(c)
		if err != nil {
			return f, false, err
		}
		// All of an account's keys belong to its owner.
		none = none || user != strconv.FormatInt(u.ID, 10) && (u.Email == "" || !strings.EqualFold(user, u.Email))
	}
	return f, none, nil
}

// keyFilter reads the filters that concern the keys alone.
func (q query) keyFilter() (store.KeyFilter, error) {
	f := store.KeyFilter{APIKey: strings.ToLower(q["apikey"]), Name: q["name"], Reference: q["reference"], Search: q["search"]}
	var err error
	if f.Active, err = q.choice("isactive", "IsActive"); err != nil {
		return f, err
	}
	if f.Master, err = q.choice("ismaster", "IsMaster"); err != nil {
		return f, err
	}
	if f.ID, err = q.id("id", "ID"); err != nil {
		return f, err
	}
	switch state := strings.ToLower(q["state"]); state {
	case "", store.KeyActive, store.KeyDeactivated, store.KeySuspended:
		f.State = state
	case "deleted":
		f.Deleted = true
	default:
		return f, badRequest(fmt.Sprintf("State: %q is none of active, deactivated, suspended and deleted.", cut(q["state"])))
	}
	return f, nil
}

func (a *api) listKeys(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID", "Name", "CreatedAt", "IsMaster", "IsActive", "Reference", "LastUsed", "LastUsedAt")
	if err != nil {
		return reply{}, err
	}
	f, none, err := a.keyFilter(c, q)
	if err != nil || none {
		return rows[apiKey](nil, 0), err
	}
	if f.Sort = l.sort; f.Sort == "LastUsedAt" {
		f.Sort = "LastUsed"
	}
	list, total, err := a.Keys.Keys(c.Context(), c.managed(), f, l.Page)
	if err != nil {
		return reply{}, err
	}
	if l.countOnly {
		return rows[apiKey](nil, total), nil
	}
	user, err := a.userOf(c)
	if err != nil {
		return reply{}, err
	}
	var out []apiKey
	for _, k := range list {
		out = append(out, wireKey(k, user))
	}
	return rows(out, total), nil
}

// keyNamed reads the path's ID, API key or reference.
func keyNamed(c *call) (store.KeyFilter, error) { return keyCalled(c.PathValue("id")) }

func keyCalled(s string) (store.KeyFilter, error) {
	f, err := keys.Named(s)
	if err != nil {
		return f, notFound()
	}
	return f, nil
}

// isOthers says whether a filter names another key than the calling one. By a reference it cannot be told: then the
// caller's scope decides.
func (c *call) isOthers(f store.KeyFilter) bool {
	return f.ID != 0 && f.ID != c.who.KeyID || f.APIKey != "" && f.APIKey != c.who.APIKey
}

// keyToChange is the key that the path names, unless it is another's that the caller may not touch.
func (c *call) keyToChange() (store.KeyFilter, error) {
	f, err := keyNamed(c)
	if err != nil {
		return f, err
	}
	if !c.who.Master && c.isOthers(f) {
		return f, notAllowed("Other keys are changed by the master key of the account.")
	}
	return f, nil
}

func (a *api) getKey(c *call) (reply, error) {
	f, err := keyNamed(c)
	if err != nil {
		return reply{}, err
	}
	k, err := a.Keys.Key(c.Context(), c.managed(), f)
	if err != nil {
		return reply{}, err
	}
	return a.oneKey(c, http.StatusOK, k.Record, "")
}

// keyChange reads the properties of a key that can be given; others are ignored.
func (c *call) keyChange() (keys.KeyChange, error) {
	var change keys.KeyChange
	body, err := c.object(maxResource)
	if err != nil {
		return change, err
	}
	for _, p := range []struct {
		name string
		into **string
		read func(string) (*string, error)
	}{
		{"Name", &change.Name, body.text},
		{"ACL", &change.ACL, body.text},
		{"Reference", &change.Reference, body.text},
		{"TrackHost", &change.TrackHost, body.text},
		{"Networks", &change.Networks, body.joined},
		{"AllowedSenders", &change.AllowedSenders, body.joined},
	} {
		if *p.into, err = p.read(p.name); err != nil {
			return change, err
		}
	}
	for _, p := range []struct {
		name string
		into **bool
	}{{"IsActive", &change.Active}, {"OverHourWaits", &change.OverHourWaits}} {
		if *p.into, err = body.flag(p.name); err != nil {
			return change, err
		}
	}
	for _, p := range []struct {
		name string
		into **int64
	}{{"HourLimit", &change.HourLimit}, {"DayLimit", &change.DayLimit}, {"MonthLimit", &change.MonthLimit}} {
		if *p.into, err = body.whole(p.name); err != nil {
			return change, err
		}
	}
	confirm, err := body.flag("Confirm")
	if err != nil {
		return change, err
	}
	change.Confirm = confirm != nil && *confirm
	names, err := body.list("Permissions")
	if err != nil || names == nil {
		return change, err
	}
	may, err := access.ParsePermissions(names)
	if err != nil {
		return change, badRequest("Property Permissions: " + err.Error())
	}
	change.Permissions = &may
	return change, nil
}

func (a *api) createKey(c *call) (reply, error) {
	change, err := c.keyChange()
	if err != nil {
		return reply{}, err
	}
	if change.Name == nil {
		return reply{}, &fault{status: http.StatusBadRequest, info: "Object properties invalid", message: "Property Name: a name is needed"}
	}
	made := keys.NewKey{Name: *change.Name, Reference: orEmpty(change.Reference), Restrict: change}
	issued, err := a.Keys.CreateSubaccount(c.Context(), c.actor(), c.who.AccountID, made)
	if err != nil {
		return reply{}, err
	}
	return a.oneKey(c, http.StatusCreated, issued.Key, issued.Secret)
}

func (a *api) changeKey(c *call) (reply, error) {
	f, err := c.keyToChange()
	if err != nil {
		return reply{}, err
	}
	change, err := c.keyChange()
	if err != nil {
		return reply{}, err
	}
	k, err := a.Keys.Change(c.Context(), c.actor(), c.managed(), f, change, c.who.KeyID)
	if err != nil {
		return reply{}, err
	}
	return a.oneKey(c, http.StatusOK, k, "")
}

// deleteKey ends a subaccount for good.
func (a *api) deleteKey(c *call) (reply, error) {
	f, err := keyNamed(c)
	if err != nil {
		return reply{}, err
	}
	q, err := c.query()
	if err == nil {
		err = q.only("Queued")
	}
	if err != nil {
		return reply{}, err
	}
	cancel := false
	switch strings.ToLower(q["queued"]) {
	case "", "send":
	case "cancel":
		cancel = true
	default:
		return reply{}, badRequest(fmt.Sprintf("Queued: %q is neither send nor cancel: what waits in the queue is still sent, or "+
			"given up.", cut(q["queued"])))
	}
	if err := a.Keys.Delete(c.Context(), c.actor(), c.managed(), f, cancel); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}
