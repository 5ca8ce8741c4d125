// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Sealer encrypts what must be read again, such as DKIM private keys, under the
// server key: a copy of the database alone signs nothing. It is AES-256-GCM
// under a key derived from the server key (HKDF, RFC 5869).
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns a sealer under a server key of 32 bytes.
func NewSealer(serverKey []byte) (*Sealer, error) {
	key, err := hkdf.Key(sha256.New, serverKey, nil, "postern seal 1", 32)
	if err != nil {
		return nil, fmt.Errorf("server key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead}, nil
}

// Seal encrypts plain for the place that name says, so that it cannot be moved
// to another.
func (s *Sealer) Seal(name string, plain []byte) []byte {
	return s.aead.Seal(nil, nil, plain, []byte(name))
}

// Open decrypts what Seal made for the same name.
func (s *Sealer) Open(name string, sealed []byte) ([]byte, error) {
	plain, err := s.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, errors.New("it was sealed under another server key")
	}
	return plain, nil
}
