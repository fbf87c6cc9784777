-- How much a workspace may keep; NULL for no limit.
ALTER TABLE workspaces ADD COLUMN quota_bytes BIGINT;
ALTER TABLE workspaces ADD COLUMN quota_files BIGINT;
ALTER TABLE workspaces ADD COLUMN quota_largest_file BIGINT;

-- How much it keeps: of all versions, and of all files. Every write has the row, so every write keeps them true.
ALTER TABLE workspaces ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workspaces ADD COLUMN files BIGINT NOT NULL DEFAULT 0;
-- the sum of what its uploads have set aside
ALTER TABLE workspaces ADD COLUMN staged_bytes BIGINT NOT NULL DEFAULT 0;

-- What an upload that is not finished has set aside, and in which workspace: that of its file, or for a part, which has
-- none yet, one that its maker writes to.
ALTER TABLE uploads ADD COLUMN set_aside BIGINT NOT NULL DEFAULT 0;
ALTER TABLE uploads ADD COLUMN set_aside_in TEXT;

-- Parts of before have nothing set aside: a day later they are files or gone.
UPDATE uploads SET set_aside = COALESCE(length, received), set_aside_in = workspace_id
WHERE state <> 'finished' AND workspace_id IS NOT NULL;

UPDATE workspaces SET
    bytes = (SELECT CAST(COALESCE(SUM(v.size), 0) AS BIGINT)
             FROM nodes n JOIN versions v ON v.node_id = n.id WHERE n.workspace_id = workspaces.id),
    files = (SELECT COUNT(*) FROM nodes n WHERE n.workspace_id = workspaces.id AND n.kind = 'file'),
    staged_bytes = (SELECT CAST(COALESCE(SUM(u.set_aside), 0) AS BIGINT)
                    FROM uploads u WHERE u.set_aside_in = workspaces.id);
