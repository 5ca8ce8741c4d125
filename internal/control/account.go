// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"
	"time"

	"postern/internal/accounts"
	"postern/internal/keys"
	"postern/internal/people"
	"postern/internal/store"
)

func (o *operator) listAccounts(ctx context.Context) ([]Account, error) {
	accounts, err := o.Store.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	plans, err := o.Store.Plans(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Account, 0, len(accounts))
	for _, a := range accounts {
		x, err := o.accountOf(ctx, a)
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

func (o *operator) accountOf(ctx context.Context, a store.Account) (Account, error) {
	x := Account{ID: a.ID, Name: a.Name, CreatedAt: a.CreatedAt}
	users, err := o.Store.Users(ctx, a.ID)
	if err != nil {
		return x, err
	}
	for _, u := range users {
		x.Users = append(x.Users, u.Email)
	}
	master := true
	key, err := o.Store.Key(ctx, store.OfAccount(a.ID), store.KeyFilter{Master: &master})
	if err != nil {
		return x, err
	}
	x.APIKey = key.APIKey
	_, x.Keys, err = o.Store.Keys(ctx, store.OfAccount(a.ID), store.KeyFilter{}, store.Page{Limit: 1})
	return x, err
}

func (o *operator) createAccount(ctx context.Context, in NewAccount) (Credential, error) {
	made, err := o.Keys.SignUp(ctx, actor(), in.Name, in.Email)
	if err != nil {
		return Credential{}, err
	}
	token, err := o.People.NewSignInLink(ctx, actor(), made.User)
	if err != nil {
		return Credential{}, err
	}
	out := credentialOf(made.Issued)
	out.Email, out.SignInURL = made.User.Email, o.SignInURL(token)
	return out, nil
}

func credentialOf(i keys.Issued) Credential {
	return Credential{AccountID: i.Key.AccountID, KeyID: i.Key.ID, Name: i.Key.Name, APIKey: i.Key.APIKey, SecretKey: i.Secret}
}

func (o *operator) createLink(ctx context.Context, email string, forgetsSecondFactor bool) (Link, error) {
	user, err := o.findUser(ctx, email)
	if err != nil {
		return Link{}, err
	}
	link := o.People.NewSignInLink
	if forgetsSecondFactor {
		link = o.People.NewRescueLink
	}
	token, err := link(ctx, actor(), user)
	if err != nil {
		return Link{}, err
	}
	return Link{
		Email: user.Email, SignInURL: o.SignInURL(token), ExpiresAt: time.Now().Add(people.LinkLifetime).UTC().Truncate(time.Second),
	}, nil
}

func (o *operator) showAccount(ctx context.Context, account string) (AccountDetails, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return AccountDetails{}, err
	}
	return o.accountDetails(ctx, a.ID)
}

// accountDetails gathers all of an account.
func (o *operator) accountDetails(ctx context.Context, id int64) (AccountDetails, error) {
	a, err := o.Store.Account(ctx, id)
	if err != nil {
		return AccountDetails{}, err
	}
	out := AccountDetails{
		Policy:   Policy{a.SecretDays, a.RemindDays, a.StopOverdue, a.SecondFactor},
		Tracking: Tracking{a.Tracking.Opens, a.Tracking.Clicks, accounts.UnsubscribeWord(a.Tracking.Unsubscribe)}, DayLimit: a.DayLimit,
		States: map[string]int{},
	}
	if out.Account, err = o.accountOf(ctx, a); err != nil {
		return out, err
	}
	may, err := o.Accounts.Allowance(ctx, id)
	if err != nil {
		return out, err
	}
	out.Plan = may.Plan
	out.Allowance = Allowance{
		Plan: may.Plan, Subaccounts: may.Subaccounts, Month: may.Month, Hour: may.Hour, Users: may.Users, RetentionDays: may.RetentionDays,
	}
	for _, state := range []string{store.KeyActive, store.KeyDeactivated, store.KeySuspended} {
		if _, out.States[state], err = o.Store.Keys(ctx, store.OfAccount(id), store.KeyFilter{State: state},
			store.Page{Limit: 1}); err != nil {
			return out, err
		}
	}
	now := time.Now()
	hours, err := o.Store.AccountUse(ctx, id, accounts.MonthOf(now))
	if err != nil {
		return out, err
	}
	use := accounts.UseOf(hours, now)
	out.Used.Subaccounts, out.Used.Month, out.Used.Hour = int64(out.Keys-1), use.ThisMonth, use.ThisHour
	if out.People, err = o.people(ctx, a); err != nil {
		return out, err
	}
	emails := map[string]bool{}
	for _, p := range out.People {
		emails[p.Email] = true
	}
	out.Used.Users = int64(len(emails))
	out.Requests, err = o.requests(ctx, store.OfAccount(id), store.RequestFilter{State: store.RequestOpen})
	return out, err
}

func (o *operator) changeAccount(ctx context.Context, account string, in AccountChange) (AccountDetails, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return AccountDetails{}, err
	}
	c := accounts.AccountChange{
		Name: in.Name, SecretDays: in.SecretDays, RemindDays: in.RemindDays, StopOverdue: in.StopOverdue, SecondFactor: in.SecondFactor,
		DayLimit:   in.DayLimit,
		TrackOpens: in.TrackOpens, TrackClicks: in.TrackClicks, Unsubscribe: in.Unsubscribe,
	}
	if _, err := o.Accounts.ChangeAccount(ctx, actor(), a.ID, c); err != nil {
		return AccountDetails{}, err
	}
	return o.accountDetails(ctx, a.ID)
}

func (o *operator) suspendAccount(ctx context.Context, account, reason string) (accounts.KeysChanged, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return accounts.KeysChanged{}, err
	}
	return o.Accounts.Suspend(ctx, actor(), a.ID, reason)
}

func (o *operator) restoreAccount(ctx context.Context, account string) (accounts.KeysChanged, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return accounts.KeysChanged{}, err
	}
	return o.Accounts.Restore(ctx, actor(), a.ID)
}
