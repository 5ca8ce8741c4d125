// SPDX-License-Identifier: Apache-2.0

package report

import "strings"

// Agent is the program that a recipient reads mail with, as far as its User-Agent tells.
type Agent struct {
	Name     string // "" unknown
	Platform string // "" unknown
}

// agents are parts of a User-Agent and the programs they stand for: the first that is found is it. Browsers name each
// other, so the order matters.
var agents = [...]struct{ mark, name string }{
	{"googleimageproxy", "Gmail"},
	{"yahoomailproxy", "Yahoo Mail"},
	{"thunderbird", "Thunderbird"},
	{"microsoft outlook", "Outlook"},
	{"ms-office", "Outlook"},
	{"outlook-ios", "Outlook"},
	{"outlook-android", "Outlook"},
	{"lotus-notes", "Notes"},
	{"edg/", "Edge"},
	{"opr/", "Opera"},
	{"samsungbrowser", "Samsung Internet"},
	{"firefox", "Firefox"},
	{"fxios", "Firefox"},
	{"crios", "Chrome"},
	{"chrome", "Chrome"},
	{"trident", "Internet Explorer"},
	{"msie", "Internet Explorer"},
	{"mobile/", "Apple Mail"},
	{"safari", "Safari"},
	{"applewebkit", "Apple Mail"},
	{"list-unsubscribe", "List-Unsubscribe"},
	{"curl/", "curl"},
}

var platforms = [...]struct{ mark, name string }{
	{"iphone", "iOS"},
	{"ipad", "iOS"},
	{"android", "Android"},
	{"windows", "Windows"},
	{"macintosh", "macOS"},
	{"mac os x", "macOS"},
	{"cros", "ChromeOS"},
	{"linux", "Linux"},
}

// ParseAgent reads a User-Agent.
func ParseAgent(s string) Agent {
	s = strings.ToLower(s)
	var a Agent
	for _, x := range agents {
		if strings.Contains(s, x.mark) {
			a.Name = x.name
			break
		}
	}
	if a.Name == "Apple Mail" && strings.Contains(s, "safari") {
		a.Name = "Safari"
	}
	for _, x := range platforms {
		if strings.Contains(s, x.mark) {
			a.Platform = x.name
			break
		}
	}
	return a
}

// providers are the domains of mailbox providers that have several.
var providers = map[string]string{
	"gmail.com": "Gmail", "googlemail.com": "Gmail",
	"icloud.com": "Apple", "me.com": "Apple", "mac.com": "Apple",
	"aol.com": "Yahoo", "aim.com": "Yahoo", "ymail.com": "Yahoo", "rocketmail.com": "Yahoo", "myyahoo.com": "Yahoo",
	"gmx.de": "GMX", "gmx.net": "GMX", "gmx.at": "GMX", "gmx.ch": "GMX", "gmx.com": "GMX",
	"proton.me": "Proton", "protonmail.com": "Proton", "pm.me": "Proton",
}

// families are providers with a domain in many countries, such as yahoo.co.uk.
var families = map[string]string{
	"outlook": "Microsoft", "hotmail": "Microsoft", "live": "Microsoft", "msn": "Microsoft", "yahoo": "Yahoo", "aol": "Yahoo",
}

// Provider is the mailbox provider of a recipient domain; of one that is not known it is the domain itself.
func Provider(domain string) string {
	domain = strings.ToLower(domain)
	if name, ok := providers[domain]; ok {
		return name
	}
	label, rest, _ := strings.Cut(domain, ".")
	if name, ok := families[label]; ok && country(rest) {
		return name
	}
	return domain
}

// country says whether what follows a provider's name is where it stands in a country: com, fr, co.uk, com.br.
func country(rest string) bool {
	first, second, two := strings.Cut(rest, ".")
	if !two {
		return first == "com" || len(first) == 2
	}
	return (first == "co" || first == "com") && len(second) == 2
}
