// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/mail"
	"postern/internal/store"
)

// Issued is a key with its secret in clear: to be shown once and then forgotten.
type Issued struct {
	Key    store.Key
	Secret string
}

// SignedUp is a new primary account with its owner and master key.
type SignedUp struct {
	Account store.Account
	User    store.User
	Issued
}

// SignUp makes a primary account with a master key and an owner, who may be somebody's user already. Errors: *change.Error on
// Name or Email.
func (k *Keys) SignUp(ctx context.Context, by change.Actor, name, email string) (SignedUp, error) {
	name, err := access.CleanName(name)
	if err != nil {
		return SignedUp{}, change.Wrong("Name", err)
	}
	if err := mail.CheckEmail(email); err != nil {
		return SignedUp{}, change.Wrong("Email", err)
	}
	var out SignedUp
	err = k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		var err error
		if out.Account, err = tx.AddAccount(ctx, name); err != nil {
			return nil, err
		}
		k.gate.PutAccount(accounts.InGate(out.Account)) // before the commit, from when on it can be changed
		out.User, err = tx.AddUser(ctx, store.User{AccountID: out.Account.ID, Email: mail.Canonical(email)})
		if errors.Is(err, store.ErrExists) {
			return nil, change.Conflicting("Email", fmt.Sprintf("a user with the email address %s exists already", email))
		}
		if err != nil {
			return nil, err
		}
		if err := tx.PutAccess(ctx, out.User.ID, out.Account.ID, 0, access.Owner); err != nil {
			return nil, err
		}
		if err := tx.AddAudit(ctx, by.Entry(out.Account.ID, "account.create", "account "+name, "owner "+out.User.Email)); err != nil {
			return nil, err
		}
		out.Issued, err = k.issue(ctx, tx, by, store.Key{AccountID: out.Account.ID, Name: name, Master: true})
		return &out.Key, err
	})
	return out, err
}

// NewKey is what a subaccount begins with.
type NewKey struct {
	Name      string
	Reference string // the customer's own ID for it; "" none
	// Restrict is what restricts it from its first moment, and what else can be changed of a key. Its Name and
	// Reference are not looked at.
	Restrict KeyChange
	// An existing pair of another service, which goes on working; "" makes new ones.
	APIKey, Secret string
	SecretMadeAt   time.Time // of an existing one: the rotation policy counts from then; zero: now
}

// CreateSubaccount makes a subaccount of the account, with an API key and secret of its own. Errors: *change.Error on Name,
// Reference, APIKey, SecretKey or a property of Restrict, LimitReached when the plan allows no more.
func (k *Keys) CreateSubaccount(ctx context.Context, by change.Actor, accountID int64, n NewKey) (Issued, error) {
	name, err := access.CleanName(n.Name)
	if err != nil {
		return Issued{}, change.Wrong("Name", err)
	}
	if n.Reference, err = access.CleanReference(n.Reference); err != nil {
		return Issued{}, change.Wrong("Reference", err)
	}
	if err := n.checkImported(); err != nil {
		return Issued{}, err
	}
	var out Issued
	err = k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		if err := tx.NeedRoom(); err != nil {
			return nil, err
		}
		if err := tx.LockAccount(ctx, accountID); err != nil { // names are unique in it, and subaccounts are counted
			return nil, err
		}
		if err := k.accounts.RoomForSubaccount(ctx, tx, accountID); err != nil {
			return nil, err
		}
		if err := notSuspended(ctx, tx, accountID); err != nil {
			return nil, err
		}
		key := store.Key{AccountID: accountID, Name: name, Reference: n.Reference, APIKey: n.APIKey, State: store.KeyActive}
		key.Permissions, key.Bound.Permissions = store.AllPermissions, store.AllPermissions
		if by.Kind == change.Key { // what it is not said to have is what its maker has
			own, err := tx.Key(ctx, store.OfOperator(), store.KeyFilter{ID: by.ID})
			if err != nil {
				return nil, err
			}
			key.Limits = own.Limits
		}
		was := key.Limits
		var log change.Log
		n.Restrict.Name, n.Restrict.Reference = nil, nil
		if err := n.Restrict.apply(&key, nobody, &log); err != nil {
			return nil, err
		}
		if err := n.Restrict.bind(by, &key); err != nil {
			return nil, err
		}
		if err := grants(ctx, tx, by, was, key.Limits); err != nil {
			return nil, err
		}
		var err error
		if out, err = k.issueWith(ctx, tx, by, key, n.Secret, log.Text); err != nil || n.SecretMadeAt.IsZero() ||
			!n.SecretMadeAt.Before(tx.Now) {
			return &out.Key, err
		}
		out.Key.Secrets[0].CreatedAt = n.SecretMadeAt.UTC()
		return &out.Key, tx.BackdateSecret(ctx, out.Key.Secrets[0].ID, n.SecretMadeAt)
	})
	if n.Secret != "" {
		out.Secret = "" // whoever brought it in has it
	}
	return out, err
}

