-- The first answer of a call that named an idempotency key: written with the submissions of the call, kept until it ends.
CREATE TABLE idempotency (
    key_id     BIGINT NOT NULL REFERENCES api_key (id),
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    digest     {blob} NOT NULL,
    codec      INTEGER NOT NULL,
    answer     {blob} NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, name)
);
CREATE INDEX idempotency_ended ON idempotency (expires_at);
