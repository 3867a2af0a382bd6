//! Who may sign in and who administers; what open repositories hold and what it costs to keep.

use karez_catalog::{NewAccount, NewSession, OpenBytes, SignInWay};
use karez_types::{TokenRole, Visibility, Zone};

use crate::db::{Db, NOW, cases, commit_to_main};

cases!(nobody_signs_in_with_a_blocked_account, the_last_administrator_stays, what_is_open_is_summed);

async fn nobody_signs_in_with_a_blocked_account(db: &Db) {
    let (amina, badru) = (db.user("amina").await, db.user("badru").await);
    let catalog = &db.catalog;
    let give = async |user| {
        catalog.token_create(user, &[7; 32], "t", TokenRole::Write, None, NOW).await.unwrap();
        let expires = NOW.plus_secs(60);
        let new = NewSession { user, way: SignInWay::Password, role: TokenRole::Write, expires };
        catalog.session_create(&[8; 32], new, NOW).await.unwrap();
    };
    give(badru.id).await;
    let signs_in = async || {
        let token = catalog.token_lookup(&[7; 32]).await.unwrap();
        (token.is_some(), catalog.session_lookup(&[8; 32]).await.unwrap().is_some())
    };
    assert_eq!(signs_in().await, (true, true));
    let now = async || catalog.sign_ins(badru.id, NOW).await.unwrap();
    assert_eq!((now().await.sessions, now().await.tokens, now().await.blocked), (1, 1, None));
    assert_eq!(catalog.sign_ins_end(amina.id).await.unwrap(), 0);
    assert_eq!(catalog.sign_ins_end(badru.id).await.unwrap(), 2);
    assert_eq!(signs_in().await, (false, false));
    assert!(catalog.account_block(badru.id, NOW).await.unwrap());
    // Not even what was made at the same moment.
    give(badru.id).await;
    assert_eq!((signs_in().await, now().await.blocked), ((false, false), Some(NOW)));
    catalog.account_unblock(badru.id).await.unwrap();
    assert_eq!(signs_in().await, (true, true));
}

async fn the_last_administrator_stays(db: &Db) {
    let catalog = &db.catalog;
    let (amina, badru) = (db.user("amina").await, db.user("badru").await);
    let root = NewAccount {
        name: "root".parse().unwrap(),
        kind: karez_catalog::AccountKind::User,
        fullname: String::new(),
        email: None,
        is_admin: true,
    };
    catalog.account_create(&root, NOW).await.unwrap();
    let root = catalog.account_by_name("root").await.unwrap().unwrap();
    assert!(!catalog.account_block(root.id, NOW).await.unwrap());
    assert!(!catalog.account_admin_set(root.id, false).await.unwrap());
    assert!(catalog.account_admin_set(amina.id, false).await.unwrap(), "who is none loses nothing");
    assert!(catalog.account_admin_set(amina.id, true).await.unwrap());
    // Two who take it from each other at once do not both succeed.
    let (one, two) =
        tokio::join!(catalog.account_admin_set(root.id, false), catalog.account_admin_set(amina.id, false));
    assert!(one.unwrap() != two.unwrap());
    let left = catalog.admins().await.unwrap();
    assert_eq!(left.len(), 1);
    // A blocked administrator does not count.
    assert!(catalog.account_admin_set(badru.id, true).await.unwrap());
    assert!(catalog.account_block(badru.id, NOW).await.unwrap());
    assert!(!catalog.account_admin_set(left[0].id, false).await.unwrap());
}

async fn what_is_open_is_summed(db: &Db) {
    let amina = db.user("amina").await;
    let catalog = &db.catalog;
    assert_eq!(catalog.open_bytes().await.unwrap(), OpenBytes::default());
    let file = db.file(5, Zone::of_owner(amina.id)).await;
    let hidden = db.file(6, Zone::of_owner(amina.id)).await;
    for (name, visibility) in [("a", Visibility::Public), ("b", Visibility::Public), ("c", Visibility::Private)] {
        let repo = db.repo(&amina, name, visibility).await;
        let mut write = commit_to_main(&repo, repo.head, "one");
        write.content.files = vec![file.sha256];
        if visibility == Visibility::Public {
            write.content.zones = vec![Zone::PUBLIC];
        } else {
            write.content.files.push(hidden.sha256);
        }
        catalog.commit_apply(&write, NOW).await.unwrap();
    }
    catalog.file_use_add(&file.sha256, 2, 4_000, NOW).await.unwrap();
    catalog.file_use_add(&hidden.sha256, 2, 7_000, NOW).await.unwrap();
    let bytes = catalog.open_bytes().await.unwrap();
    assert_eq!(bytes, OpenBytes { held_bytes: 2_000, stored_bytes: 900, not_fetched_bytes: 4_000 });
    assert_eq!(catalog.stored_bytes().await.unwrap(), 1_800);
}
