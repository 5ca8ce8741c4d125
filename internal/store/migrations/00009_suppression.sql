-- The addresses that a key sends nothing to, canonical. reason: 1 hard bounce, 2 manual, 3 unsubscribe, 4 complaint; a
-- stronger one replaces a weaker. fresh: what still waits for the address is yet to be cancelled.
CREATE TABLE suppression (
    id         {id},
    account_id BIGINT NOT NULL,
    key_id     BIGINT NOT NULL REFERENCES api_key (id),
    email      TEXT{bytewise} NOT NULL CHECK (email <> ''),
    reason     INTEGER NOT NULL CHECK (reason BETWEEN 1 AND 4),
    note       TEXT NOT NULL DEFAULT '',
    message_id BIGINT NOT NULL DEFAULT 0,
    fresh      BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL,
    UNIQUE (key_id, email)
);
-- Listings newest first, by reason: without one they are four short walks.
CREATE INDEX suppression_key ON suppression (key_id, reason, id);
CREATE INDEX suppression_account ON suppression (account_id, reason, id);
CREATE INDEX suppression_fresh ON suppression (id) WHERE fresh;
