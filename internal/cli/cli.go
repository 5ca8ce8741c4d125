// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line: one small file per command. Commands that change or show something speak to the
// running server through its control socket, or, when none runs, open the data directory themselves and use the same
// handler: there is one way in which a key is reset.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 ended by a second signal.
package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"postern/internal/config"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
	exitForced = 130
)

// root is all that the command line knows; kong reads it.
type root struct {
	config.Common

	Serve       serveCmd       `cmd:"" help:"Run the server."`
	Init        initCmd        `cmd:"" help:"Prepare a data directory: the first account, its owner and its key."`
	Account     accountCmd     `cmd:"" help:"Primary accounts."`
	Key         keyCmd         `cmd:"" help:"API keys and their secrets."`
	Sender      senderCmd      `cmd:"" help:"Addresses and domains that a key may send from."`
	Send        sendCmd        `cmd:"" help:"Send a test mail."`
	Suppression suppressionCmd `cmd:"" help:"Addresses that a key sends nothing to."`
	Webhook     webhookCmd     `cmd:"" help:"URLs that are told what becomes of a key's messages."`
	Complaint   complaintCmd   `cmd:"" help:"Record a complaint that a mailbox provider reports."`
	Messages    messagesCmd    `cmd:"" help:"List messages, or show one with its history."`
	Stats       statsCmd       `cmd:"" help:"Show what became of mail, over time or by key, domain, campaign or sender."`
	Queue       queueCmd       `cmd:"" help:"Show what waits to be delivered."`
	User        userCmd        `cmd:"" help:"People who sign in to the pages."`
	Plan        planCmd        `cmd:"" help:"Plans: what an account may have."`
	Request     requestCmd     `cmd:"" help:"What accounts ask for beyond their plans."`
	Audit       auditCmd       `cmd:"" help:"The log of all changes to who may do what."`
	Completion  completionCmd  `cmd:"" help:"Print a completion script for a shell."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

const description = `A self-hosted email sending service: an HTTP API, an SMTP server and pages, opened by API keys.

Begin with 'postern serve': on an empty directory it sets itself up and prints what to do next. The other commands speak to the running server, or work on --data when none runs.

Every setting is a flag (--log-level), an environment variable (POSTERN_LOG_LEVEL) or a line of postern.conf (log-level = debug); the first of these that is there counts.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 ended by a second signal.`

// streams is where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exited unwinds the stack when kong has printed help.
type exited int

// Main runs the command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exited)
			if !ok {
				panic(r)
			}
			code = int(e)
		}
	}()
	for i, a := range args { // what is sent on as JSON would have U+FFFD in its stead
		if !utf8.ValidString(a) {
			return report(stderr, fmt.Errorf("argument %d is not UTF-8: set the terminal or the script to UTF-8", i+1), nil)
		}
	}
	var r root
	parser, err := newParser(&r, kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(exited(code)) }))
	if err != nil {
		return report(stderr, err, nil)
	}
	if err := forgetEmpty(parser.Model); err != nil {
		return report(stderr, err, nil)
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		if bad := new(kong.ParseError); errors.As(err, &bad) {
			ctx = bad.Context
		}
		return report(stderr, usage(err), chosen(ctx))
	}
	if err := r.Common.Check(); err != nil {
		return report(stderr, err, chosen(ctx))
	}
	return report(stderr, ctx.Run(&r.Common, &streams{os.Stdin, stdout, stderr}, parser.Model), chosen(ctx))
}

// forgetEmpty unsets the variables of settings that are there and empty: they say nothing, as where a container's
// description passes on a variable that nobody set.
func forgetEmpty(app *kong.Application) error {
	for _, f := range config.Settings(app) {
		for _, env := range f.Envs {
			if v, ok := os.LookupEnv(env); ok && v == "" {
				if err := os.Unsetenv(env); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// newParser makes kong's model of the command line.
func newParser(r *root, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(r, append([]kong.Option{
		kong.Name("postern"), kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ExplicitGroups([]kong.Group{{Key: "settings", Title: "Settings (also as an environment variable, or a line of " +
			"postern.conf):"}}),
		kong.ValueFormatter(describe), kong.Resolvers(&config.Resolver{}),
	}, options...)...)
}

// describe is a flag's line in the help: what it is, its default and its environment variable.
func describe(v *kong.Value) string {
	var notes []string
	if v.HasDefault && v.Default != "" {
		notes = append(notes, "default "+v.Default)
	}
	if v.Flag != nil && len(v.Flag.Envs) > 0 {
		notes = append(notes, "$"+v.Flag.Envs[0])
	}
	if len(notes) == 0 {
		return v.Help
	}
	return v.Help + " (" + strings.Join(notes, ", ") + ")"
}

// logger makes the log that the settings ask for.
func logger(c *config.Common, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo // kong let only known ones through
	}
	opt := &slog.HandlerOptions{Level: level}
	f, isFile := w.(*os.File)
	if c.LogFormat == "text" || c.LogFormat == "auto" && isFile && term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(w, opt))
	}
	return slog.New(slog.NewJSONHandler(w, opt))
}

// printJSON prints v for a script.
func (s *streams) printJSON(v any) error {
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printf prints for a person.
func (s *streams) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(s.out, format, args...)
	return err
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(s *streams) error {
	return s.printf("postern %s\n", version())
}

// version is the module's, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	return v + " " + info.GoVersion
}
