//! Xorbs, files, zones, deduplication.

use karez_catalog::{Brought, DedupHit, FilesInserted, NewFile};
use karez_types::{AccountId, ChunkHash, Sha256, XorbHash, Zone};

use crate::db::{Db, NOW, cases, file_row, xorb_row};

cases!(
    files_are_found_by_both_hashes,
    the_first_way_of_a_file_stays_and_the_second_resolves,
    a_file_must_not_name_an_unknown_xorb,
    zones_are_apart,
    many_files_at_once,
    chunks_lead_to_the_xorbs_of_their_file,
);

const A: Zone = Zone(1);
const B: Zone = Zone(2);

async fn files_are_found_by_both_hashes(db: &Db) {
    let file = db.file_of(1, 2, &[10, 11, 10], A).await;
    assert_eq!(db.catalog.file_by_sha256(&file.sha256).await.unwrap(), Some(file.clone()));
    assert_eq!(db.catalog.file_by_hash(&file.hash).await.unwrap(), Some(file.clone()));
    assert_eq!(db.catalog.file_by_sha256(&Sha256([9; 32])).await.unwrap(), None);
    let briefs = db.catalog.files_by_sha256(&[Sha256([9; 32]), file.sha256]).await.unwrap();
    assert_eq!(briefs.iter().map(|it| (it.hash, it.file_bytes)).collect::<Vec<_>>(), [(file.hash, 3000)]);
    // Registering once more changes nothing.
    db.file_of(1, 2, &[10, 11, 10], A).await;
    assert_eq!((db.count("xet_file").await, db.count("file_xorb").await, db.count("xorb").await), (1, 2, 2));
    assert_eq!(db.catalog.xorbs_get(&[XorbHash([10; 32]), XorbHash([99; 32])]).await.unwrap(), [xorb_row(10)]);
    assert_eq!(db.catalog.files_scan(None, 10).await.unwrap(), std::slice::from_ref(&file));
    assert!(db.catalog.files_scan(Some(&file.hash), 10).await.unwrap().is_empty());
    assert_eq!(db.catalog.xorbs_scan(Some(&XorbHash([10; 32])), 10).await.unwrap(), [xorb_row(11)]);
    // The empty file has no terms.
    let empty = db.file_of(0, 0, &[], A).await;
    assert_eq!(db.catalog.file_by_sha256(&empty.sha256).await.unwrap(), Some(empty));
}

async fn the_first_way_of_a_file_stays_and_the_second_resolves(db: &Db) {
    let first = db.file_of(1, 2, &[10], A).await;
    let second = db.file_of(1, 3, &[11], B).await;
    assert_eq!(db.catalog.file_by_sha256(&first.sha256).await.unwrap(), Some(first.clone()));
    for way in [first, second] {
        assert_eq!(db.catalog.file_by_hash(&way.hash).await.unwrap(), Some(way));
    }
}

async fn a_file_must_not_name_an_unknown_xorb(db: &Db) {
    db.xorb(10, A).await;
    let good = NewFile { row: file_row(1, 1, &[10]), dedup_keys: Vec::new() };
    let bad = NewFile { row: file_row(2, 2, &[10, 11]), dedup_keys: Vec::new() };
    let outcome = db.catalog.files_insert(&[good, bad], A, Brought::ByClient, NOW).await.unwrap();
    assert_eq!(outcome, FilesInserted::XorbMissing(XorbHash([11; 32])));
    assert_eq!(db.count("xet_file").await, 0, "all or none");
}

async fn zones_are_apart(db: &Db) {
    let file = db.file_of(1, 1, &[10, 11], A).await;
    let other = db.file_of(2, 2, &[12], B).await;
    let (files, xorbs) = ([file.sha256, other.sha256, Sha256([9; 32])], [10, 11, 12, 13].map(|it| XorbHash([it; 32])));
    assert_eq!(db.catalog.files_in_zones(&files, &[A]).await.unwrap(), [file.sha256]);
    assert_eq!(db.catalog.files_in_zones(&files, &[A, B]).await.unwrap(), [file.sha256, other.sha256]);
    assert_eq!(db.catalog.files_in_zones(&files, &[Zone::PUBLIC]).await.unwrap(), []);
    assert_eq!(db.catalog.xorbs_in_zones(&xorbs, &[Zone::PUBLIC, A]).await.unwrap(), xorbs[..2]);
    db.catalog.file_zone_add(&files, Zone::PUBLIC).await.unwrap();
    db.catalog.file_zone_add(&files, Zone::PUBLIC).await.unwrap();
    assert_eq!(db.catalog.files_in_zones(&files, &[Zone::PUBLIC]).await.unwrap(), files[..2]);
    assert_eq!(db.catalog.xorbs_in_zones(&xorbs, &[Zone::PUBLIC]).await.unwrap(), xorbs[..3]);
    assert!(db.catalog.xorbs_in_zones(&xorbs, &[]).await.unwrap().is_empty());
}

