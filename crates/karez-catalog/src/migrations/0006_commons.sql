-- What this node tells the world that it publishes: one row per address of the log, also of those that are
-- gone, with the index and time of the latest entry about it.
CREATE TABLE publication (
    address {text} NOT NULL PRIMARY KEY,
    idx {int} NOT NULL,
    changed {int} NOT NULL,
    repo_id {int},
    is_gone {int} NOT NULL
) {strict};
CREATE INDEX publication_by_idx ON publication (idx, address);
CREATE INDEX publication_by_repo ON publication (repo_id);

INSERT INTO publication (address, idx, changed, repo_id, is_gone)
SELECT e.repo, e.idx, e.at, r.id, CASE WHEN r.id IS NULL THEN 1 ELSE 0 END
FROM log_entry e
LEFT JOIN repo r ON r.kind || 's/' || r.id_folded = e.repo AND r.visibility = 'public' AND r.gated = 'false'
    AND NOT EXISTS (SELECT 1 FROM mirror m WHERE m.repo_id = r.id)
WHERE e.idx = (SELECT MAX(f.idx) FROM log_entry f WHERE f.repo = e.repo);

-- What moved has no entry under its new address yet.
INSERT INTO publication (address, idx, changed, repo_id, is_gone)
SELECT r.kind || 's/' || r.id_folded, 0, r.modified, r.id, 0
FROM repo r
WHERE r.visibility = 'public' AND r.gated = 'false'
    AND NOT EXISTS (SELECT 1 FROM mirror m WHERE m.repo_id = r.id)
    AND NOT EXISTS (SELECT 1 FROM publication p WHERE p.address = r.kind || 's/' || r.id_folded);

-- Who likes what. repo.likes counts the rows.
CREATE TABLE repo_like (
    repo_id {int} NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
    user_id {int} NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created {int} NOT NULL,
    PRIMARY KEY (repo_id, user_id)
) {strict};
CREATE INDEX repo_like_by_user ON repo_like (user_id, created);

-- How much a repository is used now: see trend.rs for the unit. 0 for what never was.
ALTER TABLE repo ADD COLUMN trend {int} NOT NULL DEFAULT 0;
CREATE INDEX repo_by_trend ON repo (kind, trend, id);

-- Lists of repositories that somebody put together. mark is the end of the address: 24 hexadecimal digits.
CREATE TABLE collection (
    id {id},
    mark {text} NOT NULL UNIQUE,
    owner_id {int} NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    title {text} NOT NULL,
    description {text} NOT NULL,
    theme {text} NOT NULL,
    is_private {int} NOT NULL,
    position {int} NOT NULL,
    created {int} NOT NULL,
    modified {int} NOT NULL
) {strict};
CREATE INDEX collection_by_owner ON collection (owner_id, position, id);
CREATE INDEX collection_by_time ON collection (modified, id);

CREATE TABLE collection_item (
    id {id},
    collection_id {int} NOT NULL REFERENCES collection (id) ON DELETE CASCADE,
    repo_id {int} NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
    note {text} NOT NULL,
    position {int} NOT NULL,
    UNIQUE (collection_id, repo_id)
) {strict};
CREATE INDEX collection_item_by_repo ON collection_item (repo_id);
