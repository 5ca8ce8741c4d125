// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"postern/internal/credential"
)

// session is a connection that a secret opened. Who takes it out of
// shard.sessions, under the lock, calls close or drops it: so close is called
// once at most.
type session struct {
	key     credential.APIKey
	account *account
	shard   *shard // its key's
	id      int64  // of the secret
	close   func(reason string) (wait func())
	done    chan struct{} // closed after close and wait
}

// Bind ties a session to the secret that opened it: closeSession is called, once
// and with a reason for the log, when that secret dies. From then on the session
// does nothing more for its client. If something that it does is past recall, a
// mail being committed, closeSession returns how to wait for it; else nil. If p is
// dead by now, Bind returns a *Refusal and calls nothing. unbind is called when the
// session ends by itself; it may be called again, and from closeSession.
//
// Put calls closeSession for all sessions of the secret, one after another, then
// waits: so closeSession waits for nothing itself, least of all for the client. It
// must not call Put or Remove. It is called with no lock held.
func (g *Gate) Bind(p Principal, closeSession func(reason string) (wait func())) (unbind func(), err error) {
	now := g.config.Now()
	key, err := credential.ParseAPIKey(p.APIKey)
	if err != nil {
		return nil, g.refuseDead()
	}
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f, ok := sh.find(key, p, now)
	if !ok {
		return nil, g.refuseDead()
	}
	if err := g.refuseClosed(f); err != nil {
		return nil, err
	}
	s := &session{key: key, account: sh.keys[key].account, shard: sh, id: p.SecretID, close: closeSession, done: make(chan struct{})}
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

// end closes sessions and waits for them: all are closed before the first is
// waited for, so that what they commit can be committed together.
func end(dead []*session, reason string) {
	waits := make([]func(), len(dead))
	for i, s := range dead {
		waits[i] = s.close(reason)
	}
	for i, s := range dead {
		if waits[i] != nil {
			waits[i]()
		}
		s.shard.mu.Lock()
		delete(s.shard.closing, s)
		s.shard.mu.Unlock()
		close(s.done)
	}
}

func wait(sessions []*session) {
	for _, s := range sessions {
		<-s.done
	}
}
