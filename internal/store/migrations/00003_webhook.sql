-- Where an account is told by HTTP what happens to its credentials, and what is still to be told.

-- url and secret are sealed: both may let somebody in. failing_since is the first failure since the last success.
CREATE TABLE webhook (
    id            {id},
    account_id    BIGINT NOT NULL UNIQUE REFERENCES account (id),
    url           {blob} NOT NULL,
    secret        {blob} NOT NULL,
    created_at    BIGINT NOT NULL,
    last_at       BIGINT,
    last_status   INTEGER NOT NULL DEFAULT 0,
    last_error    TEXT NOT NULL DEFAULT '',
    failing_since BIGINT,
    dropped       BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE webhook_delivery (
    id         {id},
    webhook_id BIGINT NOT NULL REFERENCES webhook (id),
    message_id TEXT NOT NULL UNIQUE,
    type       TEXT NOT NULL,
    body       {blob} NOT NULL,
    created_at BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, due_at, id);
