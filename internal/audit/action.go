// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"
	"strings"
)

// Groups are the groups of actions: what stands before the first dot of one.
func Groups() []string {
	return []string{"access", "account", "hook", "key", "plan", "profile", "request", "sender", "suppression", "user", "webhook"}
}

// Filter reads what a person wants to see of the log, in any case: an action (key.reset), or a group of them (key, or
// key. with its dot). The answer is the action, or the group with its dot; "" for "".
func Filter(text string) (string, error) {
	action := strings.ToLower(strings.TrimSpace(text))
	if action == "" {
		return "", nil
	}
	group, _, dotted := strings.Cut(action, ".")
	if !slices.Contains(Groups(), group) {
		if len(text) > 100 {
			text = strings.ToValidUTF8(text[:100], "") + "…"
		}
		return "", fmt.Errorf("%q is neither an action such as key.reset nor a group of them: there are %s", text,
			strings.Join(Groups(), ", "))
	}
	if !dotted {
		action += "."
	}
	return action, nil
}
