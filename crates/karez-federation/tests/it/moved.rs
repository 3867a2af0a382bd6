//! A peer comes up at another address. It is its key, so it is found again: at an address that it named before, or at
//! one that a third node has heard of.

use karez_federation::peer::{PeerError, Polled, described, described_keep};
use karez_federation::{FederationSettings, PeerSettings};
use karez_hub::NodeWords;
use karez_testkit::{LinkedNode, NodeOptions, TestNode};

use crate::peers::{befriend_at, incidents, node, person, poll, publish};

/// The seed of whom it is about: nodes with the same have the same keys.
const AMINA: u64 = 7;

/// Starts the node of amina's at an address of its own. What is published there first is the same each time, so that
/// the second such node is the first one after it moved.
async fn aminas() -> LinkedNode {
    let federation = Some(FederationSettings::default());
    let linked = LinkedNode::start(NodeOptions { seed: AMINA, federation, ..NodeOptions::default() }).await;
    publish(&linked.node, &person(&linked.node, "amina").await, "amina/base").await;
    linked
}

fn words(urls: &[String]) -> NodeWords {
    NodeWords { name: "amina".to_owned(), urls: urls.to_vec(), software: "test".to_owned() }
}

/// Lets the node move: what it says of itself now is newer than what it said before.
async fn moved() -> LinkedNode {
    let there = aminas().await;
    for round in 0..3 {
        there.node.hub.node_describe(&words(&[format!("http://old-{round}.example.org")])).await.unwrap();
    }
    there
}

async fn address(here: &TestNode) -> String {
    here.hub.catalog().remote_get_by_name("a").await.unwrap().unwrap().url
}

#[tokio::test]
async fn a_peer_that_moved_is_found_at_another_address_that_it_named() {
    let (old, new, b) = (aminas().await, moved().await, node(2).await);
    let remote = befriend_at(&b, &old.url(), "a").await;
    assert!(matches!(poll(&b, "a").await.unwrap(), Polled::Grew { from: 0, .. }));
    // It said in time where else it can be reached; one of the addresses is nobody's, another somebody else's.
    let stranger = node(9).await;
    let urls = ["http://127.0.0.1:9".to_owned(), stranger.url().to_owned(), new.url(), old.url()];
    let note = old.node.hub.node_describe(&words(&urls)).await.unwrap();
    let remote = b.hub.catalog().remote_get_by_name(&remote.name).await.unwrap().unwrap();
    described_keep(b.hub.catalog(), &remote, &described(note.as_bytes()).unwrap(), None).await.unwrap().unwrap();
    let LinkedNode { node: gone, link } = old;
    drop(link);
    gone.stop().await;

    publish(&new.node, &new.node.client("alice"), "alice/more").await;
    // The first question finds nobody; from then on it is looked for.
    assert!(matches!(poll(&b, "a").await, Err(PeerError::Wire(_))));
    let found = poll(&b, "a").await.unwrap();
    assert!(matches!(found, Polled::Grew { from, .. } if from > 0), "it goes on where it was: {found:?}");
    assert_eq!(address(&b).await, new.url());
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Same);
    assert_eq!(incidents(&b).await, [], "nobody did wrong");
    let known = b.hub.catalog().remote_get_by_name("a").await.unwrap().unwrap();
    assert_eq!(PeerSettings::of(&known).urls, [new.url()], "what it says now counts");
}

#[tokio::test]
async fn a_peer_that_moved_is_found_where_a_third_node_knows_it() {
    let (old, new) = (aminas().await, moved().await);
    let (b, c) = (node(2).await, node(3).await);
    befriend_at(&b, &old.url(), "a").await;
    befriend_at(&b, c.url(), "c").await;
    assert!(matches!(poll(&b, "a").await.unwrap(), Polled::Grew { .. }));
    let LinkedNode { node: gone, link } = old;
    drop(link);
    gone.stop().await;
    for _ in 0..2 {
        assert!(matches!(poll(&b, "a").await, Err(PeerError::Wire(_))), "it named no other address");
    }
    // The third node was told by its operator, and has heard what amina's node says of itself.
    befriend_at(&c, &new.url(), "amina").await;
    poll(&c, "amina").await.unwrap();
    c.federation().refresh().await.unwrap();
    publish(&new.node, &new.node.client("alice"), "alice/more").await;
    poll(&b, "c").await.unwrap();
    let found = poll(&b, "a").await.unwrap();
    assert!(matches!(found, Polled::Grew { from, .. } if from > 0), "{found:?}");
    assert_eq!(address(&b).await, new.url());
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Same);
    assert_eq!(incidents(&b).await, []);
}
