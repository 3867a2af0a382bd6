//! Accounts, memberships, tokens.

use karez_catalog::{AccountCreated, AccountDeleted, AccountKind, AccountPatch, NewAccount, NewSession, SignInWay};
use karez_types::{AccountId, OrgRole, TokenRole, Visibility};

use crate::db::{Db, NOW, cases};

cases!(
    names_are_unique_without_regard_to_case,
    accounts_change_and_go,
    members_have_roles,
    tokens_say_who_sent_them,
    sessions_end_with_what_they_began_with,
    invitations_and_identities_are_taken_once
);

async fn names_are_unique_without_regard_to_case(db: &Db) {
    let first = db.user("Nasima").await;
    let again = NewAccount {
        name: "nASIMA".parse().unwrap(),
        kind: AccountKind::Organization,
        fullname: String::new(),
        email: None,
        is_admin: true,
    };
    assert_eq!(db.catalog.account_create(&again, NOW).await.unwrap(), AccountCreated::Taken(first.clone()));
    assert_eq!(db.catalog.account_by_name("NASIMA").await.unwrap(), Some(first.clone()));
    assert_eq!(db.catalog.account_by_id(first.id).await.unwrap(), Some(first));
    for absent in ["nasim", "nasima\0", "", "' OR 1=1 --"] {
        assert_eq!(db.catalog.account_by_name(absent).await.unwrap(), None, "{absent:?}");
    }
    // Two at once: one is created, the other hears of it.
    let new = NewAccount { name: "twice".parse().unwrap(), ..again };
    let (left, right) = tokio::join!(db.catalog.account_create(&new, NOW), db.catalog.account_create(&new, NOW));
    let created = [left.unwrap(), right.unwrap()].iter().filter(|it| matches!(it, AccountCreated::Created(_))).count();
    assert_eq!(created, 1);
}

async fn accounts_change_and_go(db: &Db) {
    let account = db.user("karim").await;
    let patch = AccountPatch { fullname: Some("K.".into()), email: Some(Some("k@example.org".into())), is_admin: None };
    assert!(db.catalog.account_update(account.id, &patch).await.unwrap());
    let patch = AccountPatch { is_admin: Some(true), ..AccountPatch::default() };
    assert!(db.catalog.account_update(account.id, &patch).await.unwrap());
    let changed = db.catalog.account_by_id(account.id).await.unwrap().unwrap();
    assert_eq!(
        (changed.fullname.as_str(), changed.email.as_deref(), changed.is_admin),
        ("K.", Some("k@example.org"), true)
    );
    let patch = AccountPatch { email: Some(None), ..AccountPatch::default() };
    assert!(db.catalog.account_update(account.id, &patch).await.unwrap());
    assert_eq!(db.catalog.account_by_id(account.id).await.unwrap().unwrap().email, None);

    let repo = db.repo(&account, "r", Visibility::Public).await;
    assert_eq!(db.catalog.account_delete(account.id).await.unwrap(), AccountDeleted::OwnsRepos(1));
    assert!(db.catalog.repo_delete(repo.id, NOW).await.unwrap());
    assert_eq!(db.catalog.account_delete(account.id).await.unwrap(), AccountDeleted::Deleted);
    assert_eq!(db.catalog.account_delete(account.id).await.unwrap(), AccountDeleted::Missing);
    assert!(!db.catalog.account_update(account.id, &patch).await.unwrap());
    // The id is a trust zone: the next account must not inherit it.
    assert!(db.user("karim").await.id > account.id);
}

async fn members_have_roles(db: &Db) {
    let (org, user) = (db.account("Lab", AccountKind::Organization).await, db.user("amina").await);
    assert!(db.catalog.member_set(org.id, user.id, OrgRole::Read).await.unwrap());
    assert!(db.catalog.member_set(org.id, user.id, OrgRole::Admin).await.unwrap());
    assert!(!db.catalog.member_set(user.id, org.id, OrgRole::Read).await.unwrap(), "a user has no members");
    assert!(!db.catalog.member_set(org.id, AccountId(999), OrgRole::Read).await.unwrap());
    assert_eq!(db.catalog.members(org.id).await.unwrap(), [(user.clone(), OrgRole::Admin)]);
    assert_eq!(db.catalog.memberships(user.id).await.unwrap(), [(org.clone(), OrgRole::Admin)]);
    let names: Vec<_> = db.catalog.account_list(None, 10).await.unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(names, [user.name.clone(), org.name.clone()]);
    assert_eq!(db.catalog.account_list(Some(&user.name), 10).await.unwrap(), std::slice::from_ref(&org));
    assert!(db.catalog.member_remove(org.id, user.id).await.unwrap());
    assert!(!db.catalog.member_remove(org.id, user.id).await.unwrap());
    assert!(db.catalog.members(org.id).await.unwrap().is_empty());
}

