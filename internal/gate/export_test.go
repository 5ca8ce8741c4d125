// SPDX-License-Identifier: Apache-2.0

package gate

import "postern/internal/credential"

// OnDigest makes g call f before each HMAC.
func OnDigest(g *Gate, f func()) {
	digest := g.digest
	g.digest = func(secret string) credential.Digest {
		f()
		return digest(secret)
	}
}
