// SPDX-License-Identifier: Apache-2.0

package browser_test

import "testing"

func TestATourOfStatistics(t *testing.T) {
	ctx := tab(t)
	p := newPlace(t)
	tour := &tour{t, ctx, screenshots()}
	load(t, ctx, p.link(), 200)
	press(t, ctx, click("button"))
	load(t, ctx, p.base+"/statistics", 200)
	tour.look("statistics-empty")
	p.past()
	load(t, ctx, p.base+"/statistics?period=7", 200)
	tour.look("statistics")
	load(t, ctx, p.base+"/statistics?period=today&key="+p.keys["Shop"].APIKey+"&key="+p.keys["Newsletter"].APIKey, 200)
	tour.look("statistics-side-by-side")
}
