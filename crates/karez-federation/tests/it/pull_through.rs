//! A node that brings what it does not have from an upstream hub: here another node, behind a line that
//! counts and can be cut.

use karez_catalog::{NewRemote, Remote, RemoteAdded, RemoteKind, RemotePatch};
use karez_federation::FederationSettings;
use karez_federation::upstream::{UpstreamSettings, address_check, login_context, token_context};
use karez_hub::{Actor, RepoSettings, new_organization};
use karez_testkit::{Answer, Cut, LinkedNode, NodeOptions, TestClient, TestNode};
use karez_types::{OrgRole, RepoAddress, RepoKind, TokenRole, Visibility};
use serde_json::json;

/// An upstream and a node that pulls through.
pub struct Pair {
    pub up: LinkedNode,
    pub node: TestNode,
    pub remote: Remote,
}

/// What the operator set, as typed.
#[derive(Default)]
pub struct Wish<'a> {
    pub allow: &'a [&'a str],
    pub deny: &'a [&'a str],
    pub pass_through: &'a [&'a str],
    pub file_max: Option<&'a str>,
    pub repo_max: Option<&'a str>,
    pub pass_tokens: bool,
    /// The node that pulls through also follows, with these settings.
    pub federation: Option<FederationSettings>,
}

impl Pair {
    async fn start() -> Pair {
        Pair::start_with(Wish::default()).await
    }

    pub async fn start_with(wish: Wish<'_>) -> Pair {
        let up = LinkedNode::start(NodeOptions::default()).await;
        let options = NodeOptions { seed: 2, federation: wish.federation.clone(), ..NodeOptions::default() };
        let node = TestNode::start_with(options).await;
        let remote = add(&node, "up", &up.url(), wish).await;
        organisation(&up.node, "hub").await;
        let alice = up.node.client("alice");
        alice.repo_create("model", "hub/tiny", "public").await;
        alice
            .commit("models/hub/tiny", "main", &[("README.md", b"# tiny\n"), ("config.json", b"{}")])
            .await
            .expect(200);
        Pair { up, node, remote }
    }

    /// Keeps a token of the upstream's alice for a person of the node.
    async fn login(&self, person: &str) {
        let account = self.node.hub.catalog().account_by_name(person).await.unwrap().unwrap();
        let token = self.up.node.token("alice", TokenRole::Read);
        let sealed = self.node.hub.secret_seal(&login_context(self.remote.id, account.id), token);
        assert!(self.node.hub.catalog().remote_login_set(self.remote.id, account.id, &sealed).await.unwrap());
    }

    /// How many requests went over the line that contain this.
    fn asked(&self, part: &str) -> usize {
        self.up.link.requests().iter().filter(|line| line.contains(part)).count()
    }
}

/// Makes an organisation on the upstream that alice administers; the node that pulls through has none of its name.
async fn organisation(node: &TestNode, name: &str) {
    node.hub.account_create(&Actor::Operator, new_organization(name.parse().unwrap())).await.unwrap();
    node.hub.member_set(&Actor::Operator, name, "alice", OrgRole::Admin).await.unwrap();
}

async fn add(node: &TestNode, name: &str, url: &str, wish: Wish<'_>) -> Remote {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let settings = UpstreamSettings::parse(
        &texts(wish.allow),
        &texts(wish.deny),
        wish.file_max,
        wish.repo_max,
        Some("5 min"),
        true,
        wish.pass_tokens,
    )
    .and_then(|settings| settings.passing(&texts(wish.pass_through)))
    .unwrap();
    let new = NewRemote {
        name: name.to_owned(),
        kind: RemoteKind::Upstream,
        url: url.to_owned(),
        log_key: None,
        witness_key: None,
        token: None,
        line: "default".to_owned(),
        settings: settings.to_json(),
    };
    let added = node.hub.catalog().remote_insert(&new, TestNode::START).await.unwrap();
    let RemoteAdded::Added(remote) = added else { panic!("the name {name} is taken") };
    node.upstreams.remotes_changed();
    remote
}

async fn commit_of(client: &TestClient, repo: &str) -> String {
    client.get(&format!("/api/models/{repo}")).await.expect(200).json()["sha"].as_str().unwrap().to_owned()
}

