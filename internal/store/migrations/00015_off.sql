-- Since when looks at a domain find not all in order; NULL: at the last one all was. The longer ago, the rarer the looks.
ALTER TABLE domain ADD COLUMN off_since BIGINT;
UPDATE domain SET off_since = created_at WHERE dkim_status <> 'ok' OR spf_status <> 'ok' OR proof = '';
