// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"fmt"
	"mime"
	netmail "net/mail"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// fieldKind is the grammar that a header field's value is written in.
type fieldKind int

const (
	unstructured fieldKind = iota // text: words of it are encoded (RFC 2047 §5 (1))
	addresses                     // mailboxes and groups (RFC 5322 §3.4)
	msgIDs                        // <id>s, with blanks between them (RFC 5322 §3.6.4)
	urls                          // <URL>s, with commas between them (RFC 2369 §2)
	listID                        // a phrase and an <id> (RFC 2919 §2)
	oneClick                      // one value (RFC 8058 §3.1)
	phrases                       // phrases, with commas between them (RFC 5322 §3.6.5)
	params                        // a value with parameters (RFC 2045 §5.1, RFC 2231)
	dates                         // RFC 5322 §3.3
	tokens                        // words of ASCII in an order of their own
	trace                         // what servers write about its way
)

// kindOf says how a field is written. What is not known is a text.
func kindOf(lower string) fieldKind {
	switch lower {
	case "from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender", "resent-to", "resent-cc", "resent-bcc",
		"resent-reply-to", "return-receipt-to", "disposition-notification-to", "errors-to", "mail-reply-to", "mail-followup-to",
		"apparently-to":
		return addresses
	case "message-id", "in-reply-to", "references", "resent-message-id", "content-id", "supersedes", "original-message-id":
		return msgIDs
	case "list-unsubscribe", "list-help", "list-subscribe", "list-post", "list-owner", "list-archive", "archived-at":
		return urls
	case "list-id":
		return listID
	case "list-unsubscribe-post":
		return oneClick
	case "keywords":
		return phrases
	case "content-type", "content-disposition":
		return params
	case "date", "resent-date":
		return dates
	case "auto-submitted", "precedence", "importance", "priority", "sensitivity", "x-priority", "x-msmail-priority", "feedback-id",
		"mime-version", "content-transfer-encoding", "content-language", "content-location", "content-base", "content-md5",
		"content-duration",
		"x-auto-response-suppress", "tls-required", "require-recipient-valid-since", "disposition-notification-options",
		"original-recipient",
		"dkim-signature", "domainkey-signature", "authentication-results", "arc-seal", "arc-message-signature",
		"arc-authentication-results",
		"received-spf", "expires", "language", "accept-language", "message-context", "autoforwarded", "dl-expansion-history":
		return tokens
	case "received", "return-path", "delivered-to", "x-received":
		return trace
	}
	return unstructured
}

// CheckField says what is wrong with a field that a message is to be given: with its name, or with its value by the
// field's own grammar. Its error is a *SyntaxError that names the field.
func CheckField(name, value string) error {
	if err := checkName(name); err != nil {
		return err
	}
	_, err := fieldLines(name, value)
	return err
}

func checkName(name string) error {
	if !validName([]byte(name)) || strings.ContainsAny(name, ": \t") {
		return &SyntaxError{name, "this is not a header name"}
	}
	if staysHere(strings.ToLower(name)) {
		return &SyntaxError{name, "this header is not passed on"}
	}
	return nil
}

// fieldLines writes a field of a message that is composed; nothing for one that says nothing and has to.
func fieldLines(name, value string) ([]byte, error) {
	value = cleanText(value)
	kind := kindOf(strings.ToLower(name))
	if kind == unstructured {
		w := &composer{}
		w.text(name, value)
		return w.Bytes(), nil
	}
	if value == "" {
		return nil, nil // it would have to say something
	}
	pieces, err := structured(kind, value)
	if err != nil {
		return nil, named(name, err)
	}
	for _, p := range pieces {
		if len(p)+1 > maxLine {
			return nil, &SyntaxError{name, fmt.Sprintf("%q… has %d bytes, and a line has at most %d", shorten([]byte(p)), len(p), maxLine)}
		}
	}
	return foldField(name, " "+strings.Join(pieces, " "))
}

