// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
)

// Codecs of a stored body. From codecPassing on, bodies go when nobody waits for their mail any more.
const (
	codecPlain   = 0
	codecS2      = 1
	codecPassing = 2 // and codecPlain or codecS2: notices that were written before bodies were sealed
	codecSealed  = 4
)

// ErrSealed says that a body is for its recipients alone. To whoever wants to read it, it is not there: it is an
// ErrNotFound too.
var ErrSealed = fmt.Errorf("the source is sealed: %w", ErrNotFound)

// Body is a message's source as it is stored: once per submission, compressed.
type Body struct {
	codec int
	data  []byte
	size  int
}

// minCompress is the size below which compressing saves no page of the database.
const minCompress = 512

// packing are the buffers that sources of ordinary size are compressed in: what comes out is a part of it, and is all that
// is kept while the mail waits for its group.
var packing = sync.Pool{New: func() any { return new([]byte) }}

const maxPacking = 256 << 10

// NewBody compresses a message's source. It is called by the one who submits, beside the writer. S2 was chosen by
// BenchmarkBodyCodec: a fifth of the time of the fastest zstd, for a third more room on text.
func NewBody(raw []byte) Body {
	if len(raw) >= minCompress {
		if packed := compress(raw); len(packed) < len(raw)-len(raw)/16 {
			return Body{codec: codecS2, data: packed, size: len(raw)}
		}
	}
	return Body{codec: codecPlain, data: raw, size: len(raw)}
}

// SealedBody is a source that its submitter has sealed: the store cannot read it, and keeps it for as long as the mail
// waits for its recipients.
func SealedBody(sealed []byte) Body {
	return Body{codec: codecSealed, data: sealed, size: len(sealed)}
}

// compress returns raw in S2, in a slice of its own size.
func compress(raw []byte) []byte {
	need := s2.MaxEncodedLen(len(raw))
	if need < 0 || need > maxPacking {
		return s2.Encode(nil, raw)
	}
	room := packing.Get().(*[]byte) //nolint:forcetypeassert // nothing else is in it
	defer packing.Put(room)
	if len(*room) < need {
		*room = make([]byte, need)
	}
	return bytes.Clone(s2.Encode(*room, raw))
}

// Bytes gives the source back. Error: ErrSealed.
func (b Body) Bytes() ([]byte, error) {
	switch b.codec {
	case codecPlain, codecPassing + codecPlain:
		return b.data, nil
	case codecSealed:
		return nil, ErrSealed
	case codecS2, codecPassing + codecS2:
		raw, err := s2.Decode(nil, b.data)
		if err != nil {
			return nil, fmt.Errorf("stored body: %w", err)
		}
		return raw, nil
	}
	return nil, fmt.Errorf("stored body: unknown codec %d", b.codec)
}

// Source reads the source of a message of the scope, as it was accepted. Errors: ErrNotFound when it is not kept any more,
// ErrSealed.
func (s *Store) Source(ctx context.Context, scope Scope, messageID int64) ([]byte, error) {
	w := newWhere("SELECT b.codec, b.data FROM message m JOIN body b ON b.submission_id = m.submission_id")
	scope.where(w, "m.account_id", "m.key_id")
	w.and("m.id = ?", messageID)
	var b Body
	if err := s.row(ctx, w.String(), w.args...).scan(&b.codec, &b.data); err != nil {
		return nil, err
	}
	return b.Bytes()
}

// DropPassing deletes the bodies that are kept only until their mail was handed over, delivered or not, and says how many
// those were.
func (s *Store) DropPassing(ctx context.Context) (n int64, err error) {
	const done = " FROM body WHERE codec >= 2 AND NOT EXISTS (SELECT 1 FROM message m WHERE m.submission_id = body.submission_id " +
		"AND m.done_at IS NULL)"
	var any bool // mostly there is none: that is seen beside the writer, by an index of these bodies alone
	if err := s.row(ctx, "SELECT EXISTS (SELECT 1"+done+")").scan(&any); err != nil || !any {
		return 0, err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		n, err = tx.exec(ctx, "DELETE"+done)
		return err
	})
	return n, err
}
