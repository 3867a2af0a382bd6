//! What nothing refers to: condemned, revived, deleted.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use karez_catalog::{
    Brought, Catalog, CommitOutcome, CommitWrite, FilesInserted, GarbageTotals, NewFile, Repo, UploadRow, XorbInserted,
};
use karez_types::{ChunkHash, FileHash, Sha256, Timestamp, Visibility, XorbHash, Zone};

use crate::db::{Db, NOW, cases, commit_content, file_row, main, xorb_row};

cases!(
    what_comes_from_afar_and_nothing_names_goes,
    what_a_client_brought_waits_for_weeks,
    a_shared_xorb_stays_with_its_other_file,
    whoever_refers_to_it_revives_it,
    nothing_names_what_is_gone,
    bytes_are_removed_once_and_not_under_a_new_row,
    an_upload_under_way_keeps_its_file,
    a_second_way_with_the_same_chunks_uses_only_its_own_xorbs,
    one_process_begins_a_round,
    who_brought_what_was_here_before_is_told_by_its_zones,
    nothing_referred_to_goes_whatever_happens_at_once,
);

const A: Zone = Zone(1);
/// A moment before which nobody brought anything.
const NEVER: Timestamp = Timestamp(0);

fn later(secs: i64) -> Timestamp {
    NOW.plus_secs(secs)
}

fn sha256(letter: u8) -> Sha256 {
    Sha256([letter; 32])
}

fn xorb(letter: u8) -> XorbHash {
    XorbHash([letter; 32])
}

/// Registers a file, named after the letter, of these xorbs.
async fn file(db: &Db, letter: u8, xorbs: &[u8], brought: Brought, now: Timestamp) {
    for &number in xorbs {
        db.xorb_at(number, A, brought, now).await;
    }
    let keys = xorbs.iter().map(|&number| (ChunkHash([number; 32]), xorb(number))).collect();
    let new = NewFile { row: file_row(letter, letter, xorbs), dedup_keys: keys };
    assert_eq!(db.catalog.file_insert(&new, A, brought, now).await.unwrap(), FilesInserted::Registered);
}

/// Condemns what may be; returns how many files and xorbs.
async fn condemn(catalog: &Catalog, uploaded_before: Timestamp, now: Timestamp) -> (u64, u64) {
    let (mut files, mut xorbs) = (0, 0);
    let mut after = None;
    while let page = catalog.garbage_files_mark(after.as_ref(), uploaded_before, now).await.unwrap()
        && page.last.is_some()
    {
        (files, after) = (files + page.count, page.last);
    }
    let mut after = None;
    while let page = catalog.garbage_xorbs_mark(after.as_ref(), uploaded_before, now).await.unwrap()
        && page.last.is_some()
    {
        (xorbs, after) = (xorbs + page.count, page.last);
    }
    (files, xorbs)
}

/// Deletes the rows of what was condemned before this moment; returns how many files and xorbs.
async fn delete(catalog: &Catalog, before: Timestamp) -> (u64, u64) {
    let (mut files, mut xorbs) = (0, 0);
    let mut after = None;
    while let page = catalog.garbage_files_delete(after.as_ref(), before).await.unwrap()
        && page.last.is_some()
    {
        (files, after) = (files + page.count, page.last);
    }
    let mut after = None;
    while let page = catalog.garbage_xorbs_delete(after.as_ref(), before).await.unwrap()
        && page.last.is_some()
    {
        (xorbs, after) = (xorbs + page.count, page.last);
    }
    (files, xorbs)
}

async fn leave(catalog: &Catalog, letter: u8) -> bool {
    catalog.xorb_leave(xorb(letter), async { Ok::<_, Infallible>(()) }).await.unwrap().unwrap()
}

