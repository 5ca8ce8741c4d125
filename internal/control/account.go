// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/internal/accounts"
	"postern/internal/keys"
	"postern/internal/people"
	"postern/internal/store"
)

func (d *door) listAccounts(r *http.Request) (any, error) {
	accounts, err := d.Store.Accounts(r.Context())
	if err != nil {
		return nil, err
	}
	plans, err := d.Store.Plans(r.Context())
	if err != nil {
		return nil, err
	}
	out := make([]Account, 0, len(accounts))
	for _, a := range accounts {
		x, err := d.accountOf(r.Context(), a)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(plans, func(p store.Plan) bool { return p.ID == a.PlanID }); i >= 0 {
			x.Plan = plans[i].Name
		}
		out = append(out, x)
	}
	return out, nil
}

func (d *door) accountOf(ctx context.Context, a store.Account) (Account, error) {
	x := Account{ID: a.ID, Name: a.Name, CreatedAt: a.CreatedAt}
	users, err := d.Store.Users(ctx, a.ID)
	if err != nil {
		return x, err
	}
	for _, u := range users {
		x.Users = append(x.Users, u.Email)
	}
	master := true
	key, err := d.Store.Key(ctx, store.OfAccount(a.ID), store.KeyFilter{Master: &master})
	if err != nil {
		return x, err
	}
	x.APIKey = key.APIKey
	_, x.Keys, err = d.Store.Keys(ctx, store.OfAccount(a.ID), store.KeyFilter{}, store.Page{Limit: 1})
	return x, err
}

func (d *door) createAccount(r *http.Request) (any, error) {
	var in NewAccount
	if err := read(r, &in); err != nil {
		return nil, err
	}
	made, err := d.Keys.SignUp(r.Context(), operator(), in.Name, in.Email)
	if err != nil {
		return nil, err
	}
	token, err := d.People.NewSignInLink(r.Context(), operator(), made.User)
	if err != nil {
		return nil, err
	}
	out := credentialOf(made.Issued)
	out.Email, out.SignInURL = made.User.Email, d.SignInURL(token)
	return out, nil
}

func credentialOf(i keys.Issued) Credential {
	return Credential{AccountID: i.Key.AccountID, KeyID: i.Key.ID, Name: i.Key.Name, APIKey: i.Key.APIKey, SecretKey: i.Secret}
}

func (d *door) createLink(r *http.Request) (any, error) {
	var in NewLink
	if err := read(r, &in); err != nil {
		return nil, err
	}
	user, err := d.findUser(r.Context(), in.Email)
	if err != nil {
		return nil, err
	}
	link := d.People.NewSignInLink
	if in.ForgetsSecondFactor {
		link = d.People.NewRescueLink
	}
	token, err := link(r.Context(), operator(), user)
	if err != nil {
		return nil, err
	}
	return Link{Email: user.Email, SignInURL: d.SignInURL(token), ExpiresAt: time.Now().Add(people.LinkLifetime).UTC().Truncate(time.Second)}, nil
}

func (d *door) showAccount(r *http.Request) (any, error) {
	a, err := d.findAccount(r.Context(), r.PathValue("account"))
	if err != nil {
		return nil, err
	}
	return d.accountDetails(r, a.ID)
}

