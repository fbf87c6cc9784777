-- Webhooks. The event log is their outbox: `seq` is how far a hook has read it.
CREATE TABLE hooks (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    url TEXT NOT NULL,
    -- JSON list; an empty one means all
    types TEXT NOT NULL,
    path TEXT NOT NULL,
    description TEXT NOT NULL,
    -- as text: whoever signs needs it, so no hash would do
    secret TEXT NOT NULL,
    old_secret TEXT,
    old_secret_until BIGINT,
    seq BIGINT NOT NULL,
    -- asked, gone or failing
    disabled TEXT,
    disabled_at BIGINT,
    failing_since BIGINT,
    -- how many attempts in a row have failed, and until when the receiver is left alone for it
    failures BIGINT NOT NULL,
    rests_until BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- its deliveries are removed bit by bit, then it is
    deleted_at BIGINT
);

CREATE INDEX hooks_of_workspace ON hooks (workspace_id, id) WHERE deleted_at IS NULL;
CREATE INDEX hooks_deleted ON hooks (deleted_at) WHERE deleted_at IS NOT NULL;

-- How many hooks of the workspace are on, so that a write knows without looking whether anybody wants its events.
ALTER TABLE workspaces ADD COLUMN hooks BIGINT NOT NULL DEFAULT 0;

-- One event for one hook. `round` rises with every redelivery: attempts of an earlier one stop there.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    hook_id TEXT NOT NULL REFERENCES hooks (id),
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    -- NULL for a test
    seq BIGINT,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    round BIGINT NOT NULL,
    -- attempts of this round, and of all
    tries BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);

CREATE UNIQUE INDEX deliveries_of_event ON deliveries (hook_id, event_id);
CREATE INDEX deliveries_of_hook ON deliveries (hook_id, id);
CREATE INDEX deliveries_by_state ON deliveries (hook_id, state, id);
CREATE INDEX deliveries_finished ON deliveries (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE delivery_attempts (
    delivery_id TEXT NOT NULL REFERENCES deliveries (id),
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    status BIGINT,
    error TEXT,
    duration_ms BIGINT NOT NULL,
    PRIMARY KEY (delivery_id, number)
);
