-- Finding messages by words, by period and by what became of them; mail that was sent again.

-- The index of words (search.go): one document a message, which the program makes. search_todo are the messages that are
-- not in it yet: acceptance writes only their number, and the index is filled beside it.
{search}
CREATE TABLE search_todo (
    message_id {key}
);
INSERT INTO search_todo (message_id) SELECT id FROM message;

-- The first and the last message that arrived within each minute (slot: Unix seconds of its start), so that a period
-- is a range of IDs.
CREATE TABLE arrival (
    slot     {key},
    first_id BIGINT NOT NULL,
    last_id  BIGINT NOT NULL
);
INSERT INTO arrival (slot, first_id, last_id)
    SELECT arrived_at / 60000000 * 60, min(id), max(id) FROM message GROUP BY 1;

-- A CustomID is looked for in a whole account too.
DROP INDEX submission_custom_id;
CREATE INDEX submission_custom ON submission (custom_id, id) WHERE custom_id <> '';
-- Why messages did not arrive (the catalogue of states): most messages have none.
CREATE INDEX message_key_state ON message (key_id, state_id, id) WHERE state_id <> 0;
CREATE INDEX message_account_state ON message (account_id, state_id, id) WHERE state_id <> 0;

-- The message that a submission sends again, 0: none.
ALTER TABLE submission ADD COLUMN resent_of BIGINT NOT NULL DEFAULT 0;
CREATE INDEX submission_resent ON submission (resent_of) WHERE resent_of <> 0;
