-- When a client of this node last brought, named or was told of it: until long after that it may believe that
-- this node has it. NULL: only transfers from other nodes brought it.
ALTER TABLE lfs_file ADD COLUMN uploaded {int};
ALTER TABLE xorb ADD COLUMN uploaded {int};

-- Of what is here already, who brought it is told by its zones: an owner of mirrors has no clients that bring
-- bytes. When is not known, so it counts from this migration.
UPDATE lfs_file SET uploaded = {now} WHERE EXISTS (
    SELECT 1 FROM zone_file z WHERE z.sha256 = lfs_file.sha256 AND z.zone <> 0
        AND NOT EXISTS (SELECT 1 FROM repo r JOIN mirror m ON m.repo_id = r.id WHERE r.owner_id = z.zone));
UPDATE xorb SET uploaded = {now} WHERE EXISTS (
    SELECT 1 FROM zone_xorb z WHERE z.hash = xorb.hash AND z.zone <> 0
        AND NOT EXISTS (SELECT 1 FROM repo r JOIN mirror m ON m.repo_id = r.id WHERE r.owner_id = z.zone))
    OR EXISTS (SELECT 1 FROM file_xorb u JOIN xet_file f ON f.hash = u.file JOIN lfs_file l ON l.sha256 = f.sha256
        WHERE u.xorb = xorb.hash AND l.uploaded IS NOT NULL);

-- Large files that no repository names, and xorbs that only such files use or none, since when. They are offered
-- to nobody; whoever refers to one takes the mark away; after a grace what is marked still goes.
CREATE TABLE file_condemned (
    sha256 {blob} NOT NULL PRIMARY KEY REFERENCES lfs_file (sha256) ON DELETE CASCADE,
    since {int} NOT NULL
) {strict};
CREATE TABLE xorb_condemned (
    hash {blob} NOT NULL PRIMARY KEY REFERENCES xorb (hash) ON DELETE CASCADE,
    since {int} NOT NULL
) {strict};

-- Xorbs whose row is gone and whose bytes are about to go. While a row is here, the xorb is not registered anew.
CREATE TABLE xorb_leaving (
    hash {blob} NOT NULL PRIMARY KEY,
    stored_bytes {int} NOT NULL
) {strict};

-- One row: when a process last began a round, and a number that grows with all that is condemned or deleted, so
-- that other processes know when to forget what they remember.
CREATE TABLE garbage_round (
    one {int} PRIMARY KEY,
    began {int} NOT NULL,
    generation {int} NOT NULL
) {strict};
INSERT INTO garbage_round (one, began, generation) VALUES (1, 0, 0);

CREATE INDEX upload_by_sha256 ON upload (sha256);
