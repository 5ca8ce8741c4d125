-- The operator's suspension of an account as a whole. A key's own suspension is the key's, and stays when its account is
-- restored.
ALTER TABLE account ADD COLUMN suspended_at BIGINT;
ALTER TABLE account ADD COLUMN suspended_reason TEXT NOT NULL DEFAULT '';

-- Until now an account was suspended key by key, with a reason that began so. It becomes the account's, with the time of the
-- last entry in the audit log; but where the operator has let a key of it in again, its keys are left as they are.
UPDATE account SET
 suspended_at = coalesce((SELECT max(e.at) FROM audit e WHERE e.account_id = account.id AND e.action = 'key.suspend'), created_at),
 suspended_reason = (SELECT max(substr(k.state_reason, 27)) FROM api_key k WHERE k.account_id = account.id AND k.deleted_at IS NULL AND k.state = 'suspended' AND k.state_reason LIKE 'the account is suspended: %')
 WHERE EXISTS (SELECT 1 FROM api_key k WHERE k.account_id = account.id AND k.deleted_at IS NULL AND k.state = 'suspended' AND k.state_reason LIKE 'the account is suspended: %')
 AND NOT EXISTS (SELECT 1 FROM api_key k WHERE k.account_id = account.id AND k.deleted_at IS NULL AND k.state <> 'suspended');
UPDATE api_key SET state = CASE WHEN state_before = 'deactivated' THEN 'deactivated' ELSE 'active' END, state_before = '', state_reason = ''
 WHERE state = 'suspended' AND deleted_at IS NULL AND state_reason LIKE 'the account is suspended: %'
 AND account_id IN (SELECT id FROM account WHERE suspended_at IS NOT NULL);
