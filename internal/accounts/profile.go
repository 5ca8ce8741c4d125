// SPDX-License-Identifier: Apache-2.0

package accounts

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // the zones, where the machine has no database of them

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/store"
)

// ProfileChange is what to change of an account's profile, by the API's names of its properties. Nil leaves one as it is.
type ProfileChange struct {
	Texts           map[string]string
	BirthdayAt      *time.Time
	EstimatedVolume *int64
}

// Texts are the profile's texts by the API's names of them, and the most characters of each.
var profileTexts = []struct {
	property string
	max      int
	of       func(*store.Profile) *string
}{
	{"Firstname", 100, func(p *store.Profile) *string { return &p.FirstName }},
	{"Lastname", 100, func(p *store.Profile) *string { return &p.LastName }},
	{"JobTitle", 100, func(p *store.Profile) *string { return &p.JobTitle }},
	{"ContactPhone", 50, func(p *store.Profile) *string { return &p.Phone }},
	{"CompanyName", 200, func(p *store.Profile) *string { return &p.Company }},
	{"CompanyNumOfEmployees", 50, func(p *store.Profile) *string { return &p.Employees }},
	{"Industry", 100, func(p *store.Profile) *string { return &p.Industry }},
	{"Website", 500, func(p *store.Profile) *string { return &p.Website }},
	{"AddressStreet", 200, func(p *store.Profile) *string { return &p.Street }},
	{"AddressPostalCode", 30, func(p *store.Profile) *string { return &p.PostalCode }},
	{"AddressCity", 100, func(p *store.Profile) *string { return &p.City }},
	{"AddressState", 100, func(p *store.Profile) *string { return &p.State }},
	{"AddressCountry", 100, func(p *store.Profile) *string { return &p.Country }},
	{"BillingEmail", 254, func(p *store.Profile) *string { return &p.BillingEmail }},
	{"VATNumber", 50, func(p *store.Profile) *string { return &p.VATNumber }},
	{"Features", 1000, func(p *store.Profile) *string { return &p.Features }},
}

// ProfileTexts are the names of the properties that ProfileChange.Texts may have.
func ProfileTexts() []string {
	out := make([]string, 0, len(profileTexts))
	for _, x := range profileTexts {
		out = append(out, x.property)
	}
	return out
}

// ChangeProfile changes an account's profile. The audit log names the properties and not what is in them: a log that is
// never erased is no place for addresses. Errors: *change.Error on the property.
func (k *Accounts) ChangeProfile(ctx context.Context, by change.Actor, accountID int64, c ProfileChange) (store.Profile, error) {
	var out store.Profile
	err := k.update(ctx, "account", func(tx *store.Tx) error {
		if err := tx.LockAccount(ctx, accountID); err != nil {
			return err
		}
		p, err := tx.Profile(ctx, accountID)
		if err != nil {
			return err
		}
		changed, err := c.apply(&p)
		out = p
		if err != nil || len(changed) == 0 {
			return err
		}
		if err := tx.SetProfile(ctx, accountID, p); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(accountID, "profile.change", fmt.Sprintf("account %d", accountID),
			"changed: "+strings.Join(changed, ", ")))
	})
	return out, err
}

// apply changes p and says which properties are different.
func (c *ProfileChange) apply(p *store.Profile) (changed []string, err error) {
	for _, x := range profileTexts {
		s, given := c.Texts[x.property]
		if !given {
			continue
		}
		if s, err = access.CleanText(s, x.max); err != nil {
			return nil, change.Wrong(x.property, err)
		}
		if x.property == "BillingEmail" && s != "" {
			if _, err := mail.ParseAddress(s); err != nil {
				return nil, change.Wrong(x.property, fmt.Errorf("%q is not an email address", access.Short(s)))
			}
		}
		if to := x.of(p); *to != s {
			*to = s
			changed = append(changed, x.property)
		}
	}
	if c.BirthdayAt != nil && !c.BirthdayAt.Equal(p.BirthdayAt) {
		if y := c.BirthdayAt.Year(); !c.BirthdayAt.IsZero() && (y < 1850 || y > 9999) {
			return nil, change.Wrong("BirthdayAt", fmt.Errorf("nobody is born in %d", y))
		}
		p.BirthdayAt = *c.BirthdayAt
		changed = append(changed, "BirthdayAt")
	}
	if c.EstimatedVolume != nil && *c.EstimatedVolume != p.EstimatedVolume {
		if *c.EstimatedVolume < 0 || *c.EstimatedVolume > MaxLimit {
			return nil, change.Wrong("EstimatedVolume", fmt.Errorf("must be 0 to %d messages a month", int64(MaxLimit)))
		}
		p.EstimatedVolume = *c.EstimatedVolume
		changed = append(changed, "EstimatedVolume")
	}
	return changed, nil
}

// UserChange is what to change of a user; nil leaves a property as it is.
type UserChange struct {
	Locale, Timezone, ACL *string
}

var (
	localeForm   = regexp.MustCompile(`^[a-z]{2,3}([_-][A-Za-z0-9]{2,8})*$`)
	timezoneForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$`)
)

// isTimezone says whether the IANA database has a zone of that name.
func isTimezone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && name != "Local" // which is Go's own
}

// ChangeUser changes what a user with access to the whole of an account says of himself. Errors: *change.Error on the property.
func (k *Accounts) ChangeUser(ctx context.Context, by change.Actor, accountID, userID int64, c UserChange) (store.User, error) {
	var out store.User
	err := k.update(ctx, "user", func(tx *store.Tx) error {
		list, err := tx.Accesses(ctx, store.OfAccount(accountID), store.AccessFilter{UserID: userID, Whole: true})
		if err == nil && len(list) == 0 {
			err = store.ErrNotFound
		}
		if err != nil {
			return err
		}
		u, err := tx.User(ctx, userID)
		if err != nil {
			return err
		}
		var log change.Log
		if err := c.apply(&u, &log); err != nil {
			return err
		}
		out = u
		if log.Text == "" {
			return nil
		}
		if err := tx.SetUserSettings(ctx, u); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(accountID, "user.change", "user "+u.Email, log.Text))
	})
	return out, err
}

func (c *UserChange) apply(u *store.User, log *change.Log) error {
	for _, x := range []struct {
		property, what string
		given          *string
		to             *string
		form           *regexp.Regexp
		like           string
	}{
		{"Locale", "locale", c.Locale, &u.Locale, localeForm, "en_US"},
		{"Timezone", "time zone", c.Timezone, &u.Timezone, timezoneForm, "Europe/Paris"},
		{"ACL", "ACL", c.ACL, &u.ACL, nil, ""},
	} {
		if x.given == nil {
			continue
		}
		s, err := access.CleanText(*x.given, 1000)
		if err != nil {
			return change.Wrong(x.property, err)
		}
		if x.form != nil && (len(s) > 64 || !x.form.MatchString(s)) {
			return change.Wrong(x.property, fmt.Errorf("%q is not of the form of %s", access.Short(s), x.like))
		}
		if x.to == &u.Timezone && s != *x.to && !isTimezone(s) {
			return change.Wrong(x.property, fmt.Errorf("there is no time zone %q", access.Short(s)))
		}
		log.Note(x.what, *x.to, s)
		*x.to = s
	}
	return nil
}
