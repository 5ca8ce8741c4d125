// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A secret must be endable on a full disk, and the queue must drain. So a SQLite store keeps a reserve: a file beside the
// database that takes room and has no other use. While room is left, nothing of this is seen. Then, in order:
//
//  1. Less than the margin is free, beside what the log of transactions will need in the database: mail is refused with
//     ErrNoRoom, before the disk is full. The log is brought into the database first, and kept short from then on. Pages
//     that are free within the database count.
//  2. A transaction finds no room: the reserve is given up for it, and it is run again. From then on changes that only
//     add (Tx.NeedRoom) are refused, so that what is left is for those that end something.
//  3. There is room for the reserve and the margin again: the reserve is made anew, and mail is accepted.
//
// PostgreSQL's disk is its own server's. There mail is refused for a while after a write that found no room (SQLSTATE
// 53100), which leaves to the others what is freed meanwhile.

// ErrNoRoom says that the disk is full but for what is kept for changes that end something.
var ErrNoRoom = errors.New("the disk has no room but the reserve, which is for what ends credentials and for mail on its way out")

const (
	maxReserve = 16 << 20 // bytes of the file; of a small disk it is a 64th
	maxMargin  = 64 << 20 // bytes that are to be free for mail to be accepted; of a small disk it is a 32th
	leastRoom  = 256 << 10
	pageSize   = 4096
	pagesOfLog = 4000 // of the log of transactions, before they are brought into the database
	refusedFor = 5 * time.Second
)

// reserve watches the room on the disk of a store.
type reserve struct {
	s            *Store
	path         string // "" without a file: PostgreSQL, or no reserve was asked for
	size, margin int64
	held         atomic.Bool  // the file is there
	refused      atomic.Int64 // bytes of the mail that was refused last, 0 once there was room for it
	blind        bool         // the disk is not ours to look at
	fullAt       atomic.Int64 // when a write last found no room, in Unix microseconds; only where blind

	mu     sync.Mutex // of giving up and making anew
	short  bool       // the log of transactions is kept short
	folded time.Time  // when it was last brought into the database for room
}

// newReserve makes the reserve of the SQLite database at path, if there is room, and gives it up if the database could not
// even be opened.
func newReserve(s *Store, path string) *reserve {
	r := &reserve{s: s, path: path + ".reserve"}
	free, all, err := r.disk()
	if err != nil {
		r.path = "" // a disk that says nothing of itself has none
		return r
	}
	r.size, r.margin = max(min(maxReserve, all/64), leastRoom), max(min(maxMargin, all/32), leastRoom)
	if info, err := os.Stat(r.path); err == nil && info.Size() == r.size {
		r.held.Store(true)
	}
	if r.held.Load() && free < leastRoom/2 {
		r.drop() //nolint:errcheck // then opening says what is wrong
	}
	r.restore()
	return r
}

// disk says how many bytes are free on the disk, for us, and how many it has.
func (r *reserve) disk() (free, all int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(r.path), &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil //nolint:gosec,unconvert // their types differ by system
}

// restore makes the file anew where there is room for it and the margin, and says whether it is there.
func (r *reserve) restore() bool {
	if r.held.Load() {
		return true
	}
	free, _, err := r.disk()
	if err != nil || free < r.size+r.margin {
		return false
	}
	if err := r.make(); err != nil {
		os.Remove(r.path) //nolint:errcheck,gosec // it is made anew the next time
		return false
	}
	r.held.Store(true)
	return true
}

func (r *reserve) make() error {
	f, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(allocate(f, r.size), f.Sync(), f.Close())
}

