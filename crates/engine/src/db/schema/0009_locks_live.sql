-- Whoever looks for the locks that hold passes by those that ran out.
CREATE INDEX locks_live ON locks (workspace_id, expires_at) WHERE ended_at IS NULL;
CREATE INDEX locks_ended ON locks (ended_at) WHERE ended_at IS NOT NULL;
-- What became of a node's last lock.
CREATE INDEX locks_of_node ON locks (node_id, fence) WHERE ended_at IS NOT NULL;
