-- The answers of writes that named an idempotency key, sealed with a key made of its text, which is not kept.
CREATE TABLE idempotency (
    principal_id TEXT NOT NULL,
    key_hash {bytes} NOT NULL,
    fingerprint {bytes} NOT NULL,
    salt {bytes} NOT NULL,
    -- NULL while the write is under way
    sealed {bytes},
    created_at BIGINT NOT NULL,
    PRIMARY KEY (principal_id, key_hash)
);

CREATE INDEX idempotency_by_age ON idempotency (created_at);
