//! Tables, and how a database of any earlier version becomes one of this version.
//!
//! [`MIGRATIONS`] only ever grows at its end; a migration that has left the house is never edited.
//! All that a database lacks is applied in one transaction, under a lock, so two programs that open
//! the same database at once do it once, and a crash half way leaves the old version.

use karez_types::Timestamp;

use crate::CatalogError;
use crate::engine::{Engine, Pool, Tx, args};

/// One step; its place in the list, counted from 1, is the version that it makes.
pub(crate) struct Migration {
    pub(crate) name: &'static str,
    /// Statements with `{id}`, `{int}`, `{text}`, `{blob}` and `{strict}` where the engines differ, and `{now}`.
    pub(crate) sql: &'static str,
}

/// Every step since the first version, oldest first.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { name: "first tables", sql: include_str!("migrations/0001_first_tables.sql") },
    Migration { name: "log, remotes, mirrors", sql: include_str!("migrations/0002_federation.sql") },
    Migration { name: "changes, for search", sql: include_str!("migrations/0003_search.sql") },
    Migration { name: "discussions", sql: include_str!("migrations/0004_discussions.sql") },
    Migration { name: "passwords and sessions", sql: include_str!("migrations/0005_sign_in.sql") },
    Migration { name: "publications, likes, collections", sql: include_str!("migrations/0006_commons.sql") },
    Migration { name: "quotas", sql: include_str!("migrations/0007_quotas.sql") },
    Migration { name: "what leaves the store", sql: include_str!("migrations/0008_garbage.sql") },
    Migration { name: "access on request", sql: include_str!("migrations/0009_access.sql") },
    Migration { name: "blocked accounts", sql: include_str!("migrations/0010_blocked.sql") },
];

/// Key of PostgreSQL's advisory lock: "karez" and a number, as ASCII.
const LOCK_KEY: i64 = 0x006b_6172_657a_0001;

const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    version {int} PRIMARY KEY,
    name {text} NOT NULL,
    applied {int} NOT NULL
) {strict};";

/// Brings the database to the newest version that the list knows.
pub(crate) async fn migrate(pool: &Pool, migrations: &[Migration], now: Timestamp) -> Result<(), CatalogError> {
    let known = migrations.len() as i64;
    // The usual case needs no lock. A database without the table fails this query and is migrated.
    if let Ok(found) = pool.row("SELECT MAX(version) FROM schema_version", args![]).await {
        let found = found.map(|row| row.opt_int(0)).transpose()?.flatten().unwrap_or(0);
        if found == known {
            return Ok(());
        }
    }
    let mut tx = pool.begin().await?;
    if tx.engine() == Engine::Postgres {
        tx.execute("SELECT pg_advisory_xact_lock($1)", args![LOCK_KEY]).await?;
    }
    tx.script(dialect(tx.engine(), VERSIONS, now)).await?;
    let found = version(&mut tx).await?;
    if found > known {
        return Err(CatalogError::NewerSchema { found, known });
    }
    for (position, migration) in migrations.iter().enumerate().skip(found as usize) {
        tx.script(dialect(tx.engine(), migration.sql, now)).await?;
        let version = position as i64 + 1;
        tx.execute(
            "INSERT INTO schema_version (version, name, applied) VALUES ($1, $2, $3)",
            args![version, migration.name, now],
        )
        .await?;
        tracing::info!(schema.version = version, schema.step = migration.name, "migrated the database");
    }
    tx.finish().await
}