// structured writes a value by its own grammar, in the pieces between which a blank stands. It is never encoded as a
// whole (RFC 2047 §5): nobody could read it.
func structured(kind fieldKind, value string) (pieces []string, err error) {
	switch kind {
	case urls:
		return urlList(value)
	case addresses:
		list, err := ParseAddressList(value)
		for i, a := range list {
			words := a.words()
			if i < len(list)-1 {
				words[len(words)-1] += ","
			}
			pieces = append(pieces, words...)
		}
		return pieces, err
	case msgIDs:
		return idList(value)
	case listID:
		return listIDOf(value)
	case oneClick:
		if !strings.EqualFold(value, "List-Unsubscribe=One-Click") {
			return nil, wrong("has to be List-Unsubscribe=One-Click (RFC 8058 §3.1)")
		}
		return []string{"List-Unsubscribe=One-Click"}, nil
	case phrases:
		for i, p := range strings.Split(value, ",") {
			if p = strings.TrimSpace(p); !ascii(p) {
				p = strings.Join(phrase(unquoted(p)), " ")
			}
			if i > 0 {
				pieces[len(pieces)-1] += ","
			}
			pieces = append(pieces, p)
		}
		return pieces, nil
	case params:
		if value, err = encodeParams(value); err != nil {
			return nil, err
		}
	case dates:
		if _, err := netmail.ParseDate(value); err != nil {
			return nil, wrong("is not a date (RFC 5322 §3.3)")
		}
	}
	if !ascii(value) {
		return nil, wrong("has characters that are not ASCII, which this field has no way to write")
	}
	return strings.Fields(value), nil
}

func wrong(reason string) error { return &SyntaxError{"", reason} }

// urlList writes <URL>s. Comments stay; one URL may lack its brackets.
func urlList(value string) (pieces []string, err error) {
	if strings.EqualFold(value, "NO") { // RFC 2369 §3.4
		return []string{"NO"}, nil
	}
	if !strings.ContainsAny(value, "<>") {
		value = "<" + value + ">"
	}
	for rest := value; rest != ""; {
		switch rest[0] {
		case ' ', '\t':
			rest = rest[1:]
		case ',':
			rest = rest[1:]
			if n := len(pieces); n > 0 && !strings.HasSuffix(pieces[n-1], ",") {
				pieces[n-1] += ","
			}
		case '(':
			end := strings.IndexByte(rest, ')')
			if end < 0 {
				return nil, wrong("has a comment that does not end")
			}
			pieces = append(pieces, "("+encodeWords(rest[1:end], mime.BEncoding)+")")
			rest = rest[end+1:]
		case '<':
			end := strings.IndexByte(rest, '>')
			if end < 0 {
				return nil, wrong("has a < that is not closed")
			}
			u, err := asciiURL(rest[1:end])
			if err != nil {
				return nil, err
			}
			if n := len(pieces); n > 0 && strings.HasSuffix(pieces[n-1], ">") {
				pieces[n-1] += ","
			}
			pieces = append(pieces, "<"+u+">")
			rest = rest[end+1:]
		default:
			return nil, wrong("has to be URLs in < and >, with commas between them (RFC 2369 §2)")
		}
	}
	if n := len(pieces); n > 0 {
		pieces[n-1] = strings.TrimSuffix(pieces[n-1], ",")
	}
	return pieces, nil
}

// asciiURL writes a URL in ASCII: its host in A-labels, all else in percent-encoded UTF-8 (RFC 3987 §3.1). What is encoded
// already stays. Blanks within the brackets count for nothing (RFC 2369 §2).
func asciiURL(s string) (string, error) {
	s = strings.Join(strings.Fields(s), "")
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" || !isScheme(scheme) {
		return "", wrong(fmt.Sprintf("%q is not a URL with its scheme, as https://example.com/ and mailto:a@example.com are",
			shorten([]byte(s))))
	}
	if host, path, found := strings.Cut(strings.TrimPrefix(rest, "//"), "/"); strings.HasPrefix(rest, "//") && !ascii(host) {
		name, port, _ := strings.Cut(host, ":")
		a, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "", wrong(fmt.Sprintf("the host %q of a URL is not a valid name", shorten([]byte(name))))
		}
		if rest = "//" + a; port != "" {
			rest += ":" + port
		}
		if found {
			rest += "/" + path
		}
	}
	var out strings.Builder
	out.WriteString(scheme + ":")
	for i := range len(rest) {
		if c := rest[i]; c >= utf8.RuneSelf || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	if _, err := url.Parse(out.String()); err != nil {
		return "", wrong(fmt.Sprintf("%q is not a URL", shorten([]byte(s))))
	}
	return out.String(), nil
}

