// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that makes and drops databases

	"postern/internal/store"
	"postern/test/port"
)

// ClusterURL names the environment variable with the URL of a PostgreSQL cluster that tests may make databases in.
// `make test` starts one cluster for the whole run; without it each test process starts its own.
const ClusterURL = "POSTERN_TEST_POSTGRES_URL"

// ErrNotInstalled is what StartCluster returns on a machine without PostgreSQL's server.
var ErrNotInstalled = errors.New("the server is not installed (Debian's package postgresql)")

var own struct {
	sync.Once
	url string
	err error
}

// Database makes a fresh, empty PostgreSQL database and returns its URL; it is dropped when the test ends. Where
// there is no PostgreSQL the test is skipped, in CI it fails.
func Database(t testing.TB) string {
	t.Helper()
	return database(t, cluster(t), "")
}

// postgresMigrated is Database with the schema in it: a copy of one that is migrated once for all.
func postgresMigrated(t testing.TB) string {
	t.Helper()
	url := cluster(t)
	copied.Do(func() { copied.err = makeTemplate(t.Context(), url) })
	if copied.err != nil {
		t.Fatal(copied.err)
	}
	return database(t, url, " TEMPLATE "+template)
}

// cluster finds or starts the server and returns its URL.
func cluster(t testing.TB) string {
	t.Helper()
	if url := os.Getenv(ClusterURL); url != "" {
		return url
	}
	own.Do(func() {
		var c *Cluster
		if c, own.err = StartCluster(context.Background()); own.err == nil {
			own.url = c.URL // it ends with this process
		}
	})
	if own.err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("PostgreSQL: %v", own.err)
		}
		t.Skipf("SKIPPED ALOUD: no PostgreSQL: %v", own.err)
	}
	return own.url
}

func database(t testing.TB, cluster, how string) string {
	t.Helper()
	db, err := sql.Open("pgx", cluster)
	if err != nil {
		t.Fatal(err)
	}
	name := "t" + strings.ToLower(rand.Text())
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name+how); err != nil {
		t.Fatal(errors.Join(err, db.Close()))
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
		db.Close() //nolint:errcheck,gosec // nothing is left to do with it
	})
	return named(cluster, name)
}

func named(cluster, database string) string {
	return strings.Replace(cluster, "/postgres?", "/"+database+"?", 1)
}

// template is the database that others are copies of. It has its name when it is whole.
const (
	template       = "migrated"
	templateLock   = 0x7073746e03
	templateUnborn = "migrating"
)

var copied struct {
	sync.Once
	err error
}

// makeTemplate makes the template unless another test process has: one at a time.
func makeTemplate(ctx context.Context, cluster string) error {
	db, err := sql.Open("pgx", cluster)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // its lock goes with it
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(templateLock)); err != nil {
		return err
	}
	var there bool
	if err := conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)",
		template).Scan(&there); err != nil || there {
		return err
	}
	for _, q := range []string{"DROP DATABASE IF EXISTS " + templateUnborn, "CREATE DATABASE " + templateUnborn} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	s, err := store.Open(ctx, named(cluster, templateUnborn), store.Options{})
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "ALTER DATABASE "+templateUnborn+" RENAME TO "+template)
	return err
}

// Cluster is a temporary PostgreSQL server.
type Cluster struct {
	URL string // of its database "postgres"
	dir string
	cmd *exec.Cmd
	end chan error
}

// StartCluster starts a server from Debian's binaries on a free loopback port, with its files in a temporary folder,
// as the user postgres when we are root. It is killed when this process ends, however that is; the files that a killed
// process could not remove, the next start does.
func StartCluster(ctx context.Context) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	if err := sweep(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	c, err := start(ctx, bin, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := c.wait(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func start(ctx context.Context, bin, dir string) (*Cluster, error) {
	as, err := account(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8",
		"--locale=C", "-N")
	initdb.SysProcAttr, initdb.Dir = &syscall.SysProcAttr{Credential: as}, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	number, err := port.Free()
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, URL: fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", number), end: make(chan error, 1)}
	c.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(number), "-k", "", "-c", "listen_addresses=127.0.0.1", //nolint:noctx // Stop ends it
		"-c", "fsync=off", "-c", "max_connections=300", "-c", "shared_buffers=64MB", "-c", "log_min_messages=fatal")
	c.cmd.SysProcAttr, c.cmd.Dir = &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGQUIT}, dir
	started := make(chan error)
	go func() {
		// The signal comes when the thread that started the child ends: this one stays for as long as the child does.
		runtime.LockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.end <- c.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// Stop ends the server by its process id and removes its files.
func (c *Cluster) Stop() error {
	err := c.cmd.Process.Signal(syscall.SIGQUIT) // immediate shutdown: nothing of it is kept
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-c.end
	return os.RemoveAll(c.dir)
}

// prefix of the folders' names; the process id of the owner follows.
const prefix = "postern-postgres-"

// sweep removes the folders of processes that are gone: a test process without a TestMain has no place to stop its
// server, which dies with it, but its files do not.
func sweep() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*-*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
		pid, err := strconv.Atoi(owner)
		if err != nil || pid <= 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		// Another user's folder, or one that another process sweeps at this moment, is not ours to complain of.
		_ = os.RemoveAll(dir)
	}
	return nil
}

func (c *Cluster) wait(ctx context.Context) error {
	db, err := sql.Open("pgx", c.URL)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // it was asked one thing
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case end := <-c.end:
			c.end <- end
			return fmt.Errorf("postgres ended: %w", end)
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// binaries finds the newest PostgreSQL server.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		path, err := exec.LookPath("postgres")
		if err != nil {
			return "", ErrNotInstalled
		}
		return filepath.Dir(path), nil
	}
	version := func(p string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(p))))
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}

// account is whom to run as: PostgreSQL refuses root.
func account(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid) //nolint:gosec // small numbers
}
