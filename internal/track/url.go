// SPDX-License-Identifier: Apache-2.0

package track

import (
	"net/url"
	"strings"

	"postern/internal/mail"
)

// maxTarget is the longest target that is put into a link, in bytes: browsers and proxies take links of 8 KB.
const maxTarget = 4096

// normal is an absolute http or https URL as a browser would ask for it (WHATWG URL): without white space around and
// line ends within, what is not printable ASCII in percent, its host in A-labels. ok is false for every other link.
func normal(href string) (target string, ok bool) {
	s := strings.Trim(href, " \t\r\n\f")
	if strings.ContainsAny(s, "\t\r\n") {
		s = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(s)
	}
	colon := strings.IndexByte(s, ':')
	if colon < 0 {
		return "", false
	}
	if scheme := strings.ToLower(s[:colon]); scheme != "http" && scheme != "https" || !strings.HasPrefix(s[colon+1:], "//") {
		return "", false
	}
	end := colon + 3
	for end < len(s) && !strings.ContainsRune(`/?#\`, rune(s[end])) {
		end++
	}
	host := s[colon+3 : end]
	if !hostOK(host) {
		return "", false
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r >= 0x80 }) {
		at := strings.LastIndexByte(host, '@')
		host = host[:at+1] + mail.Domain("x@"+host[at+1:])
		if strings.ContainsFunc(host, func(r rune) bool { return r >= 0x80 }) || !hostOK(host) {
			return "", false
		}
	}
	return s[:colon+3] + host + escape(s[end:]), true
}

// Safe says whether a target is what a click may lead to: an http or https URL, ready for a Location field.
func Safe(target string) bool {
	same, ok := normal(target)
	return ok && same == target
}

// hostOK says whether what stands between // and the path can be a host. Placeholders of template languages are none.
func hostOK(host string) bool {
	if host == "" || strings.ContainsAny(host, " <>\"'`{}|^%\x7f") || strings.ContainsFunc(host, func(r rune) bool { return r < ' ' }) {
		return false
	}
	u, err := url.Parse("http://" + host + "/")
	return err == nil && u.Hostname() != ""
}

// escape writes what may not stand in a URL in percent, and leaves all else.
func escape(s string) string { return escapeBytes(s, " \"<>`") }

// escapeQuery does so for a part of a query.
func escapeQuery(s string) string {
	return escapeBytes(strings.Trim(s, "?& \t\r\n"), " \"<>`#'")
}

func escapeBytes(s, also string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(also, c) >= 0 {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// addTags puts tags at the end of a URL's query, before its fragment.
func addTags(target, tags string) string {
	if tags == "" {
		return target
	}
	fragment := ""
	if i := strings.IndexByte(target, '#'); i >= 0 {
		target, fragment = target[:i], target[i:]
	}
	switch {
	case !strings.Contains(target, "?"):
		target += "?"
	case !strings.HasSuffix(target, "?") && !strings.HasSuffix(target, "&"):
		target += "&"
	}
	return target + tags + fragment
}

// Base is what links begin with under an account's own host name: it leads to where the server's base URL does, and is
// reached in the same way.
func Base(baseURL, host string) string {
	u, err := url.Parse(baseURL)
	if host == "" || err != nil {
		return strings.TrimSuffix(baseURL, "/")
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}
