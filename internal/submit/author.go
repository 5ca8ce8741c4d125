// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"postern/internal/mail"
	"postern/internal/store"
)

// authorship checks who a mail says that it is from, by one rule for both entry points: every address that its header
// names as an author or sender is an active sender of the key, and so is the return path, or it is in a domain that the
// key has as a whole. It returns the sender of the first author.
func (r *rules) authorship(env Envelope, m *Message) (store.Sender, error) {
	sender, err := r.find("From", m.From.Email)
	if err != nil {
		return sender, err
	}
	for i := range m.Authors {
		if a := &m.Authors[i]; a.Email != m.From.Email {
			if _, err := r.find(a.Field, a.Email); err != nil {
				return sender, err
			}
		}
	}
	if env.From == "" || env.From == m.From.Email {
		return sender, nil
	}
	return sender, r.returnPath(env.From)
}

// find returns the key's sender for an address: itself, or its whole domain. field is where the address stands.
func (r *rules) find(field, email string) (store.Sender, error) {
	box, err := mail.ParseMailbox(email)
	if err != nil {
		return store.Sender{}, notAllowed(field, "%q is an invalid email address: %v.", email, err)
	}
	if box.Doubtful() {
		return store.Sender{}, notAllowed(field,
			"%q has a local part that other programs may read as another address: it cannot be a sender.", email)
	}
	where := "" // for From the wording is that of the API whose format we speak
	if field != "From" {
		where = " in " + field
	}
	one, all := box.Canonical(), "*@"+box.Domain()
	x, ok := r.senders[one]
	if !ok {
		x, ok = r.senders[all]
	}
	if !ok {
		return x, notAllowed(field, "%q%s is not an authorized sender email address for your account.", email, where)
	}
	if !r.permits(one, all) {
		return x, notAllowed(field, "%q%s is a sender of your account, but this API key is restricted to other senders.", email, where)
	}
	return x, nil
}

func notAllowed(field, format string, args ...any) *Error {
	return &Error{Code: SenderNotAllowed, Field: field, Reason: fmt.Sprintf(format, args...)}
}

// permits says whether the key's restriction to some senders, if it has one, leaves it one of these.
func (r *rules) permits(senders ...string) bool {
	return len(r.allowed) == 0 || slices.ContainsFunc(senders, func(x string) bool { return slices.Contains(r.allowed, x) })
}

// returnPath keeps bounces from going to a stranger: they go to a sender of the key, or to a domain that it has as a
// whole (*@example.com) or one below that (bounces.example.com). What is below a public suffix is somebody else's each
// time, and what is above a domain too.
func (r *rules) returnPath(email string) error {
	_, err := r.find("MAIL FROM", email)
	if err == nil {
		return nil
	}
	for domain := mail.Domain(email); ; {
		_, above, deeper := strings.Cut(domain, ".")
		if suffix, _ := publicsuffix.PublicSuffix(domain); !deeper || above == suffix || domain == suffix {
			return notAllowed("MAIL FROM", "MAIL FROM:<%s> is neither a sender of this key nor in a domain that it has as a whole.", email)
		}
		domain = above
		if _, ok := r.senders["*@"+domain]; ok && r.permits("*@"+domain) {
			return nil
		}
	}
}
