// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postern/internal/credential"
	"postern/internal/store"
	"postern/test/program"
)

// Sizes of the world of many keys: one account has so many subaccounts, and others have the rest of all keys.
const (
	subaccounts = 10_000
	allKeys     = 1_000_000
)

// keys measures lists, memory and start-up with 10,000 subaccounts in one account and 1,000,000 keys in all.
func (b *bench) keys() error {
	return b.within(func(s *scope) error {
		p := program.New(s, b.database)
		empty := timed(func() { p.Start(s) })
		emptyRSS := resident(p)
		if err := p.Stop(s); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "making %d keys …\n", allKeys)
		made := time.Now()
		if err := b.populate(p); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "made in %v\n", time.Since(made).Round(time.Second))
		full := timed(func() { p.Start(s) })
		rss := resident(p)
		fmt.Printf("Keys: %d in all, %d of them subaccounts of one account\n", allKeys, subaccounts)
		table("|empty|with keys|a key", [][]string{
			{"start to ready, gate warm", empty.Round(time.Millisecond).String(), full.Round(time.Millisecond).String(), fmt.Sprintf("%d ns", (full-empty).Nanoseconds()/allKeys)},
			{"resident memory", fmt.Sprintf("%d MiB", emptyRSS>>20), fmt.Sprintf("%d MiB", rss>>20), fmt.Sprintf("%d B", (rss-emptyRSS)/allKeys)},
		})
		return b.lists(s, p)
	})
}

func timed(fn func()) time.Duration {
	began := time.Now()
	fn()
	return time.Since(began)
}

// resident is the memory of the running server, in bytes.
func resident(p *program.Server) int64 { return residentOf(p.PID()) }

// residentOf is the memory of a process, in bytes.
func residentOf(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	var kib int64
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &kib) //nolint:errcheck,gosec // 0 then
		}
	}
	return kib << 10
}

// populate writes the keys straight into the store of a server that does not run.
func (b *bench) populate(p *program.Server) error {
	dsn := b.database
	if dsn == "" {
		dsn = filepath.Join(p.Data, "postern.db")
	}
	st, err := store.Open(b.ctx, dsn, store.Options{Exclusive: true})
	if err != nil {
		return err
	}
	defer st.Close() //nolint:errcheck // all is committed
	accounts, err := st.Accounts(b.ctx)
	if err != nil {
		return err
	}
	account := accounts[0].ID
	// The first owner operates the server, and operators need a second factor, which this bench does not set up.
	if err := st.Update(b.ctx, func(tx *store.Tx) error { return tx.SetOperator(b.ctx, 1, false) }); err != nil {
		return err
	}
	for done := 0; done < allKeys; {
		err := st.Update(b.ctx, func(tx *store.Tx) error {
			if done > 0 && done%subaccounts == 0 {
				a, err := tx.AddAccount(b.ctx, fmt.Sprint("account ", done))
				if err != nil {
					return err
				}
				account = a.ID
			}
			for i := range 5000 {
				if err := addKey(b.ctx, tx, account, done+i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		done += 5000
	}
	return nil
}

func addKey(ctx context.Context, tx *store.Tx, account int64, n int) error {
	k, err := tx.AddKey(ctx, store.Key{AccountID: account, APIKey: credential.NewAPIKey().String(), Name: fmt.Sprintf("Customer %d", n), Reference: fmt.Sprint("c", n), State: store.KeyActive})
	if err != nil {
		return err
	}
	digest := make([]byte, 32)
	rand.Read(digest) //nolint:errcheck,gosec // never fails (crypto/rand)
	_, err = tx.AddSecret(ctx, k.ID, digest, "abcd")
	return err
}

// lists measures the pages and API lists of the account with many subaccounts.
func (b *bench) lists(s *scope, p *program.Server) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar}
	get := func(method, url string, basic bool) (time.Duration, int, error) {
		req, err := http.NewRequestWithContext(b.ctx, method, url, nil)
		if err != nil {
			return 0, 0, err
		}
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		if basic {
			req.SetBasicAuth(p.APIKey, p.SecretKey)
		}
		began := time.Now()
		res, err := client.Do(req)
		if err != nil {
			return 0, 0, err
		}
		defer res.Body.Close() //nolint:errcheck // read whole
		n, err := io.Copy(io.Discard, res.Body)
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s %s: %s", method, url, res.Status)
		}
		return time.Since(began), int(n), err
	}
	if _, _, err := get(http.MethodPost, p.SignInURL, false); err != nil {
		return err
	}
	var rows [][]string
	for _, c := range []struct {
		name, path string
		api        bool
	}{
		{"page: the first 50", "/keys", false},
		{"page: the last 50", "/keys?page=200", false},
		{"page: search by name", "/keys?q=customer+77", false},
		{"API: 1,000 of them", "/v3/REST/apikey?Limit=1000", true},
		{"API: the last 10 by name", "/v3/REST/apikey?Limit=10&Offset=9990&Sort=Name", true},
		{"API: one by reference", "/v3/REST/apikey/c7777", true},
		{"API: count alone", "/v3/REST/apikey?countOnly=1", true},
	} {
		var took []time.Duration
		size := 0
		for range 15 {
			d, n, err := get(http.MethodGet, "http://"+p.HTTP+c.path, c.api)
			if err != nil {
				return err
			}
			took, size = append(took, d), n
		}
		slices.Sort(took)
		rows = append(rows, []string{c.name, fmt.Sprintf("%.1f ms", float64(took[len(took)/2].Microseconds())/1000), fmt.Sprintf("%d kB", size/1000)})
	}
	fmt.Println("Lists of the account with 10,000 subaccounts, among a million keys (medians)")
	table("|time|size", rows)
	return nil
}
