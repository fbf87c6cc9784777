-- Times are microseconds since 1970; a flag is a nullable time. {bytes} and {binary} are the engine's words for
-- a column of bytes and for comparing text byte by byte.

-- One row: which database this is. Its store remembers the id.
CREATE TABLE instance (
    id TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL
);

CREATE TABLE principals (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE workspaces (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    root_id TEXT NOT NULL,
    -- the place of the newest event; writing it is also what orders all writes of a workspace
    seq BIGINT NOT NULL,
    -- the latest time a write has seen: a clock that steps back must not bring a lock back to life
    clock BIGINT NOT NULL,
    -- no lock of the workspace lives longer than this, so that most writes need not ask for any
    locked_until BIGINT NOT NULL,
    -- the rules of the workspace as JSON; NULL where nothing was set
    settings TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL REFERENCES principals (id)
);

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    principal_id TEXT NOT NULL REFERENCES principals (id),
    role TEXT NOT NULL,
    workspace_id TEXT REFERENCES workspaces (id),
    secret_hash {bytes} NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    parent_id TEXT REFERENCES nodes (id),
    kind TEXT NOT NULL,
    name TEXT COLLATE {binary} NOT NULL,
    -- of the current version; NULL for a folder
    version_id TEXT,
    version_number BIGINT NOT NULL,
    size BIGINT NOT NULL,
    media_type TEXT,
    digest TEXT,
    -- a map and a list as JSON; NULL where empty
    metadata TEXT,
    labels TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL,
    -- of this very node; what lies below a trashed folder is in the trash without saying so
    trashed_at BIGINT,
    -- rises by one at every grant and every break of a lock on the node, and is never reset
    fence BIGINT NOT NULL,
    -- the lock that was granted last and neither released nor broken (JSON), and when it ends
    lock_info TEXT,
    lock_until BIGINT
);

-- A name is taken once in a folder; what is in the trash takes none.
CREATE UNIQUE INDEX nodes_by_place ON nodes (parent_id, name) WHERE trashed_at IS NULL;
-- What is below a folder, trashed or not: moves ask how deep it goes, and removing one asks whether it is empty.
CREATE INDEX nodes_of_parent ON nodes (parent_id);
-- The files that may have old versions, for the rules that remove those.
CREATE INDEX nodes_with_history ON nodes (workspace_id, id) WHERE version_number > 1;
CREATE INDEX nodes_in_trash ON nodes (workspace_id, trashed_at, id) WHERE trashed_at IS NOT NULL;

CREATE TABLE versions (
    id TEXT PRIMARY KEY,
    node_id TEXT NOT NULL REFERENCES nodes (id),
    number BIGINT NOT NULL,
    size BIGINT NOT NULL,
    media_type TEXT NOT NULL,
    stated_media_type TEXT,
    digest TEXT NOT NULL,
    sha256 TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    fence BIGINT NOT NULL,
    -- what people call it; such a version is kept
    label TEXT,
    -- where the bytes are: a blob of the store, or here
    blob_id TEXT,
    content {bytes}
);

CREATE UNIQUE INDEX versions_of_node ON versions (node_id, number);
CREATE INDEX versions_of_blob ON versions (blob_id) WHERE blob_id IS NOT NULL;

CREATE TABLE events (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    seq BIGINT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    key_id TEXT,
    request_id TEXT,
    node_id TEXT,
    version_id TEXT,
    previous_version_id TEXT,
    -- the seq of the first event of the same transaction
    act BIGINT NOT NULL,
    fence BIGINT,
    lock_id TEXT,
    -- where the node is, and where it was if it moved
    path TEXT,
    path_before TEXT,
    -- the node's row before the change as JSON, `null` where the node is new: what undo goes back to
    before TEXT,
    data TEXT NOT NULL,
    PRIMARY KEY (workspace_id, seq)
);

-- What happened to a node: an undo asks what came after, a refused write which event made the version that stands.
CREATE INDEX events_of_node ON events (node_id, seq) WHERE node_id IS NOT NULL;
