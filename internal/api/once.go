// SPDX-License-Identifier: Apache-2.0

package api

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"postern/internal/submit"
)

// Headers of idempotency. Mailjet's SDKs send an Idempotency-Key of their own, a hash that leaves parts of the call out:
// it is never used to drop a send.
const (
	keyHeader    = "Postern-Idempotency-Key"
	replayHeader = "Postern-Idempotent-Replay"
)

// remembered is an answer as it is kept under an idempotency key.
type remembered struct {
	Status int
	Body   json.RawMessage
}

// once performs a send. A call with an idempotency key that was answered gets that answer again; one that has a twin
// under way waits for it; else perform is given the key. api tells the calls of different APIs apart. Nothing is
// remembered of the sandbox, which sends nothing.
func (a *api) once(c *call, api string, text []byte, sandbox bool, perform func(*submit.Once) (reply, error)) (reply, error) {
	key := c.Header.Get(keyHeader)
	if len(c.Header.Values(keyHeader)) == 0 || sandbox {
		return perform(nil)
	}
	wrong := submit.CheckKey(key)
	if len(c.Header.Values(keyHeader)) > 1 {
		wrong = "there is more than one"
	}
	if wrong != "" {
		return reply{}, &fault{status: http.StatusBadRequest, code: "mj-0005", message: fmt.Sprintf("Value not allowed. Header %s: %s.",
			keyHeader, wrong), related: []string{keyHeader}}
	}
	var hash [sha256.Size]byte
	h := sha256.New()
	io.WriteString(h, api+"\n") //nolint:errcheck,gosec // a hash takes all
	h.Write(text)               //nolint:errcheck,gosec // as above
	h.Sum(hash[:0])
	answer, end, err := a.Submit.Begin(c.Context(), c.who, key, hash)
	if err != nil {
		return reply{}, err
	}
	if answer != nil {
		var r remembered
		if err := json.Unmarshal(answer, &r); err != nil {
			return reply{}, fmt.Errorf("the answer kept of an idempotency key: %w", err)
		}
		return reply{status: r.Status, body: written(r.Body), replayed: true}, nil
	}
	defer end()
	return perform(&submit.Once{Key: key, Hash: hash})
}

// remember makes what is kept of an answer.
func remember(r reply) []byte {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	body, ok := r.body.(written)
	if !ok {
		body = encode(r.body)
	}
	return encode(remembered{Status: r.status, Body: json.RawMessage(body)})
}
