-- What a key is narrowed to: words with a space between; NULL for all. The folder may be gone, and then nothing is reached.
ALTER TABLE keys ADD COLUMN verbs TEXT;
ALTER TABLE keys ADD COLUMN folder_id TEXT;
ALTER TABLE keys ADD COLUMN addresses TEXT;

ALTER TABLE keys ADD COLUMN last_used_at BIGINT;
ALTER TABLE keys ADD COLUMN last_used_from TEXT;

-- How often it has changed who may do what: what a process remembers of keys holds while this stays. One row.
CREATE TABLE access_changes (number BIGINT NOT NULL);
INSERT INTO access_changes (number) VALUES (0);

-- The folders that a node was in after what happened and, where that was another, before: they decide which keys of a folder
-- read of it. NULL for what happened before this.
ALTER TABLE events ADD COLUMN parent_id TEXT;
ALTER TABLE events ADD COLUMN parent_before TEXT;
