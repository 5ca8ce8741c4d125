-- What becomes of mail, by whom it is counted: campaigns, what recipients do with their mail, counters by source and time.

-- A campaign is a CustomCampaign of a key. A mail without one has none.
CREATE TABLE campaign (
    id               {id},
    account_id       BIGINT NOT NULL,
    key_id           BIGINT NOT NULL REFERENCES api_key (id),
    name             TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 1000),
    subject          TEXT NOT NULL DEFAULT '',
    sender_id        BIGINT NOT NULL DEFAULT 0,
    from_email       TEXT NOT NULL DEFAULT '',
    from_name        TEXT NOT NULL DEFAULT '',
    first_message_id BIGINT NOT NULL DEFAULT 0,
    with_html        BIGINT NOT NULL DEFAULT 0,
    with_text        BIGINT NOT NULL DEFAULT 0,
    opens_tracked    BIGINT NOT NULL DEFAULT 0,
    clicks_tracked   BIGINT NOT NULL DEFAULT 0,
    is_starred       BOOLEAN NOT NULL DEFAULT FALSE,
    is_deleted       BOOLEAN NOT NULL DEFAULT FALSE,
    created_at       BIGINT NOT NULL,
    last_at          BIGINT NOT NULL,
    UNIQUE (key_id, name)
);
CREATE INDEX campaign_account ON campaign (account_id, id);
INSERT INTO campaign (account_id, key_id, name, subject, sender_id, from_email, from_name, first_message_id, created_at, last_at)
    SELECT min(s.account_id), s.key_id, s.campaign, min(s.subject), min(s.sender_id), min(s.header_from), min(s.from_name), min(m.id), min(s.created_at), max(s.created_at)
      FROM submission s JOIN message m ON m.submission_id = s.id WHERE s.campaign <> '' GROUP BY s.key_id, s.campaign;

ALTER TABLE submission ADD COLUMN campaign_id BIGINT NOT NULL DEFAULT 0;
UPDATE submission SET campaign_id = (SELECT c.id FROM campaign c WHERE c.key_id = submission.key_id AND c.name = submission.campaign) WHERE campaign <> '';
CREATE INDEX submission_campaign ON submission (campaign_id, id) WHERE campaign_id <> 0;

-- flags: what happened at least once: 1 deferred, 2 opened, 4 clicked, 8 spam, 16 unsub. contact is made of the address.
ALTER TABLE message ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN contact BIGINT NOT NULL DEFAULT 0;
UPDATE message SET flags = 1 WHERE EXISTS (SELECT 1 FROM event e WHERE e.message_id = message.id AND e.type = 4);
CREATE INDEX message_contact ON message (contact, id);
-- States that few messages are in: neither queued nor sent.
CREATE INDEX message_key_status ON message (key_id, status, id) WHERE status NOT IN (1, 2);
CREATE INDEX message_account_status ON message (account_id, status, id) WHERE status NOT IN (1, 2);

-- A claim says what its outcome is counted under, without another look.
ALTER TABLE queue ADD COLUMN sender_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN campaign_id BIGINT NOT NULL DEFAULT 0;
UPDATE queue SET sender_id = (SELECT s.sender_id FROM submission s WHERE s.id = queue.submission_id), campaign_id = (SELECT s.campaign_id FROM submission s WHERE s.id = queue.submission_id);

-- What an event of a recipient's doing (open, click, spam, unsub) has beside the event. source is who reported it.
CREATE TABLE engagement (
    event_id {key} REFERENCES event (id),
    ip       TEXT NOT NULL,
    agent    TEXT NOT NULL,
    url      TEXT NOT NULL,
    source   TEXT NOT NULL,
    machine  BOOLEAN NOT NULL
);
-- The events of a key by kind, newest last, for listings of opens, clicks and bounces. Deliveries (1) are read by message.
CREATE INDEX event_key_type ON event (key_id, type, id) WHERE type <> 1;

