-- The least role that may cancel a job or try it again: what its kind said when it was made.
ALTER TABLE jobs ADD COLUMN steered_by TEXT NOT NULL DEFAULT 'admin';
