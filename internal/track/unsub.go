// SPDX-License-Identifier: Apache-2.0

package track

import (
	"net/url"
	"strings"
)

// Unsubscribed reads a link that unsubscribes, as it stood in a mail, and says whether it is one of ours. A copy of the
// mail, in a report of a complaint say, tells by it which message it was.
func (s *Signer) Unsubscribed(link string) (Token, bool) {
	u, err := url.Parse(link)
	if err != nil {
		return Token{}, false
	}
	_, rest, _ := strings.Cut(u.Path, unsubPath)
	token, address, ok := strings.Cut(rest, "/")
	if !ok {
		return Token{}, false
	}
	if t, ok := s.Check(Unsub, token, strings.ToLower(u.Hostname()), address); ok {
		return t, true
	}
	return s.Check(Unsub, token, "", address)
}
