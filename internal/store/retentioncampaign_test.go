// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"postern/internal/store"
	"postern/internal/store/storetest"
)

// TestSmallCampaignsGo: a campaign of few messages goes with the last of them, and takes nothing of what is counted
// otherwise. One that somebody starred stays, and one of many messages, and one with a message left.
func TestSmallCampaignsGo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		scope := store.OfKey(k.AccountID, k.ID)
		now := time.Now()
		send := func(campaign string, n int) {
			t.Helper()
			x := submission(k)
			x.Campaign = campaign
			for i := range n {
				domain := []string{"example.net", "example.org"}[i%2]
				x.Recipients = append(x.Recipients, store.Recipient{Email: fmt.Sprintf("r%d@%s", i, domain), Domain: domain})
			}
			accept(t, s, x)
		}
		send("", 3)
		send("mail 1", 1)
		send("mail 2", 2)
		send("nearly", 9)
		send("large", 10)
		send("starred", 1)
		deliver(t, s, now)
		send("mail 2", 1) // is still in the queue
		names := func() (names []string) {
			t.Helper()
			list, _, err := s.Campaigns(t.Context(), scope, store.CampaignFilter{}, store.Page{})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range list {
				names = append(names, c.Name)
			}
			slices.Sort(names)
			return names
		}
		starred, _, err := s.Campaigns(t.Context(), scope, store.CampaignFilter{Name: "starred"}, store.Page{})
		if err != nil || len(starred) != 1 {
			t.Fatalf("%d, %v", len(starred), err)
		}
		if err := s.SetCampaign(t.Context(), k.ID, starred[0].ID, true, false); err != nil {
			t.Fatal(err)
		}
		before := countsOf(t, s, scope)
		forget := func(messages int, want ...string) {
			t.Helper()
			f, err := s.Forget(t.Context(), k.AccountID, now.Add(time.Hour), 0, 100, time.Minute)
			if err != nil || f.Messages != messages {
				t.Fatalf("%d messages went, %v; want %d", f.Messages, err, messages)
			}
			for after, more := int64(0), true; more; more = after != 0 {
				f, err := s.ForgetCampaigns(t.Context(), k.AccountID, now.Add(time.Hour), after, 2)
				if err != nil {
					t.Fatal(err)
				}
				after = f.Last
			}
			if got := names(); !slices.Equal(got, want) {
				t.Errorf("the campaigns %q are left, want %q", got, want)
			}
		}
		if f, err := s.ForgetCampaigns(t.Context(), k.AccountID, now.Add(time.Hour), 0, 100); err != nil || f.Campaigns != 0 || f.Last != 0 {
			t.Errorf("with messages: %+v, %v", f, err)
		}
		forget(26, "large", "mail 2", "starred")
		if f, err := s.ForgetCampaigns(t.Context(), k.AccountID, now.Add(-time.Hour), 0, 100); err != nil || f.Campaigns != 0 {
			t.Errorf("young ones: %+v, %v", f, err)
		}
		deliver(t, s, now)
		forget(1, "large", "starred")
		after := countsOf(t, s, scope)
		for of := range before {
			want := before[of]
			if of == "campaign mail 1" || of == "campaign mail 2" || of == "campaign nearly" {
				want = 0
			}
			if after[of] != want {
				t.Errorf("%s: %d messages are counted, want %d", of, after[of], want)
			}
		}
		if len(before) != 1+2+5 || before["all"] != 27 || len(after) != 1+2+2 {
			t.Errorf("counted were %v, are %v", before, after)
		}
		send("mail 1", 1) // begins anew
		if got := names(); !slices.Contains(got, "mail 1") || countsOf(t, s, scope)["campaign mail 1"] != 1 {
			t.Errorf("the campaigns %q are there, counted are %v", got, countsOf(t, s, scope))
		}
	})
}

// countsOf are how many messages were accepted by the key, by recipient domain and by campaign.
func countsOf(t *testing.T, s *store.Store, scope store.Scope) map[string]int64 {
	t.Helper()
	all, _, err := s.Totals(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{"all": all.Total}
	domains, err := s.DomainCounts(t.Context(), scope, store.BreakdownQuery{})
	if err != nil {
		t.Fatal(err)
	}
	campaigns, err := s.CampaignCounts(t.Context(), scope, store.BreakdownQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range domains {
		out["domain "+d.Name] = d.Total
	}
	for _, c := range campaigns {
		out["campaign "+c.Name] = c.Total
	}
	return out
}
