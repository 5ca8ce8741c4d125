-- How a sender is proved, domains with what the DNS says of them, and signing keys of each account.

ALTER TABLE sender ADD COLUMN email_type TEXT NOT NULL DEFAULT 'unknown' CHECK (email_type IN ('unknown', 'transactional', 'bulk'));
ALTER TABLE sender ADD COLUMN is_default BOOLEAN NOT NULL DEFAULT FALSE;
-- How it became active: by the operator's word, a link that was mailed to it, a TXT record, a file, or its domain's proof.
ALTER TABLE sender ADD COLUMN proof TEXT NOT NULL DEFAULT '' CHECK (proof IN ('', 'operator', 'mail', 'dns', 'file', 'domain'));
ALTER TABLE sender ADD COLUMN domain_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sender ADD COLUMN filename TEXT NOT NULL DEFAULT '';
-- A metasender is a sender of the master key; while it is lent, all subaccounts may use it.
ALTER TABLE sender ADD COLUMN is_meta BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE sender ADD COLUMN is_lent BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE sender ADD COLUMN description TEXT NOT NULL DEFAULT '';
CREATE INDEX sender_domain ON sender (domain, key_id);

-- A domain that a key has senders of: what proves that it is the key's, and what was last seen in the DNS.
CREATE TABLE domain (
    id           {id},
    key_id       BIGINT NOT NULL REFERENCES api_key (id),
    domain       TEXT NOT NULL,
    token        TEXT NOT NULL CHECK (length(token) = 32),
    filename     TEXT NOT NULL,
    proof        TEXT NOT NULL DEFAULT '' CHECK (proof IN ('', 'operator', 'dns', 'file')),
    proved_at    BIGINT,
    dkim_status  TEXT NOT NULL DEFAULT '' CHECK (dkim_status IN ('', 'ok', 'error')),
    dkim_current TEXT NOT NULL DEFAULT '',
    dkim_errors  TEXT NOT NULL DEFAULT '',
    spf_status   TEXT NOT NULL DEFAULT '' CHECK (spf_status IN ('', 'ok', 'error')),
    spf_current  TEXT NOT NULL DEFAULT '',
    spf_errors   TEXT NOT NULL DEFAULT '',
    dmarc        TEXT NOT NULL DEFAULT '',
    dmarc_advice TEXT NOT NULL DEFAULT '',
    -- 'good' was OK once, 'missed' was not at the last look, 'broken' was not at two and its owners were told.
    dkim_health  TEXT NOT NULL DEFAULT '' CHECK (dkim_health IN ('', 'good', 'missed', 'broken')),
    spf_health   TEXT NOT NULL DEFAULT '' CHECK (spf_health IN ('', 'good', 'missed', 'broken')),
    checked_at   BIGINT,
    due_at       BIGINT NOT NULL,
    busy_until   BIGINT NOT NULL DEFAULT 0,
    created_at   BIGINT NOT NULL,
    UNIQUE (key_id, domain)
);
CREATE INDEX domain_due ON domain (due_at);
CREATE INDEX domain_name ON domain (domain);

-- A domain's signing keys, one for each account: a stranger who adds the domain gets a selector of his own.
CREATE TABLE domain_key (
    account_id  BIGINT NOT NULL REFERENCES account (id),
    domain      TEXT NOT NULL,
    selector    TEXT NOT NULL,
    private_key {blob} NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (account_id, domain)
);
-- Until now there was one for all: it stays with who had the domain first. The others get keys of their own when they are
-- next needed.
INSERT INTO domain_key (account_id, domain, selector, private_key, created_at)
SELECT k.account_id, d.domain, d.selector, d.private_key, d.created_at
  FROM dkim_key d JOIN sender s ON s.id = (SELECT x.id FROM sender x WHERE x.domain = d.domain ORDER BY CASE WHEN x.status = 'deleted' THEN 1 ELSE 0 END, x.id LIMIT 1)
  JOIN api_key k ON k.id = s.key_id;
DROP TABLE dkim_key;

-- Senders that are there were allowed by the word of who could: they go on. Their domains' rows are made by the program.
UPDATE sender SET proof = 'operator' WHERE status = 'active';

-- Links that were mailed to addresses which somebody wants to send from. Old ones stay for a while, to be counted.
CREATE TABLE sender_link (
    id         {id},
    sender_id  BIGINT NOT NULL REFERENCES sender (id),
    key_id     BIGINT NOT NULL,
    email      TEXT NOT NULL,
    digest     {blob} NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX sender_link_email ON sender_link (email, created_at);
CREATE INDEX sender_link_key ON sender_link (key_id, created_at);
