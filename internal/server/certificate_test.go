// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRenewedCertificate: a renewal is taken up without a restart, and half of one leaves the old in use and is told
// once.
func TestRenewedCertificate(t *testing.T) {
	var log bytes.Buffer
	c := &certificate{certFile: filepath.Join(t.TempDir(), "c"), keyFile: filepath.Join(t.TempDir(), "k"), log: slog.New(slog.NewTextHandler(&log, nil))}
	write := func(serial int64) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		put(t, c.certFile, "CERTIFICATE", der, serial)
		put(t, c.keyFile, "PRIVATE KEY", pkcs8, serial)
	}
	serial := func() int64 {
		t.Helper()
		c.looked = time.Time{} // long ago
		cert, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(cert.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	write(1)
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 1 {
		t.Errorf("serial %d, want 1", got)
	}
	write(2)
	if got := serial(); got != 2 {
		t.Errorf("after the renewal serial %d, want 2", got)
	}
	put(t, c.certFile, "CERTIFICATE", []byte("half"), 3)
	for range 2 {
		if got := serial(); got != 2 {
			t.Errorf("after half a renewal serial %d, want 2", got)
		}
	}
	if n := strings.Count(log.String(), "the one before stays in use"); n != 1 || c.failing == "" {
		t.Errorf("half a renewal was logged %d times, want 1; failing: %q\n%s", n, c.failing, &log)
	}
	write(4)
	if got := serial(); got != 4 {
		t.Errorf("after its other half serial %d, want 4", got)
	}
	if n := strings.Count(log.String(), "was read again"); n != 2 || c.failing != "" {
		t.Errorf("two renewals were logged %d times; failing: %q\n%s", n, c.failing, &log)
	}
}

// put writes a PEM file with a time of its own: a file system may count in milliseconds.
func put(t *testing.T, file, kind string, der []byte, n int64) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	when := time.Unix(1_000_000+n, 0)
	if err := os.Chtimes(file, when, when); err != nil {
		t.Fatal(err)
	}
}
