//! Histories fetched from a node into a mirror on another, and from servers that lie.

use karez_catalog::{Keep, NewMirror, NewRemote, RemoteAdded, RemoteKind, Repo};
use karez_federation::source::{GitLimits, GitRemote, GitRemoteError, HistoryHere, Remote};
use karez_federation::transfer::CostClass;
use karez_formats::git::fetch_client::{FetchError, PackWish};
use karez_formats::git::{PackError, PackLimits};
use karez_testkit::TestNode;
use karez_types::{GitOid, Limits, RefName, RepoAddress, RepoKind, TokenRole};
use serde_json::json;

use crate::liar::{Liar, Reply, Then};
use crate::pull::{noise, push, remote};

fn address() -> RepoAddress {
    RepoAddress::parse(RepoKind::Model, "alice/m").unwrap()
}

fn git(url: &str, token: Option<&str>) -> GitRemote {
    GitRemote::new(remote(url, token), address(), GitLimits::from(&Limits::default()))
}

/// A mirror of `alice/m` on a node.
async fn mirror(node: &TestNode, url: &str) -> Repo {
    let new = NewRemote {
        name: "origin".to_owned(),
        kind: RemoteKind::Upstream,
        url: url.to_owned(),
        log_key: None,
        witness_key: None,
        token: None,
        line: "default".to_owned(),
        settings: json!({}),
    };
    let RemoteAdded::Added(added) = node.hub.catalog().remote_insert(&new, TestNode::START).await.unwrap() else {
        panic!("the name is free")
    };
    let far = RepoAddress::parse(RepoKind::Model, "far/m").unwrap();
    let new = NewMirror {
        address: far,
        remote: added.id,
        remote_repo: address(),
        keep: Keep::Whole,
        is_restricted: false,
        verified_by: "ids".to_owned(),
        gated: None,
    };
    node.hub.mirror_create(&new).await.unwrap().0
}

async fn refs_of(node: &TestNode, repo: &Repo) -> Vec<(RefName, GitOid)> {
    node.hub.catalog().ref_list(repo.id).await.unwrap()
}

#[tokio::test]
async fn a_history_is_fetched_and_kept_up_to_date() {
    let (origin, follower) = (TestNode::start().await, TestNode::start_with(seeded(2)).await);
    let alice = origin.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    alice.commit("models/alice/m", "main", &[("README.md", b"one"), ("a/b.txt", b"deep")]).await.expect(200);
    push(&alice, "alice/m", "big.bin", &noise(1, 500_000)).await;
    alice.post("/api/models/alice/m/tag/main", &json!({ "tag": "v1", "message": "annotated" })).await.expect(200);

    let far = git(origin.url(), None);
    let repo = mirror(&follower, origin.url()).await;
    let update = far.update(HistoryHere::default(), None, "ids").await.unwrap().unwrap();
    assert!(update.is_whole_history && update.objects.len() > 8, "{}", update.objects.len());
    follower.hub.mirror_apply(&repo, update).await.unwrap();
    let text = follower.anonymous().get("/far/m/resolve/v1/a/b.txt").await.expect(200);
    assert_eq!(text.text(), "deep");
    let commits = |answer: karez_testkit::Answer| {
        let list = answer.json();
        list.as_array().unwrap().iter().map(|commit| commit["id"].clone()).collect::<Vec<_>>()
    };
    let (here, there) = ("/api/models/far/m/commits/main", "/api/models/alice/m/commits/main");
    assert_eq!(
        commits(follower.anonymous().get(here).await.expect(200)),
        commits(origin.anonymous().get(there).await.expect(200))
    );

    // Nothing new: one question, no pack.
    let refs = refs_of(&follower, &repo).await;
    let known = HistoryHere { refs: &refs, shallow: &[] };
    assert!(far.update(known, None, "ids").await.unwrap().is_none());

    // A server may be told of a tag that is here, too.
    let tag = refs.iter().find(|(name, _)| name.is_tag()).unwrap().1;
    let main = refs.iter().find(|(name, _)| name.is_branch()).unwrap().1;
    assert_ne!(tag, main, "it is annotated");
    let wish = PackWish { wants: vec![main], haves: vec![tag], done: true, ..PackWish::default() };
    assert_eq!(far.fetch(&wish).await.unwrap().objects, []);

    // One new file: its blob, its folder, its commit.
    alice.commit("models/alice/m", "main", &[("c.txt", b"three")]).await.expect(200);
    alice.post("/api/models/alice/m/branch/draft", &json!({})).await.expect(200);
    alice.delete("/api/models/alice/m/tag/v1", &json!({})).await.expect(200);
    let update = far.update(known, Some(1), "ids").await.unwrap().unwrap();
    assert_eq!(update.refs.len(), 3, "main, draft, and a tag that is gone: {:?}", update.refs);
    assert!(update.objects.len() <= 4, "{} objects", update.objects.len());
    follower.hub.mirror_apply(&repo, update).await.unwrap();
    assert_eq!(follower.anonymous().get("/far/m/resolve/draft/c.txt").await.expect(200).text(), "three");
    assert!(!refs_of(&follower, &repo).await.iter().any(|(name, _)| name.is_tag()));
    origin.stop().await;
    follower.stop().await;
}

