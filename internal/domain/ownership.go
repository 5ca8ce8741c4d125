// SPDX-License-Identifier: Apache-2.0

package domain

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/internal/change"

	"postern/internal/senders"
	"postern/internal/store"
	"postern/internal/webhook"
)

// Bounds of looking for a file.
const (
	fileTimeout   = 10 * time.Second
	maxRedirects  = 3
	maxFile       = 1024
	filesBetween  = 5 * time.Second // of one domain: somebody else's web server is asked for it
	rememberFiles = 10_000
)

// ownsByDNS looks for a domain's token in its TXT record. What is wrong is said in words.
func (c *Checker) ownsByDNS(ctx context.Context, d store.Domain) (bool, string) {
	name := senders.OwnershipRecordName(d)
	texts, err := c.Resolver.TXT(ctx, name)
	switch {
	case err != nil && !notFound(err):
		return false, fmt.Sprintf("the TXT record at %s could not be looked up: the domain's name servers did not answer; try again "+
			"later", name)
	case len(texts) == 0:
		return false, fmt.Sprintf("there is no TXT record at %s", name)
	case slices.ContainsFunc(texts, func(t string) bool { return strings.Trim(strings.TrimSpace(t), `"`) == d.Token }):
		return true, ""
	}
	return false, fmt.Sprintf("the TXT record at %s says %q, and not %q", name, short(texts[0]), d.Token)
}

// newFileClient makes the client that looks for files: by the rules of webhooks it goes into no private network, and it
// follows redirects only on the domain's own host, with or without www, since many go from http to https.
func newFileClient(dial dialFunc) *http.Client {
	return &http.Client{
		Timeout: fileTimeout,
		Transport: &http.Transport{
			Proxy: nil, DialContext: dial, TLSHandshakeTimeout: fileTimeout / 2, DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			bare := func(host string) string { return strings.TrimPrefix(strings.ToLower(host), "www.") }
			if len(via) > maxRedirects || bare(r.URL.Hostname()) != bare(via[0].URL.Hostname()) || r.URL.Path != via[0].URL.Path {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// ownsByFile looks for the empty file of a domain.
func (c *Checker) ownsByFile(ctx context.Context, d store.Domain) (bool, string) {
	if !c.mayAskForFile(d.ID) {
		return false, "the file was looked for a moment ago; try again in a few seconds"
	}
	url := "http://" + d.Domain + "/" + d.Filename
	if why := c.emptyFile(ctx, url); why != "" {
		return false, why
	}
	// Some servers answer so to every name: then the file's is no proof.
	if why := c.emptyFile(ctx, "http://"+d.Domain+"/"+strings.ToLower(rand.Text())+".txt"); why == "" {
		return false, fmt.Sprintf("the web server of %s answers every name with an empty file, which proves nothing", d.Domain)
	}
	return true, ""
}

// emptyFile says why there is no empty file at a URL, "" when there is.
func (c *Checker) emptyFile(ctx context.Context, url string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return url + " is no URL"
	}
	req.Header.Set("User-Agent", "Postern-Validation/1")
	res, err := c.files.Do(req)
	if err != nil {
		return fmt.Sprintf("%s could not be read: %s", url, webhook.Why(err))
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(io.LimitReader(res.Body, maxFile))
	switch {
	case res.StatusCode != http.StatusOK:
		return fmt.Sprintf("%s was answered with %d %s", url, res.StatusCode, http.StatusText(res.StatusCode))
	case err != nil:
		return url + " could not be read to its end"
	case strings.TrimSpace(string(body)) != "":
		return fmt.Sprintf("the file at %s is not empty", url)
	}
	return ""
}

// mayAskForFile lets a domain's web server be asked now and then, and notes that it is.
func (c *Checker) mayAskForFile(domainID int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	if last, ok := c.asked[domainID]; ok && now.Sub(last) < c.FilesBetween {
		return false
	}
	if len(c.asked) >= rememberFiles {
		clear(c.asked)
	}
	c.asked[domainID] = now
	return true
}

// Validation is what came of trying to prove a sender.
type Validation struct {
	Method    string // "DNS", "File", "Domain", "ActivationEmail"; "" it is not proved
	DNSError  string // why the TXT record proves nothing, "" where it was not looked for
	FileError string
	Problem   string // in one sentence, "" when all is well
}

// Methods of a Validation.
const (
	MethodDNS    = "DNS"
	MethodFile   = "File"
	MethodDomain = "Domain"          // an address of a domain that is proved
	MethodMail   = "ActivationEmail" // a link was mailed to the address
)

// Validate tries to prove a sender of the scope: by its domain's TXT record, by a file on the domain's web server, and
// an address otherwise by mailing it a link. Error: *change.Error.
func (c *Checker) Validate(ctx context.Context, by change.Actor, scope store.Scope, x store.Sender) (Validation, error) {
	if x.Status != store.SenderInactive {
		return Validation{}, &change.Error{Kind: change.Conflict, Field: "Email", Reason: fmt.Sprintf("%s is %s: there is nothing "+
			"to validate", x.Email, x.Status)}
	}
	d, err := c.Store.Domain(ctx, scope, store.DomainFilter{ID: x.DomainID})
	if err != nil {
		return Validation{}, fmt.Errorf("domain of sender %d: %w", x.ID, err)
	}
	v, err := c.Prove(ctx, by, scope, d)
	if v.Method != "" || err != nil {
		return v, err
	}
	if strings.HasPrefix(x.Email, "*@") {
		v.Problem = fmt.Sprintf("%s is not proved to be yours: neither its TXT record nor the file is there.", d.Domain)
		return v, nil
	}
	err = c.Senders.MailSenderLink(ctx, by, scope, x.ID)
	var e *change.Error
	switch {
	case errors.As(err, &e) && e.Kind == change.LimitReached:
		v.Problem = e.Reason
		return v, nil
	case err != nil:
		return v, err
	}
	return Validation{Method: MethodMail}, nil
}

// Prove looks for the proofs of a domain of the scope, its TXT record and the file, and makes the key's senders of it
// active when one is there. Of a domain that is proved the method is MethodDomain.
func (c *Checker) Prove(ctx context.Context, by change.Actor, scope store.Scope, d store.Domain) (Validation, error) {
	v := c.lookForProof(ctx, d)
	if d.Proved() {
		v.Method = MethodDomain
	}
	if v.Method == "" {
		return v, nil
	}
	proof := map[string]string{MethodDNS: store.ProofDNS, MethodFile: store.ProofFile, MethodDomain: d.Proof}[v.Method]
	return v, c.Senders.ProveDomain(ctx, by, scope, d.ID, proof)
}

// lookForProof looks for both proofs at a time.
func (c *Checker) lookForProof(ctx context.Context, d store.Domain) Validation {
	if d.Proved() || !c.enter(ctx) {
		return Validation{}
	}
	defer c.leave()
	var byFile bool
	var fileError string
	done := make(chan struct{})
	go func() {
		defer close(done)
		byFile, fileError = c.ownsByFile(ctx, d)
	}()
	byDNS, dnsError := c.ownsByDNS(ctx, d)
	<-done
	switch {
	case byDNS:
		return Validation{Method: MethodDNS}
	case byFile:
		return Validation{Method: MethodFile}
	}
	return Validation{DNSError: sentence(dnsError), FileError: sentence(fileError)}
}
