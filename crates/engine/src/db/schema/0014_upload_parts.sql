-- A list of parts is longer than what PostgreSQL takes into an index: it is found by its SHA-256.
DROP INDEX uploads_by_parts;
ALTER TABLE uploads ADD COLUMN parts_hash TEXT;
CREATE INDEX uploads_by_parts ON uploads (principal_id, parts_hash) WHERE parts_hash IS NOT NULL;

-- how many of the bytes were sent, and not copied of a base
ALTER TABLE uploads ADD COLUMN sent BIGINT NOT NULL DEFAULT 0;
UPDATE uploads SET sent = received;