fn seeded(seed: u64) -> karez_testkit::NodeOptions {
    karez_testkit::NodeOptions { seed, ..karez_testkit::NodeOptions::default() }
}

#[tokio::test]
async fn a_shallow_history_grows_at_its_tip() {
    let (origin, follower) = (TestNode::start().await, TestNode::start_with(seeded(2)).await);
    let alice = origin.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    for n in 0..5 {
        alice.commit("models/alice/m", "main", &[("n.txt", format!("{n}").as_bytes())]).await.expect(200);
    }
    let far = git(origin.url(), None);
    let repo = mirror(&follower, origin.url()).await;
    let update = far.update(HistoryHere::default(), Some(1), "ids").await.unwrap().unwrap();
    assert!(!update.is_whole_history && update.shallow.len() == 1, "{:?}", update.shallow);
    follower.hub.mirror_apply(&repo, update).await.unwrap();
    assert_eq!(follower.anonymous().get("/far/m/resolve/main/n.txt").await.expect(200).text(), "4");
    alice.commit("models/alice/m", "main", &[("n.txt", b"5")]).await.expect(200);
    let refs = refs_of(&follower, &repo).await;
    let shallow = follower.hub.catalog().mirror_shallow(repo.id).await.unwrap();
    let update = far.update(HistoryHere { refs: &refs, shallow: &shallow }, Some(1), "ids").await.unwrap().unwrap();
    follower.hub.mirror_apply(&repo, update).await.unwrap();
    assert_eq!(follower.anonymous().get("/far/m/resolve/main/n.txt").await.expect(200).text(), "5");
    // A commit by its id alone.
    let there = origin.anonymous().get("/api/models/alice/m/commits/main").await.expect(200).json();
    let second: GitOid = there[3]["id"].as_str().unwrap().parse().unwrap();
    let wish = PackWish { wants: vec![second], depth: Some(1), done: true, ..PackWish::default() };
    let fetched = far.fetch(&wish).await.unwrap();
    assert_eq!((fetched.shallow, fetched.objects.len()), (vec![second], 4));
    origin.stop().await;
    follower.stop().await;
}

#[tokio::test]
async fn private_histories_need_a_token() {
    let origin = TestNode::start().await;
    let alice = origin.client("alice");
    alice.repo_create("model", "alice/m", "private").await;
    alice.commit("models/alice/m", "main", &[("a", b"secret")]).await.expect(200);
    assert_eq!(git(origin.url(), None).ls_refs().await, Err(GitRemoteError::Gone));
    let token = origin.token("alice", TokenRole::Read);
    let refs = git(origin.url(), Some(token)).ls_refs().await.unwrap();
    assert_eq!(refs.len(), 1);
    assert_eq!(refs[0].name, "refs/heads/main");
    let stranger = origin.token("bob", TokenRole::Read);
    assert_eq!(git(origin.url(), Some(stranger)).ls_refs().await, Err(GitRemoteError::Gone));
    origin.stop().await;
}

