-- A row for each grant of a lease; a node's own row says which of them holds.
CREATE TABLE locks (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    node_id TEXT NOT NULL,
    fence BIGINT NOT NULL,
    token_hash {bytes} NOT NULL,
    principal_id TEXT NOT NULL,
    owner_label TEXT,
    purpose TEXT,
    granted_at BIGINT NOT NULL,
    ttl BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- renewing leads no further than this
    max_until BIGINT NOT NULL,
    ended_at BIGINT,
    -- expired, broken, released or superseded
    ended TEXT
);

-- At most one grant of a node has not ended.
CREATE UNIQUE INDEX locks_held ON locks (node_id) WHERE ended_at IS NULL;
CREATE INDEX locks_of_workspace ON locks (workspace_id, id) WHERE ended_at IS NULL;

-- Who waits for a lock, in the order of the tickets.
CREATE TABLE lock_waiters (
    ticket TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    node_id TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    -- the locks that the waiter holds meanwhile (JSON), so that a circle of waiters is seen
    holds TEXT NOT NULL,
    queued_at BIGINT NOT NULL,
    polled_at BIGINT NOT NULL
);

CREATE INDEX lock_waiters_of_node ON lock_waiters (node_id, queued_at, ticket);
CREATE INDEX lock_waiters_of_workspace ON lock_waiters (workspace_id, polled_at);
