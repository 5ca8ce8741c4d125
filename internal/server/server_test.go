// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/change"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/messages"
	"postern/internal/server"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// settings are those of a server on free ports.
func settings(t *testing.T) (*config.Common, *config.Serve) {
	t.Helper()
	return &config.Common{Data: t.TempDir(), Database: storetest.DSN(t), HTTP: "127.0.0.1:0", HTTPS: "off"},
		&config.Serve{Owner: config.Owner{Owner: "owner@postern.localhost"}, SMTP: "127.0.0.1:0", SMTPS: "off", Route: "capture", Drain: 5 * time.Second}
}

// printed gets the one thing that a server prints.
type printed chan string

func (p printed) Write(b []byte) (int, error) {
	p <- string(b)
	return len(b), nil
}

// start serves until the test ends, and returns what it printed.
func start(t *testing.T, c *config.Common, s *config.Serve) (*server.Server, printed) {
	t.Helper()
	out := make(printed, 1)
	srv, err := server.New(t.Context(), c, s, out, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	for end := time.Now().Add(2 * time.Minute); ; {
		status, _ := get(t, http.DefaultClient, srv.BaseURL()+"/healthz")
		if status == http.StatusOK {
			return srv, out
		}
		if time.Now().After(end) {
			t.Fatal("not ready in 10 s")
		}
	}
}

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read whole
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestMetrics: a scrape is what Prometheus can read, and has the numbers that operations.md speaks of.
func TestMetrics(t *testing.T) {
	c, s := settings(t)
	srv, _ := start(t, c, s)
	_, body := get(t, http.DefaultClient, srv.BaseURL()+"/metrics")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"postern_gate_keys", "postern_gate_secrets", "postern_gate_sessions", "postern_gate_checks_total", "postern_gate_throttled_sources",
		"postern_submit_submissions_total", "postern_queue_waiting", "postern_queue_outcomes_total", "postern_queue_oldest_seconds", "postern_queue_record_seconds_sum",
		"postern_smtp_connections_total", "postern_smtp_connections", "postern_smtp_sessions", "postern_store_bytes", "postern_store_up", "postern_store_failed_writes_total", "postern_store_reserve_bytes", "postern_store_refusing_mail",
		"postern_secrets_due", "postern_secrets_overdue", "postern_notices_waiting", "postern_notices_oldest_seconds", "postern_notices_sent_total",
		"postern_webhook_deliveries_total", "postern_webhook_waiting", "postern_hook_requests_total", "postern_hook_events_total", "postern_hook_waiting", "postern_hook_oldest_seconds", "postern_hook_failing", "postern_hook_dead", "postern_domain_looks_total", "postern_domain_told_total", "postern_domains", "postern_domains_broken", "go_goroutines", "process_open_fds",
	} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	described, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range families {
		if !strings.HasPrefix(name, "postern_") {
			continue
		}
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
		if !regexp.MustCompile("`" + name + "[`{]").Match(described) {
			t.Errorf("docs/operations.md says nothing of %s", name)
		}
	}
}

