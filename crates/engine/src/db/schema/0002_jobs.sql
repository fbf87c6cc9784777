-- Durable background work. `fence` rises with every claim and every claim taken away; whoever runs the job
-- writes with the fence of its claim or not at all.
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    -- NULL: of the server itself
    workspace_id TEXT REFERENCES workspaces (id),
    kind TEXT NOT NULL,
    -- the kind and what its jobs are told apart by: jobs of one lane wait for each other, lanes take turns
    lane TEXT COLLATE {binary} NOT NULL,
    lane_limit BIGINT NOT NULL,
    -- unfinished jobs of one key are one
    unique_key TEXT COLLATE {binary},
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    progress_done BIGINT,
    progress_total BIGINT,
    progress_unit TEXT,
    attempts BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    lease_until BIGINT,
    fence BIGINT NOT NULL,
    worker TEXT,
    -- asked for once more while it ran
    again_at BIGINT,
    result TEXT,
    error_code TEXT,
    error_detail TEXT,
    cancel_requested_at BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT,
    started_at BIGINT,
    finished_at BIGINT
);

CREATE UNIQUE INDEX jobs_by_key ON jobs (unique_key) WHERE unique_key IS NOT NULL AND finished_at IS NULL;
CREATE INDEX jobs_queued ON jobs (lane, run_at, id) WHERE state = 'queued';
CREATE INDEX jobs_running ON jobs (lane) WHERE state = 'running';
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_of_workspace ON jobs (workspace_id, id);

-- One row, taken by whoever claims jobs: claims follow each other, so that a lane's limit holds over all workers.
CREATE TABLE job_claims (
    one BIGINT PRIMARY KEY,
    claimed_at BIGINT NOT NULL
);

INSERT INTO job_claims (one, claimed_at) VALUES (1, 0);

-- When the next job of a kind that runs by the clock is due.
CREATE TABLE job_schedules (
    kind TEXT PRIMARY KEY,
    next_at BIGINT NOT NULL
);
