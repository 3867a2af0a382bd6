-- What changed since when, for search indexes: one row per repository that ever changed, also of those that
-- are gone. change grows: on SQLite it counts, on PostgreSQL it is the id of the transaction (see change.rs).
CREATE TABLE repo_change (
    repo_id {int} PRIMARY KEY,
    change {int} NOT NULL
) {strict};
CREATE INDEX repo_change_by_change ON repo_change (change, repo_id);
