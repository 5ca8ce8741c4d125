// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor time in /proc: USER_HZ is 100 on every Linux that Go runs on (proc_pid_stat(5)).
const tick = 10 * time.Millisecond

// figure is what one server did under one load.
type figure struct {
	rate   float64 // messages a second
	micros float64 // processor time of the server a message, in µs
}

// figureOf is the figure of n messages.
func figureOf(n int, elapsed, processor time.Duration) figure {
	if n == 0 {
		return figure{}
	}
	return figure{float64(n) / elapsed.Seconds(), float64(processor.Microseconds()) / float64(n)}
}

// typical has the medians of some figures.
func typical(list []figure) figure {
	var rates, micros []float64
	for _, f := range list {
		rates, micros = append(rates, f.rate), append(micros, f.micros)
	}
	return figure{median(rates), median(micros)}
}

// cells are a figure's two columns.
func (f figure) cells() []string {
	if f.rate == 0 {
		return []string{"-", "-"}
	}
	return []string{rate(f.rate), micros(f.micros)}
}

func micros(v float64) string { return fmt.Sprintf("%.0f µs", v) }

// ratio of two values, "-" where there is none.
func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", a/b)
}

// processStat is what /proc/PID/stat says of a process, by the numbers of proc_pid_stat(5).
type processStat struct {
	session     int
	own, reaped time.Duration // its own processor time, and that of children it has waited for
}

func readStat(path string) (processStat, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return processStat{}, err
	}
	// The second field is the name in brackets, and may have anything in it.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 15 {
		return processStat{}, fmt.Errorf("%s has %d fields", path, len(fields))
	}
	field := func(n int) time.Duration { // n as of proc_pid_stat(5), from 3 on
		v, _ := strconv.ParseInt(fields[n-3], 10, 64) //nolint:errcheck // the kernel writes numbers
		return time.Duration(v)
	}
	return processStat{session: int(field(6)), own: (field(14) + field(15)) * tick, reaped: (field(16) + field(17)) * tick}, nil
}

// processorOf is the processor time, user and system, that a process has used.
func processorOf(pid int) (time.Duration, error) {
	st, err := readStat(fmt.Sprintf("/proc/%d/stat", pid))
	return st.own, err
}

// processorOfSession is the processor time of all processes of a session (setsid(2)), and of those that have ended and
// were waited for.
func processorOfSession(leader int) (sum time.Duration, err error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range paths {
		if st, err := readStat(path); err == nil && st.session == leader { // others may end while they are read
			sum += st.own + st.reaped
		}
	}
	return sum, nil
}