// notSuspended says no when the operator has suspended an account's master key: a new subaccount would be a way round.
func notSuspended(ctx context.Context, tx *store.Tx, accountID int64) error {
	master, err := tx.Key(ctx, store.OfAccount(accountID), store.KeyFilter{Master: new(true)})
	if err == nil && master.State == store.KeySuspended {
		return change.Forbidden("Name", "the account's master key is suspended by the operator, and no subaccounts can be made "+
			"until it is restored")
	}
	return err
}

// checkImported checks a pair of another service.
func (n *NewKey) checkImported() error {
	if n.APIKey == "" && n.Secret == "" {
		return nil
	}
	if _, err := credential.ParseAPIKey(n.APIKey); err != nil {
		return change.Wrong("APIKey", errors.New("an API key to import has 32 characters, 0 to 9 and a to f"))
	}
	if err := credential.CheckImported(n.Secret); err != nil {
		return change.Wrong("SecretKey", err)
	}
	if n.APIKey == n.Secret {
		return change.Wrong("SecretKey", errors.New("it is the same as the API key"))
	}
	return nil
}

func (k *Keys) issue(ctx context.Context, tx *store.Tx, by change.Actor, key store.Key) (Issued, error) {
	return k.issueWith(ctx, tx, by, key, "", "")
}

// nobody is the ID of no key: who asks is not the key that is changed.
const nobody = -1

// issueWith adds a key with its first secret; an API key and secret that are given were another service's. restricted
// says what restricts it, for the audit log.
func (k *Keys) issueWith(ctx context.Context, tx *store.Tx, by change.Actor, key store.Key, secret, restricted string) (Issued, error) {
	detail := "name " + key.Name
	if key.Reference != "" {
		detail += "; reference " + key.Reference
	}
	if key.APIKey == "" {
		key.APIKey = credential.NewAPIKey().String()
	} else {
		detail += "; imported"
	}
	if restricted != "" {
		detail += "; " + restricted
	}
	if key.State == "" {
		key.State = store.KeyActive
	}
	if err := k.free(ctx, tx, key); err != nil {
		return Issued{}, err
	}
	added, err := tx.AddKey(ctx, key)
	if err != nil {
		return Issued{}, err
	}
	if err := tx.AddAudit(ctx, by.Entry(key.AccountID, "key.create", "key "+key.APIKey, detail)); err != nil {
		return Issued{}, err
	}
	return k.addSecret(ctx, tx, added, secret)
}

// free says which of a key's unique properties is taken.
func (k *Keys) free(ctx context.Context, tx *store.Tx, key store.Key) error {
	scope := store.OfAccount(key.AccountID)
	taken := func(scope store.Scope, f store.KeyFilter) (bool, error) {
		other, err := tx.Key(ctx, scope, f)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		return err == nil && other.ID != key.ID, err
	}
	if is, err := taken(scope, store.KeyFilter{Name: key.Name}); is || err != nil {
		return change.Or(err, change.Conflicting("Name", fmt.Sprintf("the account has a key named %q already", key.Name)))
	}
	if key.Reference != "" {
		if is, err := taken(scope, store.KeyFilter{Reference: key.Reference}); is || err != nil {
			return change.Or(err,
				change.Conflicting("Reference", fmt.Sprintf("the account has a key with the reference %q already", key.Reference)))
		}
	}
	for _, deleted := range []bool{false, true} {
		if is, err := taken(store.OfOperator(), store.KeyFilter{APIKey: key.APIKey, Deleted: deleted}); is || err != nil {
			return change.Or(err, change.Conflicting("APIKey", "this API key is in use here already, or was"))
		}
	}
	return nil
}

// addSecret gives a key another live secret, a new one unless one is given.
func (k *Keys) addSecret(ctx context.Context, tx *store.Tx, key store.Key, secret string) (Issued, error) {
	if secret == "" {
		secret = credential.NewSecret()
	}
	digest := k.digester.Digest(secret)
	kept, err := tx.AddSecret(ctx, key.ID, digest[:], credential.Hint(secret))
	if errors.Is(err, store.ErrExists) {
		return Issued{}, change.Conflicting("SecretKey", "this secret key is or was used here already: reset it where it is from first")
	}
	if err != nil {
		return Issued{}, err
	}
	key.Secrets = append([]store.Secret{kept}, key.Secrets...)
	return Issued{Key: key, Secret: secret}, nil
}
