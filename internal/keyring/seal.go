// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// sealer encrypts what must be read again, such as DKIM private keys, under the server key: a copy of the database
// alone signs nothing.
type sealer struct{ aead cipher.AEAD }

func newSealer(serverKey []byte) (*sealer, error) {
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
	return &sealer{aead}, nil
}

// seal encrypts plain for the place that name says, so that it cannot be moved to another.
func (s *sealer) seal(name string, plain []byte) []byte {
	return s.aead.Seal(nil, nil, plain, []byte(name))
}

func (s *sealer) open(name string, sealed []byte) ([]byte, error) {
	plain, err := s.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, errors.New("it was sealed under another server key")
	}
	return plain, nil
}