async fn commit(db: &Db, repo: &Repo, letters: &[u8], text: &str) -> CommitOutcome {
    let expected = db.catalog.ref_get(repo.id, &main()).await.unwrap();
    let files = letters.iter().map(|&letter| sha256(letter)).collect();
    let content = karez_catalog::CommitContent { files, zones: vec![A], ..commit_content(text) };
    let write = CommitWrite { repo_id: repo.id, ref_name: main(), expected, content, proposal: None };
    db.catalog.commit_apply(&write, NOW).await.unwrap()
}

async fn what_comes_from_afar_and_nothing_names_goes(db: &Db) {
    file(db, 1, &[10, 11], Brought::FromAfar, NOW).await;
    let chunk = ChunkHash([10; 32]);
    assert!(db.catalog.dedup_lookup(&chunk, &[A], 9).await.unwrap().is_some());
    let generation = db.catalog.garbage_generation().await.unwrap();

    assert_eq!(condemn(&db.catalog, NEVER, later(5)).await, (1, 2));
    assert_eq!(condemn(&db.catalog, NEVER, later(6)).await, (0, 0), "once");
    let waiting = db.catalog.garbage_totals().await.unwrap();
    let expected = GarbageTotals {
        files: 1,
        xorbs: 2,
        stored_bytes: 1_800,
        from_afar_bytes: 1_800,
        oldest: Some(later(5)),
        ..GarbageTotals::default()
    };
    assert_eq!(waiting, expected);
    assert!(db.catalog.garbage_generation().await.unwrap() > generation, "others are told");
    // Nobody is offered it, and whoever refers to it finds it.
    assert_eq!(db.catalog.dedup_lookup(&chunk, &[A], 9).await.unwrap(), None);
    assert!(db.catalog.xorbs_offered(&[xorb(10)], &[A]).await.unwrap().is_empty());
    assert!(db.catalog.files_by_sha256(&[sha256(1)]).await.unwrap().is_empty());
    assert_eq!(db.catalog.file_by_hash(&FileHash([1; 32])).await.unwrap(), None);
    assert_eq!(db.catalog.xorbs_in_zones(&[xorb(10)], &[A]).await.unwrap(), [xorb(10)]);
    assert_eq!(db.catalog.files_in_zones(&[sha256(1)], &[A]).await.unwrap(), [sha256(1)]);

    assert_eq!(delete(&db.catalog, later(4)).await, (0, 0), "the grace is not over");
    assert_eq!(delete(&db.catalog, later(5)).await, (1, 2));
    for table in ["lfs_file", "xet_file", "file_xorb", "xorb", "zone_file", "zone_xorb", "dedup_chunk"] {
        assert_eq!(db.count(table).await, 0, "{table}");
    }
    let leaving = db.catalog.xorbs_leaving(None, 10).await.unwrap();
    assert_eq!(leaving, [(xorb(10), 900), (xorb(11), 900)]);
    for letter in [10, 11] {
        assert!(leave(&db.catalog, letter).await && !leave(&db.catalog, letter).await);
    }
    assert_eq!(db.catalog.garbage_totals().await.unwrap(), GarbageTotals::default());
}

async fn what_a_client_brought_waits_for_weeks(db: &Db) {
    file(db, 1, &[10], Brought::ByClient, NOW).await;
    assert_eq!(condemn(&db.catalog, later(-1), later(1_000)).await, (0, 0));
    // A transfer that brings it too does not shorten that, and a client that speaks of it makes it longer.
    file(db, 1, &[10], Brought::FromAfar, later(1_000)).await;
    assert_eq!(condemn(&db.catalog, later(-1), later(1_000)).await, (0, 0));
    db.catalog.xorbs_touch(&[xorb(10)], later(10_000)).await.unwrap();
    assert_eq!(condemn(&db.catalog, later(9_999), later(20_000)).await, (1, 0));
    assert_eq!(condemn(&db.catalog, later(10_000), later(20_000)).await, (0, 1));
    // What only a transfer brought, and a client was told of.
    file(db, 2, &[12], Brought::FromAfar, NOW).await;
    assert!(db.catalog.files_touch(&[sha256(2)], later(30_000)).await.unwrap());
    assert!(!db.catalog.files_touch(&[sha256(2)], later(30_060)).await.unwrap(), "noted a moment ago");
    assert_eq!(condemn(&db.catalog, later(29_999), later(40_000)).await, (0, 0), "nor the xorb of a file that waits");
    assert_eq!(db.catalog.garbage_totals().await.unwrap().from_afar_bytes, 0);
}

