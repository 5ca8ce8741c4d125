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

	"postern/internal/change"
	"postern/internal/store"
)

const (
	jobsAtOnce = 4                // imports under way, of different accounts: one may not keep the others waiting
	jobsKept   = 50               // whose reports can be looked at
	jobTime    = 30 * time.Minute // for one import
)

// Job is an import that goes on while its owner looks at how far it is. Jobs are in memory: after a restart the file is
// to be given again, which changes nothing that it did.
type Job struct {
	ID      string
	KeyID   int64
	APIKey  string // of the key, as it is now
	KeyName string
	Name    string // of the file
	Size    int64  // 0: it is still being read
	Report  Report
	Done    bool
	Problem string // why it broke off

	accountID int64
	begunAt   time.Time
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

// left is about how much longer it takes, going on as it went until now.
func (j *Job) left(now time.Time) time.Duration {
	spent := now.Sub(j.begunAt)
	if j.Size == 0 || j.Report.Bytes == 0 {
		return min(time.Minute, jobTime-spent)
	}
	whole := time.Duration(float64(spent) * float64(j.Size) / float64(j.Report.Bytes))
	return min(whole, jobTime) - spent
}

// Begin copies a file and imports it while the caller goes on. The job is found by its ID, which cannot be guessed. The
// file's first error that is the user's comes back at once. An account has one import at a time, and all accounts
// together a few: past that the *Error says which of the two it is, and when to try again.
func (l *List) Begin(
	ctx context.Context, by change.Actor, scope store.Scope, key store.Key, name string, file io.Reader, reason string,
) (Job, error) {
	if _, err := parseReason(reason, 0); err != nil {
		return Job{}, err
	}
	j := &Job{ID: rand.Text(), KeyID: key.ID, Name: shorten(cleanNote(name)), accountID: key.AccountID, begunAt: time.Now()}
	if err := l.jobs.enter(j); err != nil {
		return Job{}, err
	}
	tmp, size, err := spool(file)
	if err != nil {
		l.jobs.forget(j)
		return Job{}, err
	}
	begun := l.jobs.copied(j, size)
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

// spool copies a file of a user's to one of ours, which is gone when it is closed.
func spool(file io.Reader) (*os.File, int64, error) {
	tmp, err := os.CreateTemp("", "postern-import-*.csv") // mode 0600
	if err != nil {
		return nil, 0, err
	}
	if err := os.Remove(tmp.Name()); err != nil { // it lives as long as it is open
		return nil, 0, errors.Join(err, tmp.Close())
	}
	size, err := io.Copy(tmp, io.LimitReader(file, MaxFile+1))
	switch {
	case err != nil:
	case size == 0:
		err = invalid("File", "it is empty")
	case size > MaxFile:
		err = invalid("File", "it has more than %d MB: give it in parts", MaxFile>>20)
	default:
		_, err = tmp.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, 0, errors.Join(err, tmp.Close())
	}
	return tmp, size, nil
}

// enter counts a job as under way, from before its file is read: otherwise many that come at once would all be let in.
func (x *jobs) enter(j *Job) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	busy, soonest := 0, jobTime
	for _, other := range x.list {
		if other.Done {
			continue
		}
		left := other.left(j.begunAt)
		if other.accountID == j.accountID {
			return invalid("File", "the account has an import under way, and it can have one at a time: try again %s", inAbout(left))
		}
		busy, soonest = busy+1, min(soonest, left)
	}
	if busy >= jobsAtOnce {
		return invalid("File", "the server imports %d files of other accounts now, which is as many as it does at a time: try again %s",
			busy, inAbout(soonest))
	}
	x.keep(j)
	return nil
}

// inAbout says when to try again.
func inAbout(d time.Duration) string {
	if n := (d + time.Minute - 1) / time.Minute; n > 1 {
		return fmt.Sprintf("in about %d minutes", n)
	}
	return "in a minute"
}

// copied notes that a job's file is read, and returns the job as it begins.
func (x *jobs) copied(j *Job, size int64) Job {
	x.mu.Lock()
	defer x.mu.Unlock()
	j.Size = size
	return *j
}

// forget is for a job that does not begin after all.
func (x *jobs) forget(j *Job) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list = slices.DeleteFunc(x.list, func(other *Job) bool { return other == j })
}

// keep adds a job and forgets the oldest that are done. The lock is held.
func (x *jobs) keep(j *Job) {
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
	var mistake *change.Error
	if errors.As(err, &mistake) {
		j.Problem = fmt.Sprintf("%s: %s.", mistake.Field, mistake.Reason)
		if mistake.Field == "" {
			j.Problem = mistake.Reason + "."
		}
	}
}

// Job finds an import by its ID, among those of keys of the scope.
func (l *List) Job(ctx context.Context, scope store.Scope, id string) (Job, error) {
	missing := notFound("", "this import is not known any more")
	j, known := l.jobs.find(id)
	if !known {
		return Job{}, missing
	}
	keys, err := l.store.KeysByID(ctx, scope, []int64{j.KeyID})
	key, mine := keys[j.KeyID]
	if err == nil && !mine {
		err = missing
	}
	j.APIKey, j.KeyName = key.APIKey, key.Name
	return j, err
}

func (x *jobs) find(id string) (Job, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := slices.IndexFunc(x.list, func(j *Job) bool { return j.ID == id })
	if i < 0 {
		return Job{}, false
	}
	out := *x.list[i]
	out.Report = out.Report.clone()
	return out, true
}

// Wait returns when no import is under way.
func (l *List) Wait() { l.jobs.all.Wait() }
