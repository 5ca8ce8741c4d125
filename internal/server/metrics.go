// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"postern/internal/gate"
	"postern/internal/refusal"
	"postern/internal/store"
	"postern/internal/tracking"
)

// metricsHandler serves the numbers in Prometheus' format to this machine itself, and to whoever has the token.
func (s *Server) metricsHandler(token string) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&collector{s: s, log: s.log})
	h := promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !local(r) && !bearer(r, token) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "The metrics are for requests from this machine to localhost that no proxy forwarded, or with the token "+
				"of --metrics-token (Authorization: Bearer …).", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// bearer says whether a request carries the token. Digests are compared, so that not even a length is told.
func bearer(r *http.Request, token string) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return ok && token != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// collector asks the parts for their numbers at each scrape: they count anyway, and nothing is counted twice.
type collector struct {
	s   *Server
	log *slog.Logger
}

// Describe says nothing: the registry then checks what Collect gives.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect is part of prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	e := emitter{out}
	c.gate(e)
	c.refusals(e)
	c.ended(e)
	c.submit(e)
	c.suppress(e)
	c.queue(e)
	c.search(e)
	c.notices(e)
	c.dsn(e)
	c.hits(e)
	c.webhooks(e)
	c.domains(e)
	for _, d := range c.s.mail {
		smtpNumbers(e, d)
	}
	c.limits(e)
	c.store(e)
}

type emitter struct{ out chan<- prometheus.Metric }

// gauge and count take pairs of label and value at the end.
func (e emitter) gauge(name, help string, v float64, labels ...string) {
	e.emit(prometheus.GaugeValue, name, help, v, labels)
}

func (e emitter) count(name, help string, v float64, labels ...string) {
	e.emit(prometheus.CounterValue, name, help, v, labels)
}

func (e emitter) emit(kind prometheus.ValueType, name, help string, v float64, labels []string) {
	fixed := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		fixed[labels[i]] = labels[i+1]
	}
	e.out <- prometheus.MustNewConstMetric(prometheus.NewDesc("postern_"+name, help, nil, fixed), kind, v)
}

func (c *collector) gate(e emitter) {
	g := c.s.core.Gate.Stats()
	e.gauge("gate_keys", "API keys that the gate knows.", float64(g.Keys))
	e.gauge("gate_secrets", "Live secret keys.", float64(g.Secrets))
	e.gauge("gate_sessions", "SMTP sessions that are signed in.", float64(g.Sessions))
	e.gauge("gate_failing_sources", "Sources (an IPv4 address or an IPv6 /64) with failed checks that are not forgotten yet.",
		float64(g.Sources))
	e.gauge("gate_throttled_sources", "Of these, sources that are refused now.", float64(g.Throttled))
	e.gauge("gate_connections", "Connections (secret, protocol, address and client) that used a secret within the last minute or so.",
		float64(g.Connections))
	const help = "Checks of credentials, by what came of them."
	e.count("gate_checks_total", help, float64(g.Accepted), "result", "accepted")
	for _, kind := range gate.RefusalKinds() {
		e.count("gate_checks_total", help, float64(g.Refused[kind]), "result", kind.String())
	}
}

// ended is what ends by itself.
func (c *collector) ended(e emitter) {
	k, r := c.s.core.Keys.Ended(), c.s.core.Retention.Stats()
	e.count("keyring_overlaps_ended_total", "Old secret keys whose overlap came to its end.", float64(k.Overlaps))
	e.count("keyring_cancelled_total", "Queued messages of deleted subaccounts that were given up.", float64(k.Cancelled))
	e.count("keyring_forgotten_total", "Messages past their plan's retention that were deleted.", float64(r.Messages))
	e.count("keyring_forgotten_campaigns_total", "Campaigns of fewer than ten messages that were deleted after the last of them.",
		float64(r.Campaigns))
	e.count("keyring_forgotten_counters_total", "Counters of five minutes that were deleted after 92 days; hours and days stay.",
		float64(r.Counters))
	e.count("keyring_errors_total", "Failures of these, each tried again.", float64(k.Errors+r.Errors))
}

// refusals are people and browsers who were refused.
func (c *collector) refusals(e emitter) {
	n := c.s.core.Refusals.Stats()
	for _, reason := range refusal.SignIns() {
		e.count("refused_sign_ins_total", "Sign-ins and confirmations of people that were refused, by reason.",
			float64(n.ByReason[reason]), "reason", string(reason))
	}
	for _, reason := range refusal.Requests() {
		e.count("refused_requests_total", "Requests of people, and of pages of other sites, that were refused, by reason.",
			float64(n.ByReason[reason]), "reason", string(reason))
	}
	e.count("refused_unrecorded_total", "Of these, entries of the audit log that could not be written.", float64(n.Dropped))
}

