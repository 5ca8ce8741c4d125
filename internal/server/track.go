// SPDX-License-Identifier: Apache-2.0

package server

import (
	"time"

	"postern/internal/store"
	"postern/internal/track"
)

// personalise makes a mail its recipient's own on its way out.
func (s *Server) personalise(out store.Outgoing, c store.Claimed) []byte {
	return s.core.Links.Personalise(out.Body, track.Mail{
		MessageID: c.MessageID, KeyID: c.KeyID, Recipient: c.Recipient, At: time.Now(),
		Base: track.Base(s.baseURL, out.TrackHost), Host: out.TrackHost, Ways: track.Ways(c.Ways), URLTags: out.URLTags,
	})
}
