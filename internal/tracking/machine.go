// SPDX-License-Identifier: Apache-2.0

package tracking

import (
	"net/http"
	"strings"
	"time"
)

// tooFast is how long after a mail went out a person cannot have acted yet: a server that looks into a mail before it
// takes it, or before it lays it into the mailbox, follows its links within that.
const tooFast = 2 * time.Second

// machines are words in User-Agent by which programs name themselves that look at mail, or at links in it, for
// somebody: none of them says that the recipient did. In lower case; where each is from is beside it.
var machines = [...]string{
	"bingpreview",            // Microsoft: previews and Safe Links (Bing Webmaster help, "Which crawlers does Bing use?")
	"barracuda",              // Barracuda Sentinel and the Email Security Gateway's link protection
	"proofpoint",             // Proofpoint URL Defense
	"mimecast",               // Mimecast URL Protect
	"symantec",               // Symantec Email Security.cloud, click-time protection
	"trendmicro",             // Trend Micro, click-time protection
	"fortimail",              // Fortinet's gateway
	"skypeuripreview",        // Microsoft Teams and Skype (learn.microsoft.com, "URL preview")
	"slackbot",               // api.slack.com/robots
	"facebookexternalhit",    // developers.facebook.com, "Meta web crawlers"
	"twitterbot",             // developer.x.com, "Cards: URL crawling"
	"linkedinbot",            // linkedin.com, Post Inspector
	"telegrambot",            // Telegram's link previews
	"discordbot",             // Discord's link previews
	"whatsapp/",              // WhatsApp's link previews
	"googlebot",              // developers.google.com/search, "Google crawlers"
	"bingbot",                // Bing Webmaster help
	"virustotal",             // VirusTotal's URL scanner
	"urlscan",                // urlscan.io
	"headlesschrome",         // Chrome's own word for running without a window
	"python-requests/",       // libraries, which name themselves so when nobody tells them otherwise, from here on
	"python-urllib/",         //
	"aiohttp/",               //
	"go-http-client/",        //
	"java/",                  //
	"apache-httpclient/",     //
	"axios/",                 //
	"node-fetch/",            //
	"curl/",                  //
	"wget/",                  //
	"libwww-perl/",           //
	"guzzlehttp/",            //
	"ruby",                   //
	"php/",                   //
	"postmanruntime/",        //
	"zgrab/",                 //
	"(compatible; crawler",   //
	"microsoft office exist", // "Microsoft Office Existence Discovery": Office asks whether a link is there
}

// isMachine says whether a request was made by a program of its own accord, rather than because a person opened or
// clicked: prefetching proxies, scanners, previews. after is how long after the mail went out it came.
//
// What only passes on a person's opening is none: the image proxies of Gmail (GoogleImageProxy) and Yahoo
// (YahooMailProxy) ask when the mail is looked at. Apple's Mail Privacy Protection asks for everything when a mail
// arrives, under "Mozilla/5.0" and nothing behind it.
func isMachine(h http.Header, after time.Duration) bool {
	if after < tooFast {
		return true
	}
	// Sec-Purpose: WHATWG Fetch §2.2.5; the others before it
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		v := strings.ToLower(h.Get(name))
		if strings.Contains(v, "prefetch") || strings.Contains(v, "preview") {
			return true
		}
	}
	agent := strings.ToLower(strings.TrimSpace(h.Get("User-Agent")))
	if agent == "" || agent == "mozilla/5.0" {
		return true
	}
	for _, word := range machines {
		if strings.Contains(agent, word) {
			return true
		}
	}
	return false
}