async fn a_shared_xorb_stays_with_its_other_file(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Private).await;
    file(db, 1, &[10, 11], Brought::FromAfar, NOW).await;
    file(db, 2, &[11, 12], Brought::FromAfar, NOW).await;
    assert_eq!(commit(db, &repo, &[1], "one").await, CommitOutcome::Applied);
    assert_eq!(condemn(&db.catalog, NEVER, NOW).await, (1, 1));
    assert_eq!(delete(&db.catalog, NOW).await, (1, 1));
    assert_eq!(db.catalog.xorbs_leaving(None, 10).await.unwrap(), [(xorb(12), 900)]);
    assert_eq!(db.catalog.xorbs_offered(&[xorb(11)], &[A]).await.unwrap(), [xorb(11)]);
    assert_eq!(condemn(&db.catalog, later(100_000), later(100_000)).await, (0, 0));
    // With the repository, the rest.
    assert!(db.catalog.repo_delete(repo.id, NOW).await.unwrap());
    assert_eq!(condemn(&db.catalog, NEVER, NOW).await, (1, 2));
}

async fn whoever_refers_to_it_revives_it(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Private).await;
    let is_whole = async |what: &str| {
        assert_eq!(delete(&db.catalog, later(1_000_000)).await, (0, 0), "{what}");
        assert_eq!(db.catalog.garbage_totals().await.unwrap(), GarbageTotals::default(), "{what}");
    };
    file(db, 1, &[10, 11], Brought::FromAfar, NOW).await;
    assert_eq!(condemn(&db.catalog, NEVER, NOW).await, (1, 2));
    file(db, 1, &[10, 11], Brought::FromAfar, NOW).await;
    is_whole("registered again").await;
    assert_eq!(condemn(&db.catalog, NEVER, NOW).await, (1, 2));
    assert_eq!(db.catalog.mirror_files_add(repo.id, &[sha256(1)], &[]).await.unwrap(), 1);
    is_whole("linked to a mirror").await;
    db.catalog.mirror_files_remove(repo.id, &[sha256(1)]).await.unwrap();
    assert_eq!(condemn(&db.catalog, NEVER, NOW).await, (1, 2));
    assert!(db.catalog.files_touch(&[sha256(1)], NOW).await.unwrap());
    is_whole("promised to a client").await;
    assert_eq!(condemn(&db.catalog, NOW, NOW).await, (1, 2));
    assert_eq!(commit(db, &repo, &[1], "one").await, CommitOutcome::Applied);
    is_whole("named by a commit").await;

    // One file of two that share a xorb; and a xorb alone.
    db.catalog.mirror_files_remove(repo.id, &[sha256(1)]).await.unwrap();
    file(db, 2, &[11, 12], Brought::FromAfar, NOW).await;
    assert_eq!(condemn(&db.catalog, NOW, NOW).await, (2, 3));
    assert_eq!(commit(db, &repo, &[1], "two").await, CommitOutcome::Applied);
    assert_eq!(db.catalog.xorbs_offered(&[10, 11, 12].map(xorb), &[A]).await.unwrap().len(), 2);
    db.xorb_at(12, A, Brought::ByClient, later(9_000)).await;
    assert_eq!(db.catalog.xorbs_offered(&[xorb(12)], &[A]).await.unwrap(), [xorb(12)]);
    // Its file goes; the xorb waits, since a client sent it.
    assert_eq!(delete(&db.catalog, later(1_000_000)).await, (1, 0));
    assert_eq!(condemn(&db.catalog, NOW, NOW).await, (0, 0));
    db.catalog.xorbs_touch(&[xorb(12)], NOW).await.unwrap();
    assert_eq!(condemn(&db.catalog, later(9_000), NOW).await, (0, 1));
    db.catalog.xorbs_revive(&[xorb(12)]).await.unwrap();
    is_whole("wanted by a transfer").await;
}

