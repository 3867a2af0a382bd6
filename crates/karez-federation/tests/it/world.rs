//! What a test has: a folder for journals, a hub, planners, and what was reported.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{self, BoxFuture};
use futures::stream::{self, BoxStream, StreamExt};
use karez_catalog::{AccountKind, Owner, Repo};
use karez_federation::transfer::{
    FileWanted, Incident, Layout, Lines, Notices, OpenLines, Plan, Planner, Priority, Progress, Recipe, ScheduleParams,
    Sink, Source, SourceError, Transfer, TransferError, Transfers, TransfersParts,
};
use karez_types::{
    AccountId, Clock, GitOid, RepoAddress, RepoId, RepoKind, SeededEntropy, Sha256, SystemClock, Timestamp, Visibility,
};

use crate::sample::Sample;
use crate::sink::MemorySink;
use crate::source::{Handle, MemorySource};

#[derive(Default)]
pub struct Reports {
    pub incidents: Mutex<Vec<Incident>>,
    pub progress: Mutex<Vec<Progress>>,
}

impl Reports {
    /// Names of remotes with what they did.
    pub fn wrongs(&self) -> Vec<(String, &'static str)> {
        let incidents = self.incidents.lock().unwrap();
        incidents.iter().map(|incident| (incident.remote.clone(), incident.kind.word())).collect()
    }
}

impl Notices for Reports {
    fn incident<'a>(&'a self, incident: &'a Incident) -> BoxFuture<'a, ()> {
        self.incidents.lock().unwrap().push(incident.clone());
        Box::pin(future::ready(()))
    }

    fn progress<'a>(&'a self, progress: &'a Progress) -> BoxFuture<'a, ()> {
        self.progress.lock().unwrap().push(progress.clone());
        Box::pin(future::ready(()))
    }
}

/// Says the same each time; counts how often it was asked.
pub struct Fixed {
    pub name: String,
    pub layout: Layout,
    pub recipe: Recipe,
    pub sources: Mutex<Vec<Arc<dyn Source>>>,
    pub asked: AtomicU64,
    pub fails_first: Mutex<Vec<SourceError>>,
    /// Plans of others, and the question that each is first an answer to.
    pub others: Mutex<Vec<(u64, Plan)>>,
    pub others_asked: AtomicU64,
}

impl Fixed {
    pub fn new(name: &str, (layout, recipe): (Layout, Recipe), sources: &[Arc<MemorySource>]) -> Arc<Fixed> {
        Arc::new(Fixed {
            name: name.to_owned(),
            layout,
            recipe,
            sources: Mutex::new(sources.iter().map(Handle::of).collect()),
            asked: AtomicU64::new(0),
            fails_first: Mutex::default(),
            others: Mutex::default(),
            others_asked: AtomicU64::new(0),
        })
    }
}

impl Planner for Fixed {
    fn name(&self) -> &str {
        &self.name
    }

    fn plan<'a>(&'a self, _file: &'a FileWanted) -> BoxFuture<'a, Result<Plan, SourceError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let plan = Plan {
            layout: self.layout.clone(),
            recipe: self.recipe.clone(),
            sources: self.sources.lock().unwrap().clone(),
        };
        let outcome = self.fails_first.lock().unwrap().pop().map_or(Ok(plan), Err);
        Box::pin(future::ready(outcome))
    }

    fn others<'a>(&'a self, _file: &'a FileWanted, known: &'a [String]) -> BoxStream<'a, Plan> {
        let question = self.others_asked.fetch_add(1, Ordering::SeqCst);
        let others = self.others.lock().unwrap();
        let is_new = |plan: &Plan| !plan.sources.iter().any(|source| known.iter().any(|name| name == source.name()));
        let found = others.iter().filter(|(first, plan)| *first <= question && is_new(plan));
        stream::iter(found.map(|(_, plan)| plan.clone()).collect::<Vec<_>>()).boxed()
    }
}

pub struct World {
    pub folder: tempfile::TempDir,
    pub sink: Arc<MemorySink>,
    pub reports: Arc<Reports>,
    seed: AtomicU64,
    pub clock: Arc<ForwardClock>,
}

/// The clock of the machine, put forward.
#[derive(Debug, Default)]
pub struct ForwardClock(AtomicU64);

impl ForwardClock {
    pub fn forward_secs(&self, secs: u64) {
        self.0.fetch_add(secs, Ordering::SeqCst);
    }
}

impl Clock for ForwardClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_secs(self.0.load(Ordering::SeqCst) as i64)
    }
}

pub fn repo() -> Repo {
    Repo {
        id: RepoId(1),
        kind: RepoKind::Model,
        owner: Owner { id: AccountId(1), name: "far".parse().unwrap(), kind: AccountKind::Organization },
        name: "model".parse().unwrap(),
        visibility: Visibility::Public,
        gated: "false".to_owned(),
        sdk: None,
        created: Timestamp(0),
        modified: Timestamp(0),
        downloads: 0,
        likes: 0,
        trend: karez_catalog::Trend::default(),
        tags: Vec::new(),
        pipeline_tag: None,
        library_name: None,
        head: None,
        mirror: None,
    }
}

pub fn wanted_of(repo: Repo, sha256: Sha256, file_bytes: u64) -> FileWanted {
    FileWanted {
        repo,
        remote_repo: RepoAddress::parse(RepoKind::Model, "far/model").unwrap(),
        commit: GitOid([1; 20]),
        path: "model.safetensors".parse().unwrap(),
        sha256,
        file_bytes,
    }
}

pub fn wanted(sample: &Sample) -> FileWanted {
    wanted_of(repo(), sample.sha256, sample.data.len() as u64)
}

impl World {
    pub fn new() -> World {
        World {
            folder: tempfile::tempdir().unwrap(),
            sink: Arc::default(),
            reports: Arc::default(),
            seed: AtomicU64::new(1),
            clock: Arc::default(),
        }
    }

    pub fn transfers(&self) -> Transfers {
        self.transfers_in(self.folder.path().to_owned(), self.sink.clone(), Arc::new(OpenLines))
    }

    pub fn transfers_in(&self, folder: PathBuf, sink: Arc<dyn Sink>, lines: Arc<dyn Lines>) -> Transfers {
        Transfers::new(TransfersParts {
            folder,
            sink,
            notices: self.reports.clone(),
            lines,
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(self.seed.fetch_add(1, Ordering::SeqCst))),
            params: ScheduleParams::default(),
        })
    }

    /// Fetches a file and returns it; fails when that takes longer than an hour of the test's time.
    pub async fn fetch(&self, sample: &Sample, planner: &Arc<Fixed>) -> Result<Vec<u8>, TransferError> {
        let transfers = self.transfers();
        let transfer = transfers.start(wanted(sample), planner.clone(), Priority::Normal);
        finish(&transfer).await?;
        transfers.stop().await;
        assert_eq!(std::fs::read_dir(self.folder.path()).unwrap().count(), 0, "nothing is left of the journal");
        Ok(self.sink.files.lock().unwrap().pop().unwrap())
    }
}

pub async fn finish(transfer: &Arc<Transfer>) -> Result<(), TransferError> {
    let done = tokio::time::timeout(Duration::from_secs(3600), transfer.done()).await;
    done.unwrap_or_else(|_| panic!("stuck: {:?}", transfer.progress())).map(drop)
}

/// Waits until something holds, in the test's time.
pub async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never holds");
}
