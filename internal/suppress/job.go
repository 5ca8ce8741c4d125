// SPDX-License-Identifier: Apache-2.0

package suppress

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"postern/internal/keyring"
	"postern/internal/store"
)

const (
	jobsAtOnce = 2                // imports under way
	jobsKept   = 50               // whose reports can be looked at
	jobTime    = 30 * time.Minute // for one import
)

// Job is an import that goes on while its owner looks at how far it is. Jobs are in memory: after a restart the file is
// to be given again, which changes nothing that it did.
type Job struct {
	ID      string
	KeyID   int64
	Name    string // of the file
	Size    int64
	Report  Report
	Done    bool
	Problem string // why it broke off
}

// Percent is how far it is.
func (j Job) Percent() int {
	if j.Done || j.Size == 0 {
		return 100
	}
	return int(min(99, 100*j.Report.Bytes/j.Size))
}

type jobs struct {
	until context.Context // the end of all of them, which end calls
	end   context.CancelFunc

	mu   sync.Mutex
	list []*Job // oldest first
	all  sync.WaitGroup
}

// Begin copies a file and imports it while the caller goes on. The job is found by its ID, which cannot be guessed. The
// file's first error that is the user's comes back at once.
func (l *List) Begin(ctx context.Context, by keyring.Actor, scope store.Scope, key store.Key, name string, file io.Reader, reason string) (Job, error) {
	if reason != "" && store.ParseSuppressionReason(reason) == 0 {
		return Job{}, invalid("Reason", "%q is none of hard_bounce, complaint, unsubscribe and manual", shorten(reason))
	}
	l.jobs.mu.Lock()
	busy := 0
	for _, j := range l.jobs.list {
		if !j.Done {
			busy++
		}
	}
	l.jobs.mu.Unlock()
	if busy >= jobsAtOnce {
		return Job{}, invalid("File", "%d files are being imported now: try again in a minute", busy)
	}
	tmp, err := os.CreateTemp("", "postern-import-*.csv") // mode 0600
	if err != nil {
		return Job{}, err
	}
	if err := os.Remove(tmp.Name()); err != nil { // it lives as long as it is open
		return Job{}, errors.Join(err, tmp.Close())
	}
	size, err := io.Copy(tmp, io.LimitReader(file, MaxFile+1))
	if err == nil && size == 0 {
		err = invalid("File", "it is empty")
	}
	if err == nil && size > MaxFile {
		err = invalid("File", "it has more than %d MB: give it in parts", MaxFile>>20)
	}
	if err == nil {
		_, err = tmp.Seek(0, io.SeekStart)
	}
	if err != nil {
		return Job{}, errors.Join(err, tmp.Close())
	}
	j := &Job{ID: rand.Text(), KeyID: key.ID, Name: shorten(cleanNote(name)), Size: size}
	begun := *j // it changes from here on
	l.jobs.keep(j)
	l.jobs.all.Go(func() {
		defer tmp.Close()
		ctx, cancel := context.WithTimeout(l.jobs.until, jobTime)
		defer cancel()
		r, err := l.Import(ctx, by, scope, store.KeyFilter{ID: key.ID}, tmp, reason, func(r Report) { l.jobs.note(j, r, nil, false) })
		l.jobs.note(j, r, err, true)
		if err != nil {
			l.log.WarnContext(ctx, "an import of suppressions broke off", "key", key.ID, "rows", r.Rows, "error", err)
		}
	})
	return begun, nil
}

// keep adds a job and forgets the oldest that are done.
func (x *jobs) keep(j *Job) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := 0; len(x.list) >= jobsKept && i < len(x.list); {
		if x.list[i].Done {
			x.list = slices.Delete(x.list, i, i+1)
		} else {
			i++
		}
	}
	x.list = append(x.list, j)
}

func (x *jobs) note(j *Job, r Report, err error, done bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	j.Report, j.Done = r, done
	if err == nil {
		return
	}
	j.Problem = "Something went wrong on the server; its log says what."
	var mistake *keyring.Error
	if errors.As(err, &mistake) {
		j.Problem = fmt.Sprintf("%s: %s.", mistake.Field, mistake.Reason)
		if mistake.Field == "" {
			j.Problem = mistake.Reason + "."
		}
	}
}

// Job finds an import by its ID.
func (l *List) Job(id string) (Job, bool) {
	l.jobs.mu.Lock()
	defer l.jobs.mu.Unlock()
	for _, j := range l.jobs.list {
		if j.ID == id {
			out := *j
			out.Report = out.Report.clone()
			return out, true
		}
	}
	return Job{}, false
}

// Wait returns when no import is under way.
func (l *List) Wait() { l.jobs.all.Wait() }
