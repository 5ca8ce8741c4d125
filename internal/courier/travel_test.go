// SPDX-License-Identifier: Apache-2.0

package courier_test

import (
	"strings"
	"testing"

	"postern/internal/courier"
	"postern/internal/mxtest"
)

// SMTPUTF8 and 8BITMIME are declared where a mail needs them and the server offers them, and nowhere else.
func TestExtensionsWhereTheyAreNeeded(t *testing.T) {
	all, none := []string{"8BITMIME", "SMTPUTF8", "PIPELINING"}, []string{"PIPELINING"}
	for name, c := range map[string]struct {
		offers   []string
		from, to string
		header   string
		utf8     bool
		bounced  string // recipients
		declared string // of each transaction
	}{
		"ASCII":                              {all, "a@example.com", "r@b.example", "", false, "", ""},
		"ASCII, nothing offered":             {none, "a@example.com", "r@b.example", "", false, "", ""},
		"a recipient":                        {all, "a@example.com", "ü@b.example", "", true, "", " SMTPUTF8"},
		"a recipient, nothing offered":       {none, "a@example.com", "ü@b.example", "", true, "ü@b.example", ""},
		"one of two":                         {all, "a@example.com", "r@b.example ü@b.example", "", true, "", "| SMTPUTF8"},
		"one of two, nothing offered":        {none, "a@example.com", "ü@b.example r@b.example", "", true, "ü@b.example", ""},
		"the sender":                         {all, "ü@example.com", "r@b.example s@b.example", "", true, "", " SMTPUTF8"},
		"the sender, nothing offered":        {none, "ü@example.com", "r@b.example", "", true, "r@b.example", ""},
		"the header":                         {all, "a@example.com", "r@b.example ü@b.example", "To: ü@b.example\r\n", true, "", " BODY=8BITMIME SMTPUTF8"},
		"the header, nothing offered":        {none, "a@example.com", "r@b.example", "To: ü@b.example\r\n", true, "r@b.example", ""},
		"nothing but what was said of it":    {none, "a@example.com", "r@b.example", "", true, "", ""},
		"an IDN domain, nothing offered":     {none, "a@bücher.example", "r@bücher.example", "", false, "", ""},
		"an IDN domain beside a local part":  {none, "a@example.com", "r@bücher.example ü@b.example", "", true, "ü@b.example", ""},
		"two of three, and nothing offered":  {none, "a@example.com", "ü@b.example r@b.example ä@b.example", "", true, "ü@b.example ä@b.example", ""},
		"two of three, and all is offered":   {all, "a@example.com", "ü@b.example r@b.example ä@b.example", "", true, "", "| SMTPUTF8"},
		"8 bits":                             {all, "a@example.com", "r@b.example", "X: \xff\r\n", false, "", " BODY=8BITMIME"},
		"three that need it, all is offered": {all, "a@example.com", "ü@b.example ö@b.example ä@b.example", "", true, "", " SMTPUTF8"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mxtest.NewServer(t, mxtest.Script{Offers: c.offers})
			j := job(strings.Fields(c.to)...)
			j.From, j.UTF8, j.Body = c.from, c.utf8, []byte(c.header+"From: a@example.com\r\n\r\nx\r\n")
			out := relay(t, s, nil).Attempt(t.Context(), j)
			if len(out) != len(j.Recipients) {
				t.Fatalf("%d outcomes", len(out))
			}
			got := map[int64]courier.Outcome{}
			for _, o := range out {
				got[o.MessageID] = o
			}
			for _, r := range j.Recipients {
				o, bounced := got[r.MessageID], strings.Contains(" "+c.bounced+" ", " "+r.Email+" ")
				if bounced && (o.Result != courier.Bounced || o.Enhanced != "5.6.7" || !strings.Contains(o.Line, "SMTPUTF8")) || !bounced && o.Result != courier.Delivered {
					t.Errorf("%s: %+v", r.Email, o)
				}
			}
			var declared []string
			for _, m := range s.Mails() {
				_, params, _ := strings.Cut(m.From, ">")
				if i := strings.Index(params, " SIZE="); i >= 0 {
					end := strings.IndexByte(params[i+1:]+" ", ' ')
					params = params[:i] + params[i+1+end:]
				}
				declared = append(declared, params)
			}
			if all := strings.Join(declared, "|"); all != c.declared {
				t.Errorf("declared %q, want %q", all, c.declared)
			}
		})
	}
}
