-- Who asked to read the files of a repository that gives them on request, and what its owner said.
-- status: pending, accepted, rejected.
CREATE TABLE repo_access (
    repo_id {int} NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
    user_id {int} NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    status {text} NOT NULL,
    changed {int} NOT NULL,
    reason {text} NOT NULL,
    PRIMARY KEY (repo_id, user_id)
) {strict};
CREATE INDEX repo_access_by_user ON repo_access (user_id);

-- Until now "on request" was a word only, and the files of such repositories were known as those of open ones.
DELETE FROM zone_file WHERE zone = 0
   AND sha256 IN (
       SELECT f.sha256 FROM repo_file f JOIN repo r ON r.id = f.repo_id
       WHERE r.gated <> 'false' AND r.id NOT IN (SELECT repo_id FROM mirror))
   AND NOT EXISTS (
       SELECT 1 FROM repo_file f JOIN repo r ON r.id = f.repo_id
       WHERE f.sha256 = zone_file.sha256 AND r.visibility = 'public'
         AND (r.gated = 'false' OR r.id IN (SELECT repo_id FROM mirror)));
DELETE FROM zone_xorb WHERE zone = 0
   AND hash IN (
       SELECT x.xorb FROM repo_file f JOIN repo r ON r.id = f.repo_id
       JOIN lfs_file l ON l.sha256 = f.sha256 JOIN file_xorb x ON x.file = l.hash
       WHERE r.gated <> 'false' AND r.id NOT IN (SELECT repo_id FROM mirror))
   AND NOT EXISTS (
       SELECT 1 FROM file_xorb x JOIN lfs_file l ON l.hash = x.file JOIN zone_file z ON z.sha256 = l.sha256
       WHERE x.xorb = zone_xorb.hash AND z.zone = 0);
