// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"fmt"
	"testing"
	"time"

	"postern/internal/report"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// A breakdown is read whole, in one go: read by pages, all was summed anew for each thousand rows.
func TestBreakdownOfManyDomains(t *testing.T) {
	s := storetest.New(t)
	var k store.Key
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(t.Context(), "one")
		if err != nil {
			return err
		}
		k, err = tx.AddKey(t.Context(), store.Key{AccountID: a.ID, APIKey: fmt.Sprintf("%032x", 1), Name: "one", Master: true, State: store.KeyActive})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	x := &store.Submission{AccountID: k.AccountID, KeyID: k.ID, Source: "http", HeaderFrom: "a@example.com", Body: store.NewBody([]byte("Subject: x\r\n\r\nx")), Lifetime: time.Hour}
	for i := range 2500 {
		domain := fmt.Sprintf("d%d.example.net", i%2400)
		x.Recipients = append(x.Recipients, store.Recipient{Email: fmt.Sprintf("r%d@%s", i, domain), Domain: domain})
	}
	if err := s.Accept(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	rows, err := report.New(s).Breakdown(t.Context(), store.OfKey(k.AccountID, k.ID), report.Selection{}, report.ByDomain)
	if err != nil || len(rows) != 2400 || rows[0].Total != 2 || rows[99].Total != 2 || rows[100].Total != 1 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	got, err := report.New(s).Largest(t.Context(), store.OfAccount(k.AccountID), report.Query{By: report.ByDomain, Limit: 20})
	if err != nil || len(got.Rows) != 20 || !got.More || got.Rows[0].Total != 2 {
		t.Errorf("the largest: %d rows, %v", len(got.Rows), err)
	}
}
