// SPDX-License-Identifier: Apache-2.0

package access

import "slices"

// Roles of a user, on an account or on single keys of it.
const (
	Owner   = "owner"   // everything
	Manager = "manager" // everything but people, policy and plan
	Sender  = "sender"  // sends, and sees what was sent
	Analyst = "analyst" // reads
)

// Roles lists the roles, the strongest first.
func Roles() []string { return []string{Owner, Manager, Sender, Analyst} }

// IsRole says whether s is a role.
func IsRole(s string) bool { return slices.Contains(Roles(), s) }

// Action is a sort of thing that a person may do on the pages. Each route has one.
type Action string

// The actions.
const (
	Own                Action = "own"                 // one's own password, sessions, second factor; switching accounts: everybody
	ReadKeys           Action = "read keys"           // see keys, their secrets' age, their connections and senders
	ReadMessages       Action = "read messages"       // see messages, their content and history
	SendTest           Action = "send"                // send a test mail
	CreateKeys         Action = "create keys"         // make subaccounts
	ManageKeys         Action = "manage keys"         // rename, reset, retire, deactivate
	RestrictKeys       Action = "restrict keys"       // permissions, networks, limits: who shares one key cannot lift what bounds it
	DeleteKeys         Action = "delete keys"         // delete a subaccount
	ManageSenders      Action = "manage senders"      // add and remove senders
	ManageSuppressions Action = "manage suppressions" // add, change, remove and import suppressed addresses
	ReadAccount        Action = "read account"        // see people, plan, policy and requests
	ManagePeople       Action = "manage people"       // invite, withdraw, change roles, remove
	ManageAccount      Action = "manage account"      // name, policy, webhook; ask for more
	ReadAudit          Action = "read audit"          // see the audit log
	Operate            Action = "operate"             // the operator's pages: no role has it, operators do
)

// Actions lists the actions that a role can have, in the order of the documentation.
func Actions() []Action {
	return []Action{
		ReadKeys, ReadMessages, SendTest, CreateKeys, ManageKeys, RestrictKeys, DeleteKeys, ManageSenders, ManageSuppressions,
		ReadAccount, ManagePeople, ManageAccount, ReadAudit,
	}
}

// OfAccount says whether an action concerns an account as a whole: a role on single keys does not give it.
func (a Action) OfAccount() bool {
	switch a {
	case CreateKeys, RestrictKeys, DeleteKeys, ReadAccount, ManagePeople, ManageAccount, ReadAudit:
		return true
	}
	return false
}

// Allowed says whether a role may do something: the one table behind the pages.
func Allowed(role string, a Action) bool {
	if a == Own {
		return true
	}
	allowed := map[string][]Action{
		Owner: Actions(),
		Manager: {
			ReadKeys, ReadMessages, SendTest, CreateKeys, ManageKeys, RestrictKeys, DeleteKeys, ManageSenders,
			ManageSuppressions, ReadAccount, ReadAudit,
		},
		Sender:  {ReadKeys, ReadMessages, SendTest},
		Analyst: {ReadKeys, ReadMessages},
	}
	return slices.Contains(allowed[role], a)
}

// Permission is what a key may be used for: bits.
type Permission int

// The permissions of a key.
const (
	MaySend        Permission = 1 << iota // by the API and by SMTP
	MayRead                               // messages, events and statistics
	MayManage                             // keys, senders, sharing
	AllPermissions = MaySend | MayRead | MayManage
)

// Permissions lists the single permissions with their names on the wire.
func Permissions() map[string]Permission {
	return map[string]Permission{"send": MaySend, "statistics": MayRead, "manage": MayManage}
}

// String lists the names, in a fixed order.
func (p Permission) String() string {
	out := ""
	for _, name := range []string{"send", "statistics", "manage"} {
		if p&Permissions()[name] != 0 {
			if out != "" {
				out += ","
			}
			out += name
		}
	}
	return out
}
