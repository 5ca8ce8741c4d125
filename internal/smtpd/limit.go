// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"log/slog"
	"sync"
	"time"
)

// failures sums up the refused logins of throttled sources, so that guessing cannot fill the log: a source has one line a
// minute.
type failures struct {
	log *slog.Logger

	mu      sync.Mutex
	sources map[string]*failing
}

type failing struct {
	logged time.Time
	count  int // since then
}

// maxFailing is how many sources are kept apart; those past it have a line together.
const maxFailing = 1000

func (f *failures) note(source string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sources == nil {
		f.sources = map[string]*failing{}
	}
	if f.sources[source] == nil && len(f.sources) >= maxFailing {
		for k, x := range f.sources {
			if now.Sub(x.logged) >= time.Minute {
				f.line(k, x, now)
				delete(f.sources, k)
			}
		}
		if len(f.sources) >= maxFailing {
			source = "others"
		}
	}
	x := f.sources[source]
	if x == nil {
		x = &failing{}
		f.sources[source] = x
	}
	x.count++
	if now.Sub(x.logged) >= time.Minute {
		f.line(source, x, now)
	}
}

func (f *failures) line(source string, x *failing, now time.Time) {
	if x.count > 0 {
		f.log.Info("SMTP logins refused: too many failures", "source", source, "logins", x.count)
	}
	x.logged, x.count = now, 0
}
