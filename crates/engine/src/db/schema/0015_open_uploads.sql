-- By whom uploads are listed, and counted while they are not finished.
CREATE INDEX uploads_by_principal ON uploads (principal_id, id);
