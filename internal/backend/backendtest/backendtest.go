// SPDX-License-Identifier: Apache-2.0

// Package backendtest makes a backend for a test.
package backendtest

import (
	"testing"

	"postern/internal/backend"
	"postern/internal/credential"
	"postern/internal/store/storetest"
)

// New makes a backend, over a fresh store and under a fresh server key where c names none.
func New(t testing.TB, c backend.Config) *backend.Backend {
	t.Helper()
	if c.Store == nil {
		c.Store = storetest.New(t)
	}
	if c.ServerKey == nil {
		c.ServerKey = credential.NewServerKey()
	}
	b, err := backend.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Suppress.Wait)
	return b
}
