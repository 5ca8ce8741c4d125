// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/people"
)

type userCmd struct {
	List     userListCmd     `cmd:"" help:"List who may do what, and who is invited to."`
	Invite   userInviteCmd   `cmd:"" help:"Invite somebody by mail to share an account, or some of its keys."`
	Access   userAccessCmd   `cmd:"" help:"Change somebody's role."`
	Remove   userRemoveCmd   `cmd:"" help:"Take somebody's access away, or an invitation back."`
	Operator userOperatorCmd `cmd:"" help:"Let a user see the operator's pages."`
	Link     userLinkCmd     `cmd:"" help:"Make a one-time sign-in link, for a user who is locked out."`
	SignOut  userSignOutCmd  `cmd:"" help:"End all sessions of a user."`
}

type userLinkCmd struct {
	Email              string `arg:"" optional:"" help:"Email address of the user; needed when there are several."`
	ForgetSecondFactor bool   `help:"The link also removes the user's authenticator app, passkeys and recovery codes: for a user who has lost everything. Verify their identity first."`
	JSON               bool   `name:"json" help:"Print JSON."`
}

// Run makes a link.
func (c *userLinkCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.Link, error) {
		return calls.CreateSignInLink(ctx, c.Email, c.ForgetSecondFactor)
	}, func(l control.Link) error {
		if c.ForgetSecondFactor {
			return s.printf("%s\nsigns in %s, once, until %s UTC, and forgets the second factor\n", l.SignInURL, l.Email,
				when(l.ExpiresAt, ""))
		}
		return s.printf("%s\nsigns in %s, once, until %s UTC\n", l.SignInURL, l.Email, when(l.ExpiresAt, ""))
	})
}

type userSignOutCmd struct {
	Email string `arg:"" help:"Email address of the user."`
	asJSON
}

// Help teaches.
func (userSignOutCmd) Help() string {
	return `They can sign in again: set a new password for them, or take their access away, where they must not.

Example:
  postern user sign-out ann@example.com`
}

// Run ends a user's sessions.
func (c *userSignOutCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (people.SignedOut, error) {
		return calls.SignOut(ctx, c.Email)
	}, func(out people.SignedOut) error {
		return s.printf("%s: sessions ended %d\n", plain(out.Email), out.Sessions)
	})
}
