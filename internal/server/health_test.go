// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/internal/store"
)

// TestHealthOnAFullDisk: who watches the server hears that it takes nothing, although it still reads.
func TestHealthOnAFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED ALOUD: a small disk of its own needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("SKIPPED ALOUD: a small disk cannot be mounted: %v", err)
	}
	var ahead time.Duration // of the machine's clock
	s, err := store.Open(t.Context(), filepath.Join(dir, "postern.db"), store.Options{Now: func() time.Time { return time.Now().Add(ahead) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close() //nolint:errcheck,gosec // its disk goes with it
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	h := newHealth(s)
	h.set(ready)
	h.setPart("store", ready) // what watches its lock, in the server
	want := func(code int, status, ofStore string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody))
		var got report
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if w.Code != code || got.Status != status || got.Parts["store"] != ofStore {
			t.Errorf("%d %s, want %d, %s, store %s", w.Code, w.Body, code, status, ofStore)
		}
	}
	want(http.StatusOK, ready, ready)
	for i := 0; err == nil; i++ {
		err = s.Update(t.Context(), func(tx *store.Tx) error {
			return tx.Set(t.Context(), fmt.Sprint("filler", i), strings.Repeat("x", 256<<10))
		})
	}
	if !s.NoRoom(err) {
		t.Fatal(err)
	}
	want(http.StatusServiceUnavailable, "failing", "full")
	ahead = time.Minute
	want(http.StatusOK, ready, ready)
}
