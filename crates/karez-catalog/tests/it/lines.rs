//! Lines and what came over them, transfers, what files of mirrors are worth, incidents.

use karez_catalog::{Keep, TransferRow, TransferState};
use karez_types::{RepoId, Sha256, Timestamp, Visibility};

use crate::db::{Db, NOW, cases, commit_to_main};

cases!(
    lines_count_by_month,
    transfers_are_listed_as_people_look,
    held_files_know_their_use,
    incidents_are_written_once_a_day
);

async fn lines_count_by_month(db: &Db) {
    db.catalog.line_set("satellite", r#"{"cost":"metered"}"#).await.unwrap();
    db.catalog.line_set("fibre", "{}").await.unwrap();
    db.catalog.line_set("fibre", r#"{"cost":"lan"}"#).await.unwrap();
    assert_eq!(db.catalog.line_get("fibre").await.unwrap().as_deref(), Some(r#"{"cost":"lan"}"#));
    assert_eq!(db.catalog.line_get("none").await.unwrap(), None);
    let names: Vec<_> = db.catalog.line_list().await.unwrap().into_iter().map(|line| line.name).collect();
    assert_eq!(names, ["fibre", "satellite"]);
    let add = |month, bytes| db.catalog.line_use_add("satellite", month, bytes);
    let (one, two, three) = tokio::join!(add(682, 5), add(682, 7), add(683, 1));
    one.and(two).and(three).unwrap();
    assert_eq!(db.catalog.line_use_get("satellite", 682).await.unwrap(), 12);
    assert_eq!(db.catalog.line_use_get("satellite", 684).await.unwrap(), 0);
    assert_eq!(db.catalog.line_use_totals().await.unwrap(), [("satellite".to_owned(), 13)]);
    // A clock that was wrong had bytes charged to a month that has not come: they move.
    db.catalog.line_use_settle("fibre", &[], 900, 7).await.unwrap();
    db.catalog.line_use_settle("fibre", &[(900, None), (682, Some(7))], 682, 3).await.unwrap();
    assert_eq!(db.catalog.line_use_rows("fibre").await.unwrap(), [(682, 10)]);
    assert_eq!(db.catalog.line_use_rows("satellite").await.unwrap(), [(682, 12), (683, 1)]);
    assert!(db.catalog.line_delete("satellite").await.unwrap());
    assert!(!db.catalog.line_delete("satellite").await.unwrap());
    assert_eq!(db.catalog.line_use_get("satellite", 682).await.unwrap(), 12, "the bill stays");
}

fn transfer(letter: u8, state: TransferState, updated: i64) -> TransferRow {
    TransferRow {
        sha256: Sha256([letter; 32]),
        repo: "amina/base".into(),
        path: format!("{letter}.safetensors"),
        remote: "dushanbe".into(),
        state,
        file_bytes: 1000,
        wire_bytes: 700,
        done_bytes: 100,
        rate_bytes_per_sec: 50,
        started: NOW,
        updated: Timestamp(updated),
        trouble: None,
    }
}

async fn transfers_are_listed_as_people_look(db: &Db) {
    let failed = TransferRow { trouble: Some("gone at the origin".into()), ..transfer(4, TransferState::Failed, 9) };
    let rows = [
        transfer(1, TransferState::Done, 5),
        transfer(2, TransferState::Waiting, 1),
        transfer(3, TransferState::Running, 3),
        failed.clone(),
    ];
    for row in &rows {
        db.catalog.transfer_put(row).await.unwrap();
    }
    let listed = db.catalog.transfer_list(9).await.unwrap();
    assert_eq!(listed, [rows[2].clone(), rows[1].clone(), failed.clone(), rows[0].clone()]);
    let running = TransferRow { done_bytes: 400, updated: Timestamp(6), ..rows[2].clone() };
    db.catalog.transfer_put(&running).await.unwrap();
    assert_eq!(db.catalog.transfer_list(1).await.unwrap(), [running]);
    assert_eq!(db.catalog.transfer_counts().await.unwrap().len(), 4);
    assert_eq!(db.catalog.transfer_delete_old(Timestamp(6)).await.unwrap(), 1, "what waits is not old");
    assert_eq!(db.catalog.transfer_list(9).await.unwrap().len(), 3);
}

/// Makes a repository a mirror, behind the catalog's back.
async fn make_mirror(db: &Db, repo: RepoId) {
    db.sql(&format!(
        "INSERT INTO remote (name, kind, url, line, settings, added)
         VALUES ('dushanbe', 'peer', 'https://d.example', 'default', '{{}}', 0);
         INSERT INTO mirror (repo_id, remote_id, remote_repo, remote_folded, is_hidden, keep, is_restricted, is_whole_history, held_since,
             checked, verified_by, is_pinned)
         SELECT {repo}, id, 'models/a/b', 'models/a/b', 0, 'demand', 0, 0, 77, 77, 'log', 1 FROM remote"
    ))
    .await;
}

async fn held_files_know_their_use(db: &Db) {
    let amina = db.user("amina").await;
    let (mirror, own) =
        (db.repo(&amina, "m", Visibility::Public).await, db.repo(&amina, "own", Visibility::Public).await);
    let (one, two) = (db.file(3, mirror.zone()).await, db.file(4, mirror.zone()).await);
    for repo in [&mirror, &own] {
        let mut write = commit_to_main(repo, repo.head, "files");
        write.content.files = vec![one.sha256, two.sha256];
        db.catalog.commit_apply(&write, NOW).await.unwrap();
    }
    assert!(db.catalog.held_files(None, 9).await.unwrap().is_empty(), "own repositories hold nothing for others");
    make_mirror(db, mirror.id).await;
    db.catalog.file_use_add(&two.sha256, 1, 1000, NOW).await.unwrap();
    db.catalog.file_use_add(&two.sha256, 2, 2000, NOW.plus_secs(1)).await.unwrap();
    assert_eq!(db.catalog.file_use_requests(&two.sha256).await.unwrap(), 3);
    assert_eq!(db.catalog.file_use_requests(&one.sha256).await.unwrap(), 0);
    let files = db.catalog.held_files(None, 9).await.unwrap();
    let brief: Vec<_> = files
        .iter()
        .map(|file| (file.sha256, file.file_bytes, file.requests, file.saved_bytes, file.last_used))
        .collect();
    let expected = [(one.sha256, 1000, 0, 0, Timestamp(77)), (two.sha256, 1000, 3, 3000, NOW.plus_secs(1))];
    assert_eq!(brief, expected);
    assert!(files[0].is_pinned && files[0].keep == Keep::Demand);
    let rest = db.catalog.held_files(Some((mirror.id, &one.sha256)), 9).await.unwrap();
    assert_eq!((rest.len(), rest[0].sha256), (1, two.sha256));
    assert_eq!(db.catalog.held_bytes().await.unwrap(), 2000);
}

async fn incidents_are_written_once_a_day(db: &Db) {
    let write = async |what: &str, secs: i64| {
        db.catalog.incident_insert("dushanbe", "fork", what, NOW.plus_secs(secs)).await.unwrap()
    };
    assert!(write("two roots of size 7", 0).await);
    assert!(!write("two roots of size 7", 3600).await, "said already");
    assert!(write("two roots of size 8", 3600).await);
    assert!(write("two roots of size 7", 90_000).await, "still so the day after");
    let listed = db.catalog.incident_list(2).await.unwrap();
    let whats: Vec<_> = listed.iter().map(|incident| incident.what.as_str()).collect();
    assert_eq!(whats, ["two roots of size 7", "two roots of size 8"]);
    assert_eq!((listed[0].at, listed[0].remote.as_str()), (NOW.plus_secs(90_000), "dushanbe"));
    assert_eq!(db.catalog.incident_counts().await.unwrap(), [("fork".to_owned(), 3)]);
}
