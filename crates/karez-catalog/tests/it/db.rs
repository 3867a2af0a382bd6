//! A database of its own for each case, on each engine.

use std::sync::atomic::{AtomicU64, Ordering};

use karez_catalog::{
    Account, AccountCreated, AccountKind, Brought, Catalog, CommitContent, CommitWrite, FileRow, FilesInserted,
    NewAccount, NewDiscussion, NewFile, NewObject, NewPullRequest, NewRepo, Proposal, Repo, RepoCreated, XorbInserted,
    XorbRow,
};
use karez_formats::git::{GitKind, object_id};
use karez_formats::xet::Term;
use karez_types::{FileHash, GitOid, RefName, RepoAddress, RepoKind, Sha256, Timestamp, Visibility, XorbHash, Zone};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// When the cases happen.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// Makes two tests of one case: `case::sqlite` and `case::postgres`.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => { $(
        mod $case {
            #[test]
            fn sqlite() {
                $crate::db::block_on(async {
                    let db = $crate::db::Db::sqlite().await;
                    super::$case(&db).await;
                    db.finish().await;
                });
            }
            #[test]
            fn postgres() {
                $crate::db::block_on(async {
                    let db = $crate::db::Db::postgres().await;
                    super::$case(&db).await;
                    db.finish().await;
                });
            }
        }
    )+ };
}
pub(crate) use cases;

pub fn block_on(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(case);
}

pub struct Db {
    pub catalog: Catalog,
    pub url: String,
    place: Place,
}

enum Place {
    Folder(tempfile::TempDir),
    Schema { server: String, name: String },
}

impl Db {
    pub async fn sqlite() -> Db {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("karez.db").display());
        Db { catalog: Catalog::open(&url, NOW).await.unwrap(), url, place: Place::Folder(folder) }
    }

    pub async fn postgres() -> Db {
        let server = std::env::var("KAREZ_TEST_POSTGRES").expect(
            "these cases need a PostgreSQL server, named in KAREZ_TEST_POSTGRES: \
             run them through `cargo xtask test`, which starts one",
        );
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("case_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}")))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let mark = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{mark}options=-csearch_path%3D{name}&application_name={name}");
        Db { catalog: Catalog::open(&url, NOW).await.unwrap(), url, place: Place::Schema { server, name } }
    }

    /// Runs SQL behind the catalog's back.
    pub async fn sql(&self, text: &str) {
        match &self.place {
            Place::Folder(folder) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("karez.db"));
                let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Place::Schema { .. } => {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    /// Tells whether several transactions write at once.
    pub fn has_many_writers(&self) -> bool {
        matches!(self.place, Place::Schema { .. })
    }

    /// Counts the rows of a table.
    pub async fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        match &self.place {
            Place::Folder(folder) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("karez.db"));
                let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap()
            }
            Place::Schema { .. } => {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap()
            }
        }
    }

    pub async fn finish(self) {
        self.catalog.close().await;
        if let Place::Schema { server, name } = &self.place {
            let mut connection = PgConnection::connect(server).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(format!("DROP SCHEMA {name} CASCADE"))).execute(&mut connection).await.unwrap();
        }
    }

    // ---- what most cases begin with ------------------------------------------------------------

    pub async fn account(&self, name: &str, kind: AccountKind) -> Account {
        let new = NewAccount {
            name: name.parse().unwrap(),
            kind,
            fullname: format!("{name} in full"),
            email: None,
            is_admin: false,
        };
        match self.catalog.account_create(&new, NOW).await.unwrap() {
            AccountCreated::Created(account) => account,
            AccountCreated::Taken(account) => panic!("{account:?} is there already"),
        }
    }

    pub async fn user(&self, name: &str) -> Account {
        self.account(name, AccountKind::User).await
    }

    pub async fn repo(&self, owner: &Account, name: &str, visibility: Visibility) -> Repo {
        self.repo_of(RepoKind::Model, owner, name, visibility, NOW).await
    }

    pub async fn repo_of(
        &self,
        kind: RepoKind,
        owner: &Account,
        name: &str,
        visibility: Visibility,
        now: Timestamp,
    ) -> Repo {
        let new = NewRepo { kind, owner: owner.id, name: name.parse().unwrap(), visibility, sdk: None };
        match self.catalog.repo_create(&new, &commit_content("initial"), now).await.unwrap() {
            RepoCreated::Created(repo) => repo,
            other => panic!("{other:?}"),
        }
    }

    /// Stores a xorb and a file of this many bytes in it; both are named after the letter.
    pub async fn file(&self, letter: u8, zone: Zone) -> FileRow {
        self.file_of(letter, letter, &[letter], zone).await
    }

    /// Stores a file with this SHA-256 and xet hash, made of one term of each of these xorbs.
    pub async fn file_of(&self, sha256: u8, hash: u8, xorbs: &[u8], zone: Zone) -> FileRow {
        for &xorb in xorbs {
            self.xorb(xorb, zone).await;
        }
        let row = file_row(sha256, hash, xorbs);
        let file = NewFile { row: row.clone(), dedup_keys: Vec::new() };
        let outcome = self.catalog.file_insert(&file, zone, Brought::ByClient, NOW).await.unwrap();
        assert_eq!(outcome, FilesInserted::Registered);
        row
    }

    /// Stores a xorb that a client brought, named after the letter.
    pub async fn xorb(&self, letter: u8, zone: Zone) {
        self.xorb_at(letter, zone, Brought::ByClient, NOW).await;
    }

    pub async fn xorb_at(&self, letter: u8, zone: Zone, brought: Brought, now: Timestamp) {
        let outcome = self.catalog.xorb_insert(&xorb_row(letter), zone, brought, now, || async { true }).await.unwrap();
        assert_eq!(outcome, XorbInserted::Registered);
    }
}

