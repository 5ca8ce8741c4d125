// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"io"
	"strings"

	"postern/internal/change"

	"postern/internal/config"
	"postern/internal/mail"
	"postern/internal/store"
)

// trySender is the sender of a fresh server that captures mail, so that its first mail can be sent at once. The
// domain is for examples (RFC 2606).
const trySender = "*@example.com"

// SetUp is what the first start made. The secret and the link are in clear here and nowhere else.
type SetUp struct {
	Email, APIKey, SecretKey string
	LinkToken                string
	KeyID                    int64
}

// LinkURL is the page that a one-time sign-in link leads to.
func LinkURL(baseURL, token string) string { return baseURL + "/welcome/" + token }

// SetUp makes the first account, its owner and its master key, unless there is an account: then it returns nil.
func (c *Core) SetUp(ctx context.Context, owner string) (*SetUp, error) {
	accounts, err := c.Store.Accounts(ctx)
	if err != nil || len(accounts) > 0 {
		return nil, err
	}
	if err := mail.CheckEmail(owner); err != nil {
		return nil, &config.Error{Setting: "owner", Reason: fmt.Sprintf("%q: %v", owner, err), Err: err}
	}
	by := change.Actor{Kind: change.Operator, Origin: "first start"}
	made, err := c.Keys.SignUp(ctx, by, "Primary", owner)
	if err != nil {
		return nil, fmt.Errorf("set up: %w", err)
	}
	// Who sets a server up answers the requests of its accounts.
	if err := c.People.SetOperator(ctx, by, made.User.Email, true); err != nil {
		return nil, fmt.Errorf("set up: %w", err)
	}
	token, err := c.People.NewSignInLink(ctx, by, made.User)
	if err != nil {
		return nil, fmt.Errorf("set up: %w", err)
	}
	return &SetUp{Email: made.User.Email, APIKey: made.Key.APIKey, SecretKey: made.Secret, LinkToken: token, KeyID: made.Key.ID}, nil
}

// addTrySender lets the new key send from example.com.
func (c *Core) addTrySender(ctx context.Context, s *SetUp) error {
	by := change.Actor{Kind: change.Operator, Origin: "first start"}
	_, err := c.Senders.AddSender(ctx, by, store.OfOperator(), store.KeyFilter{ID: s.KeyID}, trySender, "")
	return err
}

// print tells a person what to do next. It is the only place where the server shows a secret.
func (s *SetUp) print(w io.Writer, baseURL, smtpAddr string, captures bool) error {
	from, note := "you@example.com", "Mail is captured: it stays here to look at and goes nowhere (set --route to change "+
		"that).\nThe sender *@example.com is allowed already, for a first try."
	if !captures {
		from, note = "you@your-domain.example", "First allow your sender: postern sender add you@your-domain.example"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `
Postern is set up. This is shown once:

  Page        %s
              (signs in %s, once, within a day)
  API key     %s
  Secret key  %s
`, LinkURL(baseURL, s.LinkToken), s.Email, s.APIKey, s.SecretKey)
	if smtpAddr != "" {
		fmt.Fprintf(&b, "  SMTP        %s, user name: the API key, password: the secret key\n", smtpAddr)
	}
	fmt.Fprintf(&b, `
%s

Send a first mail:

  curl -s %s/v3.1/send --user '%s:%s' \
    -H 'Content-Type: application/json' \
    -d '{"Messages":[{"From":{"Email":"%s"},"To":[{"Email":"friend@example.org"}],"Subject":"Hello","TextPart":"It works."}]}'

`, note, baseURL, s.APIKey, s.SecretKey, from)
	_, err := io.WriteString(w, b.String())
	return err
}
