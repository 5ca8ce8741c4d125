// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// busyTimeout is for how long a connection waits for another, in milliseconds.
const busyTimeout = "10000"

// sqliteReaders is how many connections read at a time: reads are short, and WAL lets them run beside the writer.
const sqliteReaders = 8

// faults are the codes of SQLite for a file that fails (https://www.sqlite.org/rescode.html).
var faults = []int{sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

func sqliteDialect() *dialect {
	return &dialect{
		name: "sqlite",
		words: map[string]string{
			"{id}":        "INTEGER PRIMARY KEY AUTOINCREMENT",
			"{key}":       "INTEGER PRIMARY KEY",
			"{blob}":      "BLOB",
			"{clustered}": " WITHOUT ROWID",
			"{bytewise}":  "",
			// What is deleted in between is overwritten in the file.
			"{overwrite on}":  "PRAGMA secure_delete = ON;",
			"{overwrite off}": "PRAGMA secure_delete = OFF;",
			// Documents come as words with spaces between (words.go), so the plainest tokenizer does. Beginnings of 3 to 5
			// letters have an index of their own; longer ones are compared among these first (find.go).
			"{search}":                 `CREATE VIRTUAL TABLE search USING fts5(doc, content='', contentless_delete=1, detail=none, prefix='3 4 5', tokenize="ascii tokenchars '='");`,
			"{after copying webhooks}": "",
		},
		writers:        1,
		keepStatements: true,
		size:           "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
		found:          "search MATCH ?",
		find:           func(t []term) string { return expression(t, `"`, " OR ", " AND ", "*") },
		// SQLite takes an index by the look of the columns: without this it may walk all of a key's messages for one address.
		noIndex: "+",
		unique: func(err error) bool {
			var e *sqlite.Error
			return errors.As(err, &e) && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
		},
		full: func(err error) bool {
			var e *sqlite.Error
			return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL
		},
		unwritable: func(err error) bool {
			var e *sqlite.Error
			return errors.As(err, &e) && slices.Contains(faults, e.Code()&0xff)
		},
		retry: func(error) bool { return false },
	}
}

// openSQLite opens the file at path, creating it for this user alone.
func openSQLite(ctx context.Context, path string, opt Options) (*Store, error) {
	s := &Store{d: sqliteDialect(), file: path}
	s.reserve = &reserve{s: s}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	if opt.Exclusive {
		unlock, err := lockFile(path + ".lock")
		if err != nil {
			return nil, err
		}
		s.unlock = unlock
		s.reserve = newReserve(s, path)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite would create it readable by others
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the store: %w", err), s.release())
	}
	if err := f.Close(); err != nil {
		return nil, errors.Join(err, s.release())
	}
	if s.w, err = sqliteDB(path, 1, false); err != nil {
		return nil, errors.Join(err, s.release())
	}
	// The first connection turns WAL on, which the readers need to find.
	if err := s.w.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), s.w.Close(), s.release())
	}
	if s.r, err = sqliteDB(path, sqliteReaders, true); err != nil {
		return nil, errors.Join(err, s.w.Close(), s.release())
	}
	if s.reserve.path != "" && !s.reserve.held.Load() {
		s.reserve.shortLog(ctx, true)
	}
	s.there = present(path)
	s.watch = func(context.Context) error { return s.there() }
	return s, nil
}

// present remembers which file is at path, and returns what says whether it is still there. SQLite goes on writing to a
// file that was removed, and all that it is given then is lost at the next start.
func present(path string) func() error {
	opened, err := os.Stat(path)
	return func() error {
		now, gone := os.Stat(path)
		if err == nil && (errors.Is(gone, fs.ErrNotExist) || gone == nil && !os.SameFile(opened, now)) {
			return fmt.Errorf("%s: %w", path, ErrLost)
		}
		return nil
	}
}

func (s *Store) release() error {
	if s.unlock == nil {
		return nil
	}
	return s.unlock()
}

func sqliteDB(path string, conns int, readOnly bool) (*sql.DB, error) {
	q := url.Values{}
	q.Add("_pragma", "busy_timeout("+busyTimeout+")") // first: the others may have to wait
	q.Add("_pragma", "foreign_keys(1)")
	q.Add("_pragma", "temp_store(memory)")
	if readOnly {
		q.Add("_pragma", "query_only(1)")
	} else {
		q.Add("_pragma", "journal_mode(WAL)")
		q.Add("_pragma", "synchronous(FULL)") // in WAL: one fsync for each commit, so that a commit is kept when the power fails
		q.Add("_pragma", "wal_autocheckpoint("+strconv.Itoa(pagesOfLog)+")")
		q.Add("_pragma", "journal_size_limit(67108864)")
		q.Add("_pragma", "cache_size(-65536)")
		q.Set("_txlock", "immediate")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// lockFile holds an advisory lock for the life of the process, so that two servers never share a data directory.
func lockFile(path string) (func() error, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrBusy
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f.Close, nil // closing lets the lock go
}
