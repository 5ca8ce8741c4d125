-- What an account and its people say of themselves. Nothing depends on it: it is kept and answered.

CREATE TABLE profile (
    account_id       BIGINT PRIMARY KEY REFERENCES account (id),
    first_name       TEXT NOT NULL,
    last_name        TEXT NOT NULL,
    job_title        TEXT NOT NULL,
    birthday_at      BIGINT,
    phone            TEXT NOT NULL,
    company          TEXT NOT NULL,
    employees        TEXT NOT NULL,
    industry         TEXT NOT NULL,
    website          TEXT NOT NULL,
    street           TEXT NOT NULL,
    postal_code      TEXT NOT NULL,
    city             TEXT NOT NULL,
    state            TEXT NOT NULL,
    country          TEXT NOT NULL,
    billing_email    TEXT NOT NULL,
    vat_number       TEXT NOT NULL,
    features         TEXT NOT NULL,
    estimated_volume BIGINT NOT NULL
);

ALTER TABLE users ADD COLUMN locale TEXT NOT NULL DEFAULT 'en_US';
ALTER TABLE users ADD COLUMN timezone TEXT NOT NULL DEFAULT 'UTC';
-- Of Mailjet's resource user; it allows and forbids nothing.
ALTER TABLE users ADD COLUMN acl TEXT NOT NULL DEFAULT '';
