// SPDX-License-Identifier: Apache-2.0

package domain

import (
	"context"

	"postern/internal/store"
)

// spfErrors is what is wrong with the SPF record of a domain; known is false when the DNS did not answer.
func (c *Checker) SPFErrors(ctx context.Context, domain string) (wrong []string, known bool) {
	f := c.checkSPF(ctx, domain)
	return f.errors, !f.unknown
}

// DKIMErrors compares a record with the one that should be there.
func DKIMErrors(text, want string) []string { return dkimErrors(text, want) }

// DMARC finds the record that applies to a domain.
func (c *Checker) DMARC(ctx context.Context, domain string) (record, advice string, known bool) {
	return c.checkDMARC(ctx, domain)
}

// ReadSPF reads a record.
func ReadSPF(text string) (terms int, err error) {
	list, err := parseSPF(text)
	return len(list), err
}

// ReadTags reads a tag=value list.
func ReadTags(text string) (map[string]string, error) { return parseTags(text) }

// Reserved says whether a domain is never anyone's.
func Reserved(domain string) bool { return reserved(domain) }

// Records are what a domain is to publish.
func (c *Checker) Records(ctx context.Context, accountID int64, d store.Domain) (Records, error) {
	return c.records(ctx, accountID, d)
}
