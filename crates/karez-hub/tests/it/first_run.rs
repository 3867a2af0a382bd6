//! The first start of a node that knows nobody.

use std::sync::Arc;

use karez_catalog::Catalog;
use karez_hub::{Actor, Hub, HubParts, NoHighWater, RepoWish};
use karez_store::{Store, StoreLocation};
use karez_testkit::TestNode;
use karez_types::{FixedClock, Limits, RepoKind, SeededEntropy, TokenRole, Visibility};

async fn hub(folder: &tempfile::TempDir, seed: u64) -> Hub {
    let database = format!("sqlite:{}", folder.path().join("catalog.sqlite").display());
    Hub::new(HubParts {
        catalog: Catalog::open(&database, TestNode::START).await.unwrap(),
        store: Store::open(StoreLocation::Memory, 1 << 20).await.unwrap(),
        limits: Limits::default(),
        signing_key: [1; 32],
        log_keys: karez_testkit::log_keys(1),
        high_water: Arc::new(NoHighWater),
        clock: Arc::new(FixedClock::at(TestNode::START)),
        entropy: Arc::new(SeededEntropy::new(seed)),
    })
}

#[tokio::test]
async fn one_start_of_several_gets_the_token() {
    let folder = tempfile::TempDir::new().unwrap();
    let (first, second) = (hub(&folder, 1).await, hub(&folder, 2).await);
    first.ready().await.unwrap();
    let name = "ada".parse().unwrap();
    let (one, other) = tokio::join!(first.first_run(&name), second.first_run(&name));
    let tokens: Vec<String> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
    assert_eq!(tokens.len(), 1);
    assert!(first.first_run(&"eve".parse().unwrap()).await.unwrap().is_none());

    // Whichever start made it, both processes know it, and it administers the node.
    let actor = second.sign_in(Some(&tokens[0])).await.unwrap();
    let user = actor.user().unwrap();
    assert!(user.account.is_admin && user.token_role == TokenRole::Write);
    assert_eq!(second.account_list(&actor, None, 10).await.unwrap().len(), 1);
    assert!(second.account_list(&Actor::Anonymous, None, 10).await.is_err());
}

#[tokio::test]
async fn the_operator_creates_for_others() {
    let folder = tempfile::TempDir::new().unwrap();
    let hub = hub(&folder, 1).await;
    hub.first_run(&"ada".parse().unwrap()).await.unwrap().unwrap();
    let wish = |owner: Option<&str>| RepoWish {
        kind: RepoKind::Dataset,
        owner: owner.map(|owner| owner.parse().unwrap()),
        name: "d".parse().unwrap(),
        visibility: Visibility::Private,
        sdk: None,
    };
    let repo = hub.repo_create(&Actor::Operator, wish(Some("ada"))).await.unwrap();
    assert_eq!(repo.address().url_path(), "datasets/ada/d");
    assert!(hub.repo_create(&Actor::Operator, wish(None)).await.is_err());
    assert!(hub.repo_create(&Actor::Operator, wish(Some("nobody"))).await.is_err());
    // An account that owns something stays.
    assert!(hub.account_delete(&Actor::Operator, "ada").await.is_err());
    hub.repo_delete(&Actor::Operator, &repo.address()).await.unwrap();
    // And so does the last who administers the node.
    assert!(hub.account_delete(&Actor::Operator, "ADA").await.is_err());
    hub.account_create(&Actor::Operator, karez_hub::new_user("grace".parse().unwrap(), true)).await.unwrap();
    hub.account_delete(&Actor::Operator, "ADA").await.unwrap();
}
