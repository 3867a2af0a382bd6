//! Large files on their way from peers: who has them, over which lines, and where people see it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{self, BoxFuture};
use karez_catalog::{FeedRepo, Repo};
use karez_formats::file_map::FileMapLimits;
use karez_hub::MirrorFile;
use karez_types::{GitOid, RemoteId, Sha256};
use tokio::time::Instant;
use url::Url;

use super::FollowError;
use crate::holders::{Dial, Dialled, Holders, SourcesPlanner};
use crate::peer::Peer;
use crate::policy::files::{fetch_order, head_end};
use crate::source::{Remote, RemotePlanner};
use crate::transfer::{FileWanted, Planner, Priority, Transfer, TransferError, Transfers};
use crate::{Federation, FileWays};

/// How long a file that could not be fetched rests before it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(600);

impl Federation {
    /// Returns the registry of transfers; nothing where the node has no folder for what is on its way.
    pub fn transfers(&self) -> Option<&Arc<Transfers>> {
        self.ways.as_ref().map(|ways| &ways.transfers)
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
        let Some(FileWays { transfers, folder, .. }) = &self.ways else { return Ok(missing) };
        if files.is_empty() {
            return Ok(0);
        }
        let planner: Arc<dyn Planner> = Arc::new(self.planner(peer, repo, folder)?);
        let sizes: Vec<(&str, u64)> = files.iter().map(|file| (file.path.as_str(), file.file_bytes)).collect();
        let steps = fetch_order(&sizes, &[]);
        let has_shards = steps.iter().filter(|step| step.head_bytes.is_some()).count() > 1;
        for step in steps {
            // Of one file alone the head comes first anyway.
            let is_head = step.head_bytes.is_some();
            if is_head && (!has_shards || self.heads().contains(&files[step.file].sha256)) {
                continue;
            }
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
            let federation = Arc::clone(self);
            if is_head {
                let transfer = transfers.start_head(wanted, Arc::clone(&planner));
                tokio::spawn(async move { federation.head_come(&transfer).await });
            } else {
                let transfer = transfers.start(wanted, Arc::clone(&planner), Priority::Background);
                tokio::spawn(async move { federation.file_come(&transfer).await });
            }
        }
        Ok(missing)
    }

    async fn head_come(self: &Arc<Self>, transfer: &Arc<Transfer>) {
        let Some(transfers) = self.transfers() else { return };
        let FileWanted { path, sha256, .. } = transfer.wanted();
        let came = transfers.head(transfer, |head| head_end(path.as_str(), head)).await;
        if came.is_ok() {
            self.heads().insert(*sha256);
        }
        self.file_ended(*sha256, came.map(drop)).await;
    }

    async fn file_come(self: &Arc<Self>, transfer: &Arc<Transfer>) {
        let came = transfer.done().await.map(drop);
        let sha256 = transfer.wanted().sha256;
        self.heads().remove(&sha256);
        self.file_ended(sha256, came).await;
    }

    async fn file_ended(&self, sha256: Sha256, came: Result<(), TransferError>) {
        self.gates.charge_all().await;
        if let Err(error) = came {
            tracing::info!(file = %sha256, %error, "a file did not come; it is tried again later");
            self.rest_file(sha256, RETRY_AFTER);
        }
        self.want_follow();
    }

    /// Returns who can say how a file is fetched: the origin, and peers that say they hold the revision.
    fn planner(self: &Arc<Self>, peer: &Peer, repo: &FeedRepo, folder: &Path) -> Result<SourcesPlanner, FollowError> {
        let holders = Holders {
            catalog: self.hub.catalog().clone(),
            origin: peer.remote.id,
            log: peer.key.name().to_owned(),
            repo: repo.repo.clone(),
            dial: Arc::new(TableDial { federation: Arc::clone(self), folder: folder.to_owned() }),
        };
        Ok(SourcesPlanner { first: self.planner_of(peer, folder)?, holders: Some(holders) })
    }

    fn planner_of(&self, peer: &Peer, folder: &Path) -> Result<Dialled, FollowError> {
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

/// The way to peers.
struct TableDial {
    federation: Arc<Federation>,
    folder: PathBuf,
}

impl Dial for TableDial {
    fn dial(&self, remote: RemoteId) -> BoxFuture<'_, Option<Dialled>> {
        let table = self.federation.table();
        let dialled = table.by_id(remote).and_then(|peer| self.federation.planner_of(peer, &self.folder).ok());
        Box::pin(future::ready(dialled))
    }
}

/// Where journals are in a node's folder.
pub fn journal_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("transfers")
}
