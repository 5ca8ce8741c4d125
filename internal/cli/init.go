// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"postern/internal/config"
	"postern/internal/server"
	"postern/internal/store"
)

type initCmd struct {
	config.Owner

	JSON bool `name:"json" help:"Print one JSON object: Email, APIKey, SecretKey, SignInURL."`
}

// Help teaches.
func (initCmd) Help() string {
	return `Makes the data directory, the server key, the database and the first account, and prints the API key with its secret and a sign-in link, once. 'postern serve' does the same by itself; this is for scripts and images.

A directory that is prepared already is left as it is, and the exit code is 1.

Examples:
  postern init --data /var/lib/postern --owner ops@example.com
  postern init --json | jq -r .SecretKey`
}

// initialised is what init prints with --json: exactly these.
type initialised struct{ Email, APIKey, SecretKey, SignInURL string }

// Run prepares the data directory.
func (c *initCmd) Run(common *config.Common, s *streams) (err error) {
	ctx := context.Background()
	core, err := server.Open(ctx, common, quiet(common, s.err))
	if errors.Is(err, store.ErrBusy) {
		return fmt.Errorf("it is prepared already, and a server runs on it: %w", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, core.Close()) }()
	made, err := core.SetUp(ctx, c.Owner.Owner)
	if err != nil {
		return err
	}
	if made == nil {
		return fmt.Errorf("%s is prepared already; see its keys with: postern key list", common.Data)
	}
	out := initialised{made.Email, made.APIKey, made.SecretKey, server.LinkURL(server.OfflineURL(common), made.LinkToken)}
	if c.JSON {
		return s.printJSON(out)
	}
	return s.printf(`%s is prepared. This is shown once:

  Email       %s
  API key     %s
  Secret key  %s
  Sign-in     %s
              (once, within a day, when the server runs)

Next: postern sender add you@your-domain, then postern serve.
`, common.Data, out.Email, out.APIKey, out.SecretKey, out.SignInURL)
}
