-- What seals the links of this database; made when the first one is.
ALTER TABLE instance ADD COLUMN link_secret {bytes};
