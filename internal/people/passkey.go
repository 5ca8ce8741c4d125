// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/store"
)

// ceremonyLife is how long a browser may take from a challenge to its answer.
const ceremonyLife = 5 * time.Minute

// maxPasskeys bounds what one user may keep.
const maxPasskeys = 20

// RelyingParty is this server as authenticators know it: passkeys are bound to the host of its pages.
type RelyingParty struct{ w *webauthn.WebAuthn }

// NewRelyingParty is for pages at a base URL. Error: *change.Error NotAllowed where browsers offer no passkeys, with the
// reason.
func NewRelyingParty(baseURL string) (*RelyingParty, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Hostname() == "" {
		return nil, change.Forbidden("", "the server does not know the address of its own pages (--base-url)")
	}
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return nil, change.Forbidden("", "these pages are opened at a bare IP address, and a passkey is bound to a host name; open "+
			"them at a name (--base-url)")
	}
	if u.Scheme != "https" && host != "localhost" {
		return nil, change.Forbidden("", "these pages are opened without TLS, and browsers offer passkeys over https only (--base-url)")
	}
	limit := webauthn.TimeoutConfig{Timeout: ceremonyLife, TimeoutUVD: ceremonyLife}
	w, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: "Postern", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: limit, Registration: limit},
	})
	if err != nil {
		return nil, change.Forbidden("", fmt.Sprintf("the host %s cannot have passkeys", host))
	}
	return &RelyingParty{w}, nil
}

// Ceremony is what a browser needs to make or use a passkey. State comes back with the browser's answer.
type Ceremony struct {
	Options string // JSON: PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON
	State   string
}

// PasskeyAnswer is what a browser answers to a Ceremony.
type PasskeyAnswer struct{ State, Response string }

// holder is a user as package webauthn wants him.
type holder struct {
	user   store.User
	handle []byte
	keys   []store.Passkey
	creds  []webauthn.Credential
}

func (h *holder) WebAuthnID() []byte                         { return h.handle }
func (h *holder) WebAuthnName() string                       { return h.user.Email }
func (h *holder) WebAuthnDisplayName() string                { return h.user.Email }
func (h *holder) WebAuthnCredentials() []webauthn.Credential { return h.creds }

// holder reads a user's passkeys. His handle says nothing of him to who does not have the server key.
func (k *People) holder(ctx context.Context, user store.User) (*holder, error) {
	m := hmac.New(sha256.New, k.handleKey)
	fmt.Fprintf(m, "user %d", user.ID) //nolint:errcheck // never fails (hash.Hash)
	h := &holder{user: user, handle: m.Sum(nil)}
	var err error
	if h.keys, err = k.store.Passkeys(ctx, user.ID); err != nil {
		return nil, err
	}
	for _, p := range h.keys {
		var c webauthn.Credential
		if err := json.Unmarshal([]byte(p.Data), &c); err != nil {
			return nil, fmt.Errorf("passkey %d: %w", p.ID, err)
		}
		h.creds = append(h.creds, c)
	}
	return h, nil
}

// ceremonyState is the content of Ceremony.State, sealed.
type ceremonyState struct {
	Session webauthn.SessionData
	Ends    time.Time
}

func addName(userID int64) string   { return fmt.Sprintf("passkey add %d", userID) }
func proveName(userID int64) string { return fmt.Sprintf("passkey prove %d", userID) }

const passkeySignIn = "passkey sign-in"

func (k *People) ceremony(name string, options any, session *webauthn.SessionData) (Ceremony, error) {
	o, err := json.Marshal(options)
	if err != nil {
		return Ceremony{}, err
	}
	plain, err := json.Marshal(ceremonyState{*session, k.now().Add(ceremonyLife)})
	if err != nil {
		return Ceremony{}, err
	}
	return Ceremony{Options: string(o), State: k.sealText(name, plain)}, nil
}

func passkeyError(reason string) error {
	return &change.Error{Kind: change.Invalid, Field: "Passkey", Reason: reason}
}

func (k *People) openCeremony(name string, a PasskeyAnswer) (ceremonyState, error) {
	var s ceremonyState
	if err := k.openText(name, a.State, &s); err != nil || !k.now().Before(s.Ends) {
		return s, passkeyError("the page was open for too long; try again")
	}
	return s, nil
}

