// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"net/netip"
)

// Records are what a Table says of a name.
type Records struct {
	MX   []MX
	IP   []netip.Addr
	TXT  []string
	Fail bool // the name's servers do not answer
}

// Table is a world of names for tests, with the methods of a Resolver.
type Table map[string]Records

func (t Table) find(name string) (Records, error) {
	r, ok := t[name]
	if r.Fail {
		return r, &Error{Name: name, Temporary: true, Err: errors.New("no answer")}
	}
	if !ok {
		return r, &Error{Name: name, NotFound: true, Err: errors.New("no such name")}
	}
	return r, nil
}

func answer[T any](name string, list []T, err error) ([]T, error) {
	if err == nil && len(list) == 0 {
		err = &Error{Name: name, NotFound: true, Err: errors.New("no such record")}
	}
	return list, err
}

// MX is Resolver.MX.
func (t Table) MX(_ context.Context, domain string) ([]MX, error) {
	r, err := t.find(domain)
	return answer(domain, order(r.MX), err)
}

// IP is Resolver.IP.
func (t Table) IP(_ context.Context, host string) ([]netip.Addr, error) {
	r, err := t.find(host)
	return answer(host, r.IP, err)
}

// TXT is Resolver.TXT.
func (t Table) TXT(_ context.Context, name string) ([]string, error) {
	r, err := t.find(name)
	return answer(name, r.TXT, err)
}
