-- Exports and imports under way. What one holds is kept until it ends, or until nobody has gone on with it for a while.
CREATE TABLE crossings (
    id TEXT PRIMARY KEY,
    -- of an export; NULL for an import, whose workspace is not there yet
    workspace_id TEXT,
    expires_at BIGINT NOT NULL
);

CREATE INDEX crossings_of_workspace ON crossings (workspace_id) WHERE workspace_id IS NOT NULL;

-- Contents that are held: of an export those whose versions were removed meanwhile, by the version's id, and what it has put
-- aside; of an import those that have come, by their digest.
CREATE TABLE crossing_contents (
    crossing_id TEXT NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT,
    -- where the bytes are, as in the row of a version
    blob_id TEXT,
    content {bytes},
    blob_start BIGINT,
    blob_size BIGINT,
    PRIMARY KEY (crossing_id, name)
);

CREATE INDEX crossing_contents_of_blob ON crossing_contents (blob_id) WHERE blob_id IS NOT NULL;

-- What an import has read, until one transaction makes a workspace of it.
CREATE TABLE crossing_lines (
    crossing_id TEXT NOT NULL,
    section TEXT NOT NULL,
    number BIGINT NOT NULL,
    -- of what the line describes; none is there twice
    id TEXT,
    -- what only one may have
    place TEXT COLLATE {binary},
    -- of a node
    kind TEXT,
    path TEXT,
    line TEXT NOT NULL,
    PRIMARY KEY (crossing_id, section, number)
);

CREATE UNIQUE INDEX crossing_lines_by_id ON crossing_lines (crossing_id, id) WHERE id IS NOT NULL;
CREATE UNIQUE INDEX crossing_lines_by_place ON crossing_lines (crossing_id, place) WHERE place IS NOT NULL;

-- What is below a folder is listed page by page, in the trash or not.
DROP INDEX nodes_of_parent;
CREATE INDEX nodes_of_parent ON nodes (parent_id, id);
