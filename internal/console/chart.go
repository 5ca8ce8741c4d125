// SPDX-License-Identifier: Apache-2.0

package console

import (
	"encoding/xml"
	"fmt"
	"html/template"
	"strings"
	"time"
)

// The drawing's size in its own units; the page scales it.
const (
	chartWidth, chartHeight = 360.0, 168.0
	chartLeft, chartRight   = 40.0, 352.0
	chartTop, chartBottom   = 10.0, 142.0
	marksALine              = 7 // more would hide the line
)

// chart is numbers over time, drawn as lines. It has no colours of its own: they are the stylesheet's, by class, since
// the policy of our pages allows no style in them, and so that they follow light and dark.
type chart struct {
	ID, Title string
	Slots     []string // what each slot on the time axis is called
	Lines     []chartLine
}

type chartLine struct {
	Name   string
	Values []int64 // one for each slot
}

// SVG draws the chart. Each line has dashes and marks of its own, for those who do not see the colours.
func (c chart) SVG() template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 %g %g" role="img" aria-labelledby="%s-title %s-desc">`+
		`<title id="%s-title">%s</title><desc id="%s-desc">%s</desc>`,
		chartWidth, chartHeight, c.ID, c.ID, c.ID, xmlText(c.Title), c.ID, xmlText(c.describe()))
	top := c.axis(&b)
	for i, l := range c.Lines {
		c.line(&b, i, l, top)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // every text in it went through xmlText
}

// describe says what the lines show.
func (c chart) describe() string {
	var parts []string
	for _, l := range c.Lines {
		var sum, most int64
		at := ""
		for i, n := range l.Values {
			if sum += n; n > most {
				most, at = n, c.Slots[i]
			}
		}
		s := l.Name + ": " + number(int(sum)) + " in all"
		if most > 0 {
			s += ", at most " + number(int(most)) + " (" + at + ")"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ") + ". The table below has all numbers."
}

// axis draws the lines to read values at, and where time begins and ends. It returns the value at the top.
func (c chart) axis(b *strings.Builder) int64 {
	var most int64
	for _, l := range c.Lines {
		for _, n := range l.Values {
			most = max(most, n)
		}
	}
	step := niceStep(most)
	top := max((most+step-1)/step, 1) * step
	for n := int64(0); n <= top; n += step {
		y := chartY(n, top)
		fmt.Fprintf(b, `<line class="chart-grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/>`, chartLeft, chartRight, y, y)
		fmt.Fprintf(b, `<text class="chart-label" x="%g" y="%.1f" text-anchor="end">%s</text>`, chartLeft-6, y+3.5, shortNumber(n))
	}
	if last := len(c.Slots) - 1; last > 0 {
		fmt.Fprintf(b, `<text class="chart-label" x="%g" y="%g">%s</text><text class="chart-label" x="%g" y="%g" text-anchor="end">%s</text>`,
			chartLeft, chartHeight-8, xmlText(c.Slots[0]), chartRight, chartHeight-8, xmlText(c.Slots[last]))
	} else if last == 0 {
		fmt.Fprintf(b, `<text class="chart-label" x="%g" y="%g" text-anchor="middle">%s</text>`,
			(chartLeft+chartRight)/2, chartHeight-8, xmlText(c.Slots[0]))
	}
	return top
}

func (c chart) line(b *strings.Builder, i int, l chartLine, top int64) {
	points := make([]string, len(l.Values))
	for at, n := range l.Values {
		points[at] = fmt.Sprintf("%.1f,%.1f", chartX(at, len(l.Values)), chartY(n, top))
	}
	all := strings.Join(points, " ")
	if len(c.Lines) == 1 && len(points) > 1 {
		fmt.Fprintf(b, `<polygon class="chart-area" points="%g,%g %s %g,%g"/>`, chartLeft, chartBottom, all, chartRight, chartBottom)
	}
	fmt.Fprintf(b, `<polyline class="chart-line line-%d" points="%s"/>`, i, all)
	if len(c.Lines) == 1 && len(points) > 1 {
		return
	}
	every := max(len(points)/marksALine, 1)
	for at := i % every; at < len(points); at += every {
		fmt.Fprintf(b, `<path class="chart-mark line-%d" d="%s"/>`, i, markAt(i, chartX(at, len(points)), chartY(l.Values[at], top)))
	}
}

func chartX(at, of int) float64 {
	if of < 2 {
		return (chartLeft + chartRight) / 2
	}
	return chartLeft + (chartRight-chartLeft)*float64(at)/float64(of-1)
}

func chartY(n, top int64) float64 {
	return chartBottom - (chartBottom-chartTop)*float64(n)/float64(top)
}

// markAt is the shape that marks a line: disc, square, triangle, diamond, a triangle on its tip, bar.
func markAt(line int, x, y float64) string {
	shapes := [...]string{
		"m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z", "m-3-3h6v6h-6z", "m0-3.8l3.6 6.4h-7.2z",
		"m0-4l4 4l-4 4l-4-4z", "m0 3.8l3.6-6.4h-7.2z", "m-1.3-4h2.6v8h-2.6z",
	}
	return fmt.Sprintf("M%.1f %.1f%s", x, y, shapes[line%len(shapes)])
}

// legendMark is a line's mark beside its name.
func legendMark(line int) template.HTML {
	svg := fmt.Sprintf(`<svg class="chart-key" viewBox="0 0 28 12" aria-hidden="true">`+
		`<polyline class="chart-line line-%d" points="0,6 28,6"/><path class="chart-mark line-%d" d="%s"/></svg>`, line, line,
		markAt(line, 14, 6))
	return template.HTML(svg) //nolint:gosec // only numbers are put in
}

// niceStep is the distance of lines to read values at: 1, 2 or 5 with zeros, at most four of them.
func niceStep(most int64) int64 {
	for step := int64(1); ; step *= 10 {
		for _, by := range []int64{1, 2, 5} {
			if most <= 4*step*by || step > 1e17 {
				return step * by
			}
		}
	}
}

// shortNumber writes 1500 as 1.5k, for an axis.
func shortNumber(n int64) string {
	for _, u := range []struct {
		size int64
		sign string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if n >= u.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(u.size)), ".0") + u.sign
		}
	}
	return fmt.Sprint(n)
}

func xmlText(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) //nolint:errcheck,gosec // a Builder does not fail
	return b.String()
}

// slotName is what the time axis calls a slot.
func slotName(t time.Time, hourly bool) string {
	if hourly {
		return t.UTC().Format("2 Jan 15:04")
	}
	return t.UTC().Format("2 Jan 2006")
}
