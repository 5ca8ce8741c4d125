// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
)

// SecretPattern is a regular expression (RE2, PCRE and POSIX with \b) that
// finds secrets in text, for scanners of code and logs. A match whose
// CheckSecret is nil is a secret with a false-positive rate of 1 in 2^32.
const SecretPattern = `\bpstn[0-9A-Za-z]{36}\b`

const (
	secretPrefix  = "pstn"
	secretRandom  = 30
	checksumChars = 6
	checkedChars  = len(secretPrefix) + secretRandom
	secretChars   = checkedChars + checksumChars

	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// MaxSecretChars is the length of the longest secret there can be, an imported
// one: what is longer need not be looked at.
const MaxSecretChars = 128

// What CheckSecret and CheckImported find.
var (
	ErrNotOurs  = errors.New("secret key: must be pstn and 36 letters and digits")
	ErrChecksum = errors.New("secret key: the checksum does not match: a typing error")
)

// NewSecret returns a new random secret key.
func NewSecret() string {
	s := make([]byte, 0, secretChars)
	s = append(s, secretPrefix...)
	var random [64]byte
	for len(s) < checkedChars {
		rand.Read(random[:]) //nolint:errcheck // never returns an error: it ends the program
		for _, b := range random {
			// 248 = 4*62: bytes above are thrown away, or the first
			// letters of the alphabet would come up more often.
			if b < 248 && len(s) < checkedChars {
				s = append(s, base62[b%62])
			}
		}
	}
	sum := checksum(string(s))
	return string(append(s, sum[:]...))
}

// CheckSecret says whether s has the form of a secret key of ours: nil,
// ErrNotOurs or ErrChecksum.
func CheckSecret(s string) error {
	if len(s) != secretChars || !strings.HasPrefix(s, secretPrefix) || !alphanumeric(s) {
		return ErrNotOurs
	}
	if sum := checksum(s[:checkedChars]); s[checkedChars:] != string(sum[:]) {
		return ErrChecksum
	}
	return nil
}

// checksum returns the CRC-32 of s in base62, padded with zeros.
func checksum(s string) [checksumChars]byte {
	var out [checksumChars]byte
	n := crc32.ChecksumIEEE([]byte(s))
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = base62[n%62]
		n /= 62
	}
	return out
}

func alphanumeric(s string) bool {
	for i := range len(s) {
		// |0x20 makes letters small; below 'a' or '0', a byte wraps around.
		if c := s[i]; (c|0x20)-'a' >= 26 && c-'0' >= 10 {
			return false
		}
	}
	return true
}

// Hint returns the last four characters of a secret, which tell secrets apart
// in a list. They are part of the checksum in a secret of ours; of an imported
// one of 128 bits, 112 bits or more remain.
func Hint(secret string) string {
	return secret[max(0, len(secret)-4):]
}

const (
	importedBits     = 128
	importedDistinct = 8
)

// CheckImported says whether a secret of another service may be brought in: up
// to 128 visible ASCII characters, which could hold 128 bits of entropy by
// their number and alphabet (32 hexadecimal characters do, exactly) and are not
// a few characters over and over. One that looks like ours must be of our form.
func CheckImported(secret string) error {
	if len(secret) > MaxSecretChars {
		return fmt.Errorf("secret key: longer than %d characters", MaxSecretChars)
	}
	if strings.HasPrefix(secret, secretPrefix) && len(secret) == secretChars {
		return CheckSecret(secret)
	}
	var seen [256]bool
	distinct := 0
	for i := range len(secret) {
		c := secret[i]
		if c <= ' ' || c > '~' {
			return errors.New("secret key: may hold only visible ASCII characters, no space")
		}
		if !seen[c] {
			seen[c] = true
			distinct++
		}
	}
	if bits := float64(len(secret)) * math.Log2(float64(alphabet(secret))); bits < importedBits {
		return fmt.Errorf("secret key: at most %.0f bits of entropy by its length and alphabet: at least %d are needed (32 "+
			"hexadecimal or 22 mixed characters)", math.Floor(bits), importedBits)
	}
	if distinct < importedDistinct {
		return fmt.Errorf("secret key: only %d different characters: it must be random", distinct)
	}
	return nil
}

// alphabet returns the size of the smallest usual alphabet that has all of s.
func alphabet(s string) int {
	digits, lowerHex, upperHex, lower, upper, other := false, false, false, false, false, false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits = true
		case c >= 'a' && c <= 'f':
			lowerHex = true
		case c >= 'A' && c <= 'F':
			upperHex = true
		case c >= 'a' && c <= 'z':
			lower = true
		case c >= 'A' && c <= 'Z':
			upper = true
		default:
			other = true
		}
	}
	switch {
	case other:
		return 94
	case lower || upper || lowerHex && upperHex:
		n := 0
		if digits {
			n += 10
		}
		if lower || lowerHex {
			n += 26
		}
		if upper || upperHex {
			n += 26
		}
		return n
	case lowerHex || upperHex:
		return 16
	default:
		return 10
	}
}
