-- The place of the oldest event that is kept: a reader that comes from further back has missed some.
ALTER TABLE workspaces ADD COLUMN first_seq BIGINT NOT NULL DEFAULT 1;
