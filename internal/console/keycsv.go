// SPDX-License-Identifier: Apache-2.0

package console

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"time"

	"postern/internal/accounts"
	"postern/internal/credential"
	"postern/internal/sheet"
	"postern/internal/store"
)

// keysAChunk is how many keys are read at a time while a file of them is written.
const keysAChunk = 500

// exportKeys writes the keys that the list shows as a table for spreadsheets, without any secret.
func (c *console) exportKeys(v *visit) error {
	q := v.r.URL.Query()
	f := c.keysFilter(v, known(q.Get("show"), keyShows()), clean(q.Get("q")))
	rows, err := c.keysChunk(v, f, 0)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="api-keys-`+c.Now().UTC().Format("2006-01-02")+`.csv"`)
	out := csv.NewWriter(v.w)
	out.Write([]string{"Name", "Reference", "API key", "Kind", "State", "Created", "Last used", "Secret key age in days", "Secret keys", "Messages in 30 days"}) //nolint:errcheck // Flush says it
	for at := 0; len(rows) > 0; {
		for _, k := range rows {
			out.Write(c.keyRecord(k, accounts.PolicyOf(v.account))) //nolint:errcheck // Flush says it
		}
		if out.Flush(); out.Error() != nil {
			return nil //nolint:nilerr // the browser has gone
		}
		at += len(rows)
		if rows, err = c.keysChunk(v, f, at); err != nil {
			c.Log.ErrorContext(v.r.Context(), "an export of keys broke off", "error", err)
			panic(http.ErrAbortHandler) // a short file must not pass for a whole one
		}
	}
	out.Flush()
	return nil
}

func (c *console) keysChunk(v *visit, f store.KeyFilter, offset int) ([]keyRow, error) {
	keys, _, err := c.Store.Keys(v.r.Context(), v.scope, f, store.Page{Limit: keysAChunk, Offset: offset})
	if err != nil {
		return nil, err
	}
	return c.keyRows(v, keys)
}

func (c *console) keyRecord(k keyRow, policy credential.Policy) []string {
	kind, age := "subaccount", ""
	if k.Master {
		kind = "primary"
	}
	if len(k.Secrets) > 0 {
		age = strconv.Itoa(policy.AgeOf(k.Secrets[0].CreatedAt, c.Now()).Days)
	}
	when := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	return []string{sheet.Cell(k.Name), sheet.Cell(k.Reference), k.APIKey, kind, k.State, when(k.CreatedAt), when(k.LastUsed), age, strconv.Itoa(len(k.Secrets)), strconv.Itoa(k.Volume.Total)}
}
