// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"postern/internal/config"
	"postern/internal/server"
)

// What lets every user of the machine take over ends the start, by the server and by the command line; what lets others look
// in is said.
func TestModesAreLookedAt(t *testing.T) {
	for name, x := range map[string]struct {
		file    string // in the data directory, "" itself
		text    string // of postern.conf
		mode    fs.FileMode
		setting string // of the error; "" none
		warns   string
	}{
		"a directory for all":              {mode: 0o777, setting: "data"},
		"a directory for all, sticky":      {mode: 0o777 | fs.ModeSticky, setting: "data"},
		"a directory of others":            {mode: 0o702, setting: "data"},
		"a directory of a group":           {mode: 0o770, warns: "chmod 700"},
		"a directory that all can read":    {mode: 0o755, warns: "chmod 700"},
		"a directory of its own":           {mode: 0o700},
		"settings for all":                 {file: "postern.conf", text: "hold = true\n", mode: 0o666, setting: "config"},
		"settings of a group":              {file: "postern.conf", text: "hold = true\n", mode: 0o660, warns: "change settings"},
		"settings that all can read":       {file: "postern.conf", text: "route = smtp://relay.example:587\n", mode: 0o644},
		"a password that all can read":     {file: "postern.conf", text: "route = smtp://user:hunter2@relay.example:587\n", mode: 0o644, warns: "read passwords"},
		"a database's, too":                {file: "postern.conf", text: "database = postgres://postern:hunter2@db/postern\n", mode: 0o604, warns: "read passwords"},
		"a token that all can read":        {file: "postern.conf", text: "metrics-token = hunter2hunter2hunter2\n", mode: 0o644, warns: "read passwords"},
		"a password of a group":            {file: "postern.conf", text: "route = smtp://user:hunter2@relay.example:587\n", mode: 0o640},
		"a server key for all":             {file: "server.key", mode: 0o602, setting: "server-key"},
		"a server key that all can read":   {file: "server.key", mode: 0o644, warns: "the server key can be read by others"},
		"a TLS key that all can read":      {file: "key.pem", mode: 0o644, warns: "private key"},
		"a TLS key for all":                {file: "key.pem", mode: 0o666, setting: "tls-key"},
		"a TLS key of a group":             {file: "key.pem", mode: 0o640},
		"a database that all can change":   {file: "postern.db", mode: 0o606, setting: "database"},
		"a database that all can read":     {file: "postern.db", mode: 0o644, warns: "read mail"},
		"all of it as the server makes it": {file: "postern.db", mode: 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := settings(t)
			if c.Database = ""; x.file == "postern.db" || x.file == "server.key" {
				core, err := server.Open(t.Context(), c, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				if err := core.Close(); err != nil {
					t.Fatal(err)
				}
			}
			ok := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			ok(os.Chmod(c.Data, 0o700))
			if x.text != "" {
				ok(os.WriteFile(filepath.Join(c.Data, x.file), []byte(x.text), 0o600))
			}
			if x.file == "key.pem" {
				s.TLSCert, s.TLSKey = filepath.Join(c.Data, "cert.pem"), filepath.Join(c.Data, "key.pem")
				writeCertificate(t, s.TLSCert, s.TLSKey)
			}
			ok(os.Chmod(filepath.Join(c.Data, x.file), x.mode))
			var log bytes.Buffer
			srv, err := server.New(t.Context(), c, s, io.Discard, slog.New(slog.NewTextHandler(&log, nil)))
			var e *config.Error
			if x.setting != "" {
				if !errors.As(err, &e) || e.Setting != x.setting || !strings.Contains(e.Reason, "chmod o-w") {
					t.Fatalf("the server: %v", err)
				}
				if core, err := server.Open(t.Context(), c, slog.New(slog.DiscardHandler)); x.setting != "tls-key" && !errors.As(err, &e) {
					t.Errorf("the command line: %v", err)
				} else if core != nil {
					ok(core.Close())
				}
				return
			}
			ok(err)
			ok(srv.CloseUnused())
			if x.warns == "" && strings.Contains(log.String(), "others") || !strings.Contains(log.String(), x.warns) || strings.Contains(log.String(), "hunter2") {
				t.Errorf("want %q, the log has:\n%s", x.warns, log.String())
			}
		})
	}
}

// What the server makes is its user's alone, whatever the shell's umask.
func TestFilesAreTheServersOwn(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	c, s := settings(t)
	c.Database = ""
	c.Data = filepath.Join(c.Data, "made")
	start(t, c, s)
	for _, name := range []string{"", "postern.db", "postern.db-wal", "postern.db-shm", "postern.db.lock", "server.key", "control.sock"} {
		info, err := os.Stat(filepath.Join(c.Data, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", filepath.Join("DATA", name), info.Mode())
		}
	}
}
