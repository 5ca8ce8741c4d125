-- Where a key's programs are told by HTTP what became of its messages, and what is still to be told.

-- A receiver is a URL of a key. The URL is sealed, since it may have a password in it, and found by its keyed digest.
-- failing_since is the first failure since the last success.
CREATE TABLE hook_receiver (
    id            {id},
    account_id    BIGINT NOT NULL,
    key_id        BIGINT NOT NULL REFERENCES api_key (id),
    digest        {blob} NOT NULL,
    url           {blob} NOT NULL,
    token         TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    last_at       BIGINT,
    last_status   INTEGER NOT NULL DEFAULT 0,
    last_error    TEXT NOT NULL DEFAULT '',
    failing_since BIGINT,
    told          BIGINT NOT NULL DEFAULT 0,
    dropped       BIGINT NOT NULL DEFAULT 0,
    UNIQUE (key_id, digest)
);

-- A hook says which receiver is told of one type of a key's events. takes is what new events are queued by: the hook, or
-- the backup where there is none that is alive.
CREATE TABLE hook (
    id          {id},
    account_id  BIGINT NOT NULL,
    key_id      BIGINT NOT NULL REFERENCES api_key (id),
    event_type  INTEGER NOT NULL CHECK (event_type IN (1, 2, 3, 5, 6, 7, 8)),
    is_backup   BOOLEAN NOT NULL,
    version     INTEGER NOT NULL CHECK (version IN (1, 2)),
    receiver_id BIGINT NOT NULL REFERENCES hook_receiver (id),
    dead_at     BIGINT,
    takes       BOOLEAN NOT NULL DEFAULT FALSE,
    created_at  BIGINT NOT NULL,
    UNIQUE (key_id, event_type, is_backup)
);
CREATE INDEX hook_of_receiver ON hook (receiver_id);

-- What requests of a key are signed with, sealed. An old one goes on signing beside the new one until expires_at.
CREATE TABLE hook_secret (
    id         {id},
    key_id     BIGINT NOT NULL REFERENCES api_key (id),
    secret     {blob} NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX hook_secret_key ON hook_secret (key_id);

-- Events that are still to be told. failed_at is the first failure; batch names what was sent together, by its first event,
-- and is sent together again. There is no reference to the hook: recording an event waits for nobody who changes hooks.
CREATE TABLE hook_event (
    event_id    {key},
    hook_id     BIGINT NOT NULL,
    receiver_id BIGINT NOT NULL,
    message_id  BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    failed_at   BIGINT,
    attempts    INTEGER NOT NULL DEFAULT 0,
    batch       BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX hook_event_due ON hook_event (receiver_id, due_at, event_id);
CREATE INDEX hook_event_message ON hook_event (message_id, receiver_id, event_id);

-- The latest attempts of each key. events are the IDs of what was told; body is kept of samples alone, another's is made
-- again from its events.
CREATE TABLE hook_attempt (
    id         {id},
    account_id BIGINT NOT NULL,
    key_id     BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    target     TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    version    INTEGER NOT NULL,
    types      INTEGER NOT NULL,
    events     TEXT NOT NULL,
    told       INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    outcome    INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 2),
    status     INTEGER NOT NULL,
    error      TEXT NOT NULL,
    took       BIGINT NOT NULL,
    body       {blob}
);
CREATE INDEX hook_attempt_key ON hook_attempt (key_id, id);
CREATE INDEX hook_attempt_account ON hook_attempt (account_id, id);
