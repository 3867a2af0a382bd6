//! Large files on their way from peers: who has them, over which lines, and where people see it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use karez_catalog::{FeedRepo, Repo, TransferRow, TransferState};
use karez_formats::file_map::FileMapLimits;
use karez_hub::{Hub, MirrorFile};
use karez_types::{ByteRange, GitOid, Sha256};
use tokio::time::Instant;
use url::Url;

use super::{FollowError, Gates};
use crate::Federation;
use crate::peer::{Peer, Table};
use crate::policy::files::fetch_order;
use crate::policy::line::CostClass;
use crate::source::{Remote, RemotePlanner};
use crate::transfer::{
    ByteStream, FileWanted, HubSink, Incident, Notices, Place, Plan, Planner, Priority, Progress, ScheduleParams,
    Source, SourceError, Transfers, TransfersParts,
};

/// How long a file that could not be fetched rests before it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(600);

/// Makes the registry of transfers of a node, with its journals in this folder.
pub(crate) fn transfers(
    hub: &Arc<Hub>,
    gates: &Arc<Gates>,
    entropy: &Arc<dyn karez_types::Entropy>,
    folder: &Path,
) -> Arc<Transfers> {
    Arc::new(Transfers::new(TransfersParts {
        folder: folder.to_owned(),
        sink: Arc::new(HubSink(Arc::clone(hub))),
        notices: Arc::new(CatalogNotices(Arc::clone(hub))),
        lines: Arc::<Gates>::clone(gates),
        clock: Arc::new(HubClock(Arc::clone(hub))),
        entropy: Arc::clone(entropy),
        params: ScheduleParams::default(),
    }))
}

struct HubClock(Arc<Hub>);

impl karez_types::Clock for HubClock {
    fn now(&self) -> karez_types::Timestamp {
        self.0.clock().now()
    }
}

/// Writes what transfers tell where people look.
struct CatalogNotices(Arc<Hub>);

impl Notices for CatalogNotices {
    fn incident<'a>(&'a self, incident: &'a Incident) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (catalog, now) = (self.0.catalog(), self.0.clock().now());
            let written = catalog.incident_insert(&incident.remote, incident.kind.word(), &incident.what, now).await;
            if let Err(error) = written {
                tracing::warn!(remote = incident.remote, what = incident.what, %error, "could not write an incident");
            }
        })
    }

    fn progress<'a>(&'a self, progress: &'a Progress) -> BoxFuture<'a, ()> {
        use crate::transfer::TransferState as S;
        Box::pin(async move {
            let row = TransferRow {
                sha256: progress.sha256,
                repo: progress.repo.to_string(),
                path: progress.path.to_string(),
                remote: progress.remote.clone(),
                state: match progress.state {
                    S::Waiting => TransferState::Waiting,
                    S::Done => TransferState::Done,
                    S::Failed => TransferState::Failed,
                    _ => TransferState::Running,
                },
                file_bytes: progress.file_bytes,
                wire_bytes: progress.wire_bytes,
                done_bytes: progress.done_bytes,
                rate_bytes_per_sec: progress.rate_bytes_per_sec,
                started: progress.started,
                updated: self.0.clock().now(),
                trouble: progress.trouble.clone(),
            };
            if let Err(error) = self.0.catalog().transfer_put(&row).await {
                tracing::warn!(file = %row.sha256, %error, "could not write how far a transfer is");
            }
        })
    }
}

/// A source over a line that has a name.
struct LinedSource {
    source: Arc<dyn Source>,
    line: String,
}

impl Source for LinedSource {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn cost(&self) -> CostClass {
        self.source.cost()
    }

    fn line(&self) -> &str {
        &self.line
    }

    fn encodings(&self) -> &[&'static str] {
        self.source.encodings()
    }

    fn open<'a>(
        &'a self,
        place: &'a Place,
        bytes: ByteRange,
        encoding: &'static str,
    ) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        self.source.open(place, bytes, encoding)
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, SourceError>> {
        self.source.probe()
    }

    fn redial(&self) {
        self.source.redial();
    }
}

/// Several peers that have the same file: the first that plans says how it is put together, and the others
/// become further sources where they keep it in the same pieces.
struct PeersPlanner(Vec<(RemotePlanner, String)>);

impl Planner for PeersPlanner {
    fn name(&self) -> &str {
        self.0.first().map_or("", |(planner, _)| planner.name())
    }

