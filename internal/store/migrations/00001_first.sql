-- The first schema. One text for both engines; what differs is filled in by the dialect:
--   {id}    a primary key that the database numbers, never reusing a number
--   {key}   a 64-bit primary key that the program numbers (on SQLite the row's own place in the table)
--   {blob}  bytes
-- Times are Unix microseconds, UTC. Rows that a caller may see carry account_id or key_id: every query is bounded by one of them.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Numbers handed out by the program in blocks, so that a group commit knows its IDs before it begins.
CREATE TABLE sequence (
    name TEXT PRIMARY KEY,
    next BIGINT NOT NULL CHECK (next > 0)
);
INSERT INTO sequence (name, next) VALUES ('submission', 1), ('message', 1), ('event', 1);

CREATE TABLE account (
    id          {id},
    name        TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    secret_days INTEGER NOT NULL DEFAULT 90 CHECK (secret_days > 0),
    created_at  BIGINT NOT NULL
);

CREATE TABLE users (
    id              {id},
    account_id      BIGINT NOT NULL REFERENCES account (id),
    email           TEXT NOT NULL UNIQUE CHECK (length(email) BETWEEN 3 AND 254),
    name            TEXT NOT NULL DEFAULT '',
    role            TEXT NOT NULL CHECK (role IN ('owner', 'manager', 'sender', 'analyst')),
    password_hash   TEXT NOT NULL DEFAULT '',
    created_at      BIGINT NOT NULL,
    last_sign_in_at BIGINT
);
CREATE INDEX users_account ON users (account_id);

CREATE TABLE session (
    digest       {blob} PRIMARY KEY,
    user_id      BIGINT NOT NULL REFERENCES users (id),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    address      TEXT NOT NULL DEFAULT '',
    client       TEXT NOT NULL DEFAULT ''
);
CREATE INDEX session_of_user ON session (user_id);
CREATE INDEX session_ended ON session (expires_at);

CREATE TABLE sign_in_link (
    digest     {blob} PRIMARY KEY,
    user_id    BIGINT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX sign_in_link_user ON sign_in_link (user_id);

CREATE TABLE api_key (
    id         {id},
    account_id BIGINT NOT NULL REFERENCES account (id),
    api_key    TEXT NOT NULL UNIQUE CHECK (length(api_key) = 32),
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    acl        TEXT NOT NULL DEFAULT '',
    is_master  BOOLEAN NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('active', 'deactivated', 'suspended')),
    created_at BIGINT NOT NULL,
    UNIQUE (account_id, name)
);
CREATE UNIQUE INDEX api_key_one_master ON api_key (account_id) WHERE is_master;

-- A secret is never here: only its digest under the server key, and its last four characters.
CREATE TABLE secret (
    id           {id},
    key_id       BIGINT NOT NULL REFERENCES api_key (id),
    digest       {blob} NOT NULL UNIQUE,
    hint         TEXT NOT NULL CHECK (length(hint) <= 4),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    ended_at     BIGINT,
    last_used_at BIGINT
);
CREATE INDEX secret_live ON secret (key_id) WHERE ended_at IS NULL;

CREATE TABLE sender (
    id         {id},
    key_id     BIGINT NOT NULL REFERENCES api_key (id),
    email      TEXT NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    domain     TEXT NOT NULL,
    name       TEXT NOT NULL DEFAULT '',
    status     TEXT NOT NULL CHECK (status IN ('active', 'inactive', 'deleted')),
    created_at BIGINT NOT NULL,
    UNIQUE (key_id, email)
);

CREATE TABLE dkim_key (
    domain      TEXT PRIMARY KEY,
    selector    TEXT NOT NULL,
    private_key {blob} NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE submission (
    id                  {key},
    account_id          BIGINT NOT NULL,
    key_id              BIGINT NOT NULL REFERENCES api_key (id),
    sender_id           BIGINT NOT NULL,
    source              TEXT NOT NULL,
    client              TEXT NOT NULL,
    mail_from           TEXT NOT NULL,
    header_from         TEXT NOT NULL,
    from_name           TEXT NOT NULL,
    subject             TEXT NOT NULL,
    rfc_message_id      TEXT NOT NULL,
    custom_id           TEXT NOT NULL,
    event_payload       TEXT NOT NULL,
    campaign            TEXT NOT NULL,
    monitoring_category TEXT NOT NULL,
    url_tags            TEXT NOT NULL,
    priority            INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 3),
    track_opens         INTEGER NOT NULL,
    track_clicks        INTEGER NOT NULL,
    size                BIGINT NOT NULL,
    attachments         INTEGER NOT NULL,
    has_text            BOOLEAN NOT NULL,
    has_html            BOOLEAN NOT NULL,
    utf8                BOOLEAN NOT NULL,
    created_at          BIGINT NOT NULL
);
CREATE INDEX submission_custom_id ON submission (key_id, custom_id) WHERE custom_id <> '';

CREATE TABLE body (
    submission_id {key} REFERENCES submission (id),
    codec         INTEGER NOT NULL,
    data          {blob} NOT NULL
);

CREATE TABLE message (
    id              {key},
    uuid            {blob} NOT NULL UNIQUE,
    submission_id   BIGINT NOT NULL REFERENCES submission (id),
    account_id      BIGINT NOT NULL,
    key_id          BIGINT NOT NULL,
    recipient       TEXT NOT NULL,
    kind            INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),
    status          INTEGER NOT NULL CHECK (status BETWEEN 0 AND 11),
    state_id        INTEGER NOT NULL DEFAULT 0,
    state_permanent BOOLEAN NOT NULL DEFAULT FALSE,
    attempts        INTEGER NOT NULL DEFAULT 0,
    arrived_at      BIGINT NOT NULL,
    done_at         BIGINT
);
CREATE INDEX message_key ON message (key_id, id);
CREATE INDEX message_account ON message (account_id, id);
CREATE INDEX message_submission ON message (submission_id);

