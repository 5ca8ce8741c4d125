// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// secretPrefix begins a signing secret, by the Standard Webhooks specification 1.0: what follows is base64.
const (
	secretPrefix = "whsec_"
	secretBytes  = 24
)

// newSecret makes a signing secret.
func newSecret() string {
	raw := make([]byte, secretBytes)
	rand.Read(raw) //nolint:errcheck // never fails (crypto/rand)
	return secretPrefix + base64.StdEncoding.EncodeToString(raw)
}

// Sign signs what is delivered: the value of the header webhook-signature. timestamp is in Unix seconds.
func Sign(secret, id, timestamp string, body []byte) (string, error) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil {
		return "", fmt.Errorf("a signing secret is %s and base64", secretPrefix)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + ".")) //nolint:errcheck // a hash takes all
	mac.Write(body)                               //nolint:errcheck // a hash takes all
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}
