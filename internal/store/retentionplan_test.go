// SPDX-License-Identifier: Apache-2.0

package store

import (
	"path/filepath"
	"strings"
	"testing"
)

// What deletes a campaign finds each row by a key: in a client's thousands of campaigns a day, a range would be read anew
// for each.
func TestForgettingACampaignSearches(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "postern.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is written any more
	for query, args := range map[string][]any{
		lockCampaign:           {1},
		emptyAgain:             {1},
		campaignDays:           {1, 2},
		moveDomains:            {1, 2, 3},
		deleteDomains:          {1, 2, 3},
		deleteCampaignCounters: {1, 2},
		deleteCampaign:         {1},
	} {
		rows, err := s.r.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close() //nolint:errcheck // read whole
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(step, "SCAN") && !strings.HasPrefix(step, "SCAN CONSTANT") ||
				strings.Contains(step, "domain_counter") && !strings.Contains(step, "campaign_id=?") {
				t.Errorf("%s: %s", query, step)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}
