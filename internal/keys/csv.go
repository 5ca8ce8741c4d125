// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"postern/internal/sheet"
	"postern/internal/store"
)

// exportAtOnce is how many keys are read at a time while a file of them is written.
const exportAtOnce = 500

// Export writes the keys of a filter as a table for spreadsheets, without any secret. begin is called before the first
// byte. An error of w ends it: that is no error, the reader has gone.
func (k *Keys) Export(ctx context.Context, scope store.Scope, f store.KeyFilter, w io.Writer, begin func()) error {
	out := csv.NewWriter(w)
	for at := 0; ; {
		list, total, err := k.Keys(ctx, scope, f, store.Page{Limit: exportAtOnce, Offset: at})
		if err != nil {
			return err
		}
		volumes, err := k.Volumes(ctx, scope, list)
		if err != nil {
			return err
		}
		if at == 0 {
			begin()
			out.Write([]string{ //nolint:errcheck // Flush says it
				"Name", "Reference", "API key", "Kind", "State", "Created", "Last used", "Secret key age in days", "Secret keys",
				"Messages in 30 days",
			})
		}
		for _, x := range list {
			out.Write(x.record(volumes[x.ID])) //nolint:errcheck // Flush says it
		}
		out.Flush()
		if at += len(list); out.Error() != nil || len(list) == 0 || at >= total {
			return nil
		}
	}
}

func (k *Key) record(volume []int64) []string {
	kind, age, sent := "subaccount", "", int64(0)
	if k.Master {
		kind = "primary"
	}
	if len(k.Secrets) > 0 {
		age = strconv.Itoa(k.Secrets[0].AgeDays)
	}
	for _, n := range volume {
		sent += n
	}
	when := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	return []string{
		sheet.Cell(k.Name), sheet.Cell(k.Reference), k.APIKey, kind, k.State, when(k.CreatedAt), when(k.LastUsedAt), age,
		strconv.Itoa(len(k.Secrets)),
		strconv.FormatInt(sent, 10),
	}
}
