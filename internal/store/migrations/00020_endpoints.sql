-- One kind of webhook. An endpoint, a URL, belongs to an API key or (key_id 0) to an account, and a webhook says that one
-- type of its owner's events goes there. Sealed values stay as they are: what they are sealed for is the owner.
ALTER TABLE webhook RENAME TO account_webhook;

-- digest finds a URL of the owner, which is sealed. failing_since is the first failure since the last success.
CREATE TABLE endpoint (
    id            {id},
    account_id    BIGINT NOT NULL REFERENCES account (id),
    key_id        BIGINT NOT NULL,
    digest        {blob} NOT NULL,
    url           {blob} NOT NULL,
    token         TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    last_at       BIGINT,
    last_status   INTEGER NOT NULL DEFAULT 0,
    last_error    TEXT NOT NULL DEFAULT '',
    failing_since BIGINT,
    delivered     BIGINT NOT NULL DEFAULT 0,
    dropped       BIGINT NOT NULL DEFAULT 0,
    UNIQUE (key_id, account_id, digest)
);

-- takes is what new events are queued by: the webhook that is not disabled, or else its backup. Types 16 and above are of
-- an account's credentials.
CREATE TABLE webhook (
    id          {id},
    account_id  BIGINT NOT NULL REFERENCES account (id),
    key_id      BIGINT NOT NULL,
    event_type  INTEGER NOT NULL CHECK (event_type IN (1, 2, 3, 5, 6, 7, 8, 16, 17, 18, 19)),
    is_backup   BOOLEAN NOT NULL,
    version     INTEGER NOT NULL CHECK (version IN (1, 2)),
    endpoint_id BIGINT NOT NULL REFERENCES endpoint (id),
    disabled_at BIGINT,
    takes       BOOLEAN NOT NULL DEFAULT FALSE,
    created_at  BIGINT NOT NULL,
    UNIQUE (key_id, event_type, account_id, is_backup)
);
CREATE INDEX webhook_endpoint ON webhook (endpoint_id);

-- What an owner's requests are signed with, sealed. An old one goes on signing beside the new one until expires_at.
CREATE TABLE webhook_secret (
    id         {id},
    account_id BIGINT NOT NULL REFERENCES account (id),
    key_id     BIGINT NOT NULL,
    secret     {blob} NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX webhook_secret_owner ON webhook_secret (key_id, account_id);

-- What happened to credentials, while it waits and for as long as the log of attempts. IDs are of the sequence of messages'
-- events; body is what is posted, webhook_id the name that it is posted under. key_id is 0 where it is about no key.
CREATE TABLE account_event (
    id         {key},
    account_id BIGINT NOT NULL REFERENCES account (id),
    key_id     BIGINT NOT NULL,
    type       INTEGER NOT NULL,
    at         BIGINT NOT NULL,
    webhook_id TEXT NOT NULL,
    body       {blob} NOT NULL
);

INSERT INTO endpoint (id, account_id, key_id, digest, url, token, created_at, last_at, last_status, last_error, failing_since, delivered, dropped)
SELECT id, account_id, key_id, digest, url, token, created_at, last_at, last_status, last_error, failing_since, told, dropped FROM hook_receiver;
INSERT INTO webhook (id, account_id, key_id, event_type, is_backup, version, endpoint_id, disabled_at, takes, created_at)
SELECT id, account_id, key_id, event_type, is_backup, version, receiver_id, dead_at, takes, created_at FROM hook;
{after copying webhooks}
INSERT INTO webhook_secret (account_id, key_id, secret, created_at, expires_at)
SELECT k.account_id, s.key_id, s.secret, s.created_at, s.expires_at FROM hook_secret s JOIN api_key k ON k.id = s.key_id ORDER BY s.id;
DELETE FROM hook_event WHERE hook_id NOT IN (SELECT id FROM hook);

ALTER TABLE hook_event RENAME TO delivery;
ALTER TABLE delivery RENAME COLUMN hook_id TO webhook_id;
ALTER TABLE delivery RENAME COLUMN receiver_id TO endpoint_id;
-- The message, or of an account's events less than 0 for the key and 0 for none: what is about one thing goes in order.
ALTER TABLE delivery RENAME COLUMN message_id TO subject_id;
DROP INDEX hook_event_due;
DROP INDEX hook_event_message;
CREATE INDEX delivery_due ON delivery (endpoint_id, due_at, event_id);
CREATE INDEX delivery_subject ON delivery (subject_id, endpoint_id, event_id);

ALTER TABLE hook_attempt RENAME TO attempt;
ALTER TABLE attempt RENAME COLUMN told TO event_count;
DROP INDEX hook_attempt_key;
DROP INDEX hook_attempt_account;
CREATE INDEX attempt_owner ON attempt (account_id, key_id, id);
CREATE INDEX attempt_account ON attempt (account_id, id);

-- Accounts' webhooks. The digest of their URLs is made when they are set again; nothing is looked up by it before.
INSERT INTO endpoint (account_id, key_id, digest, url, token, created_at, last_at, last_status, last_error, failing_since, dropped)
SELECT account_id, 0, secret, url, '', created_at, last_at, last_status, last_error, failing_since, dropped FROM account_webhook;
INSERT INTO webhook (account_id, key_id, event_type, is_backup, version, endpoint_id, takes, created_at)
SELECT e.account_id, 0, t.type, FALSE, 1, e.id, TRUE, e.created_at
  FROM endpoint e CROSS JOIN (SELECT 16 AS type UNION ALL SELECT 17 UNION ALL SELECT 18 UNION ALL SELECT 19) t WHERE e.key_id = 0;
INSERT INTO webhook_secret (account_id, key_id, secret, created_at)
SELECT account_id, 0, secret, created_at FROM account_webhook;
INSERT INTO account_event (id, account_id, key_id, type, at, webhook_id, body)
SELECT s.next + d.id, w.account_id, 0, CASE d.type WHEN 'credential.due' THEN 16 WHEN 'credential.overdue' THEN 17 WHEN 'credential.leaked' THEN 18 ELSE 19 END,
       d.created_at, d.message_id, d.body
  FROM webhook_delivery d JOIN account_webhook w ON w.id = d.webhook_id JOIN sequence s ON s.name = 'event';
-- Each is a subject of its own, for it is not known which key it is about.
INSERT INTO delivery (event_id, webhook_id, endpoint_id, subject_id, due_at, failed_at, attempts, batch)
SELECT e.id, h.id, h.endpoint_id, -e.id, d.due_at, CASE WHEN d.attempts > 0 THEN d.created_at END, d.attempts, CASE WHEN d.attempts > 0 THEN e.id ELSE 0 END
  FROM webhook_delivery d JOIN account_event e ON e.webhook_id = d.message_id JOIN webhook h ON h.key_id = 0 AND h.account_id = e.account_id AND h.event_type = e.type;
UPDATE sequence SET next = next + (SELECT coalesce(max(id), 0) + 1 FROM webhook_delivery) WHERE name = 'event';

DROP TABLE webhook_delivery;
DROP TABLE account_webhook;
DROP TABLE hook;
DROP TABLE hook_receiver;
DROP TABLE hook_secret;
