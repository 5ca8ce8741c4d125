// SPDX-License-Identifier: Apache-2.0

package messages

import (
	"context"
	"strings"

	"postern/internal/mail"
	"postern/internal/store"
)

// Narrow adds what somebody typed to a filter: an ID, a UUID, a recipient's whole address, @ and a recipient's domain, or
// words and beginnings of words of recipient, subject, From, CustomID and campaign. What looks like an ID or an address
// and names no message of the scope is taken for words.
func (m *Messages) Narrow(ctx context.Context, scope store.Scope, f store.MessageFilter, typed string) (store.MessageFilter, error) {
	typed = strings.TrimSpace(typed)
	exact := f
	domain, isDomain := strings.CutPrefix(typed, "@")
	named, isID := Named(typed)
	switch {
	case typed == "":
		return f, nil
	case isID && named.ID == 0:
		exact.UUID = named.UUID
		return exact, nil
	case isID:
		exact.ID = named.ID
	case isDomain && mail.CheckEmail("x@"+domain) == nil:
		exact.Domain = domain
	case mail.CheckEmail(typed) == nil:
		exact.Recipient = typed
	default:
		f.Search = typed
		return f, nil
	}
	n, err := m.c.Store.CountMessagesTo(ctx, scope, exact, 1)
	if err != nil || n > 0 {
		return exact, err
	}
	f.Search = typed
	return f, nil
}
