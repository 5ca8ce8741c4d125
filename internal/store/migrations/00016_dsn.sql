-- What the sender of a mail asked for (RFC 3461, RFC 8689): rows only for mail that asked for something.
CREATE TABLE dsn (
    submission_id {key} REFERENCES submission (id),
    ret           INTEGER NOT NULL,
    envid         TEXT NOT NULL,
    require_tls   BOOLEAN NOT NULL
);
CREATE TABLE dsn_recipient (
    message_id {key} REFERENCES message (id),
    notify     INTEGER NOT NULL,
    orcpt      TEXT NOT NULL
);

-- Delivery status notifications: at most one of a kind for each recipient. Those that are to be sent have due_at.
CREATE TABLE dsn_notice (
    message_id BIGINT NOT NULL,
    kind       INTEGER NOT NULL,
    event_id   BIGINT NOT NULL,
    asked      BOOLEAN NOT NULL,
    due_at     BIGINT,
    notice_id  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (message_id, kind)
);
CREATE INDEX dsn_notice_due ON dsn_notice (due_at) WHERE due_at IS NOT NULL;
