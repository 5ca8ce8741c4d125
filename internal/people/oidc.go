// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/mail"
	"postern/internal/store"
)

// OIDCConfig is an OpenID provider whose people may sign in here.
type OIDCConfig struct {
	Issuer       string // https://…; "" for none
	ClientID     string
	ClientSecret string // may be empty: a public client
	Name         string // of the button; "" is the issuer's host
	RedirectURL  string // of the page that the provider sends people back to
}

// OIDC is an OpenID provider. It is asked for what it can do when it is first needed: one that cannot be reached when
// the server starts stops nothing.
type OIDC struct {
	OIDCConfig
	client *http.Client

	mu       sync.Mutex
	provider *oidc.Provider
}

// oidcWait bounds each request to a provider.
const oidcWait = 10 * time.Second

// OIDCLifetime is how long a person may take at the provider.
const OIDCLifetime = 15 * time.Minute

// NewOIDC makes a provider, nil when the settings name none.
func NewOIDC(c OIDCConfig) *OIDC {
	if c.Issuer == "" {
		return nil
	}
	if u, err := url.Parse(c.Issuer); c.Name == "" && err == nil {
		c.Name = u.Hostname()
	}
	return &OIDC{OIDCConfig: c, client: &http.Client{Timeout: oidcWait}}
}

// IssuerError says that a provider cannot be reached, or does not work as it should. It is not the person's mistake.
type IssuerError struct {
	Name string
	Err  error
}

func (e *IssuerError) Error() string { return "OpenID provider " + e.Name + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *IssuerError) Unwrap() error { return e.Err }

// discover reads the provider's description, once. A failure is tried again at the next use.
func (o *OIDC) discover(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider == nil {
		ctx, cancel := context.WithTimeout(ctx, oidcWait)
		defer cancel()
		p, err := oidc.NewProvider(oidc.ClientContext(ctx, o.client), o.Issuer)
		if err != nil {
			return nil, nil, &IssuerError{o.Name, err}
		}
		o.provider = p
	}
	return o.provider, &oauth2.Config{
		ClientID: o.ClientID, ClientSecret: o.ClientSecret, Endpoint: o.provider.Endpoint(), RedirectURL: o.RedirectURL,
		Scopes: []string{oidc.ScopeOpenID, "email"},
	}, nil
}

// oidcState is what a browser keeps while its person is at the provider, sealed in a cookie.
type oidcState struct {
	State, Nonce, Verifier, Next string
	Again                        bool // the person is to sign in there anew
	Begun                        time.Time
}

const oidcCookie = "oidc sign-in"

// BeginOIDC is where to send a person to sign in at the provider, and what his browser must keep meanwhile. With again
// the provider is to ask him anew, although he may be signed in there.
func (k *People) BeginOIDC(ctx context.Context, o *OIDC, next string, again bool) (to, cookie string, err error) {
	_, conf, err := o.discover(ctx)
	if err != nil {
		return "", "", err
	}
	s := oidcState{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: next, Again: again, Begun: k.now()}
	plain, err := json.Marshal(s)
	if err != nil {
		return "", "", err
	}
	opts := []oauth2.AuthCodeOption{oidc.Nonce(s.Nonce), oauth2.S256ChallengeOption(s.Verifier)}
	if again {
		opts = append(opts, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	return conf.AuthCodeURL(s.State, opts...), k.sealText(oidcCookie, plain), nil
}

// SignInByOIDC signs in who comes back from the provider with answer as the query, and returns where he wanted to go.
// The first time it binds his identity there to the user with his email address. A second factor of ours is not asked
// for, unless it is required: that is the provider's to do. Errors: *change.Error NotAllowed, *IssuerError, or *SecondStep.
func (k *People) SignInByOIDC(ctx context.Context, o *OIDC, cookie string, answer url.Values, at Browser) (session, next string,
	err error,
) {
	var s oidcState
	if err := k.openText(oidcCookie, cookie, &s); err != nil || k.now().After(s.Begun.Add(OIDCLifetime)) ||
		answer.Get("state") != s.State || s.State == "" {
		return "", "", change.Forbidden("", "this sign-in was not begun in this browser, or took too long; begin again")
	}
	who, err := o.identify(ctx, s, answer)
	if err != nil {
		return "", s.Next, err
	}
	var user store.User
	second := false
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		uses, err := tx.UseToken(ctx, credential.TokenDigest("oidc "+s.State), s.Begun.Add(OIDCLifetime))
		if err == nil && uses > 1 {
			err = change.Forbidden("", "this sign-in was finished already; begin again")
		}
		if err != nil {
			return err
		}
		if user, err = k.userOf(ctx, tx, o, who, at.Address); err != nil {
			return err
		}
		if second, err = k.asksForFactor(ctx, tx, user); err != nil || second {
			return err
		}
		proved := k.now()
		if !s.Again {
			// The provider may have known the browser: nobody has shown to be there.
			proved = proved.Add(-FreshFor - time.Second)
		}
		session, err = k.startSessionAt(ctx, tx, user, o.Name, at, proved)
		return err
	})
	if err == nil && second {
		err = k.secondStep(user, o.Name)
	}
	return session, s.Next, err
}

