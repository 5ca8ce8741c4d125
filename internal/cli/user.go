// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"postern/internal/config"
	"postern/internal/control"
)

type userCmd struct {
	List     userListCmd     `cmd:"" help:"List who may do what, and who is invited to."`
	Invite   userInviteCmd   `cmd:"" help:"Invite somebody by mail to share an account, or some of its keys."`
	Access   userAccessCmd   `cmd:"" help:"Change somebody's role."`
	Remove   userRemoveCmd   `cmd:"" help:"Take somebody's access away, or an invitation back."`
	Operator userOperatorCmd `cmd:"" help:"Let a user see the operator's pages."`
	Link     userLinkCmd     `cmd:"" help:"Make a one-time sign-in link, for a user who is locked out."`
}

type userLinkCmd struct {
	Email              string `arg:"" optional:"" help:"Email address of the user; needed when there are several."`
	ForgetSecondFactor bool   `help:"The link also removes the user's authenticator app, passkeys and recovery codes: for who has lost everything. Make sure that it is him who asks."`
	JSON               bool   `name:"json" help:"Print JSON."`
}

// Run makes a link.
func (c *userLinkCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.Link, error) {
		return calls.CreateSignInLink(ctx, c.Email, c.ForgetSecondFactor)
	}, func(l control.Link) error {
		if c.ForgetSecondFactor {
			return s.printf("%s\nsigns in %s, once, until %s UTC, and forgets the second factor\n", l.SignInURL, l.Email, when(l.ExpiresAt, ""))
		}
		return s.printf("%s\nsigns in %s, once, until %s UTC\n", l.SignInURL, l.Email, when(l.ExpiresAt, ""))
	})
}