async fn nothing_names_what_is_gone(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Private).await;
    file(db, 1, &[10], Brought::FromAfar, NOW).await;
    condemn(&db.catalog, NEVER, NOW).await;
    assert_eq!(delete(&db.catalog, NOW).await, (1, 1));
    let new = NewFile { row: file_row(2, 2, &[10]), dedup_keys: Vec::new() };
    let outcome = db.catalog.file_insert(&new, A, Brought::ByClient, NOW).await.unwrap();
    assert_eq!(outcome, FilesInserted::XorbMissing(xorb(10)));
    assert_eq!(commit(db, &repo, &[1], "one").await, CommitOutcome::FileMissing(sha256(1)));
    assert_eq!(db.catalog.mirror_files_add(repo.id, &[sha256(1)], &[]).await.unwrap(), 0);
    assert_eq!((db.count("xet_file").await, db.count("repo_file").await), (0, 0), "nothing by half");
}

async fn bytes_are_removed_once_and_not_under_a_new_row(db: &Db) {
    file(db, 1, &[10], Brought::FromAfar, NOW).await;
    condemn(&db.catalog, NEVER, NOW).await;
    assert_eq!(delete(&db.catalog, NOW).await, (1, 1));
    let is_there = AtomicBool::new(true);
    let insert = async |catalog: &Catalog| {
        let is_stored = || async { is_there.load(Ordering::SeqCst) };
        catalog.xorb_insert(&xorb_row(10), A, Brought::ByClient, NOW, is_stored).await.unwrap()
    };
    assert_eq!(insert(&db.catalog).await, XorbInserted::Leaving);
    // What fails is done again; two that remove at once do so one after the other, and the second has nothing to do.
    let failed = db.catalog.xorb_leave(xorb(10), async { Err::<(), _>("no") }).await.unwrap();
    assert_eq!(failed, Err("no"));
    let second = Catalog::open(&db.url, NOW).await.unwrap();
    let removals = AtomicU64::new(0);
    let remove = async |catalog: &Catalog| {
        let removing = async {
            removals.fetch_add(1, Ordering::SeqCst);
            if db.has_many_writers() {
                let others = second.xorb_leave(xorb(10), async { Ok::<_, Infallible>(()) });
                assert!(!others.await.unwrap().unwrap(), "it is being removed already");
            }
            is_there.store(false, Ordering::SeqCst);
            Ok::<_, Infallible>(())
        };
        catalog.xorb_leave(xorb(10), removing).await.unwrap().unwrap()
    };
    let (left, right) = tokio::join!(remove(&db.catalog), remove(&second));
    assert!(left != right && removals.load(Ordering::SeqCst) == 1);
    // Somebody published before that and registers after: the bytes are gone, so there is no row.
    assert_eq!(insert(&second).await, XorbInserted::Lost);
    assert_eq!((db.count("xorb").await, db.count("zone_xorb").await), (0, 0));
    is_there.store(true, Ordering::SeqCst);
    assert_eq!(insert(&second).await, XorbInserted::Registered);
    second.close().await;
}

