// SPDX-License-Identifier: Apache-2.0

package suppress

import (
	"context"
	"encoding/csv"
	"io"
	"time"

	"postern/internal/sheet"
	"postern/internal/store"
)

// Export writes the entries of the scope that match as CSV, oldest first, with a header that [List.Import] reads. What
// it has read of the list is written before more is read.
func (l *List) Export(ctx context.Context, w io.Writer, scope store.Scope, f Filter) error {
	by, err := f.store()
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.Write([]string{"email", "reason", "note", "created_at", "message_id", "key_id"}) //nolint:errcheck // Flush says it
	for {
		list, err := l.store.Suppressions(ctx, scope, by, store.Page{})
		if err != nil {
			return err
		}
		for _, x := range list {
			message := ""
			if x.MessageID != 0 {
				message = number(x.MessageID)
			}
			row := []string{
				sheet.Cell(x.Email), x.Reason.String(), sheet.Cell(x.Note), x.CreatedAt.Format(time.RFC3339), message, number(x.KeyID),
			}
			out.Write(row) //nolint:errcheck // Flush says it
			by.Above = x.ID
		}
		if out.Flush(); out.Error() != nil || len(list) == 0 {
			return out.Error()
		}
	}
}
