-- What mail tells of what its recipients do with it.

-- The defaults of an account's mail. add_unsubscribe: 0 never, 1 mail of campaigns, 2 all mail.
ALTER TABLE account ADD COLUMN track_opens BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE account ADD COLUMN track_clicks BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE account ADD COLUMN add_unsubscribe INTEGER NOT NULL DEFAULT 0 CHECK (add_unsubscribe BETWEEN 0 AND 2);

-- The host name that links in a key's mail have; '' is the server's own.
ALTER TABLE api_key ADD COLUMN track_host TEXT NOT NULL DEFAULT '';
CREATE INDEX api_key_track_host ON api_key (track_host) WHERE track_host <> '';

-- How a mail is made each recipient's own on its way out, as bits (track.Ways): 1 pixel, 2 links, 4 tags of links,
-- 8 List-Unsubscribe, 16 a place in its text. 0: all recipients get the same bytes.
ALTER TABLE submission ADD COLUMN ways INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN ways INTEGER NOT NULL DEFAULT 0;
