-- Links to a folder or a file for who has no key.
CREATE TABLE shares (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    -- by its id, wherever it is moved; the link goes with it for good
    node_id TEXT NOT NULL,
    -- read or drop
    mode TEXT NOT NULL,
    token_hash {bytes} NOT NULL,
    -- as a PHC string; NULL where the link alone lets in
    password_hash TEXT,
    note TEXT,
    expires_at BIGINT,
    most_downloads BIGINT,
    downloads BIGINT NOT NULL,
    created_by TEXT NOT NULL REFERENCES principals (id),
    -- with what it was made, and ends: one of them
    key_id TEXT,
    session_id TEXT,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE INDEX shares_of_workspace ON shares (workspace_id, id);
CREATE INDEX shares_of_node ON shares (node_id);

-- Who was let in by a link. A visit that is over may have no row.
CREATE TABLE share_visits (
    id TEXT PRIMARY KEY,
    share_id TEXT NOT NULL REFERENCES shares (id) ON DELETE CASCADE,
    secret_hash {bytes} NOT NULL,
    opened_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX share_visits_of_share ON share_visits (share_id, id);

-- What a visit has begun to download: a version, or the folder of an archive. Each counts once.
CREATE TABLE share_downloads (
    visit_id TEXT NOT NULL REFERENCES share_visits (id) ON DELETE CASCADE,
    content_id TEXT NOT NULL,
    PRIMARY KEY (visit_id, content_id)
);
