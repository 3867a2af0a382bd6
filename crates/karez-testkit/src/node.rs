//! A node in the test's own process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use karez_catalog::Catalog;
use karez_federation::net::{HttpOptions, Reach};
use karez_federation::provider::{Provider, SignInSettings};
use karez_federation::upstream::Upstreams;
use karez_federation::{Federation, FederationParts, FederationSettings, FileWays};
use karez_hub::{
    Actor, FarFile, FarFiles, FileStream, HighWater, Hub, HubError, HubParts, HubResult, IndexPlace, LogKeys, NewToken,
    NoHighWater, PreviewChild, PreviewLauncher, Repo, SearchProgress, new_organization, new_user,
};
use karez_preview::worker::{self, WorkerLimits};
use karez_server::{AppState, NodeSettings, serve};
use karez_store::{Store, StoreLocation};
use karez_types::{
    ByteRange, Clock, Entropy, FixedClock, Limits, OrgRole, SeededEntropy, SystemClock, Timestamp, TokenRole,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::TestClient;

/// Where a test node keeps its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeStore {
    /// In memory.
    Memory,
    /// In the node's folder.
    Folder,
}

/// What time it is for a test node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeClock {
    /// Stands at [`TestNode::START`] until the test moves it.
    Fixed,
    /// The machine's, for clients that compare with their own.
    System,
}

/// What a test node searches in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeSearch {
    /// The names in the catalog.
    Names,
    /// An index in memory. It follows when somebody searches, as nothing else moves it.
    Memory,
}

/// How a test node differs from the usual one.
#[derive(Clone)]
pub struct NodeOptions {
    /// Bounds on what comes from outside.
    pub limits: Limits,
    /// Where bytes are.
    pub store: NodeStore,
    /// What time it is.
    pub clock: NodeClock,
    /// Seed of the node's randomness.
    pub seed: u64,
    /// The address that the node gives out; its real one when unset.
    pub public_url: Option<String>,
    /// Who runs the node, in words.
    pub node: NodeSettings,
    /// Where it is noted how far the log was signed; nowhere, usually.
    pub high_water: Arc<dyn HighWater>,
    /// How the node deals with others; unset: not at all. Its steps are taken by the test.
    pub federation: Option<FederationSettings>,
    /// Whom people may sign in through.
    pub sign_in: SignInSettings,
    /// Whether there is a search index; without one, names alone are searched.
    pub search: NodeSearch,
    /// Starts what reads files for previews; a thread of the test, usually.
    pub previews: Arc<dyn PreviewLauncher>,
    /// Whether nothing is asked of remotes, for cases about what the node itself does.
    pub is_alone: bool,
}

/// Brings nothing.
struct Nobody;

impl FarFiles for Nobody {
    fn file_stream<'a>(
        &'a self,
        _: &'a Actor,
        _: &'a Repo,
        file: FarFile,
        _: ByteRange,
    ) -> BoxFuture<'a, HubResult<FileStream>> {
        Box::pin(async move { Err(HubError::Missing(format!("nobody brings {}", file.path))) })
    }

    fn part_read<'a>(
        &'a self,
        _: &'a Actor,
        _: &'a Repo,
        file: FarFile,
        _: ByteRange,
    ) -> BoxFuture<'a, HubResult<Bytes>> {
        Box::pin(async move { Err(HubError::Missing(format!("nobody brings {}", file.path))) })
    }
}

/// Starts what reads files for previews as a thread: a test's own program cannot be started as a child. What a process
/// of its own is for (limits of memory and time) is tested through the program.
struct Threads;

impl PreviewLauncher for Threads {
    fn launch(&self, _: WorkerLimits) -> std::io::Result<PreviewChild> {
        let (socket, theirs) = std::os::unix::net::UnixStream::pair()?;
        let thread = std::thread::spawn(move || worker::serve(theirs));
        Ok(PreviewChild { socket, life: Box::new(thread) })
    }
}

/// Returns the keys of the log of a node with this seed.
pub fn log_keys(seed: u64) -> LogKeys {
    // Apart from the node's other randomness, which tests count on.
    let entropy = SeededEntropy::new(seed ^ 0x6c6f_6720_6b65_7973);
    let (mut log, mut witness) = ([0; 32], [0; 32]);
    entropy.fill(&mut log);
    entropy.fill(&mut witness);
    LogKeys::from_seeds(&log, &witness).expect("two draws differ")
}

