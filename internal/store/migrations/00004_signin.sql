-- How people sign in: second factors, passkeys, an identity elsewhere, a proof that is recent.

-- When the person of a session last proved to be there: fresh enough for what matters most, or not.
ALTER TABLE session ADD COLUMN confirmed_at BIGINT NOT NULL DEFAULT 0;
UPDATE session SET confirmed_at = created_at;

-- 'operator' is a link that the operator made, 'reset' one that was mailed to set a new password.
ALTER TABLE sign_in_link ADD COLUMN kind TEXT NOT NULL DEFAULT 'operator' CHECK (kind IN ('operator', 'reset'));
-- Using the link forgets the second factors and passkeys too.
ALTER TABLE sign_in_link ADD COLUMN forgets_factors BOOLEAN NOT NULL DEFAULT FALSE;

-- Codes by time (RFC 6238). The secret is sealed; last_step is the time step of the last code, which works once.
CREATE TABLE totp (
    user_id    BIGINT PRIMARY KEY REFERENCES users (id),
    secret     {blob} NOT NULL,
    last_step  BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE recovery_code (
    user_id    BIGINT NOT NULL REFERENCES users (id),
    digest     {blob} NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT,
    PRIMARY KEY (user_id, digest)
);

-- Passkeys (WebAuthn level 3). data is the credential record as JSON; there is no secret in it.
CREATE TABLE passkey (
    id            {id},
    user_id       BIGINT NOT NULL REFERENCES users (id),
    credential_id {blob} NOT NULL UNIQUE,
    name          TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    data          TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    last_used_at  BIGINT
);
CREATE INDEX passkey_user ON passkey (user_id, id);

-- Who a person is at an OpenID provider.
CREATE TABLE user_identity (
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    user_id    BIGINT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX user_identity_user ON user_identity (user_id);

-- How often a token that the server signed and does not keep was used, until it ends by itself.
CREATE TABLE token_use (
    digest     {blob} PRIMARY KEY,
    uses       BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX token_use_ended ON token_use (expires_at);
