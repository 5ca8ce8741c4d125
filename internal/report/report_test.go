// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"testing"
	"time"

	"postern/internal/report"
	"postern/internal/store"
)

func date(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestCurrentPeriods(t *testing.T) {
	for _, c := range []struct{ word, now, from, to string }{
		{"Day", "2026-11-24", "2026-11-24", "2026-11-25"},
		{"week", "2026-11-24", "2026-11-23", "2026-11-30"},
		{"Week", "2026-11-29", "2026-11-23", "2026-11-30"}, // a Sunday
		{"Week", "2026-11-23", "2026-11-23", "2026-11-30"}, // a Monday
		{"Month", "2026-12-31", "2026-12-01", "2027-01-01"},
		{"YEAR", "2026-11-24", "2026-01-01", "2027-01-01"},
	} {
		got, ok := report.Current(c.word, date(c.now).Add(23*time.Hour))
		if want := (report.Period{From: date(c.from), To: date(c.to)}); !ok || got != want {
			t.Errorf("%s at %s: %v, want %v", c.word, c.now, got, want)
		}
	}
	if _, ok := report.Current("fortnight", date("2026-11-24")); ok {
		t.Error("a fortnight is a period")
	}
}

func TestSlotsOfPeriods(t *testing.T) {
	for _, c := range []struct {
		from, to    string
		step        report.Step
		slots       int
		first, last string
	}{
		{"2026-11-24", "2026-11-25", report.Hourly, 24, "2026-11-24", ""},
		{"2026-11-01", "2026-12-01", report.Daily, 30, "2026-11-01", "2026-11-30"},
		{"2026-01-01", "2026-07-01", report.Weekly, 27, "2025-12-29", "2026-06-29"},
		{"2024-01-15", "2026-01-01", report.Monthly, 24, "2024-01-01", "2025-12-01"},
	} {
		p := report.Period{From: date(c.from), To: date(c.to)}
		slots := p.Slots(p.Step())
		if p.Step() != c.step || len(slots) != c.slots || !slots[0].Equal(date(c.first)) || c.last != "" && !slots[len(slots)-1].Equal(date(c.last)) {
			t.Errorf("%s to %s: by %s, %d slots from %v to %v", c.from, c.to, p.Step(), len(slots), slots[0], slots[len(slots)-1])
		}
	}
}

func TestProviders(t *testing.T) {
	for domain, want := range map[string]string{
		"gmail.com": "Gmail", "GoogleMail.com": "Gmail", "outlook.com": "Microsoft", "hotmail.co.uk": "Microsoft", "live.fr": "Microsoft", "msn.com": "Microsoft",
		"yahoo.com.br": "Yahoo", "aol.com": "Yahoo", "me.com": "Apple", "example.org": "example.org", "live.example.org": "live.example.org", "outlook.evil.com": "outlook.evil.com", "": "",
	} {
		if got := report.Provider(domain); got != want {
			t.Errorf("%s: %s, want %s", domain, got, want)
		}
	}
}

func TestAgents(t *testing.T) {
	for agent, want := range map[string]report.Agent{
		"": {},
		"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)":                                               {Name: "Gmail", Platform: "Windows"},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)":                                                {Name: "Apple Mail", Platform: "macOS"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148":                           {Name: "Apple Mail", Platform: "iOS"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1": {Name: "Safari", Platform: "iOS"},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0":               {Name: "Edge", Platform: "Windows"},
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.3":                                                              {Name: "Thunderbird", Platform: "Linux"},
		"Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; Microsoft Outlook 16.0.4266; ms-office; MSOffice 16)":            {Name: "Outlook", Platform: "Windows"},
		"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36":                   {Name: "Chrome", Platform: "Android"},
	} {
		if got := report.ParseAgent(agent); got != want {
			t.Errorf("%q: %+v, want %+v", agent, got, want)
		}
	}
}

func FuzzAgent(f *testing.F) {
	f.Add("Mozilla/5.0 (Windows NT 10.0)")
	f.Fuzz(func(t *testing.T, s string) {
		report.ParseAgent(s)
		if len(s) > 0 && len(report.Provider(s)) == 0 {
			t.Errorf("%q has no provider", s)
		}
	})
}

func TestUntilNow(t *testing.T) {
	now := date("2026-11-24").Add(10*time.Hour + 30*time.Minute)
	for _, c := range []struct {
		from, to string
		step     report.Step
		end      time.Time
		begun    bool
	}{
		{"2026-11-23", "2026-11-30", report.Daily, date("2026-11-25"), true},
		{"2026-11-24", "2026-11-25", report.Hourly, date("2026-11-24").Add(11 * time.Hour), true},
		{"2026-11-01", "2026-11-20", report.Daily, date("2026-11-20"), true},
		{"2026-11-25", "2026-11-26", report.Daily, date("2026-11-25"), false},
	} {
		got, begun := report.Period{From: date(c.from), To: date(c.to)}.Until(now, c.step)
		if begun != c.begun || !got.To.Equal(c.end) {
			t.Errorf("%s to %s by %s: %v, %t", c.from, c.to, c.step, got, begun)
		}
	}
}

func TestMeasures(t *testing.T) {
	c := store.Counts{Total: 10, Sent: 8, Hard: 1, Soft: 1, Opened: 4, MachineOpens: 9}
	rates := map[string]string{"accepted": "", "delivered": "80.0%", "hard": "10.0%", "soft": "10.0%", "opened": "50.0%"}
	var sum int64
	for _, m := range report.MessageMeasures(true) {
		if want, ok := rates[m.ID]; ok && m.Rate(c) != want {
			t.Errorf("%s: %s, want %s", m.ID, m.Rate(c), want)
		}
		if m.ID == "bounced" || m.ID == "machine" {
			t.Errorf("%s is among them", m.ID)
		}
		sum += m.Of(c)
	}
	if sum != 24 {
		t.Errorf("the numbers are %v", report.Numbers(c, report.MessageMeasures(true)))
	}
}