async fn tokens_say_who_sent_them(db: &Db) {
    let user = db.user("amina").await;
    let mut orgs = Vec::new();
    for name in ["lab-a", "lab-b"] {
        let org = db.account(name, AccountKind::Organization).await;
        db.catalog.member_set(org.id, user.id, OrgRole::Write).await.unwrap();
        orgs.push(org.id);
    }
    let expires = Some(NOW.plus_secs(60));
    let write = db.catalog.token_create(user.id, &[1; 32], "laptop", TokenRole::Write, expires, NOW).await.unwrap();
    let read = db.catalog.token_create(user.id, &[2; 32], "ci", TokenRole::Read, None, NOW).await.unwrap();

    let found = db.catalog.token_lookup(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(
        (found.id, found.name.as_str(), found.role, found.expires),
        (write, "laptop", TokenRole::Write, expires)
    );
    assert_eq!(found.user, user);
    assert_eq!(found.memberships.iter().map(|it| it.org).collect::<Vec<_>>(), orgs);
    assert!(found.memberships.iter().all(|it| it.role == OrgRole::Write));
    assert_eq!(db.catalog.token_lookup(&[2; 32]).await.unwrap().unwrap().id, read);
    assert_eq!(db.catalog.token_lookup(&[3; 32]).await.unwrap(), None);
    assert!(db.catalog.token_create(user.id, &[1; 32], "again", TokenRole::Read, None, NOW).await.is_err());

    let names: Vec<_> = db.catalog.token_list(user.id).await.unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["laptop", "ci"]);
    assert!(db.catalog.token_revoke(write).await.unwrap());
    assert!(!db.catalog.token_revoke(write).await.unwrap());
    assert_eq!(db.catalog.token_lookup(&[1; 32]).await.unwrap(), None);
    db.catalog.account_delete(user.id).await.unwrap();
    assert_eq!(db.catalog.token_lookup(&[2; 32]).await.unwrap(), None);
}

async fn sessions_end_with_what_they_began_with(db: &Db) {
    let catalog = &db.catalog;
    let (user, org) = (db.user("amina").await, db.account("lab", AccountKind::Organization).await);
    catalog.member_set(org.id, user.id, OrgRole::Write).await.unwrap();
    let token = catalog.token_create(user.id, &[9; 32], "laptop", TokenRole::Read, None, NOW).await.unwrap();
    let expires = NOW.plus_secs(60);
    let new = |way, role| NewSession { user: user.id, way, role, expires };
    catalog.session_create(&[1; 32], new(SignInWay::Password, TokenRole::Write), NOW).await.unwrap();
    catalog.session_create(&[2; 32], new(SignInWay::Token(token), TokenRole::Read), NOW).await.unwrap();
    catalog.session_create(&[3; 32], new(SignInWay::Provider, TokenRole::Write), NOW).await.unwrap();
    assert!(catalog.session_create(&[3; 32], new(SignInWay::Provider, TokenRole::Write), NOW).await.is_err());
    let found = catalog.session_lookup(&[1; 32]).await.unwrap().unwrap();
    assert_eq!((found.way.as_str(), found.role, found.expires), ("password", TokenRole::Write, expires));
    assert_eq!((&found.user, found.memberships[0].org), (&user, org.id));
    assert_eq!(catalog.session_lookup(&[7; 32]).await.unwrap(), None);
    assert_eq!(catalog.session_count(user.id, NOW).await.unwrap(), 3);
    assert!(catalog.token_revoke(token).await.unwrap());
    assert_eq!(catalog.session_lookup(&[2; 32]).await.unwrap(), None, "it ended with its token");
    assert_eq!(catalog.session_end_others(user.id, &[1; 32]).await.unwrap(), 1);
    assert!(!catalog.session_end(&[3; 32]).await.unwrap() && catalog.session_end(&[1; 32]).await.unwrap());
    // A new password ends all sessions; time and the account's end do too.
    catalog.session_create(&[4; 32], new(SignInWay::Provider, TokenRole::Write), NOW).await.unwrap();
    assert_eq!(catalog.password_get(user.id).await.unwrap(), None);
    catalog.password_set(user.id, "$first", NOW).await.unwrap();
    assert_eq!(catalog.session_lookup(&[4; 32]).await.unwrap(), None);
    catalog.password_set(user.id, "$second", NOW).await.unwrap();
    assert_eq!(catalog.password_get(user.id).await.unwrap().as_deref(), Some("$second"));
    for number in [5, 6] {
        catalog.session_create(&[number; 32], new(SignInWay::Password, TokenRole::Write), NOW).await.unwrap();
    }
    assert_eq!(catalog.sessions_sweep(NOW).await.unwrap(), 0);
    assert_eq!(catalog.sessions_sweep(expires).await.unwrap(), 2);
    catalog.session_create(&[5; 32], new(SignInWay::Password, TokenRole::Write), NOW).await.unwrap();
    catalog.account_delete(user.id).await.unwrap();
    assert_eq!(catalog.session_lookup(&[5; 32]).await.unwrap(), None);
}

async fn invitations_and_identities_are_taken_once(db: &Db) {
    let catalog = &db.catalog;
    let (user, other) = (db.user("amina").await, db.user("karim").await);
    let expires = NOW.plus_secs(60);
    catalog.invitation_set(user.id, &[1; 32], expires).await.unwrap();
    catalog.invitation_set(user.id, &[2; 32], expires).await.unwrap();
    assert_eq!(catalog.invitation_get(&[1; 32]).await.unwrap(), None, "a newer one takes its place");
    assert_eq!(catalog.invitation_get(&[2; 32]).await.unwrap(), Some((user.clone(), expires)));
    let (left, right) = tokio::join!(catalog.invitation_take(&[2; 32]), catalog.invitation_take(&[2; 32]));
    assert!(left.unwrap() != right.unwrap());
    assert!(catalog.identity_add("https://id.example", "7", user.id).await.unwrap());
    assert!(!catalog.identity_add("https://id.example", "7", other.id).await.unwrap());
    assert!(catalog.identity_add("https://other.example", "7", other.id).await.unwrap());
    assert_eq!(catalog.identity_find("https://id.example", "7").await.unwrap(), Some(user));
    assert_eq!(catalog.identity_find("https://id.example", "8").await.unwrap(), None);
}
