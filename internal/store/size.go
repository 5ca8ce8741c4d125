// SPDX-License-Identifier: Apache-2.0

package store

import "context"

// Size is how many bytes the database has, for metrics.
func (s *Store) Size(ctx context.Context) (int64, error) {
	var n int64
	err := s.row(ctx, s.d.size).scan(&n)
	return n, err
}
