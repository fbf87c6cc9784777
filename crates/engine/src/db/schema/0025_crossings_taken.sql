-- When the newest version was made that an export shows: later ones are not held for it. NULL until its metadata is read.
ALTER TABLE crossings ADD COLUMN taken_at BIGINT;