// drop removes the file, and has the disk know of it.
func (r *reserve) drop() error {
	if err := os.Remove(r.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	r.held.Store(false)
	dir, err := os.Open(filepath.Dir(r.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// giveUp gives the reserve up for a transaction that found no room, and says whether it may be tried again.
func (r *reserve) giveUp(ctx context.Context) bool {
	if r.path == "" {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	free, _, err := r.disk()
	if err != nil || free >= r.margin {
		return false // the limit is another one: a quota, or SQLite's own
	}
	r.shortLog(ctx, true)
	if !r.held.Load() {
		if time.Since(r.folded) < time.Second {
			return false // there is no more to be had
		}
		_, err := r.fold(ctx)
		return err == nil
	}
	if r.drop() != nil {
		return false
	}
	r.fold(ctx) //nolint:errcheck,gosec // what it could not do is seen by who tries again
	return true
}

// shortLog has the log of transactions brought into the database early, or as usual.
func (r *reserve) shortLog(ctx context.Context, short bool) {
	if r.short == short {
		return
	}
	r.short = short
	pages := int64(pagesOfLog)
	if short {
		pages = min(256, r.margin/pageSize/4)
	}
	r.s.w.ExecContext(ctx, "PRAGMA wal_autocheckpoint="+strconv.FormatInt(pages, 10)) //nolint:errcheck,gosec // the log is longer then
}

// fold brings the log of transactions into the database, as far as no reader needs it, and gives its room back. It says
// how many bytes of the log the database does not have yet. It waits for nobody.
func (r *reserve) fold(ctx context.Context) (left int64, err error) {
	r.folded = time.Now()
	c, err := r.s.w.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer c.Close() //nolint:errcheck // it goes back to the pool
	if _, err := c.ExecContext(ctx, "PRAGMA busy_timeout=0"); err != nil {
		return 0, err
	}
	var busy, log, done int64
	err = c.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done)
	_, again := c.ExecContext(context.WithoutCancel(ctx), "PRAGMA busy_timeout="+busyTimeout)
	return max(log-done, 0) * pageSize, errors.Join(err, again)
}

// forMail returns ErrNoRoom when mail of some bytes is to be refused. It is asked before the transaction.
func (r *reserve) forMail(ctx context.Context, bytes int64) error {
	if at := r.fullAt.Load(); at != 0 && time.Since(time.UnixMicro(at)) < refusedFor {
		return ErrNoRoom
	}
	if r.path == "" {
		return nil
	}
	bytes *= 2 // in the log, and in the database
	if bytes < r.refused.Load() {
		bytes = r.refused.Load() // or smaller mail would be accepted between larger
	}
	if r.spare() >= r.margin+bytes+r.logSize() {
		r.refused.Store(0)
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	left, err := r.fold(ctx)
	if err == nil && r.spare() >= r.margin+bytes+left {
		r.refused.Store(0)
		return nil
	}
	// Pages that are free within the database are room too, beside what the log needs.
	var inside int64
	q := r.s.row(ctx, "SELECT freelist_count * page_size FROM pragma_freelist_count(), pragma_page_size()")
	if err := errors.Join(err, q.scan(&inside)); err == nil && r.spare() >= r.margin/2+bytes && r.spare()+inside >= r.margin+bytes+left {
		return nil
	}
	r.refused.Store(min(bytes, r.margin))
	r.shortLog(ctx, true)
	return ErrNoRoom
}

// spare is how many bytes are free on the disk beside the reserve.
func (r *reserve) spare() int64 {
	free, _, err := r.disk()
	if err != nil {
		return math.MaxInt64 / 2 // nobody knows: a write will say it
	}
	if !r.held.Load() {
		free -= r.size
	}
	return free
}

// logSize is how many bytes the log of transactions has, all of which may have to come into the database.
func (r *reserve) logSize() int64 {
	info, err := os.Stat(r.s.file + "-wal")
	if err != nil {
		return 0
	}
	return info.Size()
}

// left returns ErrNoRoom when nothing but the room of the reserve is left, for changes that only add.
func (r *reserve) left() error {
	if r.path == "" || r.held.Load() {
		return nil
	}
	if free, _, err := r.disk(); err == nil && free < r.size+leastRoom {
		return ErrNoRoom
	}
	return nil
}

// failed notes a write that found no room.
func (r *reserve) failed() {
	if r.blind {
		r.fullAt.Store(time.Now().UnixMicro())
	}
}

// Room is how much room there is for a store.
type Room struct {
	Reserve  int64 // bytes of the reserve; 0: it is given up, or there is none
	Wanted   int64 // bytes that the reserve is to have
	Refusing bool  // mail is refused for want of room
}

// CheckRoom makes the reserve anew if there is room, and says how much there is.
func (s *Store) CheckRoom(ctx context.Context) Room {
	r := s.reserve
	out := Room{Refusing: r.forMail(ctx, 0) != nil}
	if r.path == "" {
		return out
	}
	r.mu.Lock()
	if r.restore() && !out.Refusing {
		r.shortLog(ctx, false)
	}
	r.mu.Unlock()
	if out.Wanted = r.size; r.held.Load() {
		out.Reserve = r.size
	}
	return out
}

// NeedRoom is for a change that only adds and can wait, at its beginning: it returns ErrNoRoom when only the room of the
// reserve is left, and the reserve is not given up for this transaction.
func (tx *Tx) NeedRoom() error {
	tx.adds = true
	return tx.s.reserve.left()
}

// bytesOf is about how much room submissions take.
func bytesOf(subs []*Submission) (n int64) {
	for _, x := range subs {
		n += int64(len(x.Body.data)) + 1024*int64(1+len(x.Recipients))
	}
	return n
}

// fillUp writes a file of some bytes that no disk stores in fewer.
func fillUp(f *os.File, size int64) error {
	block := make([]byte, 256<<10)
	for done := int64(0); done < size; {
		rand.Read(block) //nolint:errcheck // never fails
		n, err := f.Write(block[:min(int64(len(block)), size-done)])
		if err != nil {
			return err
		}
		done += int64(n)
	}
	return nil
}
