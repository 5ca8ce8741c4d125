// SPDX-License-Identifier: Apache-2.0

// Package track makes mail tell what its recipient did: the signed links that stand for the links of a mail, the pixel
// that stands for its being opened, the link that unsubscribes. It also knows by which signs a request is told to be a
// machine's rather than a person's.
//
// A link holds all that is needed to answer it, and a MAC over that: nothing is looked up to send somebody on, nobody
// can make a link that leads elsewhere or counts for another message, and links go on leading where they led when the
// mail itself is long forgotten. The package is pure.
package track

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"strings"
	"sync"
	"time"
)

// Kind is what a link is for.
type Kind byte

// Kinds of links. The letters are on the wire: never change them.
const (
	Open  Kind = 'o' // the pixel
	Click Kind = 'c' // a link of the mail
	Unsub Kind = 'u'
)

// Token is what a link says.
type Token struct {
	Kind      Kind
	MessageID int64
	Link      int64     // of a click: which link of the mail, from 1; of an unsubscription: from which key; else 0
	At        time.Time // when the mail went out, to the millisecond
}

const (
	macSize = 16 // 128 bits: nobody guesses one
	// maxToken is more than any token has: kind, three numbers, MAC.
	maxToken = (1 + 3*binary.MaxVarintLen64 + macSize) * 4 / 3
)

// Signer makes and checks links. It may be used from many goroutines.
type Signer struct {
	states sync.Pool
	seal   cipher.AEAD // of addresses
}

// NewSigner makes a signer under keys derived from the server key (HKDF, RFC 5869).
func NewSigner(serverKey []byte) (*Signer, error) {
	key, err := hkdf.Key(sha256.New, serverKey, nil, "postern track 1", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("server key: %w", err)
	}
	sealing, err := hkdf.Key(sha256.New, serverKey, nil, "postern track address 1", 32)
	if err != nil {
		return nil, fmt.Errorf("server key: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, err
	}
	s := &Signer{}
	s.states.New = func() any { return hmac.New(sha256.New, key) }
	s.seal, err = cipher.NewGCM(block)
	return s, err
}

// Sign makes a token. host is the host name that the link will have where it is an account's own, "" for the server's;
// target is where a click leads, the sealed address of an unsubscription, "" of a pixel. Both are signed: a link of one
// account shows nothing under the
// name of another's host.
func (s *Signer) Sign(t Token, host, target string) string {
	b := t.bytes(make([]byte, 0, 64))
	return base64.RawURLEncoding.EncodeToString(append(b, s.mac(b, host, target)...))
}

func (t Token) bytes(b []byte) []byte {
	b = append(b, byte(t.Kind))
	b = binary.AppendUvarint(b, uint64(t.MessageID)) //nolint:gosec // IDs are positive
	b = binary.AppendUvarint(b, uint64(t.Link))      //nolint:gosec // likewise
	return binary.AppendUvarint(b, uint64(max(t.At.UnixMilli(), 0)))
}

// mac is over the token, the host and the target: the lengths before them keep one from being read as the other.
func (s *Signer) mac(token []byte, host, target string) []byte {
	h := s.states.Get().(hash.Hash) //nolint:forcetypeassert // the pool holds nothing else
	defer s.states.Put(h)
	h.Reset()
	b := binary.AppendUvarint(nil, uint64(len(token)))
	b = append(b, token...)
	b = binary.AppendUvarint(b, uint64(len(host)))
	b = append(b, host...)
	b = append(b, target...)
	h.Write(b) //nolint:errcheck // a hash never returns an error
	return h.Sum(nil)[:macSize]
}

// Check reads a token of a kind, and says whether it was signed for that host and target. A token has one spelling.
func (s *Signer) Check(kind Kind, text, host, target string) (Token, bool) {
	if len(text) > maxToken {
		return Token{}, false
	}
	raw, ok := decode(text)
	if !ok || len(raw) <= macSize {
		return Token{}, false
	}
	b, mac := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	if !hmac.Equal(mac, s.mac(b, host, target)) || Kind(b[0]) != kind {
		return Token{}, false
	}
	t := Token{Kind: kind}
	rest := b[1:]
	var numbers [3]uint64
	for i := range numbers {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > 1<<53 {
			return Token{}, false
		}
		numbers[i], rest = n, rest[size:]
	}
	if len(rest) > 0 {
		return Token{}, false
	}
	t.MessageID, t.Link, t.At = int64(numbers[0]), int64(numbers[1]), time.UnixMilli(int64(numbers[2])).UTC() //nolint:gosec // bounded above
	return t, true
}

// SealAddress hides the address of an unsubscription in its link, so that the link still works when the mail itself is
// forgotten, and gives no address away in logs that it passes.
func (s *Signer) SealAddress(t Token, email string) string {
	return base64.RawURLEncoding.EncodeToString(s.seal.Seal(nil, t.nonce(), []byte(email), nil))
}

// OpenAddress reads what SealAddress hid for the same token.
func (s *Signer) OpenAddress(t Token, text string) (email string, ok bool) {
	raw, ok := decode(text)
	if !ok {
		return "", false
	}
	plain, err := s.seal.Open(nil, t.nonce(), raw, nil)
	return string(plain), err == nil
}

// nonce is of a message, and a message has one address: none is used for two texts.
func (t Token) nonce() []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, uint64(t.MessageID)), uint32(t.At.Unix())) //nolint:gosec // IDs are positive; of the time any bits do
}

// EncodeTarget is a click's target as it stands in the link.
func EncodeTarget(target string) string { return base64.RawURLEncoding.EncodeToString([]byte(target)) }

// DecodeTarget reads what EncodeTarget wrote.
func DecodeTarget(text string) (string, bool) {
	raw, ok := decode(text)
	return string(raw), ok
}

// decode reads base64url in its one spelling: the decoder would skip line ends.
func decode(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return raw, err == nil
}
