-- Credentials for life: overlaps and connections, restrictions, policies, plans, sharing.

-- What an account may have. 0 is no limit; retention 0 keeps everything.
CREATE TABLE plan (
    id             {id},
    name           TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 100),
    subaccounts    BIGINT NOT NULL DEFAULT 0 CHECK (subaccounts >= 0),
    month_messages BIGINT NOT NULL DEFAULT 0 CHECK (month_messages >= 0),
    hour_messages  BIGINT NOT NULL DEFAULT 0 CHECK (hour_messages >= 0),
    users          BIGINT NOT NULL DEFAULT 0 CHECK (users >= 0),
    retention_days INTEGER NOT NULL DEFAULT 0 CHECK (retention_days >= 0),
    created_at     BIGINT NOT NULL
);

-- The rotation policy; a default for the keys' daily limit; the plan, and what the operator granted beyond it (NULL: the
-- plan's). The system account is Postern's own: its one key has no secret and sends notices.
ALTER TABLE account ADD COLUMN remind_days INTEGER NOT NULL DEFAULT 14 CHECK (remind_days >= 0);
ALTER TABLE account ADD COLUMN stop_overdue BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE account ADD COLUMN day_limit BIGINT NOT NULL DEFAULT 0 CHECK (day_limit >= 0);
ALTER TABLE account ADD COLUMN plan_id BIGINT REFERENCES plan (id);
ALTER TABLE account ADD COLUMN max_subaccounts BIGINT;
ALTER TABLE account ADD COLUMN max_month BIGINT;
ALTER TABLE account ADD COLUMN max_hour BIGINT;
ALTER TABLE account ADD COLUMN max_users BIGINT;
ALTER TABLE account ADD COLUMN is_system BOOLEAN NOT NULL DEFAULT FALSE;
CREATE UNIQUE INDEX account_one_system ON account (is_system) WHERE is_system;

-- A key's restrictions. permissions: 1 send, 2 statistics, 4 manage. networks and allowed_senders are lists with a
-- space between; "" is all. Limits are messages; 0 is none.
ALTER TABLE api_key ADD COLUMN reference TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN permissions INTEGER NOT NULL DEFAULT 7 CHECK (permissions BETWEEN 0 AND 7);
ALTER TABLE api_key ADD COLUMN networks TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN allowed_senders TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN hour_limit BIGINT NOT NULL DEFAULT 0 CHECK (hour_limit >= 0);
ALTER TABLE api_key ADD COLUMN day_limit BIGINT NOT NULL DEFAULT 0 CHECK (day_limit >= 0);
ALTER TABLE api_key ADD COLUMN month_limit BIGINT NOT NULL DEFAULT 0 CHECK (month_limit >= 0);
ALTER TABLE api_key ADD COLUMN over_hour_waits BOOLEAN NOT NULL DEFAULT FALSE;
-- What the key was before the operator suspended it, and why he did.
ALTER TABLE api_key ADD COLUMN state_before TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN state_reason TEXT NOT NULL DEFAULT '';
-- A deleted key's row stays, so that its history has an owner and its API key is never given out again.
ALTER TABLE api_key ADD COLUMN deleted_at BIGINT;
ALTER TABLE api_key ADD COLUMN cancel_queued BOOLEAN NOT NULL DEFAULT FALSE;
CREATE UNIQUE INDEX api_key_reference ON api_key (account_id, reference) WHERE reference <> '';
CREATE INDEX api_key_account_created ON api_key (account_id, created_at, id);

-- When its owners were told that a secret is due, and overdue.
ALTER TABLE secret ADD COLUMN due_told_at BIGINT;
ALTER TABLE secret ADD COLUMN overdue_told_at BIGINT;

-- Who uses a secret: at most 256 rows for each, the longest unseen go.
CREATE TABLE connection (
    secret_id     BIGINT NOT NULL REFERENCES secret (id),
    protocol      TEXT NOT NULL,
    address       TEXT NOT NULL,
    client        TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL,
    count         BIGINT NOT NULL,
    PRIMARY KEY (secret_id, protocol, address, client)
);

-- How many messages of a key leave (or may leave) in an hour: for limits, and for a key's volume.
CREATE TABLE usage (
    key_id     BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    hour       BIGINT NOT NULL,
    messages   BIGINT NOT NULL,
    PRIMARY KEY (key_id, hour)
);
CREATE INDEX usage_account ON usage (account_id, hour);
INSERT INTO usage (key_id, account_id, hour, messages)
    SELECT key_id, account_id, arrived_at / 3600000000 * 3600, count(*) FROM message GROUP BY key_id, account_id, arrived_at / 3600000000 * 3600;
CREATE INDEX queue_key ON queue (key_id);
CREATE INDEX api_key_cancel ON api_key (id) WHERE cancel_queued;

-- What a person may do: on a whole account (key_id NULL) or on one key of it.
CREATE TABLE access (
    id         {id},
    user_id    BIGINT NOT NULL REFERENCES users (id),
    account_id BIGINT NOT NULL REFERENCES account (id),
    key_id     BIGINT REFERENCES api_key (id),
    role       TEXT NOT NULL CHECK (role IN ('owner', 'manager', 'sender', 'analyst')),
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX access_account ON access (user_id, account_id) WHERE key_id IS NULL;
CREATE UNIQUE INDEX access_key ON access (user_id, key_id) WHERE key_id IS NOT NULL;
CREATE INDEX access_of_account ON access (account_id);
INSERT INTO access (user_id, account_id, role, created_at) SELECT id, account_id, role, created_at FROM users;
ALTER TABLE users DROP COLUMN role;
-- The operator's people see the operator's pages: the first user of all is one.
ALTER TABLE users ADD COLUMN is_operator BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE users SET is_operator = TRUE WHERE id = (SELECT min(id) FROM users);

-- A session works in one account at a time.
ALTER TABLE session ADD COLUMN account_id BIGINT REFERENCES account (id);

-- An invitation is for the whole account, or for the keys in invitation_key.
CREATE TABLE invitation (
    id           {id},
    account_id   BIGINT NOT NULL REFERENCES account (id),
    email        TEXT NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    role         TEXT NOT NULL CHECK (role IN ('owner', 'manager', 'sender', 'analyst')),
    digest       {blob} NOT NULL UNIQUE,
    invited_by   TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    accepted_at  BIGINT,
    withdrawn_at BIGINT
);
CREATE INDEX invitation_account ON invitation (account_id, id);
CREATE TABLE invitation_key (
    invitation_id BIGINT NOT NULL REFERENCES invitation (id),
    key_id        BIGINT NOT NULL REFERENCES api_key (id),
    PRIMARY KEY (invitation_id, key_id)
);

-- What accounts ask of the operator: more of what their plan gives.
CREATE TABLE request (
    id          {id},
    account_id  BIGINT NOT NULL REFERENCES account (id),
    asked_by    TEXT NOT NULL,
    email       TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('subaccounts', 'month', 'hour', 'users')),
    wanted      BIGINT NOT NULL CHECK (wanted > 0),
    reason      TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('open', 'granted', 'declined')),
    answer      TEXT NOT NULL DEFAULT '',
    created_at  BIGINT NOT NULL,
    answered_at BIGINT
);
CREATE INDEX request_account ON request (account_id, id);
CREATE INDEX request_open ON request (id) WHERE state = 'open';

-- Notices to be sent by mail and to webhooks, written in the transaction of what they tell of. data is sealed.
CREATE TABLE notice (
    id         {id},
    account_id BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    data       {blob} NOT NULL,
    created_at BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX notice_due ON notice (due_at);

CREATE INDEX audit_action ON audit (account_id, action, id);
