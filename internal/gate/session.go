// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"sync"

	"postern/internal/credential"
)

// session is a connection that a secret opened. Who takes it out of
// shard.sessions, under the lock, calls close or drops it: so close is called
// once at most.
type session struct {
	key   credential.APIKey
	id    int64 // of the secret
	close func(reason string)
	done  chan struct{} // closed after close
}

// closers is how many sessions are closed at once.
const closers = 64

// Bind ties a session to the secret that opened it: closeSession is called, once
// and with a reason for the log, when that secret dies. If p is dead by now, Bind
// returns a *Refusal and calls nothing. unbind is called when the session ends by
// itself; it may be called again, and from closeSession.
//
// Put waits for closeSession, so it must be quick (set a deadline, close the
// connection), and must not call Put or Remove. It is called with no lock held.
func (g *Gate) Bind(p Principal, closeSession func(reason string)) (unbind func(), err error) {
	now := g.config.Now()
	key, err := credential.ParseAPIKey(p.APIKey)
	if err != nil {
		return nil, g.refuseDead()
	}
	s := &session{key: key, id: p.SecretID, close: closeSession, done: make(chan struct{})}
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f, ok := sh.find(key, p, now)
	switch {
	case !ok:
		return nil, g.refuseDead()
	case f.state != Active:
		return nil, g.refuseState(f.state)
	case f.stopped:
		return nil, g.refuseOverdue()
	}
	if sh.sessions[s.id] == nil {
		sh.sessions[s.id] = map[*session]struct{}{}
	}
	sh.sessions[s.id][s] = struct{}{}
	return func() { sh.unbind(s) }, nil
}

func (sh *shard) unbind(s *session) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.sessions[s.id], s)
	if len(sh.sessions[s.id]) == 0 {
		delete(sh.sessions, s.id)
	}
}

// take moves the sessions of a secret to those being closed, and appends them to
// dead. The shard's lock is held.
func (sh *shard) take(secretID int64, dead []*session) []*session {
	for s := range sh.sessions[secretID] {
		sh.closing[s] = struct{}{}
		dead = append(dead, s)
	}
	delete(sh.sessions, secretID)
	return dead
}

// underWay returns the key's sessions that somebody else is closing: a second
// reset must not return before them either. The shard's lock is held.
func (sh *shard) underWay(k credential.APIKey, mine []*session) []*session {
	if len(sh.closing) == len(mine) {
		return nil
	}
	own := make(map[*session]bool, len(mine))
	for _, s := range mine {
		own[s] = true
	}
	var others []*session
	for s := range sh.closing {
		if s.key == k && !own[s] {
			others = append(others, s)
		}
	}
	return others
}

// end closes sessions, several at once, and waits for them.
func (sh *shard) end(dead []*session, reason string) {
	if len(dead) == 0 {
		return
	}
	queue := make(chan *session)
	var running sync.WaitGroup
	for range min(closers, len(dead)) {
		running.Go(func() {
			for s := range queue {
				s.close(reason)
				sh.mu.Lock()
				delete(sh.closing, s)
				sh.mu.Unlock()
				close(s.done)
			}
		})
	}
	for _, s := range dead {
		queue <- s
	}
	close(queue)
	running.Wait()
}

func wait(sessions []*session) {
	for _, s := range sessions {
		<-s.done
	}
}
