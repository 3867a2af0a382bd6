//! Remotes, people's tokens for them, and whose owner names are.

use karez_catalog::{
    AccountCreated, AccountKind, NewAccount, NewRemote, OwnerBound, OwnerUnbound, Remote, RemoteAdded, RemoteDeleted,
    RemoteKind, RemotePatch,
};
use karez_types::{OwnerName, RemoteId, Visibility};
use serde_json::json;

use crate::db::{Db, NOW, cases};
use crate::mirrors::new_mirror;

cases!(
    remotes_are_kept_by_name,
    a_remote_that_mirrors_come_from_stays,
    people_have_tokens_of_their_own,
    an_owner_name_has_one_origin,
    names_of_this_node_are_not_given_away,
);

pub fn name(text: &str) -> OwnerName {
    text.parse().unwrap()
}

pub async fn remote(db: &Db, name: &str) -> Remote {
    let new = NewRemote {
        name: name.to_owned(),
        kind: RemoteKind::Upstream,
        url: format!("https://{name}.example"),
        log_key: None,
        witness_key: None,
        token: None,
        line: "default".to_owned(),
        settings: json!({}),
    };
    match db.catalog.remote_insert(&new, NOW).await.unwrap() {
        RemoteAdded::Added(remote) => remote,
        RemoteAdded::Taken(remote) => panic!("{remote:?} is there already"),
    }
}

async fn remotes_are_kept_by_name(db: &Db) {
    let new = NewRemote {
        name: "well".to_owned(),
        kind: RemoteKind::Peer,
        url: "https://well.example".to_owned(),
        log_key: Some("log key".to_owned()),
        witness_key: None,
        token: Some(vec![1, 0, 255]),
        line: "dish".to_owned(),
        settings: json!({"interval_secs": 60}),
    };
    let RemoteAdded::Added(well) = db.catalog.remote_insert(&new, NOW).await.unwrap() else { panic!() };
    assert_eq!(db.catalog.remote_insert(&new, NOW).await.unwrap(), RemoteAdded::Taken(well.clone()));
    assert_eq!(well.token.as_deref(), Some(&[1, 0, 255][..]));
    assert_eq!((well.settings.clone(), well.kind, well.added), (new.settings, RemoteKind::Peer, NOW));
    assert_eq!(db.catalog.remote_get(well.id).await.unwrap(), Some(well.clone()));
    assert_eq!(db.catalog.remote_get_by_name("well").await.unwrap(), Some(well.clone()));
    assert_eq!(db.catalog.remote_get_by_name("Well").await.unwrap(), None);
    let other = remote(db, "hub").await;
    assert_eq!(db.catalog.remote_list().await.unwrap(), [other, well.clone()]);
    let patch =
        RemotePatch { url: Some("https://new.example".to_owned()), token: Some(None), ..RemotePatch::default() };
    let changed = db.catalog.remote_update(well.id, &patch).await.unwrap().unwrap();
    assert_eq!(changed, Remote { url: "https://new.example".to_owned(), token: None, ..well.clone() });
    let patch = RemotePatch { settings: Some(json!({"withdrawn": "hide"})), ..RemotePatch::default() };
    assert!(db.catalog.remote_update(well.id, &patch).await.unwrap().unwrap().hides_withdrawn());
    assert_eq!(db.catalog.remote_update(RemoteId(99), &patch).await.unwrap(), None);
    assert_eq!(db.catalog.remote_delete(well.id).await.unwrap(), RemoteDeleted::Deleted);
    assert_eq!(db.catalog.remote_delete(well.id).await.unwrap(), RemoteDeleted::Missing);
    // An id is never given again.
    assert!(remote(db, "well").await.id > well.id);
}

async fn a_remote_that_mirrors_come_from_stays(db: &Db) {
    let hub = remote(db, "hub").await;
    db.catalog.mirror_create(&new_mirror(&hub, "far/a"), NOW).await.unwrap();
    assert_eq!(db.catalog.remote_delete(hub.id).await.unwrap(), RemoteDeleted::HasMirrors(1));
    assert!(db.catalog.remote_get(hub.id).await.unwrap().is_some());
    let (repo, _) = db.catalog.mirror_find(&crate::db::model("far/a")).await.unwrap().unwrap();
    db.catalog.repo_delete(repo.id, NOW).await.unwrap();
    assert_eq!(db.catalog.remote_delete(hub.id).await.unwrap(), RemoteDeleted::Deleted);
    assert_eq!((db.count("owner_origin").await, db.count("account").await), (0, 0), "the name is free again");
}

