// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"
)

// asJSON is the option of every command that shows something.
type asJSON struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// terminalIn is the terminal that a person types at, nil where there is none.
func (s *streams) terminalIn() *os.File {
	if f, ok := s.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// maxTyped bounds what is read as one secret.
const maxTyped = 4096

// secret reads a secret key. It is never an argument: others can read a command line, and shells keep it.
func (s *streams) secret(prompt string) (string, error) { return s.hidden(prompt, "secret key") }

// hidden reads what nobody else shall see: asked for at a terminal, without showing it, or else from the standard input.
func (s *streams) hidden(prompt, what string) (string, error) {
	var raw []byte
	var err error
	if f := s.terminalIn(); f != nil {
		if _, err := fmt.Fprint(s.err, prompt+" (not shown): "); err != nil {
			return "", err
		}
		raw, err = term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(s.err) //nolint:errcheck // the new line that was typed and not shown
	} else {
		raw, err = io.ReadAll(io.LimitReader(s.in, maxTyped))
	}
	if err != nil {
		return "", fmt.Errorf("the %s cannot be read: %w", what, err)
	}
	text := strings.TrimSpace(string(raw))
	if text == "" {
		return "", fmt.Errorf("no %s was given: type it, or give it on the standard input", what)
	}
	return text, nil
}

// sure asks a person at a terminal for a yes. Where there is none, the command has to be told with --yes.
func (s *streams) sure(question string) error {
	if s.terminalIn() == nil {
		return &usageError{errors.New("there is no terminal to ask at: say --yes")}
	}
	if _, err := fmt.Fprint(s.err, question+" [y/N] "); err != nil {
		return err
	}
	answer, err := bufio.NewReader(s.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was done")
}

// progress says on the error stream how far a long work is: in place on a terminal, every few seconds elsewhere.
type progress struct {
	w     io.Writer
	live  bool // a terminal
	what  string
	said  time.Time
	wrote bool
}

func (s *streams) progress(what string) *progress {
	f, ok := s.err.(*os.File)
	return &progress{w: s.err, live: ok && term.IsTerminal(int(f.Fd())), what: what, said: time.Now()}
}

func (p *progress) at(done, total int64) {
	every, form := 5*time.Second, "%s: %d of %d\n"
	if p.live {
		every, form = 100*time.Millisecond, "\r%s: %d of %d\x1b[K"
	}
	if time.Since(p.said) < every {
		return
	}
	p.said, p.wrote = time.Now(), true
	fmt.Fprintf(p.w, form, p.what, done, total) //nolint:errcheck // only an interim word
}

// end takes the line away.
func (p *progress) end() {
	if p.live && p.wrote {
		fmt.Fprint(p.w, "\r\x1b[K") //nolint:errcheck // only an interim word
	}
}

// counting is a number of 1 or more, or 0 where nobody said one.
type counting int64

// UnmarshalText is part of encoding.TextUnmarshaler.
func (c *counting) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not a whole number of 1 or more", text)
	}
	*c = counting(n)
	return nil
}

// span is a length of time as people write it: 90m, 24h, 7d, 2w.
type span time.Duration

// UnmarshalText is part of encoding.TextUnmarshaler.
func (s *span) UnmarshalText(text []byte) error {
	rest := string(text)
	var sum time.Duration
	for _, unit := range []struct {
		letter string
		is     time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		if number, after, ok := strings.Cut(rest, unit.letter); ok {
			n, err := strconv.ParseUint(number, 10, 16)
			if err != nil {
				return fmt.Errorf("%q is not a length of time such as 90m, 24h or 7d", text)
			}
			sum, rest = sum+time.Duration(n)*unit.is, after //nolint:gosec // 16 bits
		}
	}
	if rest != "" || len(text) == 0 {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a length of time such as 90m, 24h or 7d", text)
		}
		sum += d
	}
	*s = span(sum)
	return nil
}

// long is a length of time in a sentence: whole days from two days on, hours, minutes.
func long(d time.Duration) string {
	n, unit := int64(d/time.Minute), "minute"
	switch {
	case d >= 48*time.Hour:
		n, unit = int64(d/(24*time.Hour)), "day"
	case d >= 2*time.Hour:
		n, unit = int64(d/time.Hour), "hour"
	}
	return count(int(n), unit, unit+"s")
}

// count is so many of something.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// limit is a limit in a table; 0 is none.
func limit(n int64) string {
	if n == 0 {
		return "no limit"
	}
	return strconv.FormatInt(n, 10)
}

// used is a use of a limit in a table.
func used(n, of int64) string {
	if of == 0 {
		return strconv.FormatInt(n, 10) + ", no limit"
	}
	return fmt.Sprintf("%d of %d", n, of)
}

// number is a number in a table.
func number(n int64) string { return strconv.FormatInt(n, 10) }
