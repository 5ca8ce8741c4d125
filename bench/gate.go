// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"testing"

	"postern/internal/credential"
	"postern/internal/gate"
)

// gate measures one check of a credential, at a thousand and a million keys. The package's own benchmarks say more.
func (b *bench) gate() error {
	digester, err := credential.NewDigester(credential.NewServerKey())
	if err != nil {
		return err
	}
	from := gate.Source{Addr: netip.MustParseAddr("127.0.0.1"), Protocol: "http"}
	var rows [][]string
	for _, keys := range []int{10, 10_000, 1_000_000} {
		g := gate.New(gate.Config{Digester: digester, Burst: 1 << 30})
		g.PutAccount(gate.Account{ID: 1})
		secret, user := credential.NewSecret(), ""
		for i := range keys {
			k := gate.Key{ID: int64(i + 1), AccountID: 1, APIKey: credential.NewAPIKey(), Secrets: []gate.Secret{{ID: int64(i + 1), Digest: digester.Digest(secret)}}}
			user = k.APIKey.String()
			g.Put(k)
		}
		wrong, unknown := credential.NewSecret(), credential.NewAPIKey().String()
		check := func(user, password string) string {
			r := testing.Benchmark(func(b *testing.B) {
				for b.Loop() {
					g.Verify(from, user, password) //nolint:errcheck,gosec // its time is the question
				}
			})
			return fmt.Sprintf("%d ns", r.NsPerOp())
		}
		rows = append(rows, []string{fmt.Sprint(keys), check(user, secret), check(unknown, secret), check(user, wrong)})
	}
	fmt.Println("One check of a credential by the gate")
	table("keys|right|unknown key|wrong secret", rows)
	return nil
}
