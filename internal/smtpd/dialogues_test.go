// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"postern/internal/store"
)

// dialogue is one of testdata/dialogues.txt.
type dialogue struct {
	name, rfc string
	steps     []string
}

func dialogues(t testing.TB) []dialogue {
	b, err := os.ReadFile("testdata/dialogues.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []dialogue
	for i, line := range strings.Split(string(b), "\n") {
		switch {
		case strings.HasPrefix(line, "== "):
			name, rfc, ok := strings.Cut(line[3:], " | ")
			if !ok || !strings.Contains(rfc, "RFC ") {
				t.Fatalf("line %d: a dialogue names its RFC", i+1)
			}
			out = append(out, dialogue{name: name, rfc: rfc})
		case line == "" || strings.HasPrefix(line, "#"):
		case len(out) > 0:
			out[len(out)-1].steps = append(out[len(out)-1].steps, line)
		}
	}
	return out
}

var repeated = regexp.MustCompile(`\{([^{}*]+)\*([0-9]+)\}`)

// filler puts credentials and repetitions ({x*64}) into what a client says.
func (w *world) filler() func(string) string {
	b := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	wrong := w.secret[:39] + "-"
	names := strings.NewReplacer("{plain}", plain(w.key.APIKey, w.secret), "{wrong}", plain(w.key.APIKey, wrong),
		"{user}", b(w.key.APIKey), "{password}", b(w.secret), "{wrongpassword}", b(wrong),
		"{same}", b(w.key.APIKey+"\x00"+w.key.APIKey+"\x00"+w.secret), "{other}", b("other\x00"+w.key.APIKey+"\x00"+w.secret),
		"{noseparator}", b(w.key.APIKey+w.secret), "{four}", b("\x00"+w.key.APIKey+"\x00"+w.secret+"\x00"))
	return func(s string) string {
		return repeated.ReplaceAllStringFunc(names.Replace(s), func(m string) string {
			part := repeated.FindStringSubmatch(m)
			n, _ := strconv.Atoi(part[2])
			return strings.Repeat(part[1], n)
		})
	}
}

// TestDialogues plays testdata/dialogues.txt. A step is
//
//	C: a line of the client, which ends with CRLF
//	C" bytes of the client, as Go writes a string
//	S: how the last line of the server's reply begins; S*9: for nine replies
//	closed: the server closes the connection
//	mails TO, …: which mails were kept by now, given by their recipients; none, where it is not said
//
// and EHLO, LOGIN, MAIL and RCPT stand for what brings a connection so far.
func TestDialogues(t *testing.T) {
	w := start(t, nil)
	all := dialogues(t)
	fill := w.filler()
	for _, d := range all {
		t.Run(d.name+" ("+d.rfc+")", func(t *testing.T) {
			before := w.recipients(t)
			c := w.dial(t)
			checked := false
			for _, step := range d.steps {
				switch kind, rest, _ := strings.Cut(step, " "); {
				case kind == "EHLO" || kind == "LOGIN" || kind == "MAIL" || kind == "RCPT":
					n := map[string]int{"EHLO": 1, "LOGIN": 2, "MAIL": 3, "RCPT": 4}[kind]
					for _, l := range reach[n].to {
						c.say(fill(l[0]), l[1])
					}
				case kind == "C:" || step == "C:":
					c.send(fill(rest) + "\r\n")
				case kind == `C"`:
					s, err := strconv.Unquote(rest)
					if err != nil {
						t.Fatal(step, err)
					}
					c.send(fill(s))
				case strings.HasPrefix(kind, "S*"):
					n, _ := strconv.Atoi(kind[2 : len(kind)-1])
					for range n {
						c.expect(rest)
					}
				case kind == "S:":
					c.expect(rest)
				case kind == "closed:":
					c.gone()
				case kind == "mails":
					checked = true
					w.want(t, before, strings.Split(rest, ", "))
				default:
					t.Fatalf("what is %q?", step)
				}
			}
			if !checked {
				w.want(t, before, nil)
			}
		})
	}
	if n := len(all) + 6*30; n < 150 || len(all) < 90 {
		t.Errorf("%d dialogues", n)
	}
}

// recipients are those of all mails that were kept, oldest first.
func (w *world) recipients(t testing.TB) []string {
	t.Helper()
	got, err := w.store.Messages(t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range got {
		out = append(out, fmt.Sprintf("%d %s", m.ID, m.Recipient))
	}
	slices.Sort(out)
	return out
}

// want wants mails to these recipients to be new.
func (w *world) want(t testing.TB, before, to []string) {
	t.Helper()
	var got []string
	for _, x := range w.recipients(t) {
		if !slices.Contains(before, x) {
			_, email, _ := strings.Cut(x, " ")
			got = append(got, email)
		}
	}
	slices.Sort(got)
	slices.Sort(to)
	if !slices.Equal(got, to) {
		t.Errorf("mails to %q were kept, want %q", got, to)
	}
}
