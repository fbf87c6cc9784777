-- The least role that may cancel a job or try it again: what its kind said when it was made.
ALTER TABLE jobs ADD COLUMN steered_by TEXT NOT NULL DEFAULT 'admin';

-- Lanes of which no job is claimed until a time: one look instead of a new place for each of their jobs.
CREATE TABLE lane_rests (
    lane TEXT COLLATE {binary} PRIMARY KEY,
    rests_until BIGINT NOT NULL
);

CREATE INDEX lane_rests_over ON lane_rests (rests_until);

-- That rest has its place there now.
ALTER TABLE hooks DROP COLUMN rests_until;
-- Rises with each new URL and each switching on: what was asked of the receiver before says nothing of the one after.
ALTER TABLE hooks ADD COLUMN round BIGINT NOT NULL DEFAULT 0;

-- The job of the next attempt: where that has ended, the delivery waits for nobody.
ALTER TABLE deliveries ADD COLUMN job_id TEXT;
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'pending';
