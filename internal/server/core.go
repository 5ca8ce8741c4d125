// SPDX-License-Identifier: Apache-2.0

// Package server builds the parts, starts them and stops them in order: the doors stop taking, what is in flight ends,
// the queue stops claiming and hands back its leases, the gate writes down its last uses, the store closes.
//
// [New] is the whole of it from top to bottom. [Open] is what the command line needs of it when no server runs: the
// store with the engines that change credentials, and no doors.
package server

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postern/internal/backend"
	"postern/internal/config"
	"postern/internal/credential"
	"postern/internal/dns"
	"postern/internal/domain"
	"postern/internal/store"
	"postern/internal/webhook"
)

// Names in the data directory.
const (
	keyFile    = "server.key"
	socketFile = "control.sock"
)

// SocketPath is where the server of a data directory takes the command line's requests.
func SocketPath(data string) string { return filepath.Join(data, socketFile) }

// Core is a data directory opened by this process alone, and what works on it.
type Core struct {
	*backend.Backend
	Loaded int // keys in the gate

	arrived func() // the queue's Wake, where there is a queue
	baseURL string // what links begin with
	hosts   func() // tells the entry point of tracked mail that keys' host names may have changed, where there is one
	noticed func() // the notifier's Wake, where there is one
}

// Open opens the data directory, making what is missing. Errors are *config.Error; one that wraps store.ErrBusy says
// that a server runs on it.
func Open(ctx context.Context, c *config.Common, log *slog.Logger) (*Core, error) {
	return open(ctx, c, serving{}, log)
}

// serving is what the engines need to know of the server's settings.
type serving struct {
	private   bool          // webhooks may lead into private networks
	grace     time.Duration // for what is under way at the end
	resolver  *dns.Resolver // nil: the machine's
	spf       []string      // what SPF records of sending domains must have
	on        bool          // it is a server, and not the command line
	retention int           // days that messages are kept where no plan says it
	tlsKey    string        // the file of the certificate's private key; "": none
}

func open(ctx context.Context, c *config.Common, own serving, log *slog.Logger) (*Core, error) {
	private()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, &config.Error{Setting: "data", Reason: err.Error(), Err: err}
	}
	if err := own.guard(c, log); err != nil {
		return nil, err
	}
	if err := rightUser(c); err != nil {
		return nil, err
	}
	st, err := store.Open(ctx, c.DSN(), store.Options{Exclusive: true})
	if err != nil {
		return nil, openError(c, err)
	}
	core, err := build(ctx, c, own, st, log)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return core, nil
}

// rightUser keeps root from leaving files of its own in another user's database, which that user's server could then
// not open.
func rightUser(c *config.Common) error {
	info, err := os.Stat(c.DSN())
	if err != nil || os.Geteuid() != 0 {
		return nil // a fresh one, or PostgreSQL
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
		who := "#" + strconv.Itoa(int(st.Uid))
		if u, err := user.LookupId(strconv.Itoa(int(st.Uid))); err == nil {
			who = u.Username
		}
		return &config.Error{Setting: "data", Reason: fmt.Sprintf("%s belongs to the user %s: run this as that user (sudo -u '%s' …)",
			c.DSN(), who, who), Err: fs.ErrPermission}
	}
	return nil
}

// shownDSN names the database without a password.
func shownDSN(c *config.Common) string {
	if c.Database == "" {
		return c.DSN()
	}
	if u, err := url.Parse(c.Database); err == nil {
		return u.Redacted()
	}
	if strings.Contains(c.Database, "://") {
		return "the URL"
	}
	return c.Database
}

func openError(c *config.Common, err error) error {
	setting, what := "data", c.Data
	if c.Database != "" {
		setting, what = "database", shownDSN(c)
	}
	if errors.Is(err, store.ErrBusy) {
		return &config.Error{
			Setting: setting, Reason: what + " is in use by a running server, and one server at a time can have it", Err: err,
		}
	}
	return &config.Error{Setting: setting, Reason: fmt.Sprintf("%s: %v", what, err), Err: err}
}

func build(ctx context.Context, c *config.Common, own serving, st *store.Store, log *slog.Logger) (*Core, error) {
	key, err := serverKey(ctx, c, st, log)
	if err != nil {
		return nil, err
	}
	if err := own.rememberPrivate(ctx, st); err != nil {
		return nil, err
	}
	if err := own.rememberSPF(ctx, st); err != nil {
		return nil, err
	}
	if own.resolver == nil {
		own.resolver = dns.New("")
	}
	core := &Core{arrived: func() {}, noticed: func() {}, hosts: func() {}, baseURL: OfflineURL(c)}
	core.Backend, err = backend.New(backend.Config{
		Store: st, ServerKey: key, Retention: own.retention,
		Webhook:  webhook.Config{Private: own.private, Grace: own.grace, Calls: sharesOf(descriptors(), 1).calls},
		Domain:   domain.Config{Resolver: own.resolver.Uncached(), NetResolver: own.resolver.Net(), SPF: own.spf, Private: own.private},
		Accepted: func() { core.arrived() }, Noticed: func() { core.noticed() }, Changed: func(int64) { core.hosts() },
		OwnHost: core.ownHost,
		Hosts:   []string{hostname(""), core.baseURL}, Log: log,
	})
	if err != nil {
		return nil, err
	}
	if core.Loaded, err = core.Keys.Warm(ctx); err != nil {
		return nil, err
	}
	n, err := core.Senders.AdoptSenders(ctx)
	if n > 0 {
		log.InfoContext(ctx, "senders of an older version have rows for their domains now", "senders", n)
	}
	return core, err
}

