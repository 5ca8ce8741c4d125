// SPDX-License-Identifier: Apache-2.0

package control

import (
	"time"
)

// StatisticsQuery is what is asked for: the last Days, or From To; of all of an account, or of Keys.
type StatisticsQuery struct {
	Keys       []string
	Account    string
	Days       *int
	From, To   time.Time
	By         string // key, domain, campaign, sender; "" over time
	Resolution string // hour, day, total; "" as fits
	Timing     string // message, event; "" message
	Limit      *int   // of what they are by
}
