// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"postern/internal/change"
)

// maxFoundURL bounds the URL at which a secret was found, in bytes.
const maxFoundURL = 2000

// aSecret is what has the form of a secret key, in a text.
var aSecret = regexp.MustCompile(`pstn[0-9A-Za-z]{36}`)

// FoundURL reads the URL at which a secret was found, and brings it into the form in which it is kept and shown: as text in
// printable ASCII, without a user name and password, and without what looks like a secret. It is a stranger's: nothing ever
// fetches it. "" is none. Errors: *change.Error on URL.
func FoundURL(text string) (string, error) {
	if text = strings.TrimSpace(text); text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || len(text) > maxFoundURL {
		reason := "it must be a URL of up to %d bytes that begins with https:// or http://"
		return "", change.Errorf(change.Invalid, "URL", reason, maxFoundURL)
	}
	u.User = nil
	var b strings.Builder
	for _, c := range []byte(u.String()) {
		if c <= ' ' || c > '~' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	found := aSecret.ReplaceAllString(b.String(), "pstn...")
	if len(found) > maxFoundURL {
		return "", change.Errorf(change.Invalid, "URL", "it has more than %d bytes when what is not ASCII in it is encoded", maxFoundURL)
	}
	return found, nil
}
