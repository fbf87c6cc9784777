-- What was done, and what was refused for want of a right. `{place}` is where an entry is: what a reader has read up to a
-- place has nothing new before it. Nothing refers to other tables: an entry outlives what it tells of.
CREATE TABLE audit (
    {place},
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    -- of a refusal; NULL for what was done
    code TEXT,
    workspace_id TEXT,
    principal_id TEXT,
    -- the id of a key, a session or a share link
    credential TEXT,
    address TEXT,
    request_id TEXT,
    -- method and route
    route TEXT,
    -- the id of what it was about
    object TEXT,
    -- JSON
    facts TEXT
);

-- What is added to a transaction's number to make a place: a dump that is restored elsewhere finds numbers that begin anew.
ALTER TABLE instance ADD COLUMN audit_base BIGINT NOT NULL DEFAULT 0;
