// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
)

// ServerKeyBytes is the length of the server key.
const ServerKeyBytes = 32

// Digest is what is kept of a secret: its HMAC-SHA-256 under the server key.
type Digest [sha256.Size]byte

// Digester makes digests under one server key. It is safe for concurrent use.
type Digester struct {
	// Of *digesting. After its first Reset a crypto/hmac state has the key
	// worked in, which halves the hashing that a short secret costs.
	states sync.Pool
}

// digesting is one HMAC at work, with room for what would otherwise escape.
type digesting struct {
	mac    hash.Hash
	secret [MaxSecretChars]byte
	sum    Digest
}

// NewDigester returns a digester under a server key of 32 bytes, which it copies.
func NewDigester(serverKey []byte) (*Digester, error) {
	if err := checkServerKey(serverKey); err != nil {
		return nil, err
	}
	key := bytes.Clone(serverKey)
	d := &Digester{}
	d.states.New = func() any { return &digesting{mac: hmac.New(sha256.New, key)} }
	return d, nil
}

// Digest returns the digest of a secret: of the secret alone, so that a leaked
// one can be found by it. It does not allocate.
func (d *Digester) Digest(secret string) Digest {
	w := d.states.Get().(*digesting) //nolint:forcetypeassert // the pool holds nothing else
	w.mac.Reset()
	for len(secret) > 0 {
		n := copy(w.secret[:], secret)
		w.mac.Write(w.secret[:n]) //nolint:errcheck // a hash never returns an error
		clear(w.secret[:n])       // the pool keeps no secret
		secret = secret[n:]
	}
	w.mac.Sum(w.sum[:0])
	sum := w.sum
	d.states.Put(w)
	return sum
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
