// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"testing"
)

func TestTablesAlign(t *testing.T) {
	var out bytes.Buffer
	err := (&streams{out: &out}).table([]string{"NAME", "STATE", "NOTE"}, [][]string{
		{"日本語", "active", "a"}, {"Müller", "x", ""}, {"e\u0301te\u0301", "x", "b\tc"}, {"ｗｉｄｅ", "", "d"},
	})
	want := "NAME      STATE   NOTE\n" +
		"日本語    active  a\n" +
		"Müller    x       \n" +
		"e\u0301te\u0301       x       b\ufffdc\n" +
		"ｗｉｄｅ          d\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%q\n%q", err, out.String(), want)
	}
}
