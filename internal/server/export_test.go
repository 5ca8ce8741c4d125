// SPDX-License-Identifier: Apache-2.0

package server

// ConnectionsEach is connectionsEach.
var ConnectionsEach = connectionsEach
