// SPDX-License-Identifier: Apache-2.0

// Command bench measures Postern beside Debian's Postfix, and beside a go-smtp server that throws mail away, in one run on
// one disk, and prints rates, processor time and ratios.
//
//	go run ./bench                                      all of it, some ten minutes
//	go run ./bench -only smtp,http -time 1s -rounds 1   what acceptance costs, within a minute
//	go run ./bench -only smtp -before ./old             beside an older build of the program
//
// What is counted is what the store (or Postfix's queue) holds afterwards, not what a client believes; of go-smtp, which
// holds nothing, what was answered 250. Clients, server and rivals share the machine's processors, as they would on one
// small machine. They are measured in turns, and the ratio is that of the medians.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

func main() {
	each := flag.Duration("time", 3*time.Second, "how long each figure is measured")
	rounds := flag.Int("rounds", 3, "how often; the median is printed")
	only := flag.String("only", "", "what to measure, with commas between: smtp, http, idle, sink, cost, gate, keys, account, search, stats")
	before := flag.String("before", "", "an older build of the program, to measure in turns with this one by smtp and http")
	throws := flag.Bool("serve-throwaway", false, "used by the program itself")
	idles := flag.String("serve-idle", "", "used by the program itself")
	events := flag.Int("events", 10_000_000, "of stats: how many; a tenth of them is measured too")
	database := flag.String("database", "", "a PostgreSQL URL of an empty database, instead of SQLite, for one -only run with -rounds 1")
	flag.Parse()
	if *throws || *idles != "" {
		serve := serveThrowaway
		if *idles != "" {
			serve = func() error { return serveIdle(*idles) }
		}
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{ctx: ctx, each: *each, rounds: *rounds, database: *database, events: *events, before: *before}
	fmt.Printf("%s/%s, %d processors, %s; 4 KB a message; %d rounds of %v\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), b.rounds, b.each)
	code := 0
	for _, part := range []struct {
		name string
		run  func() error
	}{{"smtp", b.smtp}, {"http", b.http}, {"idle", b.idle}, {"sink", b.sink}, {"cost", b.cost}, {"gate", b.gate}, {"keys", b.keys}, {"account", b.account}, {"search", b.search}, {"stats", b.stats}} {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), part.name) {
			continue
		}
		if err := part.run(); err != nil {
			fmt.Fprintf(os.Stderr, "bench %s: %v\n", part.name, err)
			code = 1
		}
	}
	os.Exit(code)
}

type bench struct {
	ctx      context.Context
	each     time.Duration
	rounds   int
	database string
	events   int    // of stats
	before   string // path of an older build; "": none

	sent atomic.Int64 // mails that a server has taken, by its word
}

// table prints rows in columns.
func table(head string, rows [][]string) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, strings.ReplaceAll(head, "|", "\t")+"\t") //nolint:errcheck // a terminal
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t")+"\t") //nolint:errcheck // a terminal
	}
	w.Flush() //nolint:errcheck,gosec // a terminal
	fmt.Println()
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func rate(v float64) string { return fmt.Sprintf("%.0f/s", v) }