pub fn xorb_row(letter: u8) -> XorbRow {
    XorbRow { hash: XorbHash([letter; 32]), stored_bytes: 900, raw_bytes: 1000, chunk_count: 10 }
}

pub fn file_row(sha256: u8, hash: u8, xorbs: &[u8]) -> FileRow {
    let term = |&xorb: &u8| Term { xorb: XorbHash([xorb; 32]), chunk_start: 0, chunk_end: 10, raw_bytes: 1000 };
    FileRow {
        hash: FileHash([hash; 32]),
        sha256: Sha256([sha256; 32]),
        file_bytes: 1000 * xorbs.len() as u64,
        terms: xorbs.iter().map(term).collect(),
    }
}

pub fn object(kind: GitKind, content: &str) -> NewObject {
    let content = content.as_bytes().to_vec();
    NewObject { oid: object_id(kind, &content), kind, content, lfs: None }
}

/// A commit that brings itself and a tree and a blob. The catalog does not look into objects.
pub fn commit_content(text: &str) -> CommitContent {
    let commit = object(GitKind::Commit, &format!("commit {text}"));
    let target = commit.oid;
    let objects =
        vec![commit, object(GitKind::Tree, &format!("tree {text}")), object(GitKind::Blob, &format!("blob {text}"))];
    CommitContent { objects, ..CommitContent::only_target(target) }
}

pub fn commit_to_main(repo: &Repo, expected: Option<GitOid>, text: &str) -> CommitWrite {
    CommitWrite { repo_id: repo.id, ref_name: main(), expected, content: commit_content(text), proposal: None }
}

/// A pull request to main.
pub fn opens(number: u64, title: &str, description: &str, author: &Account) -> Option<Proposal> {
    let discussion = NewDiscussion { title: title.into(), description: description.into(), author: author.id };
    Some(Proposal::Opens(NewPullRequest { number, discussion, base: main(), is_draft: false }))
}

pub fn main() -> RefName {
    RefName::branch("main").unwrap()
}

pub fn model(id: &str) -> RepoAddress {
    RepoAddress::parse(RepoKind::Model, id).unwrap()
}
