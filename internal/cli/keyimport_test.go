// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"postern/internal/control"
)

// TestImportThatBreaksOff is of a server that answers for the first lines and then no more: the others are not said to be
// in order.
func TestImportThatBreaksOff(t *testing.T) {
	for _, inJSON := range []bool{false, true} {
		asked := 0
		calls := control.Calls{ImportKeys: func(_ context.Context, in control.KeyImport) ([]control.Imported, error) {
			if asked++; asked > 1 {
				return nil, errors.New("the disk is full")
			}
			out := make([]control.Imported, len(in.Keys))
			out[1] = control.Imported{Field: "Name", Reason: "it is there"}
			return out, nil
		}}
		lines := make([]importLine, control.MaxImport+50)
		for i := range lines {
			lines[i] = newImportLine(i+2, control.ImportedKey{Name: fmt.Sprint("n", i)})
		}
		var out, errs bytes.Buffer
		c := keyImportCmd{DryRun: true, asJSON: asJSON{JSON: inJSON}}
		err := c.bring(context.Background(), calls, &streams{out: &out, err: &errs}, lines)
		if err == nil || !strings.Contains(err.Error(), "the disk is full") {
			t.Fatalf("json %v: the error is %v", inJSON, err)
		}
		if inJSON {
			var got importResult
			if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Unchecked != 50 || got.Imported != control.MaxImport-1 || got.Failed != 1 {
				t.Errorf("%v: %.200s", err, out.String())
			}
			continue
		}
		if out.Len() > 0 || !strings.Contains(err.Error(), fmt.Sprintf("%d of %d keys were checked", control.MaxImport, len(lines))) || !strings.Contains(errs.String(), "line 3: Name: it is there") {
			t.Errorf("printed %q, %q and %q", out.String(), errs.String(), err)
		}
	}
}
