// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"testing"

	"postern/internal/store"
)

// A reply is shown with each of its codes once, whoever wrote its line.
func TestReply(t *testing.T) {
	for _, x := range []struct {
		r                   store.Reply
		codes, words, whole string
	}{
		{store.Reply{}, "", "", ""},
		{store.Reply{Line: "captured"}, "", "captured", "captured"},
		{store.Reply{Code: 250, Enhanced: "2.0.0", Line: "250 2.0.0 OK"}, "250 2.0.0", "OK", "250 2.0.0 OK"},
		{store.Reply{Code: 250, Enhanced: "2.0.0", Line: "OK"}, "250 2.0.0", "OK", "250 2.0.0 OK"},
		{store.Reply{Enhanced: "5.1.2", Line: "there is no such domain"}, "5.1.2", "there is no such domain", "5.1.2 there is no such domain"},
		{store.Reply{Code: 250, Line: "250"}, "250", "", "250"},
		{store.Reply{Code: 550, Line: "550 5500 letters are too many"}, "550", "5500 letters are too many", "550 5500 letters are too many"},
		{store.Reply{Code: 550, Enhanced: "5.1.1", Line: "550 no 5.1.1"}, "550 5.1.1", "no 5.1.1", "550 5.1.1 no 5.1.1"},
	} {
		if x.r.Codes() != x.codes || x.r.Words() != x.words || x.r.String() != x.whole {
			t.Errorf("%+v: %q, %q, %q", x.r, x.r.Codes(), x.r.Words(), x.r.String())
		}
	}
}
