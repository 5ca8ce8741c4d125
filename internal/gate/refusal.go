// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"net/netip"
	"time"

	"postern/internal/access"
	"postern/internal/credential"
)

// RefusalKind is why a caller was not let in.
type RefusalKind uint8

// The kinds of refusals. From KeyDeactivated on they are answered only after the
// secret was proved right.
const (
	NoCredentials     RefusalKind = iota // neither user name nor password
	Wrong                                // no such key, or not its secret: which, nobody is told
	Throttled                            // too many failures from this source
	KeyDeactivated                       // by its owner
	KeySuspended                         // by the operator
	SecretOverdue                        // the account's policy stops overdue secrets
	NetworkNotAllowed                    // the key is restricted to other networks
	NotPermitted                         // the key's permissions lack what is asked for
	refusalKinds
)

// String returns the kind's code, which is the same in logs and metrics.
func (k RefusalKind) String() string {
	names := [refusalKinds]string{"no_credentials", "wrong", "throttled", "deactivated", "suspended", "overdue", "network", "permission"}
	if k >= refusalKinds {
		return "unknown"
	}
	return names[k]
}

// RefusalKinds returns all kinds.
func RefusalKinds() []RefusalKind {
	return []RefusalKind{NoCredentials, Wrong, Throttled, KeyDeactivated, KeySuspended, SecretOverdue, NetworkNotAllowed, NotPermitted}
}

// AuthFailure begins the message of a refusal for want of right credentials.
// Clients match on these words.
const AuthFailure = "API key authentication/authorization failure. You may be unauthorized to access the API or your API key may be " +
	"expired. Visit API keys management section to check your keys."

// Refusal is the error of a caller who is not let in.
type Refusal struct {
	Kind       RefusalKind
	Message    string        // for the HTTP API
	Detail     string        // what Message says beyond AuthFailure, for SMTP; "": nothing
	RetryAfter time.Duration // of Throttled: when one more try is free
}

// Error returns Message.
func (r *Refusal) Error() string { return r.Message }

func (g *Gate) refuse(kind RefusalKind, detail string) *Refusal {
	g.refused[kind].Add(1)
	r := &Refusal{Kind: kind, Message: detail, Detail: detail}
	if kind == NoCredentials || kind == Wrong {
		r.Message = AuthFailure
		if detail != "" {
			r.Message += " " + detail
		}
	}
	return r
}

func (g *Gate) refuseWrong(user, password string) *Refusal {
	return g.refuse(Wrong, credential.Diagnose(user, password))
}

func (g *Gate) refuseThrottled(wait time.Duration) *Refusal {
	seconds := int64((wait + time.Second - 1) / time.Second)
	r := g.refuse(Throttled, fmt.Sprintf("Too many failed attempts from your address: try again in %d s.", seconds))
	r.RetryAfter = wait
	return r
}

// refuseState returns the refusal of a key that is not active.
func (g *Gate) refuseState(s State) *Refusal {
	if s == Suspended {
		return g.refuse(KeySuspended, "This API key is suspended by the operator of this service: ask the operator.")
	}
	return g.refuse(KeyDeactivated, "This API key is deactivated: its owner can activate it on the API Key Management page.")
}

func (g *Gate) refuseOverdue() *Refusal {
	return g.refuse(SecretOverdue, "This secret key is overdue for a reset, and the account has chosen that overdue secret keys "+
		"stop working: reset it on the API Key Management page.")
}

func (g *Gate) refuseNetwork(a netip.Addr) *Refusal {
	from := "an unknown address"
	if a.IsValid() {
		from = a.Unmap().WithZone("").String()
	}
	return g.refuse(NetworkNotAllowed, "This API key may not be used from "+from+": it is restricted to other networks.")
}

// RefuseNotPermitted returns the refusal of a caller whose key lacks a permission,
// and counts it.
func (g *Gate) RefuseNotPermitted(p Principal, need access.Permission) *Refusal {
	has := p.Permissions.String()
	if has == "" {
		has = "none"
	}
	return g.refuse(NotPermitted, "This API key lacks the permission "+(need&^p.Permissions).String()+" (it has: "+has+").")
}
