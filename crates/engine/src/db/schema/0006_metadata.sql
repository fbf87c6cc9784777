-- By what nodes are found besides their names: a row for each label, and for each key and value of the metadata.
-- A term is a hash of those, because values may be longer than an index takes.
CREATE TABLE node_terms (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    term {bytes} NOT NULL,
    node_id TEXT NOT NULL REFERENCES nodes (id),
    PRIMARY KEY (workspace_id, term, node_id)
);

CREATE INDEX node_terms_of_node ON node_terms (node_id);

CREATE TABLE notes (
    id TEXT PRIMARY KEY,
    node_id TEXT NOT NULL REFERENCES nodes (id),
    -- the version may be gone since
    version_id TEXT,
    range_start BIGINT,
    range_end BIGINT,
    text TEXT NOT NULL,
    author TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    edited_at BIGINT
);

CREATE INDEX notes_of_node ON notes (node_id, id);
