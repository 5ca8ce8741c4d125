-- Since when looks at a domain find not all in order; NULL: at the last one all was. The longer ago, the rarer the looks.
ALTER TABLE domain ADD COLUMN off_since BIGINT;
UPDATE domain SET off_since = CASE WHEN dkim_health IN ('missed', 'broken') OR spf_health IN ('missed', 'broken') THEN coalesce(checked_at, created_at) ELSE created_at END WHERE dkim_status <> 'ok' OR spf_status <> 'ok' OR proof = '';