impl Default for NodeOptions {
    fn default() -> NodeOptions {
        NodeOptions {
            limits: Limits::default(),
            store: NodeStore::Memory,
            clock: NodeClock::Fixed,
            seed: 1,
            public_url: None,
            node: NodeSettings::default(),
            high_water: Arc::new(NoHighWater),
            federation: None,
            sign_in: SignInSettings::default(),
            search: NodeSearch::Memory,
            previews: Arc::new(Threads),
            is_alone: false,
        }
    }
}

/// A running node with people on it.
///
/// `alice` owns things and administers the organisation `acme`; `carol` may write there, `erin` may
/// read; `bob` is a stranger to all of them; `nora` administers the node. Each has a token that may
/// write and one that may only read.
pub struct TestNode {
    /// The application, for what tests want to see or do behind the routes.
    pub hub: Arc<Hub>,
    federation: Option<Arc<Federation>>,
    /// Brings what is not on the node from where it is.
    pub upstreams: Arc<Upstreams>,
    clock: Arc<FixedClock>,
    address: String,
    tokens: BTreeMap<(&'static str, TokenRole), String>,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<usize>>,
}

/// People on every test node.
const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "erin", "nora"];
/// How long running requests may take when a node stops.
const STOP_GRACE: Duration = Duration::from_secs(10);

impl TestNode {
    /// Where the fixed clock stands: 2026-11-01T00:00:00Z.
    pub const START: Timestamp = Timestamp(1_793_491_200_000);

    /// Starts the usual node.
    pub async fn start() -> TestNode {
        TestNode::start_with(NodeOptions::default()).await
    }

