// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"strings"

	"postern/internal/change"
)

// unserved are the filters that Mailjet's metadata lists for a resource and that narrow, which are not served here: with
// such a one a listing would be of everything, where the caller asked for a part. Unknown names are ignored.
var unserved = func() map[string][]string {
	m := map[string][]string{
		"apikey":       {"ConfirmKey"},
		"apikeyaccess": {"Token"},
		"dns":          {"IsYahooFBL"},
		"message":      {"PlanSubscription"},
		"user":         {"NewEmail"},

		"campaign": {
			"CampaignStatus", "ContactsList", "IsNewsletterTool", "EventFromTs", "EventToTs", "MessageID", "MessageStatus",
			"WorkflowID",
		},
		"messageinformation": {
			"PlanSubscription", "CampaignStatus", "ContactsList", "IsNewsletterTool", "EventFromTs", "EventToTs",
			"IsDeleted", "IsStarred", "Period",
		},
		"messagesentstatistics": {
			"CampaignStatus", "ContactsList", "IsNewsletterTool", "FromDomain", "IsDeleted", "IsStarred", "EventFromTs",
			"EventToTs",
		},
	}
	for _, name := range []string{
		"messagestatistics", "openstatistics", "geostatistics", "bouncestatistics", "openinformation", "clickstatistics", "toplinkclicked",
		"useragentstatistics", "senderstatistics", "domainstatistics", "graphstatistics",
	} {
		m[name] = []string{"CampaignStatus", "ContactsList", "IsNewsletterTool", "FromDomain", "IsDeleted", "IsStarred", "MessageStatus"}
	}
	return m
}()

// checkServed refuses a filter that is not served. All mail here is transactional: IsNewsletterTool=false is no filter.
func (q query) checkServed(resource string) error {
	for _, name := range unserved[strings.ToLower(resource)] {
		v, given := q[fold(name)]
		if !given || name == "IsNewsletterTool" && (v == "0" || strings.EqualFold(v, "false")) {
			continue
		}
		return badRequest(fmt.Sprintf("%s: this filter is not served here. Leave it out: the answer is then of all that the other "+
			"filters let through.", name))
	}
	return nil
}

// filterNames are the filters of the wire that stand for properties of the domain, where they are called otherwise.
var filterNames = map[string]string{
	"Campaign": "CampaignID", "Contact": "ContactID", "Events": "EventFromTs", "EventsTo": "EventToTs", "From": "FromTS",
	"Message": "MessageID",
	"Sender":  "FromID", "Source": "SourceID", "To": "ToTS",
}

// filterFault is the fault of a filter that the layer below refuses; other errors are what they are.
func filterFault(err error) error {
	var mistake *change.Error
	if !errors.As(err, &mistake) || mistake.Kind != change.Invalid {
		return err
	}
	name := mistake.Field
	if wire, other := filterNames[name]; other {
		name = wire
	}
	return badRequest(name + ": " + ended(mistake.Reason))
}
