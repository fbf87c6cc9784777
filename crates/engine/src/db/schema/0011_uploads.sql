-- Content that comes in many requests, before it is a file's.
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    principal_id TEXT NOT NULL,
    -- of the target; NULL for a part, which has none
    workspace_id TEXT,
    -- whole, part or joined
    kind TEXT NOT NULL,
    -- receiving, complete, refused or finished
    state TEXT NOT NULL,
    -- how many bytes are durable, in how many pieces
    received BIGINT NOT NULL,
    pieces BIGINT NOT NULL,
    -- NULL while it is not known
    length BIGINT,
    -- rises with every request that takes the upload over from those before
    turn BIGINT NOT NULL,
    -- what is to become of it, as JSON
    plan TEXT NOT NULL,
    -- what its maker said of it, as it was sent
    metadata TEXT NOT NULL,
    -- of which parts a joined upload is made
    parts TEXT,
    -- what it became, as JSON
    written TEXT,
    expires_at BIGINT NOT NULL
);

CREATE INDEX uploads_by_expiry ON uploads (expires_at);
CREATE INDEX uploads_by_parts ON uploads (principal_id, parts) WHERE parts IS NOT NULL;

-- Which ranges of which blobs are, one after the other, the content of an upload or of versions.
CREATE TABLE pieces (
    -- an upload, or what versions.blob_id names
    owner TEXT NOT NULL,
    seq BIGINT NOT NULL,
    blob_id TEXT NOT NULL,
    blob_size BIGINT NOT NULL,
    start BIGINT NOT NULL,
    length BIGINT NOT NULL,
    -- chaining values of the cells in it, and for which place in the content they hold
    hashes {bytes},
    hashed_at BIGINT NOT NULL,
    PRIMARY KEY (owner, seq)
);

CREATE INDEX pieces_of_blob ON pieces (blob_id);
