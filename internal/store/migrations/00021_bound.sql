-- What the operator allows a key: its own restrictions stay within. What restricts a key until now is its account's.
ALTER TABLE api_key ADD COLUMN bound_permissions INTEGER NOT NULL DEFAULT 7 CHECK (bound_permissions BETWEEN 0 AND 7);
ALTER TABLE api_key ADD COLUMN bound_networks TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN bound_senders TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN bound_hour BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_key ADD COLUMN bound_day BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_key ADD COLUMN bound_month BIGINT NOT NULL DEFAULT 0;