-- The sum of the events by source (0 the key, 1 a campaign, 2 a sender), of the event's own time (timing 1) and of its
-- message's arrival (timing 0), in slots of five minutes (grain 0), of a day (1) and of an hour (2). slot is Unix seconds.
-- Columns of messages count each message once; those in _events count events; delays are sums of seconds. total counts
-- what was accepted, at timing 0 alone: its arrival is both times.
ALTER TABLE counter RENAME TO counter_by_hour;
CREATE TABLE counter (
    key_id        BIGINT NOT NULL,
    source        INTEGER NOT NULL CHECK (source BETWEEN 0 AND 2),
    source_id     BIGINT NOT NULL,
    timing        INTEGER NOT NULL CHECK (timing IN (0, 1)),
    grain         INTEGER NOT NULL CHECK (grain BETWEEN 0 AND 2),
    slot          BIGINT NOT NULL,
    total         BIGINT NOT NULL DEFAULT 0,
    sent          BIGINT NOT NULL DEFAULT 0,
    deferred      BIGINT NOT NULL DEFAULT 0,
    hard          BIGINT NOT NULL DEFAULT 0,
    soft          BIGINT NOT NULL DEFAULT 0,
    blocked       BIGINT NOT NULL DEFAULT 0,
    opened        BIGINT NOT NULL DEFAULT 0,
    clicked       BIGINT NOT NULL DEFAULT 0,
    spam          BIGINT NOT NULL DEFAULT 0,
    unsub         BIGINT NOT NULL DEFAULT 0,
    open_events   BIGINT NOT NULL DEFAULT 0,
    click_events  BIGINT NOT NULL DEFAULT 0,
    spam_events   BIGINT NOT NULL DEFAULT 0,
    unsub_events  BIGINT NOT NULL DEFAULT 0,
    machine_opens  BIGINT NOT NULL DEFAULT 0,
    machine_clicks BIGINT NOT NULL DEFAULT 0,
    open_delay    BIGINT NOT NULL DEFAULT 0,
    click_delay   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (key_id, source, source_id, timing, grain, slot)
){clustered};

-- The same by recipient domain and day (Unix seconds), by the message's arrival. campaign_id 0 is mail without one.
CREATE TABLE domain_counter (
    key_id      BIGINT NOT NULL,
    campaign_id BIGINT NOT NULL,
    domain      TEXT NOT NULL,
    day         BIGINT NOT NULL,
    total       BIGINT NOT NULL DEFAULT 0,
    sent        BIGINT NOT NULL DEFAULT 0,
    deferred    BIGINT NOT NULL DEFAULT 0,
    hard        BIGINT NOT NULL DEFAULT 0,
    soft        BIGINT NOT NULL DEFAULT 0,
    blocked     BIGINT NOT NULL DEFAULT 0,
    opened      BIGINT NOT NULL DEFAULT 0,
    clicked     BIGINT NOT NULL DEFAULT 0,
    spam        BIGINT NOT NULL DEFAULT 0,
    unsub       BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (key_id, day, campaign_id, domain)
){clustered};

-- Counts of before, from the messages and events that are still there. Domains, which SQL cannot cut out alike on both
-- engines, and contacts are filled in by the program (migrate.go).
INSERT INTO counter (key_id, source, source_id, timing, grain, slot, total, sent, deferred, hard, soft, blocked)
    SELECT f.key_id, src.source, CASE src.source WHEN 0 THEN f.key_id WHEN 1 THEN f.campaign_id ELSE f.sender_id END, t.timing, g.grain,
           (CASE t.timing WHEN 0 THEN f.arrived_at ELSE f.at END) / g.micros * g.seconds,
           sum(CASE WHEN f.kind = 0 THEN 1 ELSE 0 END), sum(CASE WHEN f.kind = 1 THEN 1 ELSE 0 END), sum(CASE WHEN f.kind = 2 THEN 1 ELSE 0 END),
           sum(CASE WHEN f.kind = 3 THEN 1 ELSE 0 END), sum(CASE WHEN f.kind = 4 THEN 1 ELSE 0 END), sum(CASE WHEN f.kind = 5 THEN 1 ELSE 0 END)
      FROM (SELECT m.key_id, s.campaign_id, s.sender_id, m.arrived_at, m.arrived_at AS at, 0 AS kind
              FROM message m JOIN submission s ON s.id = m.submission_id
            UNION ALL
            SELECT m.key_id, s.campaign_id, s.sender_id, m.arrived_at, e.at,
                   CASE WHEN e.type = 1 THEN 1 WHEN e.type = 4 THEN 2 WHEN e.type = 3 THEN 5 WHEN e.permanent THEN 3 ELSE 4 END
              FROM event e JOIN message m ON m.id = e.message_id JOIN submission s ON s.id = m.submission_id
             WHERE e.type <> 4 OR NOT EXISTS (SELECT 1 FROM event o WHERE o.message_id = e.message_id AND o.type = 4 AND o.id < e.id)) f
     CROSS JOIN (SELECT 0 AS source UNION ALL SELECT 1 UNION ALL SELECT 2) src
     CROSS JOIN (SELECT 0 AS timing UNION ALL SELECT 1) t
     CROSS JOIN (SELECT 0 AS grain, 300000000 AS micros, 300 AS seconds UNION ALL SELECT 1, 86400000000, 86400 UNION ALL SELECT 2, 3600000000, 3600) g
     WHERE (t.timing = 0 OR f.kind <> 0) AND (src.source = 0 OR src.source = 1 AND f.campaign_id <> 0 OR src.source = 2 AND f.sender_id <> 0)
     GROUP BY 1, 2, 3, 4, 5, 6;
DROP TABLE counter_by_hour;
