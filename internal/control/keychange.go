// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/http"
	"net/netip"
	"slices"
	"time"

	"postern/internal/access"
	"postern/internal/keys"
	"postern/internal/store"
)

func (d *door) createKey(r *http.Request) (any, error) {
	var in NewKey
	if err := read(r, &in); err != nil {
		return nil, err
	}
	a, err := d.findAccount(r.Context(), in.Account)
	if err != nil {
		return nil, err
	}
	made, err := d.Keys.CreateSubaccount(r.Context(), operator(), a.ID, keys.NewKey{Name: in.Name, Reference: in.Reference})
	if err != nil {
		return nil, err
	}
	return credentialOf(made), nil
}

func (d *door) resetKey(r *http.Request) (any, error) {
	var in KeyReset
	if err := read(r, &in); err != nil {
		return nil, err
	}
	key, err := d.findKey(r.Context(), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	how := keys.Reset{Overlap: seconds(in.OverlapSeconds), EndSecretID: in.EndSecretID}
	made, err := d.Keys.Reset(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, how)
	if err != nil {
		return nil, err
	}
	out := credentialOf(made)
	policies, err := d.policies(r)
	out.Old = keyOf(made.Key, policies[key.AccountID], time.Time{}, time.Now()).Secrets[1:]
	return out, err
}

// seconds is a length of time, or one that is too long for any overlap.
func seconds(n int64) time.Duration {
	const year = 365 * 24 * 60 * 60
	return time.Duration(min(max(n, -year), year)) * time.Second
}

func (d *door) retireSecret(r *http.Request) (any, error) {
	var in KeyRetire
	if err := read(r, &in); err != nil {
		return nil, err
	}
	key, err := d.findKey(r.Context(), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	if in.SecretID == 0 {
		i := slices.IndexFunc(key.Secrets, func(x store.Secret) bool { return !x.ExpiresAt.IsZero() })
		if i < 0 {
			return nil, invalid("SecretID", "no live secret key of %q has an end: there is no overlap to cut short", key.Name)
		}
		in.SecretID = key.Secrets[i].ID
	}
	left, err := d.Keys.Retire(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, in.SecretID)
	return d.changed(r, left, err)
}

// changed answers with a key as it is after a change.
func (d *door) changed(r *http.Request, key store.Key, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return d.details(r, key)
}

func (d *door) changeKey(r *http.Request) (any, error) {
	var in KeyChange
	if err := read(r, &in); err != nil {
		return nil, err
	}
	c := keys.KeyChange{
		Name: in.Name, Reference: in.Reference, TrackHost: in.TrackHost, Active: in.Active, Networks: in.Networks, AllowedSenders: in.AllowedSenders,
		HourLimit: in.HourLimit, DayLimit: in.DayLimit, MonthLimit: in.MonthLimit, OverHourWaits: in.OverHourWaits,
	}
	if in.Permissions != nil {
		p, err := access.ParsePermissions(*in.Permissions)
		if err != nil {
			return nil, invalid("Permissions", "%v", err)
		}
		c.Permissions = &p
	}
	key, err := d.findKey(r.Context(), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	if key, err = d.Keys.Change(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, c, 0); err != nil {
		return nil, err
	}
	out := ChangedKey{}
	if out.KeyDetails, err = d.details(r, key); err != nil || in.Networks == nil {
		return out, err
	}
	out.ShutOut, err = shutOut(key.Networks, out.Connections, time.Now())
	return out, err
}

// shutOut are the connections of the last seven days that a key's networks do not hold.
func shutOut(networks string, list []Connection, now time.Time) ([]Connection, error) {
	allowed, err := access.ParseNetworks(networks)
	if err != nil || len(allowed) == 0 {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(list), func(c Connection) bool {
		a, err := netip.ParseAddr(c.Address)
		in := err == nil && slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
		return in || c.LastSeenAt.Before(now.AddDate(0, 0, -7))
	}), nil
}

func (d *door) suspendKey(r *http.Request) (any, error) {
	var in Suspension
	if err := read(r, &in); err != nil {
		return nil, err
	}
	key, err := d.findKey(r.Context(), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	key, err = d.Keys.Suspend(r.Context(), operator(), store.KeyFilter{ID: key.ID}, in.Reason)
	return d.changed(r, key, err)
}

func (d *door) restoreKey(r *http.Request) (any, error) {
	key, err := d.findKey(r.Context(), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	key, err = d.Keys.Restore(r.Context(), operator(), store.KeyFilter{ID: key.ID})
	return d.changed(r, key, err)
}

func (d *door) deleteKey(r *http.Request) (any, error) {
	var in KeyDelete
	if err := read(r, &in); err != nil {
		return nil, err
	}
	key, err := d.findKey(r.Context(), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	return struct{}{}, d.Keys.Delete(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, in.CancelQueued)
}

func (d *door) reportLeak(r *http.Request) (any, error) {
	var in Leak
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if in.SecretKey == "" {
		return nil, invalid("SecretKey", "the secret key that leaked is needed")
	}
	live, err := d.Keys.Leaked(r.Context(), operator(), in.SecretKey)
	return LeakAnswer{live}, err
}

// importKeys brings pairs in one by one: what is wrong with one does not keep the others out.
func (d *door) importKeys(r *http.Request) (any, error) {
	var in KeyImport
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if len(in.Keys) > MaxImport {
		return nil, invalid("Keys", "%d keys at a time; at most %d", len(in.Keys), MaxImport)
	}
	a, err := d.findAccount(r.Context(), in.Account)
	if err != nil {
		return nil, err
	}
	out := make([]Imported, len(in.Keys))
	good := in.After
	for i, k := range in.Keys {
		out[i], err = d.importKey(r, a.ID, k, in.DryRun, good)
		if err != nil {
			e := errorOf(err)
			if e.Status >= http.StatusInternalServerError {
				return nil, err
			}
			out[i] = Imported{Field: e.Field, Reason: e.Reason}
			continue
		}
		good++
	}
	return out, nil
}

func (d *door) importKey(r *http.Request, accountID int64, k ImportedKey, dry bool, after int64) (Imported, error) {
	n := keys.NewKey{Name: k.Name, Reference: k.Reference, APIKey: k.APIKey, Secret: k.SecretKey}
	switch {
	case n.APIKey == "":
		return Imported{}, invalid("APIKey", "the API key is missing")
	case n.Secret == "":
		return Imported{}, invalid("SecretKey", "the secret key is missing")
	case dry:
		return Imported{}, d.Keys.TrySubaccount(r.Context(), accountID, n, after)
	}
	made, err := d.Keys.CreateSubaccount(r.Context(), operator(), accountID, n)
	return Imported{KeyID: made.Key.ID}, err
}
