// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"postern/internal/config"
	"postern/internal/server"
)

// errForced ends the program at a second signal.
var errForced = errors.New("ended at once by a second signal")

type serveCmd struct{ config.Serve }

// Help teaches.
func (serveCmd) Help() string {
	return `On an empty directory the first start makes an account and prints, once, the page's address with a sign-in link, the API key with its secret, and a command that sends a first mail.

SIGTERM or SIGINT drains: no new work is taken, what is under way ends or is handed back, exit 0. A second one exits at once with 130; mail that was accepted is safe either way.

Examples:
  postern serve                                     try it: mail is captured, to be looked at on the page
  postern serve --route smtp://user:password@smtp.example.com:587
  POSTERN_SMTP=0.0.0.0:587 POSTERN_TLS_CERT=/etc/tls/full.pem POSTERN_TLS_KEY=/etc/tls/key.pem postern serve --data /var/lib/postern`
}

// Run serves until a signal.
func (c *serveCmd) Run(common *config.Common, s *streams) error {
	if err := c.Serve.Check(common); err != nil {
		return err
	}
	defer server.TuneMemory(os.Getenv)()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	forced := make(chan struct{})
	go func() {
		<-signals
		stop()
		<-signals
		close(forced)
	}()
	ended := make(chan error, 1)
	go func() { ended <- c.serve(ctx, common, s) }()
	select {
	case err := <-ended:
		return err
	case <-forced:
		return errForced // nothing that was answered is lost: it is durable
	}
}

func (c *serveCmd) serve(ctx context.Context, common *config.Common, s *streams) error {
	srv, err := server.New(ctx, common, &c.Serve, s.out, logger(common, s.err))
	if err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop while starting
		}
		return err
	}
	return srv.Run(ctx)
}
