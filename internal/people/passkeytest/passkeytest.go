// SPDX-License-Identifier: Apache-2.0

// Package passkeytest is an authenticator in software, for tests: it makes passkeys and signs with them as a browser
// with a security key does (WebAuthn level 3, §6).
package passkeytest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
)

// Authenticator holds passkeys. Its fields can be changed to make it misbehave.
type Authenticator struct {
	Origin       string // of the pages that the browser is at
	Unverified   bool   // it does not ask for a PIN or a finger
	Counter      uint32 // of the last signature
	UserHandle   []byte // says another user's in place of the passkey's own
	credentialID []byte
	handle       []byte
	key          *ecdsa.PrivateKey
}

// New makes an authenticator in a browser that is at the pages of an origin.
func New(origin string) *Authenticator { return &Authenticator{Origin: origin} }

// Authenticator data flags, §6.1.
const (
	userPresent  = 0x01
	userVerified = 0x04
	attested     = 0x40
)

// Create answers to PublicKeyCredentialCreationOptionsJSON with a new passkey, which it keeps in place of the last.
func (a *Authenticator) Create(options string) (string, error) {
	var o struct {
		Challenge string
		RP        struct{ ID string }
		User      struct{ ID string }
		Exclude   []struct{ ID string } `json:"excludeCredentials"`
		Selection struct {
			ResidentKey, UserVerification string
		} `json:"authenticatorSelection"`
	}
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return "", err
	}
	if o.Selection.ResidentKey != "required" || o.Selection.UserVerification != "required" {
		return "", fmt.Errorf("a passkey that can be found and asks its user was not required: %s", options)
	}
	for _, x := range o.Exclude {
		if a.credentialID != nil && x.ID == b64(a.credentialID) {
			return "", errors.New("InvalidStateError")
		}
	}
	var err error
	if a.handle, err = base64.RawURLEncoding.DecodeString(o.User.ID); err != nil {
		return "", err
	}
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return "", err
	}
	a.credentialID, a.Counter = []byte(rand.Text()), 0
	cose, err := a.coseKey()
	if err != nil {
		return "", err
	}
	data, err := a.data(o.RP.ID, attested)
	if err != nil {
		return "", err
	}
	data = append(data, make([]byte, 16)...) // AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.credentialID)))
	data = append(append(data, a.credentialID...), cose...)
	// {"fmt": "none", "attStmt": {}, "authData": data}
	object := append([]byte{0xa3, 0x63}, "fmt"...)
	object = append(append(object, 0x64), "none"...)
	object = append(append(object, 0x67), "attStmt"...)
	object = append(append(object, 0xa0, 0x68), "authData"...)
	object = append(binary.BigEndian.AppendUint16(append(object, 0x59), uint16(len(data))), data...)
	return a.answer(map[string]any{"clientDataJSON": b64(a.clientData("webauthn.create",
		o.Challenge)), "attestationObject": b64(object), "transports": []string{"internal"}})
}

// Get answers to PublicKeyCredentialRequestOptionsJSON with a signature.
func (a *Authenticator) Get(options string) (string, error) {
	var o struct {
		Challenge string
		RPID      string                `json:"rpId"`
		Allow     []struct{ ID string } `json:"allowCredentials"`
		Verify    string                `json:"userVerification"`
	}
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return "", err
	}
	if o.Verify != "required" {
		return "", errors.New("the user's verification was not required")
	}
	known := len(o.Allow) == 0
	for _, x := range o.Allow {
		known = known || x.ID == b64(a.credentialID)
	}
	if !known {
		return "", errors.New("NotAllowedError")
	}
	a.Counter++
	data, err := a.data(o.RPID, 0)
	if err != nil {
		return "", err
	}
	client := a.clientData("webauthn.get", o.Challenge)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(bytes.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		return "", err
	}
	handle := a.handle
	if a.UserHandle != nil {
		handle = a.UserHandle
	}
	return a.answer(map[string]any{
		"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(handle),
	})
}

func (a *Authenticator) answer(response map[string]any) (string, error) {
	out, err := json.Marshal(map[string]any{
		"id": b64(a.credentialID), "rawId": b64(a.credentialID), "type": "public-key", "response": response,
		"authenticatorAttachment": "platform", "clientExtensionResults": map[string]any{},
	})
	return string(out), err
}

func (a *Authenticator) clientData(kind, challenge string) []byte {
	return fmt.Appendf(nil, `{"type":%q,"challenge":%q,"origin":%q,"crossOrigin":false}`, kind, challenge, a.Origin)
}

// data is the authenticator data without what comes after the counter. A browser lets a page name its own host alone.
func (a *Authenticator) data(rpID string, flags byte) ([]byte, error) {
	u, err := url.Parse(a.Origin)
	if err != nil || u.Hostname() != rpID {
		return nil, fmt.Errorf("SecurityError: %s asks for passkeys of %q", a.Origin, rpID)
	}
	hash := sha256.Sum256([]byte(rpID))
	flags |= userPresent
	if !a.Unverified {
		flags |= userVerified
	}
	return binary.BigEndian.AppendUint32(append(hash[:], flags), a.Counter), nil
}

// coseKey is {1: 2, 3: -7, -1: 1, -2: x, -3: y}: EC2, ES256, P-256 (RFC 9053 §7.1).
func (a *Authenticator) coseKey() ([]byte, error) {
	point, err := a.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, err
	}
	out := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 32}
	out = append(append(out, point[1:33]...), 0x22, 0x58, 32)
	return append(out, point[33:]...), nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
