-- How people sign in: the name as it was written and as it is compared, and the password's hash as a PHC string.
CREATE TABLE passwords (
    principal_id TEXT PRIMARY KEY REFERENCES principals (id),
    sign_in_name TEXT NOT NULL,
    folded_name TEXT COLLATE {binary} NOT NULL UNIQUE,
    hash TEXT NOT NULL,
    -- how many times another password was set: a new hash of the same one does not count
    changes BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);

-- Who is signed in. A session that has ended has no row.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    principal_id TEXT NOT NULL REFERENCES principals (id),
    secret_hash {bytes} NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    idle_ends_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    address TEXT,
    user_agent TEXT
);

CREATE INDEX sessions_of_principal ON sessions (principal_id, id);

-- What lets a person set a new password once: one at a time.
CREATE TABLE password_resets (
    principal_id TEXT PRIMARY KEY REFERENCES principals (id),
    id TEXT NOT NULL UNIQUE,
    token_hash {bytes} NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE invitations (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    role TEXT NOT NULL,
    note TEXT,
    token_hash {bytes} NOT NULL,
    created_by TEXT NOT NULL REFERENCES principals (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- accepted, declined or revoked, and when; NULL while it is none of them
    ended TEXT,
    ended_at BIGINT,
    accepted_by TEXT
);

CREATE INDEX invitations_of_workspace ON invitations (workspace_id, id);
