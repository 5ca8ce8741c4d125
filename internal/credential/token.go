// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"crypto/rand"
	"crypto/sha256"
)

// NewToken makes the token of a link or a session: 260 random bits in the alphabet of crypto/rand.Text.
func NewToken() string { return rand.Text() + rand.Text() }

// TokenDigest is what is stored of a token. It needs no key: a token has too many bits to be guessed from its digest.
func TokenDigest(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