async fn an_upload_under_way_keeps_its_file(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Private).await;
    file(db, 1, &[10], Brought::FromAfar, NOW).await;
    let upload = UploadRow {
        id: "u".to_owned(),
        repo_id: repo.id,
        sha256: sha256(1),
        file_bytes: 1000,
        part_bytes: 1000,
        user: amina.id,
        expires: later(9),
    };
    db.catalog.upload_create(&upload, NOW).await.unwrap();
    assert_eq!(condemn(&db.catalog, NEVER, NOW).await, (0, 0));
    assert!(db.catalog.upload_delete("u").await.unwrap());
    assert_eq!(condemn(&db.catalog, NEVER, NOW).await, (1, 1));
    db.catalog.upload_create(&upload, NOW).await.unwrap();
    assert_eq!(delete(&db.catalog, NOW).await, (0, 0), "begun since");
}

async fn a_second_way_with_the_same_chunks_uses_only_its_own_xorbs(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Private).await;
    file(db, 1, &[10], Brought::FromAfar, NOW).await;
    assert_eq!(commit(db, &repo, &[1], "one").await, CommitOutcome::Applied);
    // The same chunks, packed by somebody else into more xorbs: the first way stays, and they are not needed.
    file(db, 1, &[11, 12], Brought::FromAfar, NOW).await;
    assert_eq!(condemn(&db.catalog, NEVER, NOW).await, (0, 2));
    assert_eq!(delete(&db.catalog, NOW).await, (0, 2));
    assert_eq!(db.catalog.xorbs_scan(None, 9).await.unwrap(), [xorb_row(10)]);
}

async fn one_process_begins_a_round(db: &Db) {
    let second = Catalog::open(&db.url, NOW).await.unwrap();
    let (left, right) =
        tokio::join!(db.catalog.garbage_round_begin(3_600, NOW), second.garbage_round_begin(3_600, NOW));
    assert!(left.unwrap() != right.unwrap());
    assert!(!second.garbage_round_begin(3_600, later(3_599)).await.unwrap());
    assert!(second.garbage_round_begin(3_600, later(3_600)).await.unwrap());
    assert!(second.garbage_round_begin(3_600, NOW).await.unwrap(), "a clock that went back stops nothing");
    second.close().await;
}

/// Makes the database what it was before what leaves the store had tables.
pub async fn before_the_tables(db: &Db) {
    // What came later too.
    db.sql("DROP TABLE repo_access").await;
    db.sql("ALTER TABLE account DROP COLUMN blocked").await;
    for table in ["garbage_round", "xorb_leaving", "xorb_condemned", "file_condemned"] {
        db.sql(&format!("DROP TABLE {table}")).await;
    }
    db.sql("DROP INDEX upload_by_sha256").await;
    for table in ["lfs_file", "xorb"] {
        db.sql(&format!("ALTER TABLE {table} DROP COLUMN uploaded")).await;
    }
    db.sql("DELETE FROM schema_version WHERE version >= 8").await;
}

async fn who_brought_what_was_here_before_is_told_by_its_zones(db: &Db) {
    let hub = crate::remotes::remote(db, "hub").await;
    let made = db.catalog.mirror_create(&crate::mirrors::new_mirror(&hub, "far/m"), NOW).await.unwrap();
    let karez_catalog::MirrorCreated::Created(made) = made else { panic!("{made:?}") };
    let (far, own) = (made.0.zone(), Zone::of_owner(db.user("amina").await.id));
    db.file(1, far).await;
    db.file(2, own).await;
    // From afar and public; then named by a client too, whose xorb it thereby is.
    db.file(3, far).await;
    db.catalog.file_zone_add(&[sha256(1), sha256(3)], Zone::PUBLIC).await.unwrap();
    db.xorb(4, far).await;
    let new = NewFile { row: file_row(5, 5, &[4]), dedup_keys: Vec::new() };
    assert_eq!(db.catalog.file_insert(&new, own, Brought::ByClient, NOW).await.unwrap(), FilesInserted::Registered);
    before_the_tables(db).await;
    let catalog = Catalog::open(&db.url, later(500)).await.unwrap();
    assert_eq!(condemn(&catalog, later(499), later(500)).await, (2, 2), "1 and 3");
    assert_eq!(condemn(&catalog, later(500), later(500)).await, (2, 2), "2, and 5 with its xorb 4");
    catalog.close().await;
}

