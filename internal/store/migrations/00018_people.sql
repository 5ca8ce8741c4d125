-- Who gets in, and what they are mailed.

-- The account's policy: its people have a second factor.
ALTER TABLE account ADD COLUMN second_factor BOOLEAN NOT NULL DEFAULT FALSE;

-- Mail that somebody caused by asking for something: how much of it, for whom and by which account, is bounded by day.
CREATE TABLE asked_mail (
    id         {id},
    kind       TEXT NOT NULL,
    email      TEXT NOT NULL, -- canonical
    account_id BIGINT NOT NULL, -- 0: asked for by nobody who is known
    created_at BIGINT NOT NULL
);
CREATE INDEX asked_mail_to ON asked_mail (kind, email, created_at);
CREATE INDEX asked_mail_of ON asked_mail (account_id, kind, created_at);
CREATE INDEX asked_mail_ended ON asked_mail (created_at);

-- Bodies that go when nobody waits for their mail any more have a codec from 2 on (body.go).
CREATE INDEX body_passing ON body (submission_id) WHERE codec >= 2;

-- Notices carried links that sign in or prove an address. Of before, what was handed over goes now, and the rest with
-- the last attempt.
{overwrite on}
UPDATE body SET codec = codec + 2 WHERE codec < 2 AND submission_id IN
 (SELECT s.id FROM submission s JOIN account a ON a.id = s.account_id WHERE a.is_system AND s.custom_id LIKE 'notice-%');
DELETE FROM body WHERE codec >= 2 AND NOT EXISTS (SELECT 1 FROM message m WHERE m.submission_id = body.submission_id AND m.done_at IS NULL);
{overwrite off}
