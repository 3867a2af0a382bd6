//! How long the queries of every request take. Asserts nothing about time: prints it.

use std::time::Instant;

use karez_catalog::{AccountKind, CommitOutcome};
use karez_formats::git::GitKind;
use karez_types::{OrgRole, TokenRole, Visibility};

use crate::db::{Db, NOW, cases, commit_to_main, main, model, object};

cases!(queries_of_every_request);

const ROUNDS: u32 = 2000;

async fn queries_of_every_request(db: &Db) {
    let (amina, lab) = (db.user("amina").await, db.account("lab", AccountKind::Organization).await);
    db.catalog.member_set(lab.id, amina.id, OrgRole::Write).await.unwrap();
    db.catalog.token_create(amina.id, &[1; 32], "t", TokenRole::Write, None, NOW).await.unwrap();
    let repo = db.repo(&amina, "r", Visibility::Public).await;

    let mut write = commit_to_main(&repo, repo.head, "large");
    let filler = "x".repeat(4000);
    write.content.objects.extend((0..2000).map(|number| object(GitKind::Blob, &format!("{number} {filler}"))));
    let began = Instant::now();
    assert_eq!(db.catalog.commit_apply(&write, NOW).await.unwrap(), CommitOutcome::Applied);
    println!("commit_apply, 2,000 objects of 4 kB: {:?}", began.elapsed());
    let oids: Vec<_> = write.content.objects.iter().map(|object| object.oid).collect();
    let began = Instant::now();
    assert_eq!(db.catalog.object_stats(&oids).await.unwrap().len(), oids.len());
    println!("object_stats, 2,000 objects: {:?}", began.elapsed());
    let small = commit_to_main(&repo, Some(write.content.target), "small");
    let began = Instant::now();
    assert_eq!(db.catalog.commit_apply(&small, NOW).await.unwrap(), CommitOutcome::Applied);
    println!("commit_apply, 3 objects: {:?}", began.elapsed());

    let address = model("amina/r");
    let began = Instant::now();
    for _ in 0..ROUNDS {
        db.catalog.token_lookup(&[1; 32]).await.unwrap().unwrap();
    }
    println!("token_lookup: {:?}", began.elapsed() / ROUNDS);
    let began = Instant::now();
    for _ in 0..ROUNDS {
        db.catalog.repo_find(&address).await.unwrap().unwrap();
    }
    println!("repo_find: {:?}", began.elapsed() / ROUNDS);
    let began = Instant::now();
    for _ in 0..ROUNDS {
        db.catalog.ref_get(repo.id, &main()).await.unwrap().unwrap();
    }
    println!("ref_get: {:?}", began.elapsed() / ROUNDS);
}