#[tokio::test]
async fn servers_that_lie_are_understood() {
    const REFS: &str = "application/x-git-upload-pack-advertisement";
    const RESULT: &str = "application/x-git-upload-pack-result";
    const CAN: &[u8] = b"000eversion 2\n0012fetch=shallow\n0000";
    let line = |text: &[u8]| [format!("{:04x}", text.len() + 4).as_bytes(), text].concat();
    let pack = |data: &[u8]| {
        let data = [&[1], data].concat();
        [line(b"packfile\n"), line(&data), b"0000".to_vec()].concat()
    };
    let sealed = |data: &[u8]| {
        use sha1::Digest;
        [data, &sha1::Sha1::digest(data)[..]].concat()
    };
    let bomb = {
        use std::io::Write;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&vec![0; 10 << 20]).unwrap();
        // A blob of 10 MiB.
        let size = [0xB0, 0x80, 0x80, 0x28];
        sealed(&[b"PACK\0\0\0\x02\0\0\0\x01", &size[..], &encoder.finish().unwrap()].concat())
    };
    type Check = fn(&GitRemoteError) -> bool;
    let cases: Vec<(&str, Reply, Check)> = vec![
        ("a page", Reply::new(200, &[("content-type", "text/html")], b"<html>"), |error| {
            matches!(error, GitRemoteError::Protocol(FetchError::NotVersion2))
        }),
        ("cut", Reply::new(200, &[("content-type", RESULT)], &pack(b"PACK")[..20]), |error| {
            matches!(error, GitRemoteError::Protocol(FetchError::Truncated))
        }),
        ("no pack", Reply::new(200, &[("content-type", RESULT)], b"0000"), |error| {
            matches!(error, GitRemoteError::Protocol(FetchError::Truncated))
        }),
        ("not a pack", Reply::new(200, &[("content-type", RESULT)], &pack(b"KCAP\0\0\0\x02\0\0\0\x01")), |error| {
            matches!(error, GitRemoteError::Pack(PackError::Malformed(_)))
        }),
        (
            "a wrong checksum",
            Reply::new(200, &[("content-type", RESULT)], &pack(&[b"PACK\0\0\0\x02\0\0\0\0", &[0; 20][..]].concat())),
            |error| matches!(error, GitRemoteError::Pack(PackError::Checksum)),
        ),
        ("a bomb", Reply::new(200, &[("content-type", RESULT)], &pack(&bomb)), |error| {
            matches!(error, GitRemoteError::Pack(PackError::TooLarge { .. }))
        }),
        (
            "many objects",
            Reply::new(200, &[("content-type", RESULT)], &pack(b"PACK\0\0\0\x02\xFF\xFF\xFF\xFF")),
            |error| matches!(error, GitRemoteError::Pack(PackError::TooLarge { .. })),
        ),
        (
            "a refusal",
            Reply::new(200, &[("content-type", RESULT)], &line(b"ERR go away\n")),
            |error| matches!(error, GitRemoteError::Protocol(FetchError::Refused(words)) if words == "go away"),
        ),
        (
            "endless",
            Reply::unsized_(200, &[("content-type", RESULT)], &line(b"packfile\n")).then(Then::Flood),
            |error| matches!(error, GitRemoteError::Net(_) | GitRemoteError::Protocol(_) | GitRemoteError::Pack(_)),
        ),
        ("busy", Reply::new(503, &[], b""), |error| matches!(error, GitRemoteError::Refused { status: 503 })),
        ("a redirect to metadata", Reply::new(307, &[("location", "http://169.254.169.254/")], b""), |error| {
            matches!(error, GitRemoteError::Net(_))
        }),
    ];
    for (name, reply, check) in cases {
        let server = Liar::start(move |asked| match asked.method.as_str() {
            "GET" => Reply::new(200, &[("content-type", REFS)], CAN),
            _ => reply.clone(),
        })
        .await;
        let limits = GitLimits {
            pack: PackLimits { object_bytes_max: 1 << 20, ..PackLimits::default() },
            pack_bytes_max: 1 << 20,
            ..GitLimits::from(&Limits::default())
        };
        let client = remote(&server.url(), None).client().clone();
        let base = server.url().parse().unwrap();
        let far = GitRemote::new(Remote::new("liar", base, client, None, CostClass::Metered), address(), limits);
        let wish = PackWish { wants: vec![GitOid([1; 20])], done: true, ..PackWish::default() };
        let error = far.fetch(&wish).await.unwrap_err();
        assert!(check(&error), "{name}: {error:?}");
    }
    let many = Liar::start(|asked| match asked.method.as_str() {
        "GET" => Reply::new(200, &[("content-type", REFS)], CAN),
        _ => {
            let line = format!("{} refs/heads/b\n", "1".repeat(40));
            let lines = format!("{:04x}{line}", line.len() + 4).repeat(11);
            Reply::new(200, &[("content-type", RESULT)], format!("{lines}0000").as_bytes())
        }
    })
    .await;
    let limits = GitLimits { refs_max: 10, ..GitLimits::from(&Limits::default()) };
    let far = GitRemote::new(remote(&many.url(), None), address(), limits);
    assert_eq!(far.ls_refs().await, Err(GitRemoteError::Protocol(FetchError::TooLong { lines_max: 10 })));
}
