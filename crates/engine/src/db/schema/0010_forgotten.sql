-- Blobs that a sweep has found without a version, and when: one that is still so a grace later is removed.
CREATE TABLE orphans (
    blob_id TEXT PRIMARY KEY,
    bytes BIGINT NOT NULL,
    noted_at BIGINT NOT NULL
);

-- The time of the newest event that the log has no longer; NULL where it has all.
ALTER TABLE workspaces ADD COLUMN forgotten_at BIGINT;