func isScheme(s string) bool {
	for i, c := range s {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// idList writes <id>s. One alone may lack its brackets.
func idList(value string) (pieces []string, err error) {
	for _, word := range strings.Fields(strings.ReplaceAll(value, "><", "> <")) {
		id := strings.TrimSuffix(strings.TrimPrefix(word, "<"), ">")
		if id == "" || !ascii(id) || strings.ContainsAny(id, "<>") {
			return nil, wrong(fmt.Sprintf("%q is not a message ID of the form <a@example.com> (RFC 5322 §3.6.4)", shorten([]byte(word))))
		}
		pieces = append(pieces, "<"+id+">")
	}
	return pieces, nil
}

// listIDOf writes a phrase, which may be missing, and an <id>, whose brackets may be.
func listIDOf(value string) (pieces []string, err error) {
	open := strings.LastIndexByte(value, '<')
	if open < 0 {
		value, open = "<"+value+">", 0
	}
	id := value[open:]
	if !strings.HasSuffix(id, ">") || len(id) < 3 || !ascii(id) || strings.ContainsAny(id, " \t") {
		return nil, wrong("has to end in an ID in < and >, of ASCII without blanks (RFC 2919 §2)")
	}
	if name := strings.TrimSpace(value[:open]); name != "" {
		if ascii(name) {
			pieces = append(pieces, name)
		} else {
			pieces = append(pieces, phrase(unquoted(name))...)
		}
	}
	return append(pieces, id), nil
}

// param is a parameter of a Content-Type or a Content-Disposition.
type param struct{ name, value string }

// mediaType reads a value with parameters. What Go's reader refuses is read as most programs do: mails are full of it.
func mediaType(value string) (kind string, found map[string]string) {
	kind, found, err := mime.ParseMediaType(value)
	if err == nil {
		return kind, found
	}
	kind, list := looseParams(value)
	found = map[string]string{}
	for _, p := range list {
		if _, twice := found[strings.ToLower(p.name)]; !twice {
			found[strings.ToLower(p.name)] = p.value
		}
	}
	return strings.ToLower(kind), found
}

// looseParams reads parameters without asking which characters may stand where.
func looseParams(value string) (kind string, list []param) {
	kind, rest, _ := strings.Cut(value, ";")
	kind, _, _ = strings.Cut(strings.TrimSpace(kind), " ")
	for rest != "" {
		rest = strings.TrimLeft(rest, "; \t")
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		var v string
		if after = strings.TrimLeft(after, " \t"); strings.HasPrefix(after, `"`) {
			end := 1
			for end < len(after) && after[end] != '"' {
				if after[end] == '\\' && end+1 < len(after) && (after[end+1] == '"' || after[end+1] == '\\') {
					end++
				}
				end++
			}
			v, rest = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(after[1:min(end, len(after))]), after[min(end+1, len(after)):]
		} else {
			v, rest, _ = strings.Cut(after, ";")
			v, _, _ = strings.Cut(v, " (")
			v = strings.TrimSpace(v)
		}
		list = append(list, param{strings.TrimSpace(name), v})
	}
	return kind, list
}

// encodeParams encodes the parameters that are not ASCII (RFC 2231 §4).
func encodeParams(value string) (string, error) {
	if ascii(value) {
		return value, nil
	}
	kind, list := looseParams(value)
	if !ascii(kind) {
		return "", wrong("has characters that are not ASCII")
	}
	var out strings.Builder
	out.WriteString(kind)
	for _, p := range list {
		switch {
		case !ascii(p.name):
			return "", wrong("has a parameter whose name is not ASCII")
		case !ascii(p.value):
			out.WriteString(encodedParam(strings.TrimSuffix(p.name, "*"), p.value))
		default:
			out.WriteString("; " + p.name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p.value) + `"`)
		}
	}
	return out.String(), nil
}

// encodedParam writes a parameter that is not ASCII, in pieces where it is long (RFC 2231 §3, §4.1).
func encodedParam(name, value string) string {
	pieces := []string{"utf-8''"}
	for _, r := range value { // a character is in one piece: not every reader joins the bytes before it decodes them
		c := "%" + strings.ReplaceAll(fmt.Sprintf("% X", string(r)), " ", "%")
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_' {
			c = string(r)
		}
		if last := len(pieces) - 1; len(pieces[last])+len(c) <= 60 {
			pieces[last] += c
		} else {
			pieces = append(pieces, c)
		}
	}
	if len(pieces) == 1 {
		return "; " + name + "*=" + pieces[0]
	}
	var out strings.Builder
	for i, piece := range pieces {
		fmt.Fprintf(&out, "; %s*%d*=%s", name, i, piece)
	}
	return out.String()
}
