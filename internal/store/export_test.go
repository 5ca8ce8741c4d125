// SPDX-License-Identifier: Apache-2.0

package store

// Words are those of the index.
func Words(text string) []string { return words(text) }
