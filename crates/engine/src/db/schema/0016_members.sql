-- What a principal may do in every workspace and, as an admin, with the server itself; NULL for most.
ALTER TABLE principals ADD COLUMN everywhere TEXT;
ALTER TABLE principals ADD COLUMN deactivated_at BIGINT;

-- What a principal may do in one workspace.
CREATE TABLE members (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    principal_id TEXT NOT NULL REFERENCES principals (id),
    role TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    added_by TEXT NOT NULL,
    PRIMARY KEY (workspace_id, principal_id)
);

CREATE INDEX members_of_principal ON members (principal_id, workspace_id);
CREATE UNIQUE INDEX members_owner ON members (workspace_id) WHERE role = 'owner';

-- What was a key's own until now is its principal's, and the key's role a cap: each key goes on as it did.
UPDATE principals SET everywhere = (
    SELECT CASE MAX(CASE k.role WHEN 'admin' THEN 3 WHEN 'editor' THEN 2 ELSE 1 END)
           WHEN 3 THEN 'admin' WHEN 2 THEN 'editor' WHEN 1 THEN 'viewer' END
    FROM keys k WHERE k.principal_id = principals.id AND k.workspace_id IS NULL AND k.revoked_at IS NULL);

INSERT INTO members (workspace_id, principal_id, role, added_at, added_by)
SELECT id, created_by, 'owner', created_at, created_by FROM workspaces;

INSERT INTO members (workspace_id, principal_id, role, added_at, added_by)
SELECT k.workspace_id, k.principal_id,
       CASE MAX(CASE k.role WHEN 'admin' THEN 3 WHEN 'editor' THEN 2 ELSE 1 END)
       WHEN 3 THEN 'admin' WHEN 2 THEN 'editor' ELSE 'viewer' END,
       MIN(k.created_at), w.created_by
FROM keys k JOIN workspaces w ON w.id = k.workspace_id
WHERE k.revoked_at IS NULL AND k.principal_id <> w.created_by
GROUP BY k.workspace_id, k.principal_id, w.created_by;

-- Whose answer it is: who reaches the workspace no longer is not given it again. NULL for what belongs to none.
ALTER TABLE idempotency ADD COLUMN workspace_id TEXT;

-- The locks of one who is to lose them.
CREATE INDEX locks_of_principal ON locks (principal_id, workspace_id) WHERE ended_at IS NULL;
