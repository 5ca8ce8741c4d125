// SPDX-License-Identifier: Apache-2.0

package domain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"postern/internal/senders"
	"postern/internal/store"
)

// TXT is a record to publish.
type TXT struct{ Name, Value string }

// Records are what a domain publishes, so that it is proved and its mail passes at receivers.
type Records struct {
	Ownership TXT    // proves that the domain is the key's
	FileURL   string // an empty file here proves it, too
	DKIM      TXT
	SPF       TXT // the value of a domain that has no SPF record yet; "" when this server does not know its way out
	DMARC     TXT // a beginning, for a domain that has none
}

// records says what a domain of an account is to publish.
func (c *Checker) records(ctx context.Context, accountID int64, d store.Domain) (Records, error) {
	r := Records{
		Ownership: TXT{senders.OwnershipRecordName(d), d.Token},
		FileURL:   "http://" + d.Domain + "/" + d.Filename,
		SPF:       TXT{Name: d.Domain},
		DMARC:     TXT{"_dmarc." + d.Domain, "v=DMARC1; p=none"},
	}
	if len(c.spf) > 0 {
		words := []string{"v=spf1"}
		for _, m := range c.spf {
			words = append(words, m.text)
		}
		r.SPF.Value = strings.Join(append(words, "~all"), " ")
	}
	var err error
	r.DKIM.Name, r.DKIM.Value, err = c.Senders.DKIMRecord(ctx, accountID, d.Domain)
	return r, err
}

// noWayOut is what is wrong with every SPF record while the server does not know its way out.
const noWayOut = "this server does not know what the record must have: its operator sets --spf, or --hostname to a name with a dot"

// spfErrors is what is wrong with the SPF record of a domain, also when it was not looked at yet.
func (r Records) spfErrors(d store.Domain) []string {
	if r.SPF.Value != "" || slices.Contains(d.SPF.Errors, sentence(noWayOut)) {
		return d.SPF.Errors
	}
	return append(slices.Clone(d.SPF.Errors), sentence(noWayOut))
}

// checkDKIM looks at a domain's record for our key.
func (c *Checker) checkDKIM(ctx context.Context, want TXT) finding {
	texts, err := c.Resolver.TXT(ctx, want.Name)
	switch {
	case err != nil && !notFound(err):
		return finding{unknown: true}
	case len(texts) == 0:
		return finding{errors: []string{fmt.Sprintf("there is no TXT record at %s", want.Name)}}
	case len(texts) > 1:
		return finding{current: texts, errors: []string{fmt.Sprintf("there are %d TXT records at %s, of which a receiver takes any: "+
			"leave one", len(texts), want.Name)}}
	}
	return finding{current: texts, errors: dkimErrors(texts[0], want.Value)}
}

// dkimErrors compares a key record (RFC 6376 §3.6.1) with the one that should be there.
func dkimErrors(text, want string) []string {
	is, err := parseTags(text)
	if err != nil {
		return []string{fmt.Sprintf("the record cannot be read: %v", err)}
	}
	wanted, err := parseTags(want)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	if v, ok := is["v"]; ok && v != "DKIM1" {
		out = append(out, fmt.Sprintf(`it has v=%s instead of v=DKIM1`, v))
	}
	if k, ok := is["k"]; ok && !strings.EqualFold(k, "rsa") {
		out = append(out, fmt.Sprintf("it says that the key is of the type %s, and it is rsa", k))
	}
	switch p, has := is["p"]; {
	case !has:
		out = append(out, "it has no key (p=)")
	case p == "":
		out = append(out, "its key is empty (p=), which says that the key is revoked")
	case p == wanted["p"]:
	case strings.HasPrefix(wanted["p"], p):
		out = append(out, fmt.Sprintf("the key is cut off after %d of %d characters: publish the value as several strings, or let "+
			"the provider do it", len(p), len(wanted["p"])))
	default:
		out = append(out, "it has another key than this server signs with")
	}
	return out
}

// parseTags reads a tag=value list (RFC 6376 §3.2). White space within a value means nothing.
func parseTags(text string) (map[string]string, error) {
	out := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not of the form tag=value", short(strings.TrimSpace(part)))
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("it has %s= twice", short(name))
		}
		out[name] = strings.Join(strings.Fields(value), "")
	}
	return out, nil
}

// short bounds what is quoted of a stranger's record.
func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}

// maxDMARC is how many names are asked for a DMARC record: the domain's own and those above it.
const maxDMARC = 5

// checkDMARC finds the DMARC record that applies to a domain: its own, or the nearest above it. advice says what could be
// better; it is no error, since a policy is the domain owner's to choose.
func (c *Checker) checkDMARC(ctx context.Context, domain string) (record, advice string, known bool) {
	at := domain
	for range maxDMARC {
		texts, err := c.Resolver.TXT(ctx, "_dmarc."+at)
		if err != nil && !notFound(err) {
			return "", "", false
		}
		var found []string
		for _, t := range texts {
			if tags, err := parseTags(t); err == nil && tags["v"] == "DMARC1" {
				found = append(found, t)
			}
		}
		switch {
		case len(found) > 1:
			return strings.Join(found, " "), fmt.Sprintf("There are %d DMARC records at _dmarc.%s, so receivers take none: leave one.",
				len(found), at), true
		case len(found) == 1:
			return found[0], dmarcAdvice(found[0]), true
		}
		_, above, ok := strings.Cut(at, ".")
		if !ok || !strings.Contains(above, ".") {
			break
		}
		at = above
	}
	return "", "There is none. Large receivers want one from everybody who sends them much mail. Begin with p=none: it asks nothing " +
		"of them, and is there.", true
}

func dmarcAdvice(text string) string {
	tags, err := parseTags(text)
	if err != nil {
		return "The record cannot be read: " + err.Error() + "."
	}
	switch tags["p"] {
	case "none":
		return "With p=none receivers let pass what fails. Once all your mail is signed, p=quarantine or p=reject keeps forgers out."
	case "quarantine", "reject":
		return ""
	case "":
		return "The record has no policy (p=)."
	}
	return fmt.Sprintf("The record's policy is %q, which is none of none, quarantine and reject.", short(tags["p"]))
}
