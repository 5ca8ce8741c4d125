// SPDX-License-Identifier: Apache-2.0

package server

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"postern/internal/config"
)

// Bits of a mode.
const (
	othersWrite = 0o002
	groupWrites = 0o020
	othersRead  = 0o004
	allOthers   = 0o077
)

// guarded is a file or directory, and who but its user may have it.
type guarded struct {
	setting, path string
	refused       fs.FileMode // whoever has this can take over the server: it does not start
	warned        fs.FileMode
	why           string // what others can do with the bits in warned
}

// private makes what this process makes its user's alone, before anything is made: sockets and files that have no time in
// which others could reach them.
func private() { syscall.Umask(allOthers) }

// guard looks at the modes of what this server's safety rests on. What lets any user of the machine take over is an error,
// what lets others look in is logged by a server, and not by each command.
func (own serving) guard(c *config.Common, log *slog.Logger) error {
	for _, g := range guardedFiles(c, own.tlsKey) {
		info, err := os.Stat(g.path)
		if err != nil {
			continue // what is missing, or cannot be read, is said by who needs it
		}
		mode := info.Mode().Perm()
		if mode&g.refused != 0 {
			return &config.Error{Setting: g.setting, Reason: g.path + " has mode " + mode.String() + ": every user of this machine " +
				"can change it, and take over the server; chmod o-w it"}
		}
		if mode&g.warned != 0 && own.on {
			log.Warn("a file has a mode that lets others of this machine at it", "path", g.path, "mode", mode.String(), "so_that", g.why)
		}
	}
	return nil
}

func guardedFiles(c *config.Common, tlsKey string) []guarded {
	file := c.Config
	if file == "" {
		file = filepath.Join(c.Data, config.FileName)
	}
	settings := guarded{"config", file, othersWrite, groupWrites, "they can change settings"}
	if hasSecrets(file) {
		settings.warned, settings.why = groupWrites|othersRead, "they can read passwords in it, or change settings; chmod 600 it"
	}
	out := []guarded{
		{"data", c.Data, othersWrite, allOthers, "they can see or change what is in it; chmod 700 it"},
		settings,
		{"server-key", filepath.Join(c.Data, keyFile), othersWrite, 0, ""}, // who can read it is said where it is read
	}
	if c.Database == "" || !strings.Contains(c.Database, "://") {
		out = append(out, guarded{"database", c.DSN(), othersWrite, groupWrites | othersRead, "they can read mail, or change the " +
			"database; chmod 600 it"})
	}
	if tlsKey != "" {
		out = append(out, guarded{"tls-key", tlsKey, othersWrite, groupWrites | othersRead, "they can read the certificate's private key"})
	}
	return out
}

// hasSecrets says whether a file of settings has a value that nobody else may read.
func hasSecrets(path string) bool {
	raw, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	lines, err := config.Parse(raw)
	if err != nil {
		return false
	}
	for _, l := range lines {
		switch l.Name {
		case "server-key", "metrics-token", "oidc-client-secret":
			return true
		case "route", "database":
			if before, _, ok := strings.Cut(l.Value, "@"); ok && strings.Count(before, ":") > 1 {
				return true
			}
		}
	}
	return false
}
