// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"postern/internal/access"
	"postern/internal/keys"
	"postern/internal/store"
)

func (o *operator) createKey(ctx context.Context, in NewKey) (Credential, error) {
	a, err := o.findAccount(ctx, in.Account)
	if err != nil {
		return Credential{}, err
	}
	made, err := o.Keys.CreateSubaccount(ctx, actor(), a.ID, keys.NewKey{Name: in.Name, Reference: in.Reference})
	if err != nil {
		return Credential{}, err
	}
	return credentialOf(made), nil
}

func (o *operator) resetKey(ctx context.Context, which string, how keys.Reset) (Credential, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return Credential{}, err
	}
	made, err := o.Keys.Reset(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, how)
	if err != nil {
		return Credential{}, err
	}
	out := credentialOf(made)
	x, err := o.Keys.Show(ctx, made.Key)
	if err != nil {
		return out, err
	}
	out.Old = x.Secrets[1:]
	return out, nil
}

func (o *operator) retireSecret(ctx context.Context, which string, secretID int64) (keys.Details, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return keys.Details{}, err
	}
	if secretID == 0 {
		i := slices.IndexFunc(key.Secrets, func(x store.Secret) bool { return !x.ExpiresAt.IsZero() })
		if i < 0 {
			return keys.Details{}, invalid("SecretID", "no live secret key of %q has an end: there is no overlap to cut short", key.Name)
		}
		secretID = key.Secrets[i].ID
	}
	left, err := o.Keys.Retire(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, secretID)
	return o.changed(ctx, left, err)
}

// changed answers with a key as it is after a change.
func (o *operator) changed(ctx context.Context, key store.Key, err error) (keys.Details, error) {
	if err != nil {
		return keys.Details{}, err
	}
	return o.Keys.Details(ctx, key)
}

func (o *operator) changeKey(ctx context.Context, which string, in KeyChange) (ChangedKey, error) {
	c := keys.KeyChange{
		Name: in.Name, Reference: in.Reference, TrackHost: in.TrackHost, Active: in.Active, Networks: in.Networks,
		AllowedSenders: in.AllowedSenders,
		HourLimit:      in.HourLimit, DayLimit: in.DayLimit, MonthLimit: in.MonthLimit, OverHourWaits: in.OverHourWaits,
	}
	if in.Permissions != nil {
		p, err := access.ParsePermissions(*in.Permissions)
		if err != nil {
			return ChangedKey{}, invalid("Permissions", "%v", err)
		}
		c.Permissions = &p
	}
	key, err := o.findKey(ctx, which)
	if err != nil {
		return ChangedKey{}, err
	}
	if key, err = o.Keys.Change(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, c, 0); err != nil {
		return ChangedKey{}, err
	}
	out := ChangedKey{}
	if out.Details, err = o.Keys.Details(ctx, key); err != nil || in.Networks == nil && in.Permissions == nil {
		return out, err
	}
	out.ShutOut, err = o.Keys.ShutOut(ctx, key, c)
	return out, err
}

func (o *operator) suspendKey(ctx context.Context, which, reason string) (keys.Details, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return keys.Details{}, err
	}
	key, err = o.Keys.Suspend(ctx, actor(), store.KeyFilter{ID: key.ID}, reason)
	return o.changed(ctx, key, err)
}

func (o *operator) restoreKey(ctx context.Context, which string) (keys.Details, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return keys.Details{}, err
	}
	key, err = o.Keys.Restore(ctx, actor(), store.KeyFilter{ID: key.ID})
	return o.changed(ctx, key, err)
}

func (o *operator) deleteKey(ctx context.Context, which string, cancelQueued bool) error {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return err
	}
	return o.Keys.Delete(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, cancelQueued)
}

func (o *operator) reportLeak(ctx context.Context, secret, foundURL string) (LeakAnswer, error) {
	if secret == "" {
		return LeakAnswer{}, invalid("SecretKey", "the secret key that leaked is needed")
	}
	live, err := o.Keys.Leaked(ctx, actor(), secret, foundURL)
	return LeakAnswer{live}, err
}

// importKeys brings pairs in one by one: what is wrong with one does not keep the others out.
func (o *operator) importKeys(ctx context.Context, in KeyImport) ([]Imported, error) {
	if len(in.Keys) > MaxImport {
		return nil, invalid("Keys", "%d keys at a time; at most %d", len(in.Keys), MaxImport)
	}
	a, err := o.findAccount(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	out := make([]Imported, len(in.Keys))
	good := in.After
	for i, k := range in.Keys {
		out[i], err = o.importKey(ctx, a.ID, k, in.DryRun, good)
		if err != nil {
			f := failureOf(err)
			if f.Kind == 0 {
				return nil, err
			}
			out[i] = Imported{Field: f.Field, Reason: f.Reason}
			continue
		}
		good++
	}
	return out, nil
}

func (o *operator) importKey(ctx context.Context, accountID int64, k ImportedKey, dry bool, after int64) (Imported, error) {
	n := keys.NewKey{Name: k.Name, Reference: k.Reference, APIKey: k.APIKey, Secret: k.SecretKey}
	switch {
	case n.APIKey == "":
		return Imported{}, invalid("APIKey", "the API key is missing")
	case n.Secret == "":
		return Imported{}, invalid("SecretKey", "the secret key is missing")
	case dry:
		return Imported{}, o.Keys.TrySubaccount(ctx, accountID, n, after)
	}
	made, err := o.Keys.CreateSubaccount(ctx, actor(), accountID, n)
	return Imported{KeyID: made.Key.ID}, err
}