// TestSecretIsPrintedOnce: the first start prints the secret, and the store does not have it.
func TestSecretIsPrintedOnce(t *testing.T) {
	c, s := settings(t)
	_, out := start(t, c, s)
	text := <-out
	secret := regexp.MustCompile(`pstn[0-9A-Za-z]{36}`).FindString(text)
	if secret == "" {
		t.Fatalf("no secret in %q", text)
	}
	err := filepath.WalkDir(c.Data, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("%s has the secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestErrorsNameTheSetting: what cannot be opened is said with the setting that asked for it, and a failed start
// leaves nothing open.
func TestErrorsNameTheSetting(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // the test is over
	for name, x := range map[string]struct {
		setting string
		spoil   func(c *config.Common, s *config.Serve)
	}{
		"port in use":     {"smtp", func(_ *config.Common, s *config.Serve) { s.SMTP = taken.Addr().String() }},
		"foreign address": {"http", func(c *config.Common, _ *config.Serve) { c.HTTP = "192.0.2.1:0" }},
		"route":           {"route", func(_ *config.Common, s *config.Serve) { s.Route = "carrier pigeon" }},
		"owner":           {"owner", func(_ *config.Common, s *config.Serve) { s.Owner.Owner = "nobody" }},
		"certificate":     {"tls-cert", func(_ *config.Common, s *config.Serve) { s.TLSCert, s.TLSKey = "no.pem", "no.pem" }},
	} {
		c, s := settings(t)
		goodC, goodS := *c, *s
		x.spoil(c, s)
		_, err := server.New(t.Context(), c, s, io.Discard, slog.New(slog.DiscardHandler))
		var e *config.Error
		if !errors.As(err, &e) || e.Setting != x.setting {
			t.Errorf("%s: %v, want an error of the setting %s", name, err, x.setting)
			continue
		}
		t.Run(name, func(t *testing.T) { start(t, &goodC, &goodS) }) // the store is free again
	}
}

// TestTLS: HTTPS and SMTP over TLS have one certificate, and links lead to HTTPS.
func TestTLS(t *testing.T) {
	c, s := settings(t)
	s.TLSCert, s.TLSKey = filepath.Join(c.Data, "cert.pem"), filepath.Join(c.Data, "key.pem")
	roots := writeCertificate(t, s.TLSCert, s.TLSKey)
	c.HTTPS, s.SMTPS = "127.0.0.1:0", "127.0.0.1:0"
	srv, err := server.New(t.Context(), c, s, io.Discard, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	if status, body := get(t, client, srv.BaseURL()+"/healthz"); status != http.StatusOK && status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", status, body)
	}
	if _, body := get(t, client, srv.BaseURL()+"/metrics"); !strings.Contains(body, "\npostern_tls_certificate_expires_seconds ") || !strings.Contains(body, "\npostern_tls_certificate_failing 0\n") {
		t.Errorf("the metrics say nothing of the certificate:\n%s", body)
	}
	if !strings.HasPrefix(srv.BaseURL(), "https://127.0.0.1:") {
		t.Errorf("links begin with %s", srv.BaseURL())
	}
	client.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func writeCertificate(t *testing.T, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "postern"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

// TestNoticesGoOut: what the command line left word of while no server ran is mailed by the next one, and the operator
// sees it in the list of messages, by whose key it went.
func TestNoticesGoOut(t *testing.T) {
	c, s := settings(t)
	s.NotifyFrom = "Harbour Mail <mail@example.com>"
	core, err := server.Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	set, err := core.SetUp(t.Context(), "owner@postern.localhost")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.Keys.Suspend(t.Context(), change.Actor{Kind: change.Operator}, store.KeyFilter{ID: set.KeyID}, "a test"); err != nil {
		t.Fatal(err)
	}
	if err := core.Close(); err != nil {
		t.Fatal(err)
	}
	srv, _ := start(t, c, s)
	calls := control.Dial(server.SocketPath(c.Data))
	var list []messages.Message
	for end := time.Now().Add(2 * time.Minute); len(list) == 0; time.Sleep(10 * time.Millisecond) {
		var err error
		if list, err = calls.ListMessages(t.Context(), "", "", store.MessageFilter{}, 10); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatal("no mail in 10 s")
		}
	}
	if m := list[0]; m.KeyName != "Postern" || m.From != "mail@example.com" || m.To != "owner@postern.localhost" || !strings.Contains(m.Subject, "is suspended") {
		t.Errorf("%+v", m)
	}
	raw, err := calls.ShowSource(t.Context(), fmt.Sprint(list[0].ID))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, fmt.Appendf(nil, "%s/keys/%d", srv.BaseURL(), set.KeyID)) || !bytes.Contains(raw, []byte("From: \"Harbour Mail\" <mail@example.com>")) {
		t.Errorf("%s", raw)
	}
	if keys, err := calls.ListKeys(t.Context(), control.KeyList{}); err != nil || len(keys) != 1 {
		t.Errorf("the system's key is in the list: %+v, %v", keys, err)
	}
}
