-- Offers to hand a workspace over. Whoever brings the token of one that is open becomes the owner.
CREATE TABLE transfers (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    token_hash {bytes} NOT NULL,
    -- the owner at that time
    giver TEXT NOT NULL,
    offered_by TEXT NOT NULL,
    note TEXT,
    offered_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- open, accepted, declined or revoked
    state TEXT NOT NULL,
    ended_at BIGINT,
    ended_by TEXT
);

CREATE UNIQUE INDEX transfers_open ON transfers (workspace_id) WHERE state = 'open';
CREATE INDEX transfers_of_workspace ON transfers (workspace_id, offered_at);
