// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/store"
)

// smallDisk is a folder with a disk of its own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED ALOUD: a small disk of its own needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("SKIPPED ALOUD: a small disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillUp leaves no room at all on the disk of a folder.
func fillUp(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name) //nolint:gosec // the test's own
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 64<<10); ; block = block[:len(block)/2] {
		for err = nil; err == nil && len(block) > 0; {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			break
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// fullDisk is a backend whose disk is full, with keys, and mail that waits in the queue.
type fullDisk struct {
	*backend.Backend
	dir      string
	config   backend.Config
	account  store.Account
	user     store.User
	keys     []keys.Issued
	accepted int
}

func (d *fullDisk) open(t *testing.T) {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(d.dir, "postern.db"), store.Options{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) //nolint:errcheck // it may be closed
	d.config.Store = s
	d.Backend = backendtest.New(t, d.config)
	if _, err := d.Keys.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (d *fullDisk) opens(k keys.Issued) bool {
	_, err := d.Gate.Verify(from, k.Key.APIKey, k.Secret)
	return err == nil
}

// mail hands over one mail of 64 KB.
func (d *fullDisk) mail(t *testing.T) error {
	t.Helper()
	raw := make([]byte, 64<<10)
	rand.Read(raw) //nolint:errcheck // never fails
	k := d.keys[0].Key
	return d.Store.Accept(t.Context(), &store.Submission{
		AccountID: k.AccountID, KeyID: k.ID, Source: "http", HeaderFrom: "news@example.org", Priority: 2, Body: store.NewBody(raw),
		Recipients: []store.Recipient{{Email: "a@example.net", Domain: "example.net"}}, Lifetime: time.Hour,
	})
}

func newFullDisk(t *testing.T) *fullDisk {
	t.Helper()
	d := &fullDisk{dir: smallDisk(t, "12m"), config: backend.Config{ServerKey: credential.NewServerKey(), Gate: gate.Config{Burst: 1 << 20}}}
	d.open(t)
	up, err := d.Keys.SignUp(t.Context(), operator, "Acme", "owner@example.com")
	if err != nil {
		t.Fatal(err)
	}
	d.account, d.user = up.Account, up.User
	for i := range 60 {
		k, err := d.Keys.CreateSubaccount(t.Context(), operator, up.Account.ID, keys.NewKey{Name: fmt.Sprint("key ", i)})
		if err != nil {
			t.Fatal(err)
		}
		d.keys = append(d.keys, k)
	}
	for err == nil {
		if err = d.mail(t); err == nil {
			d.accepted++
		}
	}
	if !errors.Is(err, store.ErrNoRoom) || d.accepted < 20 {
		t.Fatalf("%d mails were accepted, then: %v", d.accepted, err)
	}
	// That was before the disk is full, and nothing failed.
	if r := d.Store.CheckRoom(t.Context()); !r.Refusing || r.Reserve == 0 || d.Store.WritesFailed() != 0 {
		t.Errorf("when mail is refused there is %+v, and %d writes have failed", r, d.Store.WritesFailed())
	}
	fillUp(t, filepath.Join(d.dir, "filler"))
	return d
}

// TestSecretsEndOnAFullDisk: by each way that there is, for many keys, and they stay ended after a restart.
func TestSecretsEndOnAFullDisk(t *testing.T) {
	d := newFullDisk(t)
	scope := store.OfAccount(d.account.ID)
	var renewed []keys.Issued
	for i, k := range d.keys {
		f := store.KeyFilter{ID: k.Key.ID}
		var err error
		switch i % 5 {
		case 0:
			var n keys.Issued
			n, err = d.Keys.Reset(t.Context(), operator, scope, f, keys.Reset{})
			renewed = append(renewed, n)
		case 1:
			_, err = d.Keys.Change(t.Context(), operator, scope, f, keys.KeyChange{Active: new(false)}, 0)
		case 2:
			_, err = d.Keys.Suspend(t.Context(), operator, f, "spam")
		case 3:
			err = d.Keys.Delete(t.Context(), operator, scope, f, true)
		case 4:
			var was bool
			if was, err = d.Keys.Leaked(t.Context(), operator, k.Secret, ""); !was {
				t.Errorf("the secret of key %d was not known", i)
			}
		}
		if err != nil {
			t.Fatalf("key %d of %d: %v", i, len(d.keys), err)
		}
	}
	if r := d.Store.CheckRoom(t.Context()); !r.Refusing || r.Reserve != 0 || r.Wanted == 0 {
		t.Errorf("the reserve is not given up: %+v", r)
	}
	// What only adds is refused, and leaves the room to others.
	if _, err := d.Keys.CreateSubaccount(t.Context(), operator, d.account.ID, keys.NewKey{Name: "more"}); !errors.Is(err, store.ErrNoRoom) {
		t.Errorf("a key more: %v", err)
	}
	// People can still sign in, to end what they see there.
	if _, err := d.People.NewSignInLink(t.Context(), operator, d.user); err != nil {
		t.Errorf("a link to sign in: %v", err)
	}
	closed := func(when string) {
		t.Helper()
		for i, k := range d.keys {
			if d.opens(k) {
				t.Errorf("%s the old secret of key %d opens", when, i)
			}
		}
		for _, k := range renewed {
			if !d.opens(k) {
				t.Errorf("%s a new secret does not open", when)
			}
		}
	}
	closed("on the full disk")
	if err := d.Store.Close(); err != nil {
		t.Fatal(err)
	}
	d.open(t)
	closed("after a restart")

	if err := os.Remove(filepath.Join(d.dir, "filler")); err != nil {
		t.Fatal(err)
	}
	if r := d.Store.CheckRoom(t.Context()); r.Reserve != r.Wanted || r.Reserve == 0 {
		t.Errorf("with room again: %+v", r)
	}
	if info, err := os.Stat(filepath.Join(d.dir, "postern.db.reserve")); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("the reserve's file: %v, %v", info, err)
	}
}

// TestTheQueueDrainsOnAFullDisk: what was accepted is sent, while no mail more is accepted.
func TestTheQueueDrainsOnAFullDisk(t *testing.T) {
	d := newFullDisk(t)
	now, sent := time.Now(), 0
	for {
		got, err := d.Store.Claim(t.Context(), store.MainLane, "w", now, now.Add(time.Hour), 10)
		if err != nil {
			t.Fatalf("after %d of %d: %v", sent, d.accepted, err)
		}
		if len(got) == 0 {
			break
		}
		var done []store.Completion
		for _, c := range got {
			done = append(done, store.Completion{Claimed: c, Owner: "w", Result: store.CompletedSent, At: now, Reply: store.Reply{Code: 250}})
		}
		if err := d.Store.Complete(t.Context(), done); err != nil {
			t.Fatalf("after %d of %d: %v", sent, d.accepted, err)
		}
		sent += len(got)
	}
	if sent != d.accepted {
		t.Errorf("%d of %d were sent", sent, d.accepted)
	}
	if err := d.mail(t); !errors.Is(err, store.ErrNoRoom) {
		t.Errorf("more mail: %v", err)
	}
	if err := os.Remove(filepath.Join(d.dir, "filler")); err != nil {
		t.Fatal(err)
	}
	if r := d.Store.CheckRoom(t.Context()); r.Reserve == 0 {
		t.Errorf("with room again: %+v", r)
	}
}

// TestAStartOnAFullDisk: with the reserve still there, it is given up for it.
func TestAStartOnAFullDisk(t *testing.T) {
	d := newFullDisk(t)
	if err := d.Store.Close(); err != nil {
		t.Fatal(err)
	}
	fillUp(t, filepath.Join(d.dir, "filler2")) // what the log of transactions had
	d.open(t)
	was := d.keys[0]
	if _, err := d.Keys.Reset(t.Context(), operator, store.OfAccount(d.account.ID), store.KeyFilter{ID: was.Key.ID}, keys.Reset{}); err != nil || d.opens(was) {
		t.Errorf("a reset after a start on a full disk: %v", err)
	}
	if err := d.mail(t); !errors.Is(err, store.ErrNoRoom) {
		t.Errorf("mail: %v", err)
	}
}
