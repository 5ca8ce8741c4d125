// SPDX-License-Identifier: Apache-2.0

package gate

import "postern/internal/credential"

// CountDigests makes g count the HMACs it computes.
func CountDigests(g *Gate, n *int) {
	digest := g.digest
	g.digest = func(secret string) credential.Digest {
		*n++
		return digest(secret)
	}
}
