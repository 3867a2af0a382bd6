//! What a rule makes of a mirror that pull-through has begun.

use karez_catalog::{Keep, Mirror};
use karez_federation::FederationSettings;
use karez_testkit::{Link, LinkShape, NodeOptions, TestNode};
use karez_types::Limits;

use crate::peers::{befriend_at, model, node, person, poll, publish, rule};
use crate::pull_through::noise;

async fn mirror(node: &TestNode) -> Mirror {
    node.hub.mirror_find(&model("amina/base")).await.unwrap().expect("it is here").1
}

async fn commits(node: &TestNode) -> usize {
    let list = node.anonymous().get("/api/models/amina/base/commits/main").await.expect(200);
    list.json().as_array().unwrap().len()
}

#[tokio::test]
async fn a_mirror_that_is_one_commit_deep_is_deepened_when_it_is_kept_whole() {
    let (a, b) = (node(1).await, node(2).await);
    let amina = person(&a, "amina").await;
    publish(&a, &amina, "amina/base").await;
    for number in 0..5 {
        amina.commit("models/amina/base", "main", &[("n.txt", &[number][..])]).await.expect(200);
    }
    amina.post("/api/models/amina/base/tag/main", &serde_json::json!({ "tag": "v1" })).await.expect(200);
    a.hub.log_advance().await.unwrap();
    befriend_at(&b, a.url(), "a").await;
    b.upstreams.remotes_changed();
    poll(&b, "a").await.unwrap();
    // Somebody reads one file: one commit comes.
    b.anonymous().get("/amina/base/resolve/main/n.txt").await.expect(200);
    let pulled = mirror(&b).await;
    assert_eq!((pulled.keep, pulled.is_whole_history), (Keep::Demand, false));
    let pass = b.federation().follow_pass().await.unwrap();
    assert!(pass.troubles.is_empty() && !mirror(&b).await.is_whole_history, "without a rule it stays so: {pass:?}");

    rule(&b, r#"{"owners":["amina"]}"#, Keep::Whole, None).await;
    let pass = b.federation().follow_pass().await.unwrap();
    assert_eq!((pass.troubles, pass.mirrored), (vec![], 1));
    let whole = mirror(&b).await;
    assert_eq!((whole.keep, whole.is_whole_history), (Keep::Whole, true));
    assert_eq!(b.hub.catalog().mirror_shallow(whole.repo_id).await.unwrap(), []);
    let there = a.anonymous().get("/api/models/amina/base/refs").await.expect(200).json();

    // It goes on from there without asking for what is here, and is whole without the origin.
    amina.commit("models/amina/base", "main", &[("n.txt", b"last")]).await.expect(200);
    a.hub.log_advance().await.unwrap();
    poll(&b, "a").await.unwrap();
    assert_eq!(b.federation().follow_pass().await.unwrap().troubles, Vec::<String>::new());
    a.stop().await;
    assert_eq!(commits(&b).await, 8);
    let here = b.anonymous().get("/api/models/amina/base/refs").await.expect(200).json();
    assert_eq!(here["tags"], there["tags"]);
}

#[tokio::test]
async fn a_mirror_whose_only_commit_has_no_parent_is_whole_at_once() {
    let (a, b) = (node(1).await, node(2).await);
    let amina = person(&a, "amina").await;
    amina.repo_create("model", "amina/base", "public").await;
    a.hub.log_advance().await.unwrap();
    befriend_at(&b, a.url(), "a").await;
    b.upstreams.remotes_changed();
    poll(&b, "a").await.unwrap();
    b.anonymous().get("/api/models/amina/base").await.expect(200);
    rule(&b, r#"{"owners":["amina"]}"#, Keep::Whole, None).await;
    assert_eq!(b.federation().follow_pass().await.unwrap().troubles, Vec::<String>::new());
    let whole = mirror(&b).await;
    assert_eq!((whole.keep, whole.is_whole_history), (Keep::Whole, true));
}

/// On a metered line: a file that takes hours must not cost a look at the history every minute.
#[tokio::test]
async fn a_history_is_not_asked_for_again_while_files_come() {
    let (a, b) = (node(1).await, node(2).await);
    let amina = person(&a, "amina").await;
    publish(&a, &amina, "amina/base").await;
    amina.commit("models/amina/base", "main", &[("model.bin", &noise(7, 2 << 20)[..])]).await.expect(200);
    a.hub.log_advance().await.unwrap();
    let line = Link::to(a.url(), 1).await;
    befriend_at(&b, &line.url(), "a").await;
    rule(&b, r#"{"owners":["amina"]}"#, Keep::Whole, None).await;
    poll(&b, "a").await.unwrap();
    line.set(LinkShape { down_bytes_per_sec: Some(400_000), ..LinkShape::default() });
    let asked = || line.requests().iter().filter(|request| request.contains("git-upload-pack")).count();
    assert_eq!(b.federation().follow_pass().await.unwrap().waiting, 1);
    let first = asked();
    assert!(first > 0);
    assert_eq!(b.federation().follow_pass().await.unwrap().waiting, 1, "the file is on its way");
    assert_eq!(asked(), first);
    // What is new is.
    amina.commit("models/amina/base", "main", &[("n.txt", b"new")]).await.expect(200);
    a.hub.log_advance().await.unwrap();
    poll(&b, "a").await.unwrap();
    b.federation().follow_pass().await.unwrap();
    assert!(asked() > first);
    b.anonymous().get("/amina/base/resolve/main/n.txt").await.expect(200);
}

#[tokio::test]
async fn a_past_that_is_too_long_does_not_hold_up_what_is_new() {
    let limits = Limits { git_pack_objects_max: 12, ..Limits::default() };
    let federation = Some(FederationSettings::default());
    let b = TestNode::start_with(NodeOptions { seed: 2, limits, federation, ..NodeOptions::default() }).await;
    let a = node(1).await;
    let amina = person(&a, "amina").await;
    publish(&a, &amina, "amina/base").await;
    for number in 0..8 {
        amina.commit("models/amina/base", "main", &[("n.txt", &[number][..])]).await.expect(200);
    }
    a.hub.log_advance().await.unwrap();
    befriend_at(&b, a.url(), "a").await;
    b.upstreams.remotes_changed();
    poll(&b, "a").await.unwrap();
    b.anonymous().get("/amina/base/resolve/main/n.txt").await.expect(200);
    rule(&b, r#"{"owners":["amina"]}"#, Keep::Whole, None).await;
    amina.commit("models/amina/base", "main", &[("n.txt", b"last")]).await.expect(200);
    a.hub.log_advance().await.unwrap();
    poll(&b, "a").await.unwrap();
    let pass = b.federation().follow_pass().await.unwrap();
    assert_eq!((pass.troubles, pass.mirrored), (vec![], 1));
    assert!(!mirror(&b).await.is_whole_history);
    a.stop().await;
    assert_eq!(b.anonymous().get("/amina/base/resolve/main/n.txt").await.expect(200).text(), "last");
}
