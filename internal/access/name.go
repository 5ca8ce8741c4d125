// SPDX-License-Identifier: Apache-2.0

// Package access has the rules of primary accounts, subaccounts and the people who use them: names, roles and
// passwords. It does no I/O.
//
// Passwords are kept as PHC strings of Argon2id (RFC 9106) with the parameters of OWASP's password storage advice.
package access

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// MaxName is the longest name of an account or a key, in characters.
const MaxName = 100

// CleanName trims a name and checks it: 1 to MaxName characters, none of them one that is not seen.
func CleanName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", errors.New("a name is needed")
	case !utf8.ValidString(name):
		return "", errors.New("the name is not valid UTF-8")
	case utf8.RuneCountInString(name) > MaxName:
		return "", fmt.Errorf("the name has more than %d characters", MaxName)
	case strings.HasSuffix(name, ")") && strings.Contains(name, " (deleted "):
		return "", errors.New("the name ends like that of a deleted key")
	}
	if hidden := Hidden(name); hidden != "" {
		return "", fmt.Errorf("the name has %s in it", hidden)
	}
	return name, nil
}

// CleanText is a line that a person wrote, without the white space around it: at most so many characters, none of them one
// that is not seen.
func CleanText(s string, most int) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case !utf8.ValidString(s):
		return "", errors.New("it is not valid UTF-8")
	case utf8.RuneCountInString(s) > most:
		return "", fmt.Errorf("it has more than %d characters", most)
	}
	if hidden := Hidden(s); hidden != "" {
		return "", fmt.Errorf("it has %s in it", hidden)
	}
	return s, nil
}

// hidden are characters of format that change how others are seen, or that are there for nothing else than not to be seen:
// the zero width space, embeddings, overrides and isolates of the direction of writing (UAX #9), invisible operators, the
// byte order mark, annotations, and the separators of lines and paragraphs. Others of format belong to how languages are
// spelt, and to emoji.
var hidden = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x200B, Hi: 0x200B, Stride: 1},
	{Lo: 0x2028, Hi: 0x202E, Stride: 1},
	{Lo: 0x2060, Hi: 0x206F, Stride: 1},
	{Lo: 0xFEFF, Hi: 0xFEFF, Stride: 1},
	{Lo: 0xFFF9, Hi: 0xFFFB, Stride: 1},
}}

// Hidden says what a line of text has in it that is not seen and may change how the rest is, or that nothing is before: a
// control character (Unicode Cc), or some of those of format (Cf); "" for neither.
func Hidden(s string) string {
	for i, r := range s {
		switch {
		case unicode.IsControl(r):
			return "a control character"
		case unicode.Is(hidden, r), i == 0 && unicode.Is(unicode.Cf, r):
			return fmt.Sprintf("an invisible character (U+%04X)", r)
		}
	}
	return ""
}

// Short is a value that is refused, short enough to be repeated in the reason.
func Short(s string) string {
	const most = 100
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// Bounds of a password in bytes. The upper one keeps a request from buying much of the processor.
const (
	MinPassword = 10
	MaxPassword = 200
)

// Argon2id: 19 MiB, two passes, one lane.
const (
	argonMemory  = 19 * 1024
	argonTime    = 2
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16
)

// HashPassword checks a new password as CheckPassword does, and returns its PHC string.
func HashPassword(password, email string, names ...string) (string, error) {
	if err := CheckPassword(password, email, names...); err != nil {
		return "", err
	}
	salt := make([]byte, argonSalt)
	rand.Read(salt) //nolint:errcheck,gosec // never fails (crypto/rand)
	sum := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey)
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		b.EncodeToString(salt), b.EncodeToString(sum)), nil
}

// VerifyPassword says whether password has the PHC string phc. With "" for phc, when there is no such user, it works
// as long and says no.
func VerifyPassword(phc, password string) bool {
	if len(password) > MaxPassword {
		return false
	}
	var version, memory, passes, threads int
	parts := strings.Split(phc, "$")
	salt, sum := make([]byte, argonSalt), make([]byte, argonKey)
	known := len(parts) == 6 && parts[1] == "argon2id"
	if known {
		_, err1 := fmt.Sscanf(parts[2], "v=%d", &version)
		_, err2 := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads)
		s, err3 := base64.RawStdEncoding.DecodeString(parts[4])
		k, err4 := base64.RawStdEncoding.DecodeString(parts[5])
		known = errors.Join(err1, err2, err3, err4) == nil && version == argon2.Version && len(k) == argonKey &&
			memory >= 8 && memory <= 1<<20 && passes >= 1 && passes <= 16 && threads >= 1 && threads <= 16
		salt, sum = s, k
	}
	if !known {
		memory, passes, threads = argonMemory, argonTime, argonThreads
		salt, sum = make([]byte, argonSalt), make([]byte, argonKey)
	}
	got := argon2.IDKey([]byte(password), salt, uint32(passes), uint32(memory), uint8(threads), argonKey) //nolint:gosec // bounded above
	return subtle.ConstantTimeCompare(got, sum) == 1 && known
}
