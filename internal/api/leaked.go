// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"postern/internal/change"
	"postern/internal/connlimit"
	"postern/internal/credential"
	"postern/internal/keys"
)

// Bounds of the reports of leaked secrets: anybody may make them.
const (
	leakTime      = 300 * time.Millisecond
	leaksOnce     = 100       // at a time
	leaksOfSource = 4         // of these, from an IPv4 address or an IPv6 /64: a flood leaves places for others
	maxLeaks      = 100       // secrets in a report
	leaksInTime   = 10        // of these, that have leakTime to end in
	maxLeak       = 256 << 10 // bytes of a report
)

// leak is a secret that was found.
type leak struct {
	secret, url string
	kind        string // as a scanner calls it
}

// accepted is the one answer to a report.
type accepted struct{ Accepted bool }

// scanned is the answer to a scanner about a secret.
type scanned struct {
	TokenHash string `json:"token_hash"` // SHA-256
	TokenType string `json:"token_type"`
	Label     string `json:"label"`
}

// leakedSecret ends secrets that were found where they should not be. Having one is the proof: no credentials are asked
// for, and signatures of scanners are not looked at. The answer, and the time until it comes, are the same whether or not
// a secret was live, or ever was one.
//
// A report is an object with one secret, or an array, which is what GitHub's secret scanning sends to its partners. In an
// array a URL that cannot be kept is left out, for the sake of the other secrets.
func (a *api) leakedSecret(c *call) (reply, error) {
	arrived := time.Now()
	leaks, isArray, err := c.leaks()
	if err != nil {
		return reply{}, err
	}
	release, by := a.leaks.Take(c.addr)
	if by != connlimit.None {
		return reply{}, &fault{
			status: http.StatusTooManyRequests, message: "Too many reports at a time: try again in a second.", retryAfter: time.Second,
		}
	}
	defer release()
	finder := change.Actor{Kind: change.Stranger, Name: "whoever found the secret key"}
	if c.addr.IsValid() {
		finder.Origin = c.addr.String()
	}
	for _, x := range leaks {
		// A report holds though its client hangs up.
		_, err := a.Keys.Leaked(context.WithoutCancel(c.Context()), finder, x.secret, x.url)
		var e *change.Error
		if err != nil && !errors.As(err, &e) { // of a key that is deleted meanwhile the secret is dead
			return reply{}, err
		}
	}
	a.waitFrom(c.Context(), arrived, a.LeakTime*time.Duration(1+(len(leaks)-1)/leaksInTime))
	if isArray {
		return reply{body: labels(leaks)}, nil
	}
	return one(accepted{true}), nil
}

// leaks reads a report.
func (c *call) leaks() (leaks []leak, isArray bool, err error) {
	text, err := c.resourceBody("body", maxLeak)
	if err != nil {
		return nil, false, err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}")
	}
	v, err := parseJSON(text)
	switch {
	case err != nil:
		return nil, false, badRequest("Invalid json input: " + err.Error())
	case v.isObject():
		x, err := readLeak(v, "SecretKey", "Secret", "token")
		return []leak{x}, false, err
	case !v.isArray() || v.count() == 0:
		return nil, false, badRequest("Invalid json input: expected an object, or an array of objects.")
	case v.count() > maxLeaks:
		return nil, false, &fault{status: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("A report has %d secret keys at "+
			"most; nothing was done.", maxLeaks)}
	}
	seen := map[string]int{}
	for e := range v.elements() {
		x, err := readLeak(e, "token", "SecretKey", "Secret")
		if f := (*fault)(nil); errors.As(err, &f) && x.secret == "" {
			return nil, true, badRequest(fmt.Sprintf("Element %d: %s", len(leaks)+1, f.message))
		}
		i, again := seen[x.secret]
		switch {
		case !again:
			seen[x.secret] = len(leaks)
		case leaks[i].url == "": // the first ends it, and is to say where it was found
			leaks[i].url = x.url
		}
		leaks = append(leaks, x)
	}
	return leaks, true, nil
}

// readLeak reads one secret, under the first of its names that is given. A wrong URL is an error, with the secret beside.
func readLeak(v value, names ...string) (leak, error) {
	if !v.isObject() {
		return leak{}, badRequest("Expected an object.")
	}
	o := v.object()
	secret, property, err := o.firstText(names...)
	if err != nil {
		return leak{}, err
	}
	x := leak{secret: strings.TrimSpace(secret)}
	if x.secret == "" {
		return x, badRequest("Property " + property + ": the secret key that has leaked is needed.")
	}
	kind, err := o.text("type")
	if err != nil {
		return leak{}, err
	}
	found, err := o.text("Url")
	if err != nil {
		return x, err
	}
	x.kind = orEmpty(kind)
	if x.url, err = keys.FoundURL(orEmpty(found)); err != nil {
		return x, faultOf(err)
	}
	return x, nil
}

// labels is what GitHub's secret scanning takes from its partners. A label says whether a text has the form of a secret,
// its checksum right, and never whether it is or was one: that would help who guesses, or tries what was found elsewhere.
func labels(leaks []leak) []scanned {
	out := make([]scanned, len(leaks))
	for i, x := range leaks {
		hash := sha256.Sum256([]byte(x.secret))
		out[i] = scanned{TokenHash: hex.EncodeToString(hash[:]), TokenType: x.kind, Label: "false_positive"}
		if credential.CheckSecret(x.secret) == nil {
			out[i].Label = "true_positive"
		}
	}
	return out
}

// waitFrom waits until a whole number of steps has passed since a request arrived, so that what was done meanwhile does
// not show.
func (a *api) waitFrom(ctx context.Context, arrived time.Time, step time.Duration) {
	wait := step - time.Since(arrived)%step
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