async fn people_have_tokens_of_their_own(db: &Db) {
    let (hub, amina) = (remote(db, "hub").await, db.user("amina").await);
    assert_eq!(db.catalog.remote_login_get(hub.id, amina.id).await.unwrap(), None);
    for token in [b"first", b"later"] {
        assert!(db.catalog.remote_login_set(hub.id, amina.id, token).await.unwrap());
        assert_eq!(db.catalog.remote_login_get(hub.id, amina.id).await.unwrap().as_deref(), Some(&token[..]));
    }
    assert!(!db.catalog.remote_login_set(RemoteId(99), amina.id, b"x").await.unwrap());
    assert!(db.catalog.remote_login_delete(hub.id, amina.id).await.unwrap());
    assert!(!db.catalog.remote_login_delete(hub.id, amina.id).await.unwrap());
    db.catalog.remote_login_set(hub.id, amina.id, b"again").await.unwrap();
    db.catalog.account_delete(amina.id).await.unwrap();
    assert_eq!(db.count("remote_login").await, 0);
}

async fn an_owner_name_has_one_origin(db: &Db) {
    let (hub, well) = (remote(db, "hub").await, remote(db, "well").await);
    let bind = async |owner: &str, remote: &Remote, there: &str| {
        db.catalog.owner_origin_bind(&name(owner), remote.id, &name(there), NOW).await.unwrap()
    };
    let OwnerBound::Bound(origin) = bind("Far", &hub, "Far").await else { panic!() };
    assert_eq!((origin.owner.as_str(), origin.remote, origin.bound), ("Far", hub.id, NOW));
    assert_eq!(bind("far", &hub, "FAR").await, OwnerBound::Bound(origin.clone()), "once more is the same");
    assert_eq!(bind("far", &well, "far").await, OwnerBound::Elsewhere(origin.clone()));
    assert_eq!(bind("far", &hub, "other").await, OwnerBound::Elsewhere(origin.clone()));
    assert_eq!(db.catalog.owner_origin_get(&name("FAR")).await.unwrap(), Some(origin.clone()));
    assert_eq!(db.catalog.owner_origin_get(&name("near")).await.unwrap(), None);
    // The same owner under an alias.
    let OwnerBound::Bound(alias) = bind("well-far", &well, "far").await else { panic!() };
    assert_eq!(db.catalog.owner_origin_list(None, 10).await.unwrap(), [origin.clone(), alias.clone()]);
    assert_eq!(db.catalog.owner_origin_list(Some(&name("far")), 10).await.unwrap(), std::slice::from_ref(&alias));
    assert_eq!(db.catalog.owner_origin_aliases(well.id, &name("FAR")).await.unwrap(), [alias]);
    let gone = db.catalog.owner_origin_bind(&name("x"), RemoteId(99), &name("x"), NOW).await.unwrap();
    assert_eq!((gone, db.count("account").await), (OwnerBound::RemoteMissing, 2));
    // Nobody else can take the name.
    let new = NewAccount {
        name: name("FAR"),
        kind: AccountKind::User,
        fullname: String::new(),
        email: None,
        is_admin: false,
    };
    assert!(matches!(db.catalog.account_create(&new, NOW).await.unwrap(), AccountCreated::Taken(_)));
    // It is free again when nothing is left under it.
    db.catalog.mirror_create(&new_mirror(&hub, "far/a"), NOW).await.unwrap();
    assert_eq!(db.catalog.owner_origin_unbind(&name("far")).await.unwrap(), OwnerUnbound::HasMirrors(1));
    let (repo, _) = db.catalog.mirror_find(&crate::db::model("far/a")).await.unwrap().unwrap();
    db.catalog.repo_delete(repo.id, NOW).await.unwrap();
    assert_eq!(db.catalog.owner_origin_unbind(&name("far")).await.unwrap(), OwnerUnbound::Unbound);
    assert_eq!(db.catalog.owner_origin_unbind(&name("far")).await.unwrap(), OwnerUnbound::Missing);
    assert!(matches!(db.catalog.account_create(&new, NOW).await.unwrap(), AccountCreated::Created(_)));
}

async fn names_of_this_node_are_not_given_away(db: &Db) {
    let hub = remote(db, "hub").await;
    let amina = db.user("amina").await;
    let lab = db.account("lab", AccountKind::Organization).await;
    let empty = db.account("empty", AccountKind::Organization).await;
    let full = db.account("full", AccountKind::Organization).await;
    db.catalog.member_set(lab.id, amina.id, karez_types::OrgRole::Read).await.unwrap();
    db.repo(&full, "own", Visibility::Private).await;
    for own in ["amina", "lab", "full"] {
        let bound = db.catalog.owner_origin_bind(&name(own), hub.id, &name(own), NOW).await.unwrap();
        assert_eq!(bound, OwnerBound::Own, "{own}");
    }
    // An organization that nobody is in and that has nothing only holds a name.
    let bound = db.catalog.owner_origin_bind(&name("empty"), hub.id, &name("empty"), NOW).await.unwrap();
    assert!(matches!(bound, OwnerBound::Bound(origin) if origin.account == empty.id));
    assert_eq!(db.count("owner_origin").await, 1);
}