func (c *collector) submit(e emitter) {
	s := c.s.core.Submit.Stats()
	const help = "Submissions (HTTP message objects and SMTP transactions), by what came of them."
	e.count("submit_submissions_total", help, float64(s.Accepted), "result", "accepted")
	e.count("submit_submissions_total", help, float64(s.Refused), "result", "refused")
	e.count("submit_limited_total", "Of the refused submissions, those over a limit of messages an hour, a day or a month.",
		float64(s.Limited))
	e.count("submit_repeated_total", "Calls that were answered as their idempotency key was before, and sent nothing.", float64(s.Repeated))
	e.count("submit_answers_forgotten_total", "Answers of idempotency keys that were deleted after 24 hours.", float64(s.Forgotten))
	e.count("submit_delayed_total", "Messages that were accepted to leave in a later hour, over an hourly limit.", float64(s.Delayed))
}

func (c *collector) suppress(e emitter) {
	e.count("suppress_blocked_total", "Messages that were accepted and blocked at once, since their address is on the key's "+
		"suppression list.", float64(c.s.core.Submit.Stats().Suppressed))
	s := c.s.core.Suppress.Stats()
	e.count("suppress_cancelled_total", "Queued messages that were given up, since their address came onto the key's suppression list.",
		float64(s.Cancelled))
	e.count("suppress_complaints_total", "Reports of complaints that were recorded.", float64(s.Complaints))
	e.count("suppress_imported_total", "Addresses that files added to suppression lists.", float64(s.Imported))
	e.count("suppress_errors_total", "Failures of giving up what waits, each tried again.", float64(s.Errors))
}

func (c *collector) queue(e emitter) {
	q := c.s.queue.Stats()
	e.count("queue_attempts_total", "Attempts at delivery, by message.", float64(q.Attempts))
	const help = "What came of attempts, by message; returned ones were handed back without one."
	e.count("queue_outcomes_total", help, float64(q.Sent), "result", "sent")
	e.count("queue_outcomes_total", help, float64(q.Deferred), "result", "deferred")
	e.count("queue_outcomes_total", help, float64(q.Bounced), "result", "bounced")
	e.count("queue_outcomes_total", help, float64(q.Returned), "result", "returned")
	e.count("queue_errors_total", "The queue's own failures: claims, leases and records that had to be tried again.", float64(q.Errors))
	e.gauge("queue_held", "Messages that are claimed now.", float64(q.Held))
	e.count("queue_record_seconds_sum", "Time between the other side's answers and their durable records, in which a crash makes a "+
		"duplicate.", q.Window.Seconds())
	e.count("queue_record_seconds_count", "How many such times are in the sum.", float64(q.Windows))
	e.gauge("queue_record_seconds_max", "The longest such time.", q.WindowMax.Seconds())
}

func (c *collector) search(e emitter) {
	s := c.s.search.Stats()
	e.count("search_indexed_total", "Messages that were put into the index of words.", float64(s.Indexed))
	e.count("search_errors_total", "Failures of this, each tried again.", float64(s.Errors))
}

// dsn are the numbers of delivery status notifications.
func (c *collector) dsn(e emitter) {
	n := c.s.dsn.Stats()
	for kind := store.NoticeFailed; kind <= store.NoticeDelivered; kind++ {
		e.count("dsn_sent_total", "Delivery status notifications handed to the queue, by kind.", float64(n.Sent[kind]), "kind",
			kind.String())
	}
	e.count("dsn_dropped_total", "Recipients about which no notification is sent: the return path has reached its limit, or it "+
		"cannot be sent.", float64(n.Dropped))
	e.count("dsn_delayed_total", "Recipients whose notification was put off because the return path has reached its limit of the hour.",
		float64(n.Waited))
	e.count("dsn_failed_total", "Attempts at a notification that failed.", float64(n.Failed))
}

// notices are the numbers of what Postern tells people.
func (c *collector) notices(e emitter) {
	n := c.s.notify.Stats()
	e.gauge("secrets_due", "Live secrets that are due for a reset by their accounts' policies, the overdue ones among them; counted "+
		"every ten minutes.", float64(n.Due))
	e.gauge("secrets_overdue", "Live secrets that are overdue; counted every ten minutes.", float64(n.Overdue))
	e.count("notices_sent_total", "Notices whose mail was accepted.", float64(n.Sent))
	e.count("notices_failed_total", "Attempts at a notice that failed.", float64(n.Failed))
	e.count("notices_given_up_total", "Notices given up after three days.", float64(n.GivenUp))
}

// hits are the numbers of the links of tracked mail.
func (c *collector) hits(e emitter) {
	h := c.s.tracking.Stats()
	for kind, n := range map[string]tracking.Kind{"open": h.Open, "click": h.Click, "unsub": h.Unsub} {
		for result, v := range map[string]int64{
			"person": n.Person, "machine": n.Machine, "repeated": n.Repeated, "unknown": n.Unknown, "refused": n.Refused, "shed": n.Shed,
			"failed": n.Failed,
		} {
			e.count("hits_total", "Requests for links of tracked mail, by what came of them: those of persons and machines were "+
				"written down, shed and failed ones are lost.", float64(v), "kind", kind, "result", result)
		}
	}
	e.gauge("hits_waiting", "Opens and clicks that wait to be written down.", float64(h.Waiting))
}