// once makes a challenge be answered one time, rightly or not.
func (k *People) once(ctx context.Context, s ceremonyState) error {
	return k.store.Update(ctx, func(tx *store.Tx) error {
		uses, err := tx.UseToken(ctx, credential.TokenDigest("challenge "+s.Session.Challenge), s.Ends)
		if err == nil && uses > 1 {
			err = passkeyError("this answer of the passkey was used already; try again")
		}
		return err
	})
}

// BeginAddPasskey begins to add a passkey to a user's.
func (k *People) BeginAddPasskey(ctx context.Context, rp *RelyingParty, user store.User) (Ceremony, error) {
	h, err := k.holder(ctx, user)
	if err != nil {
		return Ceremony{}, err
	}
	var known []protocol.CredentialDescriptor
	for _, c := range h.creds {
		known = append(known, c.Descriptor())
	}
	o, session, err := rp.w.BeginRegistration(h, webauthn.WithExclusions(known))
	if err != nil {
		return Ceremony{}, err
	}
	return k.ceremony(addName(user.ID), o.Response, session)
}

// AddPasskey keeps the passkey that a browser made. Who has no second factor yet gets recovery codes, to be shown
// once. Errors: *change.Error on Name or Passkey.
func (k *People) AddPasskey(ctx context.Context, rp *RelyingParty, user store.User, name string, a PasskeyAnswer,
	from netip.Addr,
) (codes []string, err error) {
	if name, err = access.CleanName(name); err != nil {
		return nil, change.Wrong("Name", err)
	}
	s, err := k.openCeremony(addName(user.ID), a)
	if err != nil {
		return nil, err
	}
	h, err := k.holder(ctx, user)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(a.Response))
	if err != nil {
		return nil, k.badPasskey(ctx, err)
	}
	if err := k.once(ctx, s); err != nil {
		return nil, err
	}
	cred, err := rp.w.CreateCredential(h, s.Session, parsed)
	if err != nil {
		return nil, k.badPasskey(ctx, err)
	}
	data, err := json.Marshal(cred)
	if err != nil {
		return nil, err
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		have, err := tx.Passkeys(ctx, user.ID)
		if err != nil {
			return err
		}
		if len(have) >= maxPasskeys {
			return passkeyError(fmt.Sprintf("you have %d passkeys already; remove one first", len(have)))
		}
		if codes, err = k.firstCodes(ctx, tx, user); err != nil {
			return err
		}
		_, err = tx.AddPasskey(ctx, store.Passkey{UserID: user.ID, CredentialID: cred.ID, Name: name, Data: string(data)})
		if errors.Is(err, store.ErrExists) {
			return passkeyError("this passkey is kept already")
		}
		if err != nil {
			return err
		}
		if err := tx.AddAudit(ctx, person(user, from).Entry(user.AccountID, "user.passkey.add", "user "+user.Email,
			"passkey "+name)); err != nil {
			return err
		}
		return k.tellChanged(ctx, tx, user, "passkey added", from)
	})
	return codes, err
}

// badPasskey is what a person is told when an answer is not right; the log says more.
func (k *People) badPasskey(ctx context.Context, err error) error {
	detail := err.Error()
	var e *protocol.Error
	if errors.As(err, &e) {
		detail = e.Details + " " + e.DevInfo
	}
	k.log.DebugContext(ctx, "a passkey was refused", "reason", detail)
	return passkeyError("the passkey could not be checked; try again, or use another")
}

// RemovePasskey forgets a passkey of a user. Error: *change.Error NotFound.
func (k *People) RemovePasskey(ctx context.Context, user store.User, id int64, from netip.Addr) error {
	err := k.store.Update(ctx, func(tx *store.Tx) error {
		gone, err := tx.RemovePasskey(ctx, user.ID, id)
		if err != nil {
			return err
		}
		if err := lastCodes(ctx, tx, user); err != nil {
			return err
		}
		if err := tx.AddAudit(ctx, person(user, from).Entry(user.AccountID, "user.passkey.remove", "user "+user.Email,
			"passkey "+gone.Name)); err != nil {
			return err
		}
		return k.tellChanged(ctx, tx, user, "passkey removed", from)
	})
	if errors.Is(err, store.ErrNotFound) {
		return &change.Error{Kind: change.NotFound, Reason: "there is no such passkey"}
	}
	return err
}

