// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ServerKeyBytes is the length of the server key.
const ServerKeyBytes = 32

// Digest is what is kept of a secret: its HMAC-SHA-256 under the server key.
type Digest [sha256.Size]byte

// Digester makes digests under one server key. It is safe for concurrent use.
type Digester struct {
	// The key is in both pads, as RFC 2104 says.
	inner, outer [sha256.BlockSize]byte
	key          [ServerKeyBytes]byte
}

// NewDigester returns a digester under a server key of 32 bytes, which it copies.
func NewDigester(serverKey []byte) (*Digester, error) {
	if err := checkServerKey(serverKey); err != nil {
		return nil, err
	}
	d := &Digester{key: [ServerKeyBytes]byte(serverKey)}
	for i := range d.inner {
		d.inner[i], d.outer[i] = 0x36, 0x5c
	}
	for i, b := range serverKey {
		d.inner[i] ^= b
		d.outer[i] ^= b
	}
	return d, nil
}

// Digest returns the digest of a secret: of the secret alone, so that a leaked
// one can be found by it. It does not allocate for up to MaxSecretChars.
func (d *Digester) Digest(secret string) Digest {
	if len(secret) > MaxSecretChars {
		h := hmac.New(sha256.New, d.key[:])
		h.Write([]byte(secret)) //nolint:errcheck // a hash never returns an error
		return Digest(h.Sum(nil))
	}
	// RFC 2104, section 2, written out over buffers on the stack: crypto/hmac
	// costs two to three times as much here, for its allocations or a pool.
	var in [sha256.BlockSize + MaxSecretChars]byte
	copy(in[:], d.inner[:])
	n := copy(in[sha256.BlockSize:], secret)
	sum := sha256.Sum256(in[:sha256.BlockSize+n])
	var out [sha256.BlockSize + sha256.Size]byte
	copy(out[:], d.outer[:])
	copy(out[sha256.BlockSize:], sum[:])
	return sha256.Sum256(out[:])
}

// NewServerKey returns a new random server key.
func NewServerKey() []byte {
	k := make([]byte, ServerKeyBytes)
	rand.Read(k) //nolint:errcheck // never returns an error: it ends the program
	return k
}

// FormatServerKey returns the text of a server key, 64 hexadecimal characters,
// as ParseServerKey reads it.
func FormatServerKey(key []byte) string {
	return hex.EncodeToString(key)
}

// ParseServerKey reads a server key from text: 64 hexadecimal characters or 32
// bytes in base64 (either alphabet, padded or not; RFC 4648), with white space
// around. An error never holds the text.
func ParseServerKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if len(text) == hex.EncodedLen(ServerKeyBytes) {
		key, err := hex.DecodeString(text)
		if err != nil {
			return nil, errors.New("server key: 64 characters, but not all are hexadecimal")
		}
		return key, checkServerKey(key)
	}
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	key, err := base64.RawStdEncoding.Strict().DecodeString(plain)
	if err != nil || len(key) != ServerKeyBytes {
		return nil, fmt.Errorf("server key: must be %d bytes as 64 hexadecimal characters or in base64", ServerKeyBytes)
	}
	return key, checkServerKey(key)
}

func checkServerKey(key []byte) error {
	if len(key) != ServerKeyBytes {
		return fmt.Errorf("server key: is %d bytes long, must be %d", len(key), ServerKeyBytes)
	}
	for _, b := range key {
		if b != key[0] {
			return nil
		}
	}
	return errors.New("server key: is one byte over and over: it must be random")
}
