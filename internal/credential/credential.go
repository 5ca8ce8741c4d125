// SPDX-License-Identifier: Apache-2.0

// Package credential holds the rules of API keys and secret keys: what they
// look like, how they are made and checked, what is kept of a secret, what the
// form of a wrong pair tells about the mistake, and when a secret is too old.
//
// An API key is 16 random bytes in lowercase hexadecimal. It is a user name:
// always visible, never secret. A secret key is "pstn", 30 random base62
// characters (178 bits) and a checksum of 6 base62 characters: the CRC-32
// (IEEE) of the 34 characters before it, most significant digit first. The
// base62 alphabet is in ASCII order: 0-9, A-Z, a-z. The checksum protects
// nothing; it lets a scanner and the gate tell a typing error from a guess.
//
// Of a secret only its HMAC-SHA-256 (RFC 2104, FIPS 198-1) under a server key
// is kept. A secret of 128 random bits or more needs no slow hash: there is no
// dictionary to try, and a slow hash is a free attack on the processor.
//
// The package is pure: it reads no file and no clock. Whether a key exists, and
// whether a secret is right, is not known here: that is package gate.
package credential

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
)

// APIKey names who is calling: 16 random bytes, written as 32 lowercase
// hexadecimal characters.
type APIKey [16]byte

var errAPIKey = errors.New("API key: must be 32 lowercase hexadecimal characters")

// NewAPIKey returns a new random API key.
func NewAPIKey() APIKey {
	var k APIKey
	rand.Read(k[:]) //nolint:errcheck // crypto/rand.Read never returns an error: it ends the program
	return k
}

// ParseAPIKey reads the 32 characters of an API key. Upper case is refused, so
// that a key has one spelling.
func ParseAPIKey(s string) (APIKey, error) {
	var k APIKey
	var digits [2 * len(k)]byte
	if len(s) != len(digits) {
		return APIKey{}, errAPIKey
	}
	copy(digits[:], s)
	for _, c := range digits {
		if c >= 'A' && c <= 'F' { // encoding/hex takes both cases
			return APIKey{}, errAPIKey
		}
	}
	if _, err := hex.Decode(k[:], digits[:]); err != nil {
		return APIKey{}, errAPIKey // without the byte: it may be part of a secret
	}
	return k, nil
}

// String returns the 32 lowercase hexadecimal characters.
func (k APIKey) String() string {
	return hex.EncodeToString(k[:])
}