// BeginPasskey begins to prove that it is a user by one of his passkeys.
func (k *People) BeginPasskey(ctx context.Context, rp *RelyingParty, user store.User) (Ceremony, error) {
	h, err := k.holder(ctx, user)
	if err != nil {
		return Ceremony{}, err
	}
	o, session, err := rp.w.BeginLogin(h)
	if err != nil {
		return Ceremony{}, err
	}
	return k.ceremony(proveName(user.ID), o.Response, session)
}

// BeginPasskeySignIn begins to sign in by a passkey alone: whose it is, the authenticator says.
func (k *People) BeginPasskeySignIn(rp *RelyingParty) (Ceremony, error) {
	o, session, err := rp.w.BeginDiscoverableLogin()
	if err != nil {
		return Ceremony{}, err
	}
	return k.ceremony(passkeySignIn, o.Response, session)
}

// checkPasskey checks the answer to BeginPasskey.
func (k *People) checkPasskey(ctx context.Context, rp *RelyingParty, user store.User, a PasskeyAnswer) (func(*store.Tx) error, error) {
	if rp == nil {
		return nil, passkeyError("passkeys cannot be used on this server")
	}
	s, err := k.openCeremony(proveName(user.ID), a)
	if err != nil {
		return nil, err
	}
	h, err := k.holder(ctx, user)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(a.Response))
	if err != nil {
		return nil, k.badPasskey(ctx, err)
	}
	if err := k.once(ctx, s); err != nil {
		return nil, err
	}
	cred, err := rp.w.ValidateLogin(h, s.Session, parsed)
	if err != nil {
		return nil, k.badPasskey(ctx, err)
	}
	return k.usePasskey(ctx, h, cred)
}

// usePasskey is what notes that a passkey was used. One whose counter went backwards was copied (WebAuthn §6.1.1).
func (k *People) usePasskey(ctx context.Context, h *holder, cred *webauthn.Credential) (func(*store.Tx) error, error) {
	if cred.Authenticator.CloneWarning {
		k.log.WarnContext(ctx, "a passkey's counter went backwards: it may have been copied", "user", h.user.Email)
		return nil, passkeyError("this passkey seems to have been copied: its counter went backwards; sign in another way and remove it")
	}
	data, err := json.Marshal(cred)
	if err != nil {
		return nil, err
	}
	for _, p := range h.keys {
		if hmac.Equal(p.CredentialID, cred.ID) {
			return func(tx *store.Tx) error {
				return notFoundIs(tx.UsePasskey(ctx, p.ID, p.Data, string(data)),
					passkeyError("the passkey was used or removed at the same moment; try again"))
			}, nil
		}
	}
	return nil, passkeyError("this passkey is not kept here")
}

// SignInByPasskey signs in who answers to BeginPasskeySignIn. A passkey is two factors: having it, and what unlocks it.
// Error: *change.Error on Passkey.
func (k *People) SignInByPasskey(ctx context.Context, rp *RelyingParty, a PasskeyAnswer, at Browser) (session string, user store.User,
	err error,
) {
	s, err := k.openCeremony(passkeySignIn, a)
	if err != nil {
		return "", user, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(a.Response))
	if err != nil {
		return "", user, k.badPasskey(ctx, err)
	}
	if err := k.once(ctx, s); err != nil {
		return "", user, err
	}
	var h *holder
	find := func(rawID, handle []byte) (webauthn.User, error) {
		p, err := k.store.PasskeyByCredential(ctx, rawID)
		if err != nil {
			return nil, err
		}
		u, err := k.store.User(ctx, p.UserID)
		if err != nil {
			return nil, err
		}
		if h, err = k.holder(ctx, u); err != nil {
			return nil, err
		}
		if !hmac.Equal(handle, h.handle) {
			return nil, errors.New("the passkey is another user's")
		}
		return h, nil
	}
	cred, err := rp.w.ValidateDiscoverableLogin(find, s.Session, parsed)
	if h != nil {
		user = h.user
	}
	if err != nil {
		return "", user, k.badPasskey(ctx, err)
	}
	use, err := k.usePasskey(ctx, h, cred)
	if err != nil {
		return "", user, err
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		if err := use(tx); err != nil {
			return err
		}
		session, err = k.startSession(ctx, tx, user, "passkey", at)
		return err
	})
	return session, user, err
}
