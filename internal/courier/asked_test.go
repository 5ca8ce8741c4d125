// SPDX-License-Identifier: Apache-2.0

package courier_test

import (
	"slices"
	"strings"
	"testing"

	"postern/internal/courier"
	"postern/internal/mail"
	"postern/internal/mxtest"
)

// asked is a job for two recipients that asks for all that RFC 3461 has, about the first of them.
func asked() courier.Job {
	j := job("r+x@b.example", "q@b.example")
	j.Asked = &courier.Asked{Ret: mail.RetHeaders, EnvID: "QQ 1=2"}
	j.Recipients[0].Notify = mail.NotifySuccess | mail.NotifyFailure
	j.Recipients[0].ORcpt = mail.ORcpt{Type: "utf-8", Address: "jörg@bücher.example"}
	return j
}

// commands are those of a server's dialogue that begin with the verb.
func commands(s *mxtest.Server, verb string) []string {
	return slices.DeleteFunc(s.Lines(), func(l string) bool { return !strings.HasPrefix(l, verb) })
}

// What was asked for goes on to a server that offers DSN, with an ORCPT for who had none (RFC 3461 §5.2.1), pipelined or
// not; to any other goes nothing of it (§5.2.2).
func TestAskedGoesOn(t *testing.T) {
	for name, offers := range map[string][]string{"pipelined": {"PIPELINING", "DSN"}, "one by one": {"dsn"}} {
		t.Run(name, func(t *testing.T) {
			s := mxtest.NewServer(t, mxtest.Script{Offers: offers})
			for _, o := range relay(t, s, nil).Attempt(t.Context(), asked()) {
				if o.Result != courier.Delivered || !o.Notifies {
					t.Errorf("%+v", o)
				}
			}
			if got := commands(s, "MAIL"); !slices.Equal(got, []string{"MAIL FROM:<a@example.com> RET=HDRS ENVID=QQ+201+3D2"}) {
				t.Errorf("%q", got)
			}
			if got, want := commands(s, "RCPT"), []string{
				`RCPT TO:<r+x@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;j\x{F6}rg@b\x{FC}cher.example`,
				"RCPT TO:<q@b.example> ORCPT=rfc822;q@b.example",
			}; !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
	t.Run("international", func(t *testing.T) {
		s := mxtest.NewServer(t, mxtest.Script{Offers: []string{"DSN", "SMTPUTF8"}})
		j := asked()
		j.UTF8 = true
		relay(t, s, nil).Attempt(t.Context(), j)
		if got := commands(s, "RCPT"); len(got) != 2 || !strings.HasSuffix(got[0], "ORCPT=utf-8;jörg@bücher.example") { // RFC 6533 §3
			t.Errorf("%q", got)
		}
	})
	t.Run("not offered", func(t *testing.T) {
		s := mxtest.NewServer(t, mxtest.Script{})
		for _, o := range relay(t, s, nil).Attempt(t.Context(), asked()) {
			if o.Result != courier.Delivered || o.Notifies {
				t.Errorf("%+v", o)
			}
		}
		if all := strings.Join(s.Lines(), "\n"); strings.Contains(all, "NOTIFY") || strings.Contains(all, "ORCPT") || strings.Contains(all, "RET=") || strings.Contains(all, "ENVID") {
			t.Error(all)
		}
	})
	t.Run("nothing asked", func(t *testing.T) {
		s := mxtest.NewServer(t, mxtest.Script{Offers: []string{"DSN"}})
		one(t, relay(t, s, nil))
		if all := strings.Join(s.Lines(), "\n"); strings.Contains(all, "ORCPT") || strings.Contains(all, "NOTIFY") {
			t.Error(all)
		}
	})
}

// A mail with REQUIRETLS goes by verified TLS to a server that offers REQUIRETLS, or not at all (RFC 8689 §4.2.1).
func TestRequireTLS(t *testing.T) {
	secret := func() courier.Job {
		j := asked()
		j.Asked.RequireTLS = true
		return j
	}
	verified := func(s *mxtest.Server) func(*courier.RelayConfig) {
		return func(c *courier.RelayConfig) { c.TLS, c.TLSRoots = courier.TLSRequired, s.Roots() }
	}
	t.Run("goes on", func(t *testing.T) {
		s := mxtest.NewServer(t, mxtest.Script{STARTTLS: true, Offers: []string{"REQUIRETLS"}})
		for _, o := range relay(t, s, verified(s)).Attempt(t.Context(), secret()) {
			if o.Result != courier.Delivered {
				t.Errorf("%+v", o)
			}
		}
		if got := commands(s, "MAIL"); !slices.Equal(got, []string{"MAIL FROM:<a@example.com> REQUIRETLS"}) {
			t.Errorf("%q", got)
		}
	})
	for name, way := range map[string]func(t *testing.T) (attempter, *mxtest.Server){
		"the server does not offer it": func(t *testing.T) (attempter, *mxtest.Server) {
			s := mxtest.NewServer(t, mxtest.Script{STARTTLS: true})
			return relay(t, s, verified(s)), s
		},
		"the certificate is not verified": func(t *testing.T) (attempter, *mxtest.Server) {
			s := mxtest.NewServer(t, mxtest.Script{STARTTLS: true, Offers: []string{"REQUIRETLS"}})
			return relay(t, s, nil), s
		},
		"in clear": func(t *testing.T) (attempter, *mxtest.Server) {
			s := mxtest.NewServer(t, mxtest.Script{Offers: []string{"REQUIRETLS"}})
			return relay(t, s, func(c *courier.RelayConfig) { c.TLS = courier.TLSNever }), s
		},
		"direct": func(t *testing.T) (attempter, *mxtest.Server) {
			w := mxtest.New(t)
			s := w.Server(mxtest.Script{STARTTLS: true, Offers: []string{"REQUIRETLS"}})
			w.Host("mx.b.example", s)
			w.MX("b.example", "mx.b.example", 10)
			return direct(t, w), s
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, s := way(t)
			for _, o := range a.Attempt(t.Context(), secret()) {
				if o.Result != courier.Bounced || o.Enhanced != "5.7.30" || !strings.Contains(o.Line, "REQUIRETLS") {
					t.Errorf("%+v", o)
				}
			}
			if s.Count() != 0 {
				t.Error("it was sent")
			}
		})
	}
}