// asksForFactor says whether a user whom a provider has signed in is asked for the second factor that they have here.
func (k *People) asksForFactor(ctx context.Context, tx *store.Tx, user store.User) (bool, error) {
	all, err := tx.AccessesOf(ctx, user.ID)
	if err != nil || !factorRequired(user, all) {
		return false, err
	}
	return hasFactor(ctx, tx, user.ID)
}

// claims are what an ID token says of a person.
type claims struct {
	Issuer, Subject string
	Email           string `json:"email"`
	Verified        flag   `json:"email_verified"`
	AuthTime        int64  `json:"auth_time"`
	Party           string `json:"azp"` // whom the token was issued to
}

// flag reads true, and "true" as some providers write it.
type flag bool

// UnmarshalJSON reads a flag.
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = string(b) == "true" || string(b) == `"true"`
	return nil
}

// identify exchanges the code for an ID token, and checks that.
func (o *OIDC) identify(ctx context.Context, s oidcState, answer url.Values) (claims, error) {
	var c claims
	if iss := answer.Get("iss"); iss != "" && iss != o.Issuer { // RFC 9207
		return c, change.Forbidden("", "the answer is not from "+o.Name+"; begin again")
	}
	if refused := answer.Get("error"); refused != "" {
		if refused == "access_denied" {
			return c, change.Forbidden("", o.Name+" says that you did not agree, or may not")
		}
		return c, &IssuerError{o.Name, fmt.Errorf("it answered %q", refused)}
	}
	provider, conf, err := o.discover(ctx)
	if err != nil {
		return c, err
	}
	ctx = oidc.ClientContext(ctx, o.client)
	token, err := conf.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(s.Verifier))
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
		return c, change.Forbidden("", "this sign-in was finished already, or took too long; begin again")
	}
	if err != nil {
		return c, &IssuerError{o.Name, errors.New("the code was not exchanged for a token: " + code(err))}
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return c, &IssuerError{o.Name, errors.New("its answer has no ID token")}
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: o.ClientID}).Verify(ctx, raw)
	if err != nil {
		return c, &IssuerError{o.Name, fmt.Errorf("its ID token is not good: %w", err)}
	}
	if err := id.Claims(&c); err != nil {
		return c, &IssuerError{o.Name, fmt.Errorf("its ID token cannot be read: %w", err)}
	}
	c.Issuer, c.Subject = id.Issuer, id.Subject
	switch {
	case len(id.Audience) > 1 && c.Party == "" || c.Party != "" && c.Party != o.ClientID: // OpenID Connect Core 1.0 §3.1.3.7
		return c, &IssuerError{o.Name, errors.New("its ID token was issued to another party")}
	case id.Nonce != s.Nonce:
		return c, change.Forbidden("", "the answer of "+o.Name+" belongs to another sign-in; begin again")
	case s.Again && time.Unix(c.AuthTime, 0).Before(s.Begun.Add(-time.Minute)):
		return c, change.Forbidden("", o.Name+" did not ask you to sign in anew; sign out there, and begin again")
	}
	return c, nil
}

// code is what of an error of the token endpoint may be logged: its body may hold tokens.
func code(err error) string {
	var e *oauth2.RetrieveError
	if errors.As(err, &e) {
		return fmt.Sprintf("%s %s", e.Response.Status, e.ErrorCode)
	}
	return err.Error()
}

// userOf finds the user whom an identity is bound to, or binds it to the one with its email address.
func (k *People) userOf(ctx context.Context, tx *store.Tx, o *OIDC, c claims, from netip.Addr) (store.User, error) {
	user, err := tx.UserByIdentity(ctx, c.Issuer, c.Subject)
	if !errors.Is(err, store.ErrNotFound) {
		return user, err
	}
	switch {
	case c.Email == "" || mail.CheckEmail(c.Email) != nil:
		return user, change.Forbidden("", o.Name+" does not say your email address, by which you are known here")
	case !bool(c.Verified):
		return user, change.Forbidden("", o.Name+" has not verified the email address "+c.Email+"; verify it there first")
	}
	user, err = tx.UserByEmail(ctx, mail.Canonical(c.Email))
	if errors.Is(err, store.ErrNotFound) {
		return user, change.Forbidden("", "nobody here has the email address "+c.Email+"; ask who runs this server, or an owner of "+
			"the account, to invite you")
	}
	if err != nil {
		return user, err
	}
	// An address that was given to somebody else at the provider does not open what the first had.
	bound, err := tx.HasIdentity(ctx, user.ID, c.Issuer)
	if err != nil {
		return user, err
	}
	if bound {
		return user, change.Forbidden("", c.Email+" is bound to another person at "+o.Name+"; ask who runs this server")
	}
	if err := tx.AddIdentity(ctx, store.Identity{Issuer: c.Issuer, Subject: c.Subject, UserID: user.ID}); err != nil {
		return user, err
	}
	if err := tx.AddAudit(ctx, person(user, from).Entry(user.AccountID, "user.identity.bind", "user "+user.Email,
		"at "+c.Issuer)); err != nil {
		return user, err
	}
	return user, k.tellChanged(ctx, tx, user, "sign-in with "+o.Name+" added", from)
}

// KnowsByOIDC says whether a user has signed in by a provider before.
func (k *People) KnowsByOIDC(ctx context.Context, o *OIDC, userID int64) (bool, error) {
	if o == nil {
		return false, nil
	}
	return k.store.HasIdentity(ctx, userID, o.Issuer)
}