/// A small generator of numbers from a seed: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

async fn nothing_referred_to_goes_whatever_happens_at_once(db: &Db) {
    const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
    let amina = db.user("amina").await;
    let second = Catalog::open(&db.url, NOW).await.unwrap();
    // The store: which xorbs have bytes. Publishing comes before the row, removal after it.
    let stored: std::sync::Arc<[AtomicBool; 8]> = std::sync::Arc::default();
    let mut tasks = Vec::new();
    for worker in 0..4u64 {
        let repo = db.repo(&amina, &format!("r{worker}"), Visibility::Private).await;
        let (catalog, stored) = (if worker % 2 == 0 { db.catalog.clone() } else { second.clone() }, stored.clone());
        tasks.push(tokio::spawn(async move {
            let mut random = Random(SEED ^ (worker << 32));
            for step in 0..150i64 {
                let now = later(step);
                let letters = [random.below(8) as u8, random.below(8) as u8];
                let named = letters[0] / 2 + 1;
                match random.below(5) {
                    0 | 1 => {
                        for letter in letters {
                            stored[usize::from(letter)].store(true, Ordering::SeqCst);
                            let is_stored = || async { stored[usize::from(letter)].load(Ordering::SeqCst) };
                            let _ = catalog
                                .xorb_insert(&xorb_row(letter), A, Brought::FromAfar, now, is_stored)
                                .await
                                .unwrap();
                        }
                        let row = file_row(named, named + 8 * letters[1], &letters);
                        let keys = vec![(ChunkHash([letters[1]; 32]), xorb(letters[1]))];
                        let new = NewFile { row, dedup_keys: keys };
                        let _ = catalog.file_insert(&new, A, Brought::FromAfar, now).await.unwrap();
                    }
                    2 => drop(catalog.mirror_files_add(repo.id, &[sha256(named)], &[A]).await.unwrap()),
                    3 => catalog.mirror_files_remove(repo.id, &[sha256(named)]).await.unwrap(),
                    _ => {
                        condemn(&catalog, NEVER, now).await;
                        delete(&catalog, now).await;
                        for (leaving, _) in catalog.xorbs_leaving(None, 10).await.unwrap() {
                            let remove = async {
                                stored[usize::from(leaving.0[0])].store(false, Ordering::SeqCst);
                                Ok::<_, Infallible>(())
                            };
                            catalog.xorb_leave(leaving, remove).await.unwrap().unwrap();
                        }
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for row in db.catalog.xorbs_scan(None, 10).await.unwrap() {
        assert!(stored[usize::from(row.hash.0[0])].load(Ordering::SeqCst), "xorb {} has a row and no bytes", row.hash);
    }
    let known: Vec<XorbHash> = db.catalog.xorbs_scan(None, 10).await.unwrap().iter().map(|row| row.hash).collect();
    for file in db.catalog.files_scan(None, 100).await.unwrap() {
        let known = db.catalog.file_by_sha256(&file.sha256).await.unwrap();
        assert!(known.is_some(), "a way of putting together a file that is not known: {file:?}");
    }
    for (_, sha256) in db.catalog.repo_files_scan(None, 100).await.unwrap() {
        let file = db.catalog.file_by_sha256(&sha256).await.unwrap().expect("a repository names it");
        assert!(file.terms.iter().all(|term| known.contains(&term.xorb)), "{file:?}");
        assert!(!db.catalog.files_by_sha256(&[sha256]).await.unwrap().is_empty(), "it is not condemned");
        let xorbs: Vec<XorbHash> = file.terms.iter().map(|term| term.xorb).collect();
        let offered = db.catalog.xorbs_offered(&xorbs, &[A]).await.unwrap();
        assert!(xorbs.iter().all(|xorb| offered.contains(xorb)), "nor are its xorbs");
    }
    second.close().await;
}