-- What is still to be sent, and nothing else: a row is here from acceptance until its message is delivered or given up.
-- due_at is the next attempt, or, while owner holds a lease, the lease's end: what becomes due with an owner was lost by it.
CREATE TABLE queue (
    message_id    {key} REFERENCES message (id),
    submission_id BIGINT NOT NULL,
    key_id        BIGINT NOT NULL,
    recipient     TEXT NOT NULL,
    domain        TEXT NOT NULL,
    arrived_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    due_at        BIGINT NOT NULL,
    owner         TEXT NOT NULL DEFAULT '',
    attempts      INTEGER NOT NULL DEFAULT 0,
    lost          INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX queue_due ON queue (due_at);
CREATE INDEX queue_careful ON queue (due_at) WHERE lost >= 2;

CREATE TABLE event (
    id         {key},
    message_id BIGINT NOT NULL REFERENCES message (id),
    key_id     BIGINT NOT NULL,
    type       INTEGER NOT NULL,
    at         BIGINT NOT NULL,
    attempt    INTEGER NOT NULL,
    code       INTEGER NOT NULL,
    enhanced   TEXT NOT NULL,
    line       TEXT NOT NULL,
    host       TEXT NOT NULL,
    tls        TEXT NOT NULL,
    state_id   INTEGER NOT NULL,
    permanent  BOOLEAN NOT NULL
);
CREATE INDEX event_message ON event (message_id, id);

-- The sum of the events by key and hour: of the event's own hour (timing 1), and of its message's arrival (timing 0).
CREATE TABLE counter (
    key_id   BIGINT NOT NULL,
    timing   INTEGER NOT NULL CHECK (timing IN (0, 1)),
    hour     BIGINT NOT NULL,
    sent     BIGINT NOT NULL DEFAULT 0,
    deferred BIGINT NOT NULL DEFAULT 0,
    hard     BIGINT NOT NULL DEFAULT 0,
    soft     BIGINT NOT NULL DEFAULT 0,
    blocked  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (key_id, timing, hour)
);

CREATE TABLE audit (
    id         {key},
    at         BIGINT NOT NULL,
    account_id BIGINT,
    actor      TEXT NOT NULL,
    origin     TEXT NOT NULL,
    action     TEXT NOT NULL,
    target     TEXT NOT NULL,
    detail     TEXT NOT NULL,
    hash       {blob} NOT NULL
);
CREATE INDEX audit_account ON audit (account_id, id);

-- The chain's end. Its row is taken before an entry is added, so that entries stand in one order on every node.
CREATE TABLE audit_head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    last BIGINT NOT NULL,
    hash {blob} NOT NULL
);
INSERT INTO audit_head (id, last, hash) VALUES (1, 0, '');