// privateSetting is the setting of the store that says whether webhooks may lead into private networks, for the command
// line when no server runs.
const privateSetting = "webhook-private"

// rememberPrivate notes the server's setting, or reads that of the last server.
func (own *serving) rememberPrivate(ctx context.Context, st *store.Store) error {
	if own.on {
		return st.Update(ctx, func(tx *store.Tx) error { return tx.Set(ctx, privateSetting, strconv.FormatBool(own.private)) })
	}
	kept, err := st.Setting(ctx, privateSetting)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	own.private = kept == "true"
	return err
}

// spfSetting is the setting of the store with the server's SPF mechanisms, for the command line when no server runs.
const spfSetting = "spf-mechanisms"

// rememberSPF notes the server's SPF mechanisms, or reads those of the last server.
func (own *serving) rememberSPF(ctx context.Context, st *store.Store) error {
	if own.on {
		return st.Update(ctx, func(tx *store.Tx) error { return tx.Set(ctx, spfSetting, strings.Join(own.spf, " ")) })
	}
	kept, err := st.Setting(ctx, spfSetting)
	own.spf = strings.Fields(kept)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// ownHost says whether a host name is the one that the pages are under.
func (c *Core) ownHost(host string) bool {
	u, err := url.Parse(c.baseURL)
	return err == nil && strings.EqualFold(u.Hostname(), host)
}

// Close closes the store.
func (c *Core) Close() error { return c.Store.Close() }

// keyCheck is the setting of the store that tells whether a server key is the one its digests were made under: the
// digest of keyCheckText. It gives nothing away of the key.
const (
	keyCheck     = "server-key-check"
	keyCheckText = "postern server key check 1"
)

// serverKey finds the server key: the setting, or the file in the data directory, which is made for a fresh store. The
// file has its name only once a store was made under it: so a key beside an empty store says that the store is lost, and
// is no reason to begin a new installation.
func serverKey(ctx context.Context, c *config.Common, st *store.Store, log *slog.Logger) ([]byte, error) {
	kept, err := st.Setting(ctx, keyCheck)
	fresh := errors.Is(err, store.ErrNotFound)
	if err != nil && !fresh {
		return nil, fmt.Errorf("read the server key's check: %w", err)
	}
	path := filepath.Join(c.Data, keyFile)
	key, from, err := readServerKey(c, path, fresh, log)
	if err != nil {
		return nil, err
	}
	digester, err := credential.NewDigester(key)
	if err != nil {
		return nil, &config.Error{Setting: "server-key", Reason: err.Error(), Err: err}
	}
	digest := digester.Digest(keyCheckText)
	check := hex.EncodeToString(digest[:])
	if !fresh && subtle.ConstantTimeCompare([]byte(check), []byte(kept)) != 1 {
		return nil, &config.Error{Setting: "server-key", Reason: from + " is not the key that this store's secrets were made under: " +
			"no secret would be accepted; restore the server key that this installation was created with"}
	}
	if fresh {
		if err := st.Update(ctx, func(tx *store.Tx) error { return tx.Set(ctx, keyCheck, check) }); err != nil {
			return nil, err
		}
	}
	if from == path+keyPending {
		if err := rename(from, path); err != nil {
			return nil, &config.Error{Setting: "server-key", Reason: err.Error(), Err: err}
		}
	}
	return key, nil
}

// readServerKey says also where the key is from.
func readServerKey(c *config.Common, path string, fresh bool, log *slog.Logger) (key []byte, from string, err error) {
	if c.ServerKey != "" {
		key, err = credential.ParseServerKey(c.ServerKey)
		if err != nil {
			return nil, "", &config.Error{Setting: "server-key", Reason: err.Error()}
		}
		return key, "the key of the setting", nil
	}
	from = path
	raw, err := os.ReadFile(path)
	if err == nil && fresh {
		return nil, "", &config.Error{Setting: "server-key", Reason: path + " belongs to an installation whose database is not here (" +
			shownDSN(c) + " is empty): bring the database back; or, to begin a new installation in which no key of the old one works, " +
			"move server.key away"}
	}
	if errors.Is(err, fs.ErrNotExist) {
		from = path + keyPending // the first start ended before it could be given its name
		raw, err = os.ReadFile(from)
	}
	switch {
	case err == nil:
		key, err = credential.ParseServerKey(string(raw))
		if err != nil {
			return nil, "", &config.Error{Setting: "server-key", Reason: from + ": " + err.Error()}
		}
		if info, err := os.Stat(from); err == nil && info.Mode().Perm()&0o077 != 0 {
			log.Warn("the server key can be read by others: chmod 600 it", "file", from, "mode", info.Mode().Perm().String())
		}
		return key, from, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, "", &config.Error{Setting: "server-key", Reason: err.Error(), Err: err}
	case !fresh:
		return nil, "", &config.Error{Setting: "server-key", Reason: path + " is missing, and the store's secrets can be checked " +
			"with no other key; bring it back, or give the key in POSTERN_SERVER_KEY"}
	}
	key = credential.NewServerKey()
	if err := writeKey(from, key); err != nil {
		return nil, "", &config.Error{Setting: "server-key", Reason: err.Error(), Err: err}
	}
	return key, from, nil
}

// keyPending ends the name of a server key under which no store was made yet.
const keyPending = ".pending"

// writeKey makes the file whole or not at all, and durable before a digest is made under it.
func writeKey(path string, key []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), keyFile+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(credential.FormatServerKey(key) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// rename gives a file another name in its folder, durably.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
