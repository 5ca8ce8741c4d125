// SPDX-License-Identifier: Apache-2.0

package storetest_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/internal/store/storetest"
)

// asVictim makes TestKilledOwner the process that gets killed.
const asVictim = "POSTERN_TEST_VICTIM"

func TestDatabaseIsFreshAndDropped(t *testing.T) {
	var first string
	t.Run("one", func(t *testing.T) {
		first = storetest.Database(t)
		if _, err := open(t, first).ExecContext(t.Context(), "CREATE TABLE seen (n int)"); err != nil {
			t.Fatal(err)
		}
	})
	second := storetest.Database(t)
	if second == first {
		t.Fatalf("two tests were given the same database %s", first)
	}
	if _, err := open(t, second).ExecContext(t.Context(), "CREATE TABLE seen (n int)"); err != nil {
		t.Errorf("the second database is not empty: %v", err)
	}
	if err := open(t, first).PingContext(t.Context()); err == nil {
		t.Error("the first test's database is still there")
	}
}

// A test process that is killed takes its server with it, and the next start removes its files.
func TestKilledOwner(t *testing.T) {
	if os.Getenv(asVictim) != "" {
		c, err := storetest.StartCluster(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("url", c.URL)
		time.Sleep(time.Minute) // the parent kills us long before
		return
	}
	storetest.Database(t) // skips where there is no PostgreSQL
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledOwner$")
	victim.Env = append(os.Environ(), asVictim+"=1")
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	var url string
	for lines := bufio.NewScanner(out); url == "" && lines.Scan(); {
		url, _ = strings.CutPrefix(lines.Text(), "url ")
	}
	server := open(t, url)
	if err := server.PingContext(t.Context()); err != nil {
		t.Fatalf("the victim's server does not answer: %v", err)
	}
	folders := func() []string {
		found, err := filepath.Glob(filepath.Join(os.TempDir(), "postern-postgres-"+strconv.Itoa(victim.Process.Pid)+"-*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if len(folders()) != 1 {
		t.Fatalf("the victim's folders: %v", folders())
	}

	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // it was killed
	for end := time.Now().Add(2 * time.Minute); server.PingContext(t.Context()) == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server outlived its owner")
		}
	}
	c, err := storetest.StartCluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if left := folders(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