async fn many_files_at_once(db: &Db) {
    db.xorb(10, A).await;
    let files: Vec<NewFile> = (0..2000u32)
        .map(|number| {
            let mut row = file_row(0, 0, &[10]);
            row.sha256.0[..4].copy_from_slice(&number.to_be_bytes());
            row.hash.0[..4].copy_from_slice(&number.to_be_bytes());
            NewFile { row, dedup_keys: Vec::new() }
        })
        .collect();
    // Two clients bring the same shard at once, one of them backwards.
    let backwards: Vec<_> = files.iter().rev().cloned().collect();
    let (left, right) = tokio::join!(
        db.catalog.files_insert(&files, A, Brought::ByClient, NOW),
        db.catalog.files_insert(&backwards, B, Brought::ByClient, NOW)
    );
    for outcome in [left, right] {
        assert_eq!(outcome.unwrap(), FilesInserted::Registered);
    }
    let hashes: Vec<_> = files.iter().map(|file| file.row.sha256).collect();
    for zone in [A, B] {
        assert_eq!(db.catalog.files_in_zones(&hashes, &[zone]).await.unwrap().len(), 2000);
    }
    assert_eq!(db.catalog.files_by_sha256(&hashes).await.unwrap().len(), 2000);
}

async fn chunks_lead_to_the_xorbs_of_their_file(db: &Db) {
    let chunk = |number: u8| ChunkHash([number; 32]);
    let xorb = |number: u8| XorbHash([number; 32]);
    let zones = [Zone::PUBLIC, Zone::of_owner(AccountId(1))];
    // Asked before anything is stored, the filter begins to fill.
    assert_eq!(db.catalog.dedup_lookup(&chunk(1), &zones, 10).await.unwrap(), None);
    for number in [10, 11, 12, 13] {
        db.xorb(number, if number == 13 { B } else { A }).await;
    }
    let file = NewFile {
        row: file_row(1, 1, &[10, 11, 12, 13]),
        dedup_keys: vec![(chunk(1), xorb(10)), (chunk(2), xorb(11)), (chunk(2), xorb(11)), (chunk(3), xorb(13))],
    };
    let outcome = db.catalog.file_insert(&file, A, Brought::ByClient, NOW).await.unwrap();
    assert_eq!(outcome, FilesInserted::Registered);
    // While the filter fills and after, with keys from before and from after.
    for _ in 0..50 {
        let hit = db.catalog.dedup_lookup(&chunk(2), &zones, 10).await.unwrap();
        assert_eq!(hit, Some(DedupHit { xorb: xorb(11), xorbs: vec![xorb(11), xorb(12), xorb(10)] }));
        assert_eq!(db.catalog.dedup_lookup(&chunk(9), &zones, 10).await.unwrap(), None);
    }
    let hit = db.catalog.dedup_lookup(&chunk(1), &zones, 2).await.unwrap().unwrap();
    assert_eq!(hit.xorbs, [xorb(10), xorb(11)]);
    assert_eq!(db.catalog.dedup_lookup(&chunk(3), &zones, 10).await.unwrap(), None, "a xorb of another zone");
    assert_eq!(db.catalog.dedup_lookup(&chunk(1), &[B], 10).await.unwrap(), None);
    assert_eq!(db.catalog.dedup_lookup(&chunk(1), &[], 10).await.unwrap(), None);
    // Of another process that opens the same database later.
    let second = karez_catalog::Catalog::open(&db.url, NOW).await.unwrap();
    for _ in 0..50 {
        assert!(second.dedup_lookup(&chunk(2), &zones, 10).await.unwrap().is_some());
    }
    second.close().await;
}
