// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/url"
	"strings"
	"time"

	"postern/internal/store"
)

// campaign is what a CustomCampaign made.
type campaign struct {
	CampaignType            int
	ClickTracked            int64
	CreatedAt               string
	CustomValue             string
	FirstMessageID          int64
	FromEmail               string
	FromID                  int64 `json:",omitempty"`
	FromName                string
	HasHtmlCount            int64 //nolint:revive,staticcheck // the wire's spelling
	HasTxtCount             int64
	ID                      int64
	IsDeleted               bool
	IsStarred               bool
	ListID                  int64 `json:",omitempty"`
	NewsLetterID            int64
	OpenTracked             int64
	SendEndAt               string
	SendStartAt             string
	SpamassScore            float64
	Status                  string
	Subject                 string
	UnsubscribeTrackedCount int64
}

// transactional is the CampaignType of mail by API and SMTP.
const transactional = 1

func wireCampaign(x store.Campaign) campaign {
	return campaign{
		CampaignType: transactional, ClickTracked: x.ClicksTracked, CreatedAt: timestamp(x.CreatedAt), CustomValue: x.Name,
		FirstMessageID: x.FirstMessageID, FromEmail: x.FromEmail, FromID: x.SenderID, FromName: x.FromName,
		HasHtmlCount: x.WithHTML, HasTxtCount: x.WithText, ID: x.ID, IsDeleted: x.Deleted, IsStarred: x.Starred,
		OpenTracked: x.OpensTracked,
		SendEndAt:   timestamp(x.LastAt), SendStartAt: timestamp(x.CreatedAt), Status: "sent", Subject: x.Subject,
	}
}

// listCampaigns lists the campaigns of the calling key; those that were deleted only where they are asked for.
func (a *api) listCampaigns(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID")
	if err != nil {
		return reply{}, err
	}
	f := store.CampaignFilter{Name: q.first("customcampaign", "customvalue")}
	hidden := false
	f.Deleted = &hidden
	if is, err := q.choice("isdeleted", "IsDeleted"); err != nil {
		return reply{}, err
	} else if is != nil {
		f.Deleted = is
	}
	if f.Starred, err = q.choice("isstarred", "IsStarred"); err != nil {
		return reply{}, err
	}
	for _, x := range []struct {
		property string
		id       *int64
	}{{"ID", &f.ID}, {"CampaignID", &f.ID}, {"FromID", &f.Sender}} {
		if *x.id == 0 {
			if *x.id, err = q.id(fold(x.property), x.property); err != nil {
				return reply{}, err
			}
		}
	}
	f.FromDomain = q["fromdomain"]
	switch v := q["from"]; {
	case strings.HasPrefix(v, "*@"):
		f.FromDomain = v[2:]
	case strings.Contains(v, "@"):
		f.FromEmail = v
	case v != "":
		if f.Sender, err = q.id("from", "From"); err != nil {
			return reply{}, err
		}
	}
	if none, err := q.notTransactional(); err != nil || none {
		return rows[campaign](nil, 0), err
	}
	s, err := q.selectPeriod(time.Now())
	if err != nil {
		return reply{}, err
	}
	f.From, f.To = s.From, s.To
	list, total, err := a.Report.Campaigns(c.Context(), c.own(), f, l.Page)
	if err != nil || l.countOnly {
		return rows[campaign](nil, total), filterFault(err)
	}
	var out []campaign
	for _, x := range list {
		out = append(out, wireCampaign(x))
	}
	return rows(out, total), nil
}

// campaignNames are the spellings of what the path names by ID or CustomValue: the SDKs differ in how often they escape.
func campaignNames(c *call) []string {
	v := c.PathValue("id")
	if s, err := url.PathUnescape(strings.ReplaceAll(v, "+", "%20")); err == nil && s != v {
		return []string{v, s}
	}
	return []string{v}
}

func (a *api) getCampaign(c *call) (reply, error) {
	x, err := a.Report.Campaign(c.Context(), c.own(), campaignNames(c)...)
	if err != nil {
		return reply{}, err
	}
	return one(wireCampaign(x)), nil
}

// changeCampaign sets IsStarred and IsDeleted, which hides it from listings.
func (a *api) changeCampaign(c *call) (reply, error) {
	o, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	starred, err := o.flag("IsStarred")
	if err != nil {
		return reply{}, err
	}
	deleted, err := o.flag("IsDeleted")
	if err != nil {
		return reply{}, err
	}
	x, err := a.Report.ChangeCampaign(c.Context(), c.own(), starred, deleted, campaignNames(c)...)
	if err != nil {
		return reply{}, err
	}
	return one(wireCampaign(x)), nil
}