async fn version(tx: &mut Tx) -> Result<i64, CatalogError> {
    let row = tx.row("SELECT COALESCE(MAX(version), 0) FROM schema_version", args![]).await?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// Writes the engine's own words into a statement, and the moment for `{now}`. Text compares by bytes on both.
fn dialect(engine: Engine, sql: &str, now: Timestamp) -> String {
    let words = match engine {
        Engine::Sqlite => [
            // Ids of deleted accounts must not come back: an id is a trust zone.
            ("{id}", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("{int}", "INTEGER"),
            ("{text}", "TEXT"),
            ("{blob}", "BLOB"),
            ("{strict}", "STRICT"),
        ],
        Engine::Postgres => [
            ("{id}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
            ("{int}", "BIGINT"),
            ("{text}", "TEXT COLLATE \"C\""),
            ("{blob}", "BYTEA"),
            ("{strict}", ""),
        ],
    };
    words.iter().fold(sql.replace("{now}", &now.0.to_string()), |sql, (from, to)| sql.replace(from, to))
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection, PgConnection};

    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);
    const FIRST: Migration = Migration {
        name: "first",
        sql: "CREATE TABLE canal (id {id}, name {text} NOT NULL) {strict}; INSERT INTO canal (name) VALUES ('old');",
    };
    const SECOND: Migration =
        Migration { name: "second", sql: "ALTER TABLE canal ADD COLUMN metres {int} NOT NULL DEFAULT 7;" };
    const BROKEN: Migration = Migration { name: "broken", sql: "CREATE TABLE well (id {id}); SELECT no_such_column;" };

    fn block_on(case: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(case);
    }

    #[test]
    fn an_older_sqlite_is_migrated() {
        block_on(async {
            let folder = tempfile::tempdir().unwrap();
            older_is_migrated(&Pool::open_sqlite(&folder.path().join("k.db"), 2).await.unwrap()).await;
            pull_requests_become_discussions(&Pool::open_sqlite(&folder.path().join("l.db"), 2).await.unwrap()).await;
        });
    }

    #[test]
    fn an_older_postgres_is_migrated() {
        block_on(async {
            let server = std::env::var("KAREZ_TEST_POSTGRES").expect(
                "this case needs a PostgreSQL server, named in KAREZ_TEST_POSTGRES: \
                 run it through `cargo xtask test`, which starts one",
            );
            let name = format!("migration_{}", std::process::id());
            let mut admin = PgConnection::connect(&server).await.unwrap();
            let create = format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}");
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut admin).await.unwrap();
            let mark = if server.contains('?') { '&' } else { '?' };
            let url = format!("{server}{mark}options=-csearch_path%3D{name}");
            older_is_migrated(&Pool::open_postgres(&url, 2).await.unwrap()).await;
            let recreate = format!("DROP SCHEMA {name} CASCADE; CREATE SCHEMA {name}");
            sqlx::raw_sql(AssertSqlSafe(recreate)).execute(&mut admin).await.unwrap();
            pull_requests_become_discussions(&Pool::open_postgres(&url, 2).await.unwrap()).await;
            let drop = format!("DROP SCHEMA {name} CASCADE");
            sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut admin).await.unwrap();
        });
    }

    /// Pull requests of before discussions keep their number, and what they said is a comment.
    async fn pull_requests_become_discussions(pool: &Pool) {
        migrate(pool, &MIGRATIONS[..3], NOW).await.unwrap();
        let mut tx = pool.begin().await.unwrap();
        for sql in [
            "INSERT INTO account (name, name_folded, kind, fullname, is_admin, created) VALUES ('a', 'a', 'user', '', 0, 1)",
            "INSERT INTO repo (kind, owner_id, name, id_folded, visibility, gated, created, modified, downloads, likes,
                 tags, pull_requests)
             SELECT 'model', id, 'r', 'a/r', 'public', 'false', 1, 1, 0, 0, '[]', 2 FROM account",
            "INSERT INTO pull_request (repo_id, number, title, description, author_id, base, created)
             SELECT id, 1, 'one', 'why', owner_id, 'refs/heads/main', 7 FROM repo",
            "INSERT INTO pull_request (repo_id, number, title, description, author_id, base, created)
             SELECT id, 2, 'two', '', owner_id, 'refs/heads/main', 8 FROM repo",
        ] {
            tx.execute(sql, args![]).await.unwrap();
        }
        tx.finish().await.unwrap();
        migrate(pool, MIGRATIONS, NOW).await.unwrap();
        let rows =
            pool.rows("SELECT number, title, status, events FROM discussion ORDER BY number", args![]).await.unwrap();
        let said: Vec<_> = rows
            .iter()
            .map(|row| (row.int(0).unwrap(), row.text(1).unwrap(), row.text(2).unwrap(), row.int(3).unwrap()))
            .collect();
        let open = || "open".to_owned();
        assert_eq!(said, [(1, "one".to_owned(), open(), 1), (2, "two".to_owned(), open(), 0)]);
        let rows = pool.rows("SELECT number, seq, content, created FROM discussion_event", args![]).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].int(0).unwrap(), rows[0].text(2).unwrap().as_str(), rows[0].int(3).unwrap()),
            (1, "why", 7)
        );
        pool.close().await;
    }

    async fn older_is_migrated(pool: &Pool) {
        let known = async || {
            let row = pool.row("SELECT COUNT(*), MAX(version) FROM schema_version", args![]).await.unwrap().unwrap();
            (row.int(0).unwrap(), row.int(1).unwrap())
        };
        migrate(pool, &[FIRST], NOW).await.unwrap();
        migrate(pool, &[FIRST], NOW).await.unwrap();
        assert_eq!(known().await, (1, 1));
        // A step that fails leaves the old version, also what it had begun.
        for _ in 0..2 {
            assert!(migrate(pool, &[FIRST, SECOND, BROKEN], NOW).await.is_err());
        }
        assert_eq!(known().await, (1, 1));
        migrate(pool, &[FIRST, SECOND], NOW).await.unwrap();
        assert_eq!(known().await, (2, 2));
        let row = pool.row("SELECT name, metres FROM canal", args![]).await.unwrap().unwrap();
        assert_eq!((row.text(0).unwrap().as_str(), row.int(1).unwrap()), ("old", 7));
        // The program from before refuses what came after it.
        let error = migrate(pool, &[FIRST], NOW).await.unwrap_err();
        assert!(matches!(error, CatalogError::NewerSchema { found: 2, known: 1 }), "{error:?}");
        pool.close().await;
    }
}
