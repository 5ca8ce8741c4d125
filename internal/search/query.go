// SPDX-License-Identifier: Apache-2.0

package search

import (
	"context"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"postern/internal/mail"
	"postern/internal/store"
)

// Narrow adds what somebody typed to a filter: an ID, a UUID, a recipient's whole address, @ and a recipient's domain, or
// words and beginnings of words of recipient, subject, From, CustomID and campaign. What looks like an ID or an address
// and names no message of the scope is taken for words.
func Narrow(ctx context.Context, st *store.Store, scope store.Scope, f store.MessageFilter, typed string) (store.MessageFilter, error) {
	typed = strings.TrimSpace(typed)
	if typed == "" {
		return f, nil
	}
	exact := f
	domain, isDomain := strings.CutPrefix(typed, "@")
	if id, err := uuid.Parse(typed); err == nil && id != uuid.Nil && len(typed) == 36 {
		exact.UUID = id
		return exact, nil
	} else if n, err := strconv.ParseInt(typed, 10, 64); err == nil && n > 0 {
		exact.ID = n
	} else if isDomain && mail.CheckEmail("x@"+domain) == nil {
		exact.Domain = domain
	} else if mail.CheckEmail(typed) == nil {
		exact.Recipient = typed
	} else {
		f.Search = typed
		return f, nil
	}
	n, err := st.CountMessagesTo(ctx, scope, exact, 1)
	if err != nil || n > 0 {
		return exact, err
	}
	f.Search = typed
	return f, nil
}