// accountDetails gathers all of an account.
func (d *door) accountDetails(r *http.Request, id int64) (AccountDetails, error) {
	ctx := r.Context()
	a, err := d.Store.Account(ctx, id)
	if err != nil {
		return AccountDetails{}, err
	}
	out := AccountDetails{Policy: Policy{a.SecretDays, a.RemindDays, a.StopOverdue}, Tracking: Tracking{a.Tracking.Opens, a.Tracking.Clicks, accounts.UnsubscribeWord(a.Tracking.Unsubscribe)}, DayLimit: a.DayLimit, States: map[string]int{}}
	if out.Account, err = d.accountOf(ctx, a); err != nil {
		return out, err
	}
	may, err := d.Accounts.Allowance(ctx, id)
	if err != nil {
		return out, err
	}
	out.Plan = may.Plan
	out.Allowance = Allowance{Plan: may.Plan, Subaccounts: may.Subaccounts, Month: may.Month, Hour: may.Hour, Users: may.Users, RetentionDays: may.RetentionDays}
	for _, state := range []string{store.KeyActive, store.KeyDeactivated, store.KeySuspended} {
		if _, out.States[state], err = d.Store.Keys(ctx, store.OfAccount(id), store.KeyFilter{State: state}, store.Page{Limit: 1}); err != nil {
			return out, err
		}
	}
	now := time.Now()
	hours, err := d.Store.AccountUse(ctx, id, monthOf(now))
	if err != nil {
		return out, err
	}
	use := useOf(hours, now)
	out.Used.Subaccounts, out.Used.Month, out.Used.Hour = int64(out.Keys-1), use.ThisMonth, use.ThisHour
	if out.People, err = d.people(ctx, a); err != nil {
		return out, err
	}
	emails := map[string]bool{}
	for _, p := range out.People {
		emails[p.Email] = true
	}
	out.Used.Users = int64(len(emails))
	out.Requests, err = d.requests(r, store.OfAccount(id), store.RequestFilter{State: store.RequestOpen})
	return out, err
}

func (d *door) changeAccount(r *http.Request) (any, error) {
	var in AccountChange
	if err := read(r, &in); err != nil {
		return nil, err
	}
	a, err := d.findAccount(r.Context(), r.PathValue("account"))
	if err != nil {
		return nil, err
	}
	c := accounts.AccountChange{
		Name: in.Name, SecretDays: in.SecretDays, RemindDays: in.RemindDays, StopOverdue: in.StopOverdue, DayLimit: in.DayLimit,
		TrackOpens: in.TrackOpens, TrackClicks: in.TrackClicks, Unsubscribe: in.Unsubscribe,
	}
	if _, err := d.Accounts.ChangeAccount(r.Context(), operator(), a.ID, c); err != nil {
		return nil, err
	}
	return d.accountDetails(r, a.ID)
}

// ofAccount begins the reason of a key that is suspended with its account, so that the account's restoration leaves
// those alone that were suspended for themselves.
const ofAccount = "the account is suspended: "

func (d *door) suspendAccount(r *http.Request) (any, error) {
	var in Suspension
	if err := read(r, &in); err != nil {
		return nil, err
	}
	in.Reason = strings.TrimSpace(in.Reason)
	if in.Reason == "" {
		return nil, invalid("Reason", "a reason is needed: the owners are told it")
	}
	return d.eachKeyOf(r, func(k store.Key) (bool, error) {
		if k.State == store.KeySuspended {
			return false, nil
		}
		_, err := d.Keys.Suspend(r.Context(), operator(), store.KeyFilter{ID: k.ID}, ofAccount+in.Reason)
		return true, err
	})
}

func (d *door) restoreAccount(r *http.Request) (any, error) {
	return d.eachKeyOf(r, func(k store.Key) (bool, error) {
		if k.State != store.KeySuspended || !strings.HasPrefix(k.StateReason, ofAccount) {
			return false, nil
		}
		_, err := d.Keys.Restore(r.Context(), operator(), store.KeyFilter{ID: k.ID})
		return true, err
	})
}

// eachKeyOf changes the keys of the account that a request names, one by one. When it fails, calling it again goes on.
func (d *door) eachKeyOf(r *http.Request, change func(store.Key) (bool, error)) (any, error) {
	a, err := d.findAccount(r.Context(), r.PathValue("account"))
	if err != nil {
		return nil, err
	}
	var out KeysChanged
	for at := 0; ; {
		keys, total, err := d.Store.Keys(r.Context(), store.OfAccount(a.ID), store.KeyFilter{}, store.Page{Limit: 1000, Offset: at})
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			done, err := change(k)
			switch {
			case err != nil:
				return nil, err
			case done:
				out.Changed++
			case k.State == store.KeySuspended:
				out.Left++
			}
		}
		if at += len(keys); len(keys) == 0 || at >= total {
			return out, nil
		}
	}
}
