-- How providers of OpenID Connect know people, who sign in by it. Nobody is ever found by the e-mail address.
CREATE TABLE identities (
    id TEXT PRIMARY KEY,
    issuer TEXT COLLATE {binary} NOT NULL,
    subject TEXT COLLATE {binary} NOT NULL,
    principal_id TEXT NOT NULL REFERENCES principals (id),
    email TEXT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    UNIQUE (issuer, subject)
);

CREATE INDEX identities_of_principal ON identities (principal_id, id);