fn words(answer: &Answer) -> String {
    answer.json()["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_head_then_a_get_bring_what_is_upstream_once() {
    let pair = Pair::start().await;
    let anyone = pair.node.anonymous();
    let head = anyone.head("/hub/tiny/resolve/main/config.json").await.expect(200);
    let commit = commit_of(&pair.up.node.anonymous(), "hub/tiny").await;
    assert_eq!(head.header("x-repo-commit"), commit, "the same commit ids as at the origin");
    let asked = pair.up.link.requests().len();
    assert_eq!(&anyone.get("/hub/tiny/resolve/main/config.json").await.expect(200).body[..], b"{}");
    assert_eq!(&anyone.get(&format!("/hub/tiny/resolve/{commit}/README.md")).await.expect(200).body[..], b"# tiny\n");
    let missing = anyone.get("/hub/tiny/resolve/main/nothing.txt").await.expect(404);
    assert_eq!((missing.header("x-error-code"), missing.header("x-repo-commit")), ("EntryNotFound", commit.as_str()));
    let tree = anyone.get("/api/models/hub/tiny/tree/main").await.expect(200).json();
    assert_eq!(tree, pair.up.node.anonymous().get("/api/models/hub/tiny/tree/main").await.json());
    assert_eq!(pair.up.link.requests().len(), asked, "what is held is answered without asking");
    // Names are the same whatever their case, and written as at the origin.
    assert_eq!(anyone.get("/api/models/HUB/Tiny").await.expect(200).json()["id"], "hub/tiny");
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_are_one_fetch() {
    let pair = Pair::start().await;
    let anyone = pair.node.anonymous();
    let gets = (0..100).map(|_| {
        let anyone = anyone.clone();
        tokio::spawn(async move { anyone.get("/hub/tiny/resolve/main/config.json").await.expect(200) })
    });
    for get in gets.collect::<Vec<_>>() {
        assert_eq!(&get.await.unwrap().body[..], b"{}");
    }
    assert_eq!(pair.asked("/api/models/hub/tiny"), 1);
    assert_eq!(pair.asked("git-upload-pack"), 2, "refs and one pack: {:?}", pair.up.link.requests());
}

#[tokio::test]
async fn with_the_upstream_down_what_is_held_works_and_the_rest_says_so() {
    let pair = Pair::start().await;
    let anyone = pair.node.anonymous();
    anyone.get("/hub/tiny/resolve/main/config.json").await.expect(200);
    pair.up.link.cut(Cut::Reset);
    anyone.get("/hub/tiny/resolve/main/README.md").await.expect(200);
    let other = anyone.head("/hub/other/resolve/main/config.json").await.expect(504);
    assert!(other.header("x-error-message").contains("the upstream up"), "{}", other.header("x-error-message"));
    let revision = anyone.get("/api/models/hub/tiny/revision/dev").await.expect(504);
    assert!(words(&revision).contains("revision dev of hub/tiny is not held here"), "{}", words(&revision));
    // Later it may be older than at the origin, and is still there.
    pair.node.advance_secs(3_600);
    let old = anyone.get("/hub/tiny/resolve/main/README.md").await.expect(200);
    assert!(old.header("x-hf-warning").starts_with("origin; hub/tiny may be older than at up"), "{:?}", old.headers);
    pair.up.link.heal();
    assert_eq!(anyone.get("/hub/tiny/resolve/main/README.md").await.expect(200).header("x-hf-warning"), "");
    anyone.get("/api/models/hub/other").await.expect(401);
}

#[tokio::test]
async fn a_new_commit_appears_after_the_interval() {
    let pair = Pair::start().await;
    let anyone = pair.node.anonymous();
    let first = commit_of(&anyone, "hub/tiny").await;
    let alice = pair.up.node.client("alice");
    alice.commit("models/hub/tiny", "main", &[("config.json", b"{\"a\":1}")]).await.expect(200);
    assert_eq!(commit_of(&anyone, "hub/tiny").await, first, "within the interval nobody is asked");
    pair.node.advance_secs(301);
    assert_eq!(&anyone.get("/hub/tiny/resolve/main/config.json").await.expect(200).body[..], b"{\"a\":1}");
    let second = commit_of(&pair.up.node.anonymous(), "hub/tiny").await;
    assert_eq!(commit_of(&anyone, "hub/tiny").await, second);
    assert_eq!(&anyone.get(&format!("/hub/tiny/resolve/{first}/config.json")).await.expect(200).body[..], b"{}");
    // Files that did not change did not come again, and are there.
    assert_eq!(&anyone.get("/hub/tiny/resolve/main/README.md").await.expect(200).body[..], b"# tiny\n");
}

#[tokio::test]
async fn tags_branches_commits_and_proposals_are_found() {
    let pair = Pair::start().await;
    let (anyone, alice) = (pair.node.anonymous(), pair.up.node.client("alice"));
    let first = commit_of(&alice, "hub/tiny").await;
    alice.post("/api/models/hub/tiny/tag/main", &json!({ "tag": "v1", "message": "the first" })).await.expect(200);
    alice.commit("models/hub/tiny", "main", &[("new.txt", b"new")]).await.expect(200);
    let middle = commit_of(&alice, "hub/tiny").await;
    alice.commit("models/hub/tiny", "main", &[("new.txt", b"newer")]).await.expect(200);
    alice.post("/api/models/hub/tiny/branch/dev", &json!({ "startingPoint": first })).await.expect(200);
    alice.commit("models/hub/tiny", "dev", &[("dev.txt", b"dev")]).await.expect(200);
    alice.commit("models/hub/tiny", "main?create_pr=1", &[("pr.txt", b"pr")]).await.expect(200);

    let sha = async |revision: &str| {
        let answer = anyone.get(&format!("/api/models/hub/tiny/revision/{revision}")).await.expect(200);
        answer.json()["sha"].as_str().unwrap().to_owned()
    };
    assert_eq!(sha(&middle).await, middle, "a commit by its id, before anything else is held");
    assert_eq!(sha("v1").await, first);
    assert_eq!(sha(&first[..8]).await, first);
    anyone.get("/hub/tiny/resolve/dev/dev.txt").await.expect(200);
    anyone.get("/hub/tiny/resolve/refs%2Fpr%2F1/pr.txt").await.expect(200);
    assert_eq!(&anyone.get("/hub/tiny/resolve/main/new.txt").await.expect(200).body[..], b"newer");
    let none = anyone.get("/api/models/hub/tiny/revision/none").await.expect(404);
    assert_eq!(none.header("x-error-code"), "RevisionNotFound");
    // The list of refs is the origin's, and its history too.
    let refs = "/api/models/hub/tiny/refs";
    assert_eq!(anyone.get(refs).await.expect(200).json(), alice.get(refs).await.json());
    let commits = "/api/models/hub/tiny/commits/main";
    assert_eq!(anyone.get(commits).await.expect(200).json(), alice.get(commits).await.json());
}

#[tokio::test]
async fn what_is_nowhere_is_asked_for_once_a_minute() {
    let pair = Pair::start().await;
    let anyone = pair.node.anonymous();
    for _ in 0..3 {
        let answer = anyone.head("/hub/none/resolve/main/config.json").await.expect(401);
        assert_eq!(answer.header("x-error-code"), "RepoNotFound");
    }
    assert_eq!(pair.asked("/api/models/hub/none"), 1);
    pair.node.advance_secs(61);
    anyone.get("/api/models/hub/none").await.expect(401);
    assert_eq!(pair.asked("/api/models/hub/none"), 2);
}

#[tokio::test]
async fn names_of_the_node_are_asked_for_nowhere() {
    let pair = Pair::start().await;
    let up = pair.up.node.client("alice");
    up.repo_create("model", "alice/own", "public").await;
    // alice is a person here too.
    pair.node.anonymous().get("/api/models/alice/own").await.expect(401);
    assert_eq!(pair.asked("alice/own"), 0);
    up.repo_create("model", "acme/own", "public").await;
    pair.node.anonymous().get("/api/models/acme/own").await.expect(401);
    assert_eq!(pair.asked("acme/own"), 0, "acme is an organisation of this node as well");
}

#[tokio::test]
async fn lists_decide_what_is_asked_for() {
    let pair = Pair::start_with(Wish { allow: &["hub/*"], deny: &["hub/bad-*"], ..Wish::default() }).await;
    for (repo, asked) in [("hub/good", 1), ("hub/bad-one", 0), ("other/x", 0)] {
        pair.node.anonymous().get(&format!("/api/models/{repo}")).await.expect(401);
        assert_eq!(pair.asked(&format!("/api/models/{repo}")), asked, "{repo}");
    }
}

#[tokio::test]
async fn a_private_repository_is_for_whom_the_upstream_lets_read_it() {
    let pair = Pair::start().await;
    let alice = pair.up.node.client("alice");
    alice.repo_create("model", "hub/secret", "private").await;
    alice.commit("models/hub/secret", "main", &[("config.json", b"{\"s\":1}")]).await.expect(200);
    // The node's own token opens it to nobody.
    let sealed =
        pair.node.hub.secret_seal(&token_context(pair.remote.id), pair.up.node.token("alice", TokenRole::Read));
    let patch = RemotePatch { token: Some(Some(sealed)), ..RemotePatch::default() };
    pair.node.hub.catalog().remote_update(pair.remote.id, &patch).await.unwrap();
    pair.node.upstreams.remotes_changed();
    pair.login("erin").await;
    let file = "/hub/secret/resolve/main/config.json";
    let (erin, bob, anyone) = (pair.node.reader("erin"), pair.node.reader("bob"), pair.node.anonymous());

    anyone.get(file).await.expect(401);
    bob.get(file).await.expect(404);
    assert_eq!(&erin.get(file).await.expect(200).body[..], b"{\"s\":1}");
    let closed = async || {
        for (client, status) in [(&anyone, 401), (&bob, 404)] {
            let answer = client.get(file).await.expect(status);
            assert_eq!(answer.header("x-error-code"), "RepoNotFound");
            let none = client.get("/hub/none/resolve/main/config.json").await.expect(status);
            assert_eq!(words(&answer).replace("secret", "none"), words(&none), "it answers as what does not exist");
            assert_eq!(client.get("/api/models?author=hub").await.json(), json!([]));
            client.get("/api/models/hub/secret/tree/main").await.expect(status);
        }
    };
    closed().await;
    // Within the time of the grant nobody is asked again, afterwards once.
    let asked = pair.asked("auth-check");
    erin.get(file).await.expect(200);
    assert_eq!(pair.asked("auth-check"), asked);
    pair.node.advance_secs(301);
    erin.get(file).await.expect(200);
    assert_eq!(pair.asked("auth-check"), asked + 1);
    // The upstream is gone: those whom it allowed before are told so, others nothing.
    pair.node.advance_secs(301);
    pair.up.link.cut(Cut::Reset);
    let silent = erin.get(file).await.expect(504);
    assert!(words(&silent).contains("up says who may read hub/secret, and cannot be asked"), "{}", words(&silent));
    for client in [&bob, &anyone] {
        let (hidden, none) = (client.get(file).await, client.get("/hub/none/resolve/main/config.json").await);
        assert_eq!(words(&hidden.expect(504)).replace("secret", "none"), words(&none.expect(504)));
    }
    pair.up.link.heal();
    // A right that ended there ends here.
    pair.up.node.hub.member_remove(&Actor::Operator, "hub", "alice").await.unwrap();
    erin.get(file).await.expect(404);
    closed().await;
    // What the upstream opens to everybody is open to everybody here.
    let opened = RepoSettings { visibility: Some(Visibility::Public), ..RepoSettings::default() };
    let address = RepoAddress::parse(RepoKind::Model, "hub/secret").unwrap();
    pair.up.node.hub.repo_settings_change(&Actor::Operator, &address, opened).await.unwrap();
    pair.node.advance_secs(301);
    for client in [&anyone, &bob, &erin] {
        client.get(file).await.expect(200);
    }
}

#[tokio::test]
async fn a_strange_token_may_be_known_upstream() {
    let pair = Pair::start_with(Wish { pass_tokens: true, ..Wish::default() }).await;
    let alice = pair.up.node.client("alice");
    alice.repo_create("model", "hub/secret", "private").await;
    alice.commit("models/hub/secret", "main", &[("config.json", b"{}")]).await.expect(200);
    let file = "/hub/secret/resolve/main/config.json";
    let guest = TestClient::new(pair.node.url(), Some(pair.up.node.token("alice", TokenRole::Read)));
    let stranger = TestClient::new(pair.node.url(), Some("hf_nobodyknowsthisone0000000000000000"));
    let other = TestClient::new(pair.node.url(), Some(pair.up.node.token("bob", TokenRole::Read)));
    assert_eq!(words(&stranger.get(file).await.expect(401)), "Invalid credentials in Authorization header");
    guest.get(file).await.expect(200);
    guest.get("/hub/tiny/resolve/main/config.json").await.expect(200);
    other.get(file).await.expect(401);
    pair.node.anonymous().get(file).await.expect(401);
    // Here a guest is nobody.
    let body = json!({ "type": "model", "organization": "alice", "name": "x" });
    guest.post("/api/repos/create", &body).await.expect(401);
    guest.get("/api/whoami-v2").await.expect(401);
    // Asked once for each token, then remembered for a while.
    assert_eq!(pair.asked("whoami-v2"), 3);
    stranger.get(file).await.expect(401);
    guest.get(file).await.expect(200);
    assert_eq!(pair.asked("whoami-v2"), 3);
    // Whom the upstream refused learns nothing either while it is away.
    other.get(file).await.expect(401);
    pair.node.advance_secs(61);
    pair.up.link.cut(Cut::Reset);
    let (hidden, none) = (other.get(file).await, other.get("/hub/none/resolve/main/config.json").await);
    assert_eq!(words(&hidden.expect(504)).replace("secret", "none"), words(&none.expect(504)));
}

#[tokio::test]
async fn addresses_of_the_own_network_need_the_operators_word() {
    for url in
        ["http://127.0.0.1:80", "http://localhost", "http://10.0.0.1", "http://[::1]", "http://0x7f.1", "ftp://x"]
    {
        assert!(address_check(url, false).is_err(), "{url}");
    }
    assert!(address_check("http://169.254.169.254", true).is_err(), "secrets of clouds never");
    assert!(address_check("https://user:pass@hub.example.org", true).is_err());
    assert_eq!(address_check("https://hub.example.org/", false).unwrap(), "https://hub.example.org");
    // Also when it came into the catalog another way.
    let pair = Pair::start().await;
    let settings = json!({});
    let patch = RemotePatch { settings: Some(settings), ..RemotePatch::default() };
    pair.node.hub.catalog().remote_update(pair.remote.id, &patch).await.unwrap();
    pair.node.upstreams.remotes_changed();
    let refused = pair.node.anonymous().get("/api/models/hub/tiny").await.expect(504);
    assert!(words(&refused).contains("is this machine"), "{}", words(&refused));
    assert_eq!(pair.up.link.requests().len(), 0);
}

#[tokio::test]
async fn nodes_that_are_upstream_of_each_other_do_not_ask_in_circles() {
    let pair = Pair::start().await;
    add(&pair.up.node, "down", pair.node.url(), Wish::default()).await;
    pair.node.anonymous().get("/api/models/nobody/none").await.expect(401);
    pair.up.node.anonymous().get("/api/models/nobody/nothing").await.expect(401);
    assert_eq!(pair.asked("/api/models/nobody/none"), 1);
}

#[tokio::test]
async fn a_repository_that_the_upstream_no_longer_shows_is_marked_and_stays() {
    let pair = Pair::start().await;
    let anyone = pair.node.anonymous();
    anyone.get("/hub/tiny/resolve/main/config.json").await.expect(200);
    let settings = json!({ "visibility": "private" });
    pair.up.node.client("alice").put("/api/models/hub/tiny/settings", &settings).await.expect(200);
    pair.node.advance_secs(301);
    let answer = anyone.get("/hub/tiny/resolve/main/config.json").await.expect(200);
    assert!(answer.header("x-hf-warning").contains("no longer public at up"), "{:?}", answer.headers);
    let address = karez_types::RepoAddress::parse(karez_types::RepoKind::Model, "hub/tiny").unwrap();
    let (_, mirror) = pair.node.hub.mirror_find(&address).await.unwrap().unwrap();
    assert!(mirror.withdrawn.is_some());
    let settings = json!({ "visibility": "public" });
    pair.up.node.client("alice").put("/api/models/hub/tiny/settings", &settings).await.expect(200);
    pair.node.advance_secs(301);
    let answer = anyone.get("/hub/tiny/resolve/main/config.json").await.expect(200);
    assert_eq!(answer.header("x-hf-warning"), "");
    assert!(pair.node.hub.mirror_find(&address).await.unwrap().unwrap().1.withdrawn.is_none());
}

/// Bytes that no compression makes shorter.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let entropy = karez_types::SeededEntropy::new(seed);
    let mut data = vec![0; bytes];
    karez_types::Entropy::fill(&entropy, &mut data);
    data
}

impl Pair {
    /// Puts a large file into the upstream's repository; returns it.
    pub async fn large(&self, path: &str, data: Vec<u8>) -> Vec<u8> {
        let alice = self.up.node.client("alice");
        alice.commit("models/hub/tiny", "main", &[(path, &data)]).await.expect(200);
        data
    }

    /// Waits until a file that is on its way is here.
    pub async fn arrived(&self, sha256: &str) {
        if let Some(transfer) = self.node.upstreams.ways().transfers.find(sha256.parse().unwrap()) {
            transfer.done().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_large_file_goes_out_while_it_comes_and_then_is_here() {
    let pair = Pair::start().await;
    let data = pair.large("model.bin", noise(1, 9 << 20)).await;
    let anyone = pair.node.anonymous();
    let file = "/hub/tiny/resolve/main/model.bin";
    let head = anyone.head(file).await.expect(200);
    let sha256 = head.header("x-linked-etag").trim_matches('"').to_owned();
    assert_eq!((head.header("x-linked-size"), head.header("x-xet-hash")), ("9437184", ""), "not here, so plain only");
    assert!(pair.up.link.counts().down_body_bytes < 1 << 20, "HEAD needs no bytes");
    assert!(anyone.get(file).await.expect(200).body == data);
    pair.arrived(&sha256).await;
    let travelled = pair.up.link.counts().down_body_bytes;
    assert!(travelled < 11 << 20, "{travelled}");
    // From now on it is like any other file, whatever becomes of the upstream.
    pair.up.link.cut(Cut::Reset);
    let original = pair.up.node.anonymous().head(file).await;
    assert_eq!(anyone.head(file).await.expect(200).header("x-xet-hash"), original.header("x-xet-hash"));
    assert!(anyone.get(file).await.expect(200).body == data);
}

#[tokio::test]
async fn a_range_in_the_middle_of_a_file_that_is_not_here() {
    let pair = Pair::start().await;
    let data = pair.large("model.bin", noise(2, 24 << 20)).await;
    let anyone = pair.node.anonymous();
    let request = anyone.request(karez_testkit::reqwest::Method::GET, "/hub/tiny/resolve/main/model.bin");
    let part = anyone.send(request.header("range", "bytes=12000000-12099999")).await.expect(206);
    assert!(part.body == data[12_000_000..12_100_000]);
    assert_eq!(part.header("content-range"), format!("bytes 12000000-12099999/{}", data.len()));
}

#[tokio::test]
async fn many_readers_of_a_large_file_are_one_transfer() {
    let pair = Pair::start().await;
    let data = std::sync::Arc::new(pair.large("model.bin", noise(3, 6 << 20)).await);
    let gets = (0..30).map(|_| {
        let (anyone, data) = (pair.node.anonymous(), std::sync::Arc::clone(&data));
        tokio::spawn(async move {
            let got = anyone.get("/hub/tiny/resolve/main/model.bin").await.expect(200);
            assert!(got.body == *data);
        })
    });
    for get in gets.collect::<Vec<_>>() {
        get.await.unwrap();
    }
    let travelled = pair.up.link.counts().down_body_bytes;
    assert!(travelled < 8 << 20, "{travelled}");
}

#[tokio::test]
async fn files_above_the_ceiling_are_not_fetched() {
    let pair = Pair::start_with(Wish { file_max: Some("4 MB"), ..Wish::default() }).await;
    pair.large("big.bin", noise(4, 5 << 20)).await;
    pair.large("small.bin", noise(5, 3 << 20)).await;
    let anyone = pair.node.anonymous();
    anyone.get("/hub/tiny/resolve/main/small.bin").await.expect(200);
    let refused = anyone.get("/hub/tiny/resolve/main/big.bin").await.expect(403);
    assert!(words(&refused).contains("files of at most 4 MB are taken"), "{}", words(&refused));
    anyone.head("/hub/tiny/resolve/main/big.bin").await.expect(200);
}

#[tokio::test]
async fn repositories_above_the_ceiling_give_no_large_file() {
    let pair = Pair::start_with(Wish { repo_max: Some("6 MB"), ..Wish::default() }).await;
    let data = pair.large("one.bin", noise(4, 3 << 20)).await;
    let got = pair.node.anonymous().get("/hub/tiny/resolve/main/one.bin").await.expect(200);
    assert!(got.body == data);
    let before = commit_of(&pair.up.node.anonymous(), "hub/tiny").await;
    pair.large("two.bin", noise(5, 4 << 20)).await;
    pair.node.advance_secs(301);
    let refused = pair.node.anonymous().get("/hub/tiny/resolve/main/two.bin").await.expect(403);
    assert!(words(&refused).contains("none above 6 MB"), "{}", words(&refused));
    // What came before stays readable, and small files come in any case.
    pair.node.anonymous().get(&format!("/hub/tiny/resolve/{before}/one.bin")).await.expect(200);
    pair.node.anonymous().get("/hub/tiny/resolve/main/README.md").await.expect(200);
}

#[tokio::test]
async fn lfs_and_safetensors_read_what_is_not_here() {
    let pair = Pair::start().await;
    let header = br#"{"w":{"dtype":"F32","shape":[786432],"data_offsets":[0,3145728]}}"#;
    let mut tensors = (header.len() as u64).to_le_bytes().to_vec();
    tensors.extend_from_slice(header);
    tensors.extend_from_slice(&noise(6, 3 << 20));
    pair.large("model.safetensors", tensors).await;
    let data = pair.large("other.bin", noise(7, 3 << 20)).await;
    let anyone = pair.node.anonymous();
    let metadata = anyone.get("/api/models/hub/tiny/safetensors-metadata/model.safetensors").await.expect(200).json();
    assert_eq!(metadata["headers"]["model.safetensors"]["w"]["dtype"], "F32");
    let head = anyone.head("/hub/tiny/resolve/main/other.bin").await.expect(200);
    let oid = head.header("x-linked-etag").trim_matches('"').to_owned();
    let body = json!({ "operation": "download", "transfers": ["basic"], "objects": [
        { "oid": oid, "size": data.len() }, { "oid": "0".repeat(64), "size": 1 } ] });
    let plan = anyone.post("/hub/tiny.git/info/lfs/objects/batch", &body).await.expect(200).json();
    assert_eq!(plan["objects"][1]["error"]["code"], 404);
    let href = plan["objects"][0]["actions"]["download"]["href"].as_str().unwrap();
    assert!(anyone.get(href).await.expect(200).body == data);
}

#[tokio::test]
async fn a_private_file_comes_with_the_readers_own_right_and_stays_in_its_zone() {
    let pair = Pair::start().await;
    let alice = pair.up.node.client("alice");
    alice.repo_create("model", "hub/secret", "private").await;
    let data = noise(8, 3 << 20);
    alice.commit("models/hub/secret", "main", &[("model.bin", &data)]).await.expect(200);
    pair.login("erin").await;
    let file = "/hub/secret/resolve/main/model.bin";
    pair.node.reader("bob").get(file).await.expect(404);
    let got = pair.node.reader("erin").get(file).await.expect(200);
    assert!(got.body == data);
    let sha256 = got.header("etag").trim_matches('"').to_owned();
    pair.arrived(&sha256).await;
    pair.node.reader("bob").get(file).await.expect(404);
    // Whoever knows the hash may not take it for stored: that would prove that it is here.
    let bob = pair.node.client("bob");
    bob.repo_create("model", "bob/mine", "private").await;
    let body = json!({ "operation": "upload", "objects": [{ "oid": sha256, "size": data.len() }] });
    let plan = bob.post("/bob/mine.git/info/lfs/objects/batch", &body).await.expect(200).json();
    assert!(plan["objects"][0]["actions"]["upload"].is_object(), "{plan}");
}

#[tokio::test]
async fn a_file_that_does_not_come_is_an_answer_that_says_so() {
    let pair = Pair::start().await;
    pair.large("model.bin", noise(9, 3 << 20)).await;
    let anyone = pair.node.anonymous();
    anyone.head("/hub/tiny/resolve/main/model.bin").await.expect(200);
    pair.up.link.cut(Cut::Reset);
    let silent = anyone.get("/hub/tiny/resolve/main/model.bin").await.expect(504);
    assert!(words(&silent).contains("model.bin are not held here, and up"), "{}", words(&silent));
    assert!(!silent.header("retry-after").is_empty());
}

#[tokio::test]
async fn no_more_comes_over_a_line_than_its_month_has() {
    let pair = Pair::start().await;
    let (budget_bytes, file_bytes) = (6 << 20, 48 << 20);
    pair.large("model.bin", noise(11, file_bytes)).await;
    let catalog = pair.node.hub.catalog();
    let line = format!(r#"{{"name":"default","cost":"metered","month_bytes_max":{budget_bytes}}}"#);
    catalog.line_set("default", &line).await.unwrap();
    let anyone = pair.node.anonymous();
    let request = anyone.request(karez_testkit::reqwest::Method::GET, "/hub/tiny/resolve/main/model.bin");
    // What is left comes; then the answer breaks off, since the rest will not come before the next month.
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), answer.bytes()).await;
    assert!(ended.expect("the reader is not left waiting").is_err());
    let travelled = pair.up.link.counts().down_body_bytes;
    assert!(travelled > budget_bytes / 2, "{travelled}");
    // What the kernel had taken already, and a last piece of each connection.
    assert!(travelled < budget_bytes + (8 << 20), "{travelled}");
    // Who goes on from where it broke off is told why.
    let request = anyone.request(karez_testkit::reqwest::Method::GET, "/hub/tiny/resolve/main/model.bin");
    let refused = anyone.send(request.header("range", "bytes=40000000-")).await.expect(504);
    assert!(words(&refused).contains("the budget of"), "{}", words(&refused));
}

#[tokio::test]
async fn a_look_at_data_that_is_not_here_brings_no_more_than_it_shows() {
    let pair = Pair::start().await;
    let alice = pair.up.node.client("alice");
    alice.repo_create("dataset", "hub/table", "public").await;
    let noise = noise(9, 12 << 20);
    let line = |(row, bytes): (usize, &[u8])| {
        format!("{row},{}\n", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
    };
    let csv: String = noise.chunks(1 << 10).enumerate().map(line).collect();
    let csv = format!("id,noise\n{csv}");
    alice.commit("datasets/hub/table", "main", &[("train.csv", csv.as_bytes())]).await.expect(200);
    let anyone = pair.node.anonymous();
    let ask = |path: &str| format!("/datasets-server/{path}dataset=hub/table&config=default&split=train");
    let page = anyone.get(&ask("rows?offset=3&length=2&")).await.expect(200).json();
    assert_eq!((&page["rows"][0]["row"]["id"], &page["partial"]), (&json!(3), &json!(true)));
    let far = anyone.get(&ask("rows?offset=2000&length=2&")).await.expect(200).json();
    assert_eq!(far["rows"][0]["row"]["id"], 2_000);
    let travelled = pair.up.link.counts().down_body_bytes;
    assert!(travelled < 7 << 20, "{travelled} of {} bytes", csv.len());
    // What would need all of it says so, and does not begin.
    for path in ["statistics?", "search?query=ff&", "filter?where=id%3E3&"] {
        let said = anyone.get(&ask(path)).await.expect(422).text();
        assert!(said.contains("not on this node"), "{path}: {said}");
    }
    let info = anyone.get("/datasets-server/info?dataset=hub/table").await.expect(200).json();
    assert_eq!(info["partial"], true);
    anyone
        .send(
            anyone
                .request(karez_testkit::reqwest::Method::GET, "/datasets/hub/table/viewer")
                .header("accept", "text/html"),
        )
        .await
        .expect(200);
    let after = pair.up.link.counts().down_body_bytes;
    assert!(after < travelled + (1 << 20), "{after} after {travelled}");
    // Whoever wants the file gets it, and what came already does not come again.
    let whole = anyone.get("/datasets/hub/table/resolve/main/train.csv").await.expect(200);
    assert!(whole.body == csv.as_bytes());
}