    /// Opens another hub on the database, folder and clock of a node that stores in its folder, as a second process of
    /// the same node would.
    pub async fn start_beside(node: &TestNode) -> Hub {
        let database = format!("sqlite:{}", node.folder.path().join("catalog.sqlite").display());
        let location = StoreLocation::Folder(node.folder.path().join("objects"));
        Hub::new(HubParts {
            catalog: Catalog::open(&database, TestNode::START).await.expect("the node's database opens again"),
            store: Store::open(location, 16 << 20).await.expect("the node's store opens again"),
            limits: node.hub.limits().clone(),
            signing_key: [7; 32],
            log_keys: log_keys(1),
            high_water: Arc::new(NoHighWater),
            clock: node.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(2)),
        })
    }

    /// Starts a node that asks nothing of remotes.
    pub async fn start_alone() -> TestNode {
        TestNode::start_with(NodeOptions { is_alone: true, ..NodeOptions::default() }).await
    }

    /// Starts a node that differs from the usual one.
    pub async fn start_with(options: NodeOptions) -> TestNode {
        let folder = TempDir::new().expect("a test may make a temporary folder");
        let database = format!("sqlite:{}", folder.path().join("catalog.sqlite").display());
        let catalog = Catalog::open(&database, TestNode::START).await.expect("a new database opens");
        let location = match options.store {
            NodeStore::Memory => StoreLocation::Memory,
            NodeStore::Folder => StoreLocation::Folder(folder.path().join("objects")),
        };
        let store = Store::open(location, 16 << 20).await.expect("a new store opens");
        let fixed = Arc::new(FixedClock::at(TestNode::START));
        let clock: Arc<dyn Clock> = match options.clock {
            NodeClock::Fixed => fixed.clone(),
            NodeClock::System => Arc::new(SystemClock),
        };
        let hub = Arc::new(Hub::new(HubParts {
            catalog,
            store,
            limits: options.limits,
            signing_key: [7; 32],
            log_keys: log_keys(options.seed),
            high_water: options.high_water,
            clock,
            entropy: Arc::new(SeededEntropy::new(options.seed)),
        }));
        if options.search == NodeSearch::Memory {
            hub.search_open(IndexPlace::Memory).await.expect("memory can be used");
            while !matches!(hub.search_step().await, Ok(SearchProgress::Current(_))) {}
        }
        hub.preview_open(options.previews);
        let tokens = people(&hub).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("some port is free");
        let address = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let provider = Provider::of_settings(&options.sign_in, None).expect("the test writes whole settings");
        let mut state = AppState::new(Arc::clone(&hub), options.public_url.as_deref())
            .with_node(options.node)
            .with_provider(provider.map(Arc::new));
        let journals = folder.path().join("transfers");
        std::fs::create_dir_all(&journals).expect("a test may make a folder");
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(options.seed.wrapping_add(1)));
        let ways = FileWays::new(&hub, &entropy, &journals);
        let settings = options.federation.clone().unwrap_or_default();
        let federation = options.federation.map(|settings| {
            Arc::new(Federation::new(FederationParts {
                hub: Arc::clone(&hub),
                settings,
                http: HttpOptions::new(Reach::Public),
                ways: Some(ways.clone()),
                entropy: Arc::clone(&entropy),
            }))
        });
        if options.is_alone {
            // The first word counts, and nobody keeps it alive.
            hub.far_files_set(&Arc::new(Nobody));
        }
        let upstreams = Upstreams::new(Arc::clone(&hub), &settings, ways);
        if !options.is_alone {
            state = state.with_upstreams(Arc::clone(&upstreams));
        }
        if let Some(federation) = &federation {
            state = state.with_federation(Arc::clone(federation));
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move { drop(stopped.await) };
        let server = tokio::spawn(serve(listener, state, stopped, STOP_GRACE));
        TestNode {
            hub,
            federation,
            upstreams,
            clock: fixed,
            address,
            tokens,
            folder,
            stop: Some(stop),
            server: Some(server),
        }
    }

    /// Returns the node's real address, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.address
    }

    /// Returns what the node does with others.
    ///
    /// # Panics
    /// When it does nothing: see [`NodeOptions::federation`].
    pub fn federation(&self) -> &Arc<Federation> {
        self.federation.as_ref().expect("the options say that the node has a federation")
    }

    /// Returns the node's own folder.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Moves the fixed clock forward.
    pub fn advance_secs(&self, secs: i64) {
        self.clock.advance_secs(secs);
    }

    /// Returns a person's token with this role.
    pub fn token(&self, person: &'static str, role: TokenRole) -> &str {
        self.tokens.get(&(person, role)).unwrap_or_else(|| panic!("{person} is not one of {PEOPLE:?}"))
    }

    /// Returns a client that shows no token.
    pub fn anonymous(&self) -> TestClient {
        TestClient::new(&self.address, None)
    }

    /// Returns a client of a person, with the token that may write.
    pub fn client(&self, person: &'static str) -> TestClient {
        TestClient::new(&self.address, Some(self.token(person, TokenRole::Write)))
    }

    /// Returns a client of a person, with the token that may only read.
    pub fn reader(&self, person: &'static str) -> TestClient {
        TestClient::new(&self.address, Some(self.token(person, TokenRole::Read)))
    }

    /// Stops the node.
    ///
    /// # Panics
    /// When requests had to be cut off.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let server = self.server.take().expect("a node is stopped once");
        let cut = server.await.expect("the server does not panic");
        assert_eq!(cut, 0, "connections did not finish in {STOP_GRACE:?}");
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
        }
    }
}

/// Creates the people and the organisation; returns their tokens.
async fn people(hub: &Hub) -> BTreeMap<(&'static str, TokenRole), String> {
    let operator = Actor::Operator;
    let mut tokens = BTreeMap::new();
    for person in PEOPLE {
        let name = person.parse().expect("a plain name");
        hub.account_create(&operator, new_user(name, person == "nora")).await.expect("the name is free");
        for &role in TokenRole::ALL {
            let new = NewToken { name: format!("{person}-{role}"), role, expires: None };
            let token = hub.token_create(&operator, person, new).await.expect("the operator may");
            tokens.insert((person, role), token);
        }
    }
    hub.account_create(&operator, new_organization("acme".parse().expect("a plain name")))
        .await
        .expect("the name is free");
    for (person, role) in [("alice", OrgRole::Admin), ("carol", OrgRole::Write), ("erin", OrgRole::Read)] {
        hub.member_set(&operator, "acme", person, role).await.expect("the operator may");
    }
    tokens
}