// domains are the looks at sending domains.
func (c *collector) domains(e emitter) {
	d := c.s.core.Domains.Stats()
	const help = "Looks at the DNS of sending domains, by what came of them; of unknown ones the DNS did not answer."
	e.count("domain_looks_total", help, float64(d.OK), "result", "ok")
	e.count("domain_looks_total", help, float64(d.Wrong), "result", "wrong")
	e.count("domain_looks_total", help, float64(d.Unknown), "result", "unknown")
	e.count("domain_looks_total", help, float64(d.Failed), "result", "failed")
	e.count("domain_told_total", "Mails to owners about records of their domains that broke or were mended.", float64(d.Told))
}

// smtpNumbers are those of one port.
func smtpNumbers(e emitter, d smtpDoor) {
	s := d.server.Stats()
	e.count("smtp_connections_total", "Connections taken.", float64(s.Connections), "port", d.name)
	e.count("smtp_connections_refused_total", "Connections refused by a limit.", float64(s.Refused), "port", d.name)
	const logins = "Logins, by what came of them."
	e.count("smtp_logins_total", logins, float64(s.LoginsOK), "port", d.name, "result", "accepted")
	e.count("smtp_logins_total", logins, float64(s.LoginsFailed), "port", d.name, "result", "refused")
	e.count("smtp_transactions_total", "Transactions that were answered with 250.", float64(s.Accepted), "port", d.name)
	for code, n := range s.Rejected {
		e.count("smtp_refusals_total", "Transactions and recipients that were refused, by reply code.", float64(n), "port", d.name,
			"code", strconv.Itoa(code))
	}
	e.gauge("smtp_connections", "Connections that are open.", float64(s.Connected), "port", d.name)
	e.gauge("smtp_sessions", "Sessions that are open: connections that have said EHLO.", float64(s.Open), "port", d.name)
}

func (c *collector) store(e emitter) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	up := 1.0
	if q, err := c.s.core.Store.QueueStats(ctx); err == nil {
		e.gauge("queue_waiting", "Messages in the queue.", float64(q.Waiting))
		e.gauge("queue_careful", "Of these, messages set aside since they were lost with their process twice.", float64(q.Careful))
		age := 0.0
		if !q.Oldest.IsZero() {
			age = time.Since(q.Oldest).Seconds()
		}
		e.gauge("queue_oldest_seconds", "Age of the oldest message in the queue; 0 when it is empty.", age)
	} else {
		up = 0
		c.log.Warn("the queue could not be counted for metrics", "error", err)
	}
	if n, err := c.s.core.Store.Unindexed(ctx); err == nil {
		e.gauge("search_waiting", "Messages that are not in the index of words yet: under load it follows later.", float64(n))
	} else {
		up = 0
		c.log.Warn("what is not indexed could not be counted for metrics", "error", err)
	}
	if !c.waiting(ctx, e) || !c.webhooksWaiting(ctx, e) {
		up = 0
	}
	if n, err := c.s.core.Store.Size(ctx); err == nil {
		e.gauge("store_bytes", "Size of the database.", float64(n), "engine", c.s.core.Store.Engine())
	} else {
		up = 0
		c.log.Warn("the store could not be measured for metrics", "error", err)
	}
	e.gauge("store_up", "1 when the store can be read.", up)
	e.count("store_failed_writes_total", "Write transactions that failed for want of room, or by another fault of the disk or the "+
		"database.", float64(c.s.core.Store.WritesFailed()))
	room := c.s.core.Store.CheckRoom(ctx)
	e.gauge("store_reserve_bytes", "Room on the disk that is kept for what ends credentials; 0 while it is given up, and with "+
		"PostgreSQL.", float64(room.Reserve))
	e.gauge("store_refusing_mail", "1 while mail is refused since the disk is nearly full.", map[bool]float64{true: 1}[room.Refusing])
	c.s.cert.numbers(e)
}

// waiting counts the outboxes, and says whether they could be read.
func (c *collector) waiting(ctx context.Context, e emitter) bool {
	n, oldest, err := c.s.core.Store.CountNotices(ctx)
	if err == nil {
		age := 0.0
		if !oldest.IsZero() {
			age = time.Since(oldest).Seconds()
		}
		e.gauge("notices_waiting", "Notices that are still to be sent.", float64(n))
		e.gauge("notices_oldest_seconds", "Age of the oldest of them; 0 when there is none.", age)
		if n, err = c.s.core.Store.CountNoticesOfMail(ctx); err == nil {
			e.gauge("dsn_waiting", "Recipients about which a delivery status notification is still to be sent.", float64(n))
		}
	}
	if err != nil {
		c.log.Warn("notices could not be counted for metrics", "error", err)
		return false
	}
	d, err := c.s.core.Store.CountDomains(ctx)
	if err != nil {
		c.log.Warn("sending domains could not be counted for metrics", "error", err)
		return false
	}
	const help = "Domains that keys send from, by whether they are proved."
	e.gauge("domains", help, float64(d.Proved), "state", "proved")
	e.gauge("domains", help, float64(d.All-d.Proved), "state", "unproved")
	e.gauge("domains_broken", "Of these, domains whose DKIM or SPF record was right and is wrong now.", float64(d.Broken))
	return true
}
