// SPDX-License-Identifier: Apache-2.0

package mail

// ParseAuthors reads the authors in a field's value.
func ParseAuthors(value string) ([]Address, error) { return parseAuthors(value) }
