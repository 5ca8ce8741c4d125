// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"

	"postern/internal/change"
	"postern/internal/config"
	"postern/internal/control"
)

// usageError is a command line that cannot be understood.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usage makes kong's errors ours; one of a setting stays what it is.
func usage(err error) error {
	var s *config.Error
	if errors.As(err, &s) {
		return s
	}
	return &usageError{err}
}

// bound is a flag that bounds a list, and whether it is given.
type bound struct {
	flag  string
	given bool
}

// oneOrList refuses a command line that asks for one thing, by an argument, and bounds the list of all.
func oneOrList(argument, one string, list ...bound) error {
	for _, b := range list {
		if one != "" && b.given {
			return &usageError{fmt.Errorf("--%s: it bounds the list, and %s asks for one; leave one of them out", b.flag, argument)}
		}
	}
	return nil
}

// chosen is the command that was named, as far as it was.
func chosen(ctx *kong.Context) *kong.Node {
	if ctx == nil {
		return nil
	}
	for _, p := range slices.Backward(ctx.Path) {
		if p.Command != nil {
			return p.Command
		}
	}
	return nil
}

// report prints an error of a command and returns its exit code.
func report(w io.Writer, err error, of *kong.Node) int {
	if err == nil {
		return 0
	}
	if e := new(change.Error); errors.As(err, &e) {
		e.Field = typed(of, e.Field)
	}
	var u *usageError
	bad := errors.As(err, &u)
	var misuse *control.Misuse
	text := err.Error()
	if bad {
		text = plainly(text)
	}
	fmt.Fprintln(w, "postern: "+text) //nolint:errcheck // there is nobody else to tell
	var s *config.Error
	switch {
	case errors.Is(err, errForced):
		return exitForced
	case bad, errors.As(err, &misuse):
		command := "postern"
		if of != nil {
			command = of.FullPath()
		}
		fmt.Fprintf(w, "Try %s --help.\n", command) //nolint:errcheck // there is nobody else to tell
		return exitUsage
	case errors.As(err, &s) && s.Err == nil:
		return exitUsage
	}
	return exitFailed
}

var (
	noChoice  = regexp.MustCompile(`,""( but got )`)
	hyphenate = regexp.MustCompile(`^(--[a-z-]+): expected \S+ value but got "(-[^"]*)" \([a-z ]+\).*$`)
)

// plainly says what kong says without what is of its own making: the choice that stands for none, and its names of tokens.
func plainly(text string) string {
	text = noChoice.ReplaceAllString(text, "$1")
	return hyphenate.ReplaceAllString(text, `$1: a value is needed; one that begins with a hyphen is written $1=$2`)
}

// typed is how a property that an error names is written on a command's line: its option or its argument. What is neither
// stays as it is.
func typed(of *kong.Node, field string) string {
	if of == nil || field == "" {
		return field
	}
	names := map[string][]string{
		"OverlapSeconds": {"overlap"},
		"EndSecretID":    {"end-secret"},
		"SecretID":       {"secret"},
		"SecretDays":     {"days"},
		"RemindDays":     {"remind"},
		"RetentionDays":  {"retention"},
		"HourLimit":      {"hour"},
		"DayLimit":       {"day"},
		"MonthLimit":     {"month"},
		"HourMessages":   {"hour"},
		"MonthMessages":  {"month"},
		"AllowedSenders": {"senders"},
		"EventType":      {"event"},
		"EmailType":      {"type"},
		"TrackHost":      {"host"},
		"Report":         {"file"},
		"Email":          {"sender"},
		"Keys":           {"key"},
		"Lent":           {"sender"},
		"Words":          {"reason", "note"},
	}[field]
	for _, name := range append([]string{kebab(field)}, names...) {
		for _, p := range of.Positional {
			if p.Name == name {
				return "<" + name + ">"
			}
		}
		for _, f := range of.Flags {
			if f.Name == name {
				return "--" + name
			}
		}
	}
	return field
}

// kebab is how an option is called that says a property: APIKey is api-key.
func kebab(property string) string {
	var out []rune
	rs := []rune(property)
	for i, r := range rs {
		begins := i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(rs[i-1]) || i+1 < len(rs) && unicode.IsLower(rs[i+1]))
		if begins {
			out = append(out, '-')
		}
		out = append(out, unicode.ToLower(r))
	}
	return strings.ReplaceAll(string(out), "--", "-")
}
