// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// What Diagnose may say. The sentences are fixed, so that nothing of what was
// given but how long it is can get into an answer or a log.
const (
	sayNothing     = "No API key and no secret key were given: the user name is the API key, the password is the secret key."
	sayNoUser      = "The user name is empty: it must be the API key."
	sayNoPassword  = "The password is empty: it must be the secret key."
	saySpaceUser   = "There is white space or an invisible character in the API key: remove it."
	saySpaceSecret = "There is white space or an invisible character in the secret key: remove it."
	sayQuotes      = "There are quotation marks around the API key or the secret key: remove them."
	saySwapped     = "The API key and the secret key are swapped: the user name must be the API key, the password the secret key."
	saySame        = "The user name and the password are the same: the password must be the secret key."
	sayEmail       = "The user name is an email address: it must be the API key, 32 hexadecimal characters."
	saySecretUser  = "The user name is a secret key: it must be the API key, 32 hexadecimal characters."
	sayUpperUser   = "The API key is in upper case: it must be written in lower case."
	sayUser        = "The user name is not an API key: that is 32 lowercase hexadecimal characters."
	sayTyping      = "The checksum of the secret key does not match: there is a typing error in it."
	sayShort       = "The secret key is cut short: it has %d characters and must have 40."
	sayLong        = "The secret key is too long: it has %d characters and must have 40."
	sayCharacters  = "The secret key holds a character that is neither a letter nor a digit: there is a typing error in it."
	sayCase        = "The secret key is in the wrong case: capital and small letters differ, and it begins with pstn in small letters."
	sayHex         = "The password is 32 hexadecimal characters: this looks like a key of another service, or like an API key, not " +
		"like a Postern secret key, which begins with pstn."
	sayOther   = "The password looks like a key of another service, not like a Postern secret key, which begins with pstn."
	sayNotOurs = "The password is not a Postern secret key, which begins with pstn and has 40 characters."
)

// Diagnose says in one sentence what is wrong with a user name and password by
// their form alone; "" when the form is right. It knows no key and no secret, so
// it tells a stranger nothing about them, and it repeats nothing of what it was
// given. An imported secret that is wrong is described like any other text.
func Diagnose(user, password string) string {
	// The commonest wrong pair is of the right form, and is looked at only once.
	if _, err := ParseAPIKey(user); err == nil && CheckSecret(password) == nil {
		return ""
	}
	switch {
	case user == "" && password == "":
		return sayNothing
	case blank(user):
		return sayNoUser
	case blank(password):
		return sayNoPassword
	}
	if isSecretLike(user) {
		if strings.HasPrefix(strings.TrimSpace(password), secretPrefix) {
			return saySecretUser
		}
		return saySwapped
	}
	if quoted(user) || quoted(password) {
		return sayQuotes
	}
	if s := diagnoseUser(user); s != "" {
		return s
	}
	if user == password {
		return saySame
	}
	return diagnosePassword(password)
}

func diagnoseUser(user string) string {
	if _, err := ParseAPIKey(user); err == nil {
		return ""
	}
	if _, err := ParseAPIKey(strip(user)); err == nil {
		return saySpaceUser
	}
	if _, err := ParseAPIKey(strings.ToLower(strip(user))); err == nil {
		return sayUpperUser
	}
	if strings.Contains(user, "@") {
		return sayEmail
	}
	return sayUser
}

func diagnosePassword(password string) string {
	err := CheckSecret(password)
	if err == nil {
		return ""
	}
	if strings.ContainsFunc(password, invisible) {
		return saySpaceSecret
	}
	if errors.Is(err, ErrChecksum) {
		return sayTyping
	}
	switch {
	case strings.HasPrefix(password, secretPrefix):
		switch {
		case !alphanumeric(password):
			return sayCharacters
		case len(password) < secretChars:
			return fmt.Sprintf(sayShort, len(password))
		default:
			return fmt.Sprintf(sayLong, len(password))
		}
	case len(password) == secretChars && strings.EqualFold(password[:len(secretPrefix)], secretPrefix):
		return sayCase
	case isHex32(password):
		return sayHex
	case isForeign(password):
		return sayOther
	default:
		return sayNotOurs
	}
}

// isSecretLike says whether s was meant as a secret of ours, or nearly.
func isSecretLike(s string) bool {
	s = strip(s)
	return strings.HasPrefix(s, secretPrefix) && len(s) > len(secretPrefix)+secretRandom/2 && alphanumeric(s)
}

func isHex32(s string) bool {
	_, err := ParseAPIKey(strings.ToLower(s))
	return err == nil
}

// foreignPrefixes begin the keys of other services that send mail, and of
// their neighbours in a settings file.
func foreignPrefixes() []string {
	return []string{"SG.", "key-", "re_", "xkeysib-", "xsmtpsib-", "AKIA", "md-", "mlsn.", "sk_", "pk_", "ghp_", "eyJ"}
}

// isForeign says whether s has the form of a key of another service: a known
// prefix, or a UUID.
func isForeign(s string) bool {
	for _, p := range foreignPrefixes() {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	hyphens := len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-'
	return hyphens && isHex32(strings.ReplaceAll(s, "-", ""))
}

func quoted(s string) bool {
	s = strip(s)
	return len(s) >= 2 && (s[0] == '"' || s[0] == '\'' || s[0] == '`') && s[len(s)-1] == s[0]
}

func blank(s string) bool { return strip(s) == "" }

// strip takes away what nobody sees.
func strip(s string) string {
	return strings.Map(func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}, s)
}

// invisible says whether r is white space, a control character, or a mark such
// as the byte order mark and the zero-width space.
func invisible(r rune) bool {
	if r < 0x80 { // nearly always: no look-up in the tables
		return r <= ' ' || r == 0x7f
	}
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// Shown is a user name as it may stand in a log: itself when it looks like an API key, otherwise its length alone,
// since people swap key and secret.
func Shown(user string) string {
	if _, err := ParseAPIKey(user); err == nil {
		return user
	}
	return fmt.Sprintf("(%d bytes, no API key)", len(user))
}
