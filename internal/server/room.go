// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"time"

	"postern/internal/store"
)

// roomEvery is how often the room on the disk is looked at.
const roomEvery = time.Second

// watchRoom keeps the store's reserve of room, and logs each change of it.
func (s *Server) watchRoom(ctx context.Context) error {
	tick := time.NewTicker(roomEvery)
	defer tick.Stop()
	was := store.Room{}
	for {
		now := s.core.Store.CheckRoom(ctx)
		switch {
		case now.Refusing && !was.Refusing:
			s.log.ErrorContext(ctx, "the disk is nearly full: mail is refused until there is room; credentials can still be ended, "+
				"and the queue goes on")
		case !now.Refusing && was.Refusing:
			s.log.InfoContext(ctx, "there is room on the disk again: mail is accepted")
		}
		switch gone := now.Wanted > 0 && now.Reserve == 0; {
		case gone && (was.Reserve > 0 || was.Wanted == 0):
			s.log.ErrorContext(ctx, "the reserve of room on the disk is given up; it is for what ends credentials and for mail on "+
				"its way out", "bytes", now.Wanted)
		case now.Reserve > 0 && was.Reserve == 0 && was.Wanted > 0:
			s.log.InfoContext(ctx, "the reserve of room on the disk is there again", "bytes", now.Reserve)
		}
		was = now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
