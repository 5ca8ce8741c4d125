// SPDX-License-Identifier: Apache-2.0

package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"
)

// formLifetime is how long a form that makes a secret can be sent.
const formLifetime = 12 * time.Hour

// forms hands out nonces for forms that must work once: reloading the answer sends the form again, and must not reset
// a secret a second time. Nonces are signed with a key of this process, so only those that were used are remembered;
// after a restart old forms are void, which errs on the right side.
type forms struct {
	key []byte
	now func() time.Time

	mu   sync.Mutex
	used map[string]time.Time // by nonce, until it would have ended anyway
}

func newForms(now func() time.Time) *forms {
	key := make([]byte, 32)
	rand.Read(key) //nolint:errcheck,gosec // never fails (crypto/rand)
	return &forms{key: key, now: now, used: map[string]time.Time{}}
}

// A nonce is 8 bytes of time, 16 random bytes, and a MAC over both and the user.
const (
	nonceHead = 8 + 16
	nonceSize = nonceHead + sha256.Size
)

// nonce makes one for a form of the user.
func (f *forms) nonce(userID int64) string {
	b := make([]byte, nonceHead, nonceSize)
	binary.BigEndian.PutUint64(b, uint64(f.now().Unix())) //nolint:gosec // after 1970
	rand.Read(b[8:])                                      //nolint:errcheck,gosec // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(append(b, f.mac(b, userID)...))
}

func (f *forms) mac(head []byte, userID int64) []byte {
	h := hmac.New(sha256.New, f.key)
	h.Write(head)
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], uint64(userID)) //nolint:gosec // any bits do
	h.Write(id[:])
	return h.Sum(nil)
}

// use takes a nonce and says whether it is good and had not been used.
func (f *forms) use(userID int64, nonce string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != nonceSize || !hmac.Equal(b[nonceHead:], f.mac(b[:nonceHead], userID)) {
		return false
	}
	now := f.now()
	ends := time.Unix(int64(binary.BigEndian.Uint64(b)), 0).Add(formLifetime) //nolint:gosec // signed by us
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, used := f.used[nonce]; used || !now.Before(ends) {
		return false
	}
	for n, end := range f.used {
		if !now.Before(end) {
			delete(f.used, n)
		}
	}
	f.used[nonce] = ends
	return true
}
