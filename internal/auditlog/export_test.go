// SPDX-License-Identifier: Apache-2.0

package auditlog

// Titles are what actions are called.
func Titles() map[string]string { return titles }

// HasTitle says whether an action has a title.
func HasTitle(action string) bool { return titles[action] != "" }
