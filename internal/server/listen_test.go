// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/config"
	"postern/internal/dns"
)

// TestRenewedCertificate: a renewal is taken up without a restart, and half of one leaves the old in use.
func TestRenewedCertificate(t *testing.T) {
	c := &certificate{certFile: filepath.Join(t.TempDir(), "c"), keyFile: filepath.Join(t.TempDir(), "k")}
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
	if got := serial(); got != 2 {
		t.Errorf("after half a renewal serial %d, want 2", got)
	}
	write(4)
	if got := serial(); got != 4 {
		t.Errorf("after its other half serial %d, want 4", got)
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

func TestControlSocket(t *testing.T) {
	dir := t.TempDir()
	l, err := listenControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	info, err := os.Stat(SocketPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v: others could change keys", info.Mode().Perm())
	}
	var e *config.Error
	if _, err := listenControl(dir); !errors.As(err, &e) || e.Setting != "data" {
		t.Errorf("a second server took the socket of the first: %v", err)
	}
	if _, err := listenControl(strings.Repeat("a", 100)); !errors.As(err, &e) || !strings.Contains(e.Reason, "107") {
		t.Errorf("a path that is too long: %v", err)
	}
}

func TestRouteReasonHasNoPassword(t *testing.T) {
	for _, route := range []string{"smtp://user:hunter2@", "smtp://user:hun ter2@host", "smtp://user:hunter2%zz@host", "smtps://u:hunter2@host/x", "imap://u:hunter2@host", "smtp://u:hunter2@host:587?tls=perhaps"} {
		_, _, err := newCourier(route, "h", nil, dns.New(""))
		var e *config.Error
		if !errors.As(err, &e) || e.Setting != "route" {
			t.Errorf("%s: %v", route, err)
			continue
		}
		if strings.Contains(err.Error(), "ter2") {
			t.Errorf("%v says the password", err)
		}
	}
}
