-- Which range of its blob a version's content is, where others share the blob: from blob_start on, as long as the version.
ALTER TABLE versions ADD COLUMN blob_start BIGINT;
ALTER TABLE versions ADD COLUMN blob_size BIGINT;
-- How much of a shared blob is still of use is told by this index alone.
DROP INDEX versions_of_blob;
CREATE INDEX versions_of_blob ON versions (blob_id, blob_size, blob_start, size) WHERE blob_id IS NOT NULL;