    fn plan<'a>(&'a self, file: &'a FileWanted) -> BoxFuture<'a, Result<Plan, SourceError>> {
        Box::pin(async move {
            let mut whole: Option<Plan> = None;
            let mut refused = SourceError::Gone;
            for (planner, line) in &self.0 {
                let mut plan = match planner.plan(file).await {
                    Ok(plan) => plan,
                    Err(error) => {
                        refused = error;
                        continue;
                    }
                };
                let lined = |source| Arc::new(LinedSource { source, line: line.clone() }) as Arc<dyn Source>;
                plan.sources = plan.sources.into_iter().map(lined).collect();
                match &mut whole {
                    None => whole = Some(plan),
                    Some(first) if first.layout == plan.layout => first.sources.append(&mut plan.sources),
                    Some(_) => {}
                }
            }
            whole.ok_or(refused)
        })
    }
}

impl Federation {
    /// Returns the registry of transfers; nothing where the node has no folder for what is on its way.
    pub fn transfers(&self) -> Option<&Arc<Transfers>> {
        self.transfers.as_ref().map(|(transfers, _)| transfers)
    }

    /// Begins to fetch files of a mirror that are not here, in the order in which people need them, as many
    /// at a time as the settings say. Returns how many are not here yet.
    pub(super) async fn files_begin(
        self: &Arc<Self>,
        peer: &Peer,
        repo: &FeedRepo,
        here: &Repo,
        head: GitOid,
        files: &[MirrorFile],
    ) -> Result<u64, FollowError> {
        let missing = files.len() as u64;
        let Some((transfers, folder)) = &self.transfers else { return Ok(missing) };
        if files.is_empty() {
            return Ok(0);
        }
        let planner: Arc<dyn Planner> = Arc::new(self.planner(peer, repo, folder).await?);
        let sizes: Vec<(&str, u64)> = files.iter().map(|file| (file.path.as_str(), file.file_bytes)).collect();
        for step in fetch_order(&sizes, &[]).into_iter().filter(|step| step.head_bytes.is_none()) {
            if transfers.list().len() as u64 >= self.settings.transfers_at_once_max {
                break;
            }
            let file = &files[step.file];
            if transfers.find(file.sha256).is_some() || self.is_resting(&file.sha256) {
                continue;
            }
            let wanted = FileWanted {
                repo: here.clone(),
                remote_repo: repo.repo.clone(),
                commit: head,
                path: file.path.clone(),
                sha256: file.sha256,
                file_bytes: file.file_bytes,
            };
            let transfer = transfers.start(wanted, Arc::clone(&planner), Priority::Background);
            let (federation, sha256) = (Arc::clone(self), file.sha256);
            tokio::spawn(async move {
                let ended = transfer.done().await;
                federation.gates.charge_all().await;
                if let Err(error) = ended {
                    tracing::info!(file = %sha256, %error, "a file did not come; it is tried again later");
                    federation.rest_file(sha256, RETRY_AFTER);
                }
                federation.want_follow();
            });
        }
        Ok(missing)
    }

    /// Returns who can say how a file is fetched: the origin, and peers that say they hold the revision.
    async fn planner(&self, peer: &Peer, repo: &FeedRepo, folder: &Path) -> Result<PeersPlanner, FollowError> {
        let table: Arc<Table> = self.table();
        let mut planners = vec![self.planner_of(peer, folder)?];
        let holders = match repo.head_idx {
            Some(idx) => self.hub.catalog().have_holders(peer.key.name(), idx).await?,
            None => Vec::new(),
        };
        for holder in holders.into_iter().filter(|&id| id != peer.remote.id).filter_map(|id| table.by_id(id)) {
            planners.push(self.planner_of(holder, folder)?);
        }
        Ok(PeersPlanner(planners))
    }

    fn planner_of(&self, peer: &Peer, folder: &Path) -> Result<(RemotePlanner, String), FollowError> {
        let base = Url::parse(peer.wire.url()).map_err(|error| FollowError::Later(error.to_string()))?;
        let cost = self.gates.of(&self.hub, &peer.remote.line).cost();
        let remote = Remote::new(&peer.remote.name, base, peer.wire.http().clone(), None, cost);
        let limits = FileMapLimits::from(self.hub.limits());
        Ok((RemotePlanner::new(remote, folder, limits), peer.remote.line.clone()))
    }

    fn is_resting(&self, sha256: &Sha256) -> bool {
        self.resting().get(sha256).is_some_and(|until| *until > Instant::now())
    }

    fn rest_file(&self, sha256: Sha256, how_long: Duration) {
        let now = Instant::now();
        let mut resting = self.resting();
        resting.retain(|_, until| *until > now);
        resting.insert(sha256, now + how_long);
    }
}

/// Where journals are in a node's folder.
pub fn journal_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("transfers")
}
