// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"

	"postern/internal/config"
)

// certificate is the server's, read again when its file has changed: a renewal needs no restart.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	looked  time.Time
	changed time.Time // of the file that cert was read from
	cert    *tls.Certificate
	failing string // why the newer file is not in use; empty when there is none
}

// newCertificate reads the certificate, and is nil when there is none.
func newCertificate(s *config.Serve, log *slog.Logger) (*certificate, error) {
	if s.TLSCert == "" {
		return nil, nil
	}
	c := &certificate{certFile: s.TLSCert, keyFile: s.TLSKey, log: log}
	if err := c.load(); err != nil {
		return nil, &config.Error{Setting: "tls-cert", Reason: err.Error(), Err: err}
	}
	return c, nil
}

// config is for a listener; nil without a certificate.
func (c *certificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: suites(), GetCertificate: c.get}
}

// suites are those of TLS 1.2 with authenticated encryption and forward secrecy; in TLS 1.3 there are no others. Go would also
// take AES-CBC with SHA-1, for clients of before 2013.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

func (c *certificate) load() error {
	info, err := os.Stat(c.certFile)
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.cert, c.changed, c.looked = &cert, info.ModTime(), time.Now()
	return nil
}

// get gives the certificate. A file that cannot be read leaves the one before in use: half of a renewal may be written.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > 30*time.Second {
		c.looked = time.Now()
		c.renew()
	}
	return c.cert, nil
}

// renew reads the files if they have changed, and says once how that went.
func (c *certificate) renew() {
	info, err := os.Stat(c.certFile)
	if err == nil && info.ModTime().Equal(c.changed) {
		c.failing = ""
		return
	}
	if err == nil {
		err = c.load()
	}
	if err != nil {
		if c.failing != err.Error() {
			c.failing = err.Error()
			c.log.Warn("the new TLS certificate cannot be read; the one before stays in use", "file", c.certFile, "error", err, "expires",
				c.cert.Leaf.NotAfter)
		}
		return
	}
	c.failing = ""
	c.log.Info("the TLS certificate was read again", "file", c.certFile, "expires", c.cert.Leaf.NotAfter)
}

// numbers are for Prometheus. A scrape looks at the files too, so that a server without callers notices a bad one.
func (c *certificate) numbers(e emitter) {
	if c == nil {
		return
	}
	c.get(nil) //nolint:errcheck,gosec // it never fails
	c.mu.Lock()
	defer c.mu.Unlock()
	failing := 0.0
	if c.failing != "" {
		failing = 1
	}
	e.gauge("tls_certificate_expires_seconds", "When the TLS certificate in use expires, in seconds since 1970.",
		float64(c.cert.Leaf.NotAfter.Unix()))
	e.gauge("tls_certificate_failing", "1 when the certificate's file has changed and cannot be read: the one before is in use.", failing)
}
