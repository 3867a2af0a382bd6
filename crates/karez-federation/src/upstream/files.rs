//! Large files of mirrors, brought when somebody reads them.
//!
//! What is read goes out while it arrives; the file is kept when it is whole and has the sha256 that git names.
//! All readers of a file share one transfer, which runs on when they have gone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use karez_catalog::{Mirror, Repo};
use karez_formats::file_map::FileMapLimits;
use karez_governance::VerifierKey;
use karez_hub::{Actor, FarFile, FarFiles, FileStream, Hub, HubError, HubResult};
use karez_types::{ByteRange, RemoteId, RepoPath};

use super::Upstreams;
use super::failure::PullFailure;
use super::remotes::{KnownRemote, Remotes, Shelf};
use crate::FileWays;
use crate::holders::{Dial, Dialled, Holders, SourcesPlanner};
use crate::policy::upstream::Verdict;
use crate::source::{Remote as SourceRemote, RemotePlanner};
use crate::transfer::{FileWanted, Priority, Stay, Transfer, TransferError};

/// How long the first bytes are waited for before the answer is an error that clients repeat: below the
/// 10 seconds that they wait for a byte (huggingface_hub, `HF_HUB_DOWNLOAD_TIMEOUT`).
const FIRST_BYTES_WAIT: Duration = Duration::from_secs(8);

/// How long a part is waited for: somebody looks at a page meanwhile. What came by then is there the next time.
const PART_WAIT: Duration = Duration::from_secs(20);

/// How much of a file a transfer brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All of it.
    Whole,
    /// What is read.
    Part,
}

/// Returns the error for a file whose remote is gone.
fn gone(path: &RepoPath) -> HubError {
    HubError::Missing(format!(
        "the bytes of {path} are not on this node, and it no longer has the remote that they come from"
    ))
}

impl FarFiles for Upstreams {
    fn file_stream<'a>(
        &'a self,
        actor: &'a Actor,
        repo: &'a Repo,
        file: FarFile,
        range: ByteRange,
    ) -> BoxFuture<'a, HubResult<FileStream>> {
        Box::pin(self.far_file(actor, repo, file, range))
    }

    fn part_read<'a>(
        &'a self,
        actor: &'a Actor,
        repo: &'a Repo,
        file: FarFile,
        range: ByteRange,
    ) -> BoxFuture<'a, HubResult<Bytes>> {
        Box::pin(self.far_part(actor, repo, file, range))
    }
}

impl Upstreams {
    /// Returns where a file is fetched from, if the operator's rules allow that.
    async fn far_place(&self, repo: &Repo, file: &FarFile) -> HubResult<(Arc<Remotes>, Mirror)> {
        let remotes = self.shelf.remotes(&self.hub).await?;
        let mirror = self.hub.catalog().mirror_by_repo(repo.id).await?.ok_or_else(|| gone(&file.path))?;
        let remote = remotes.get(mirror.remote).ok_or_else(|| gone(&file.path))?;
        let policy = &remote.settings.policy;
        let mut refused = match policy.repo(&mirror.remote_repo) {
            Verdict::Refuse(why) => Err(why),
            Verdict::Keep | Verdict::PassThrough => policy.file_bytes(file.file_bytes),
        };
        // The sum needs the whole tree, so it is made only where there is a ceiling.
        if refused.is_ok() && policy.repo_bytes_max.is_some() {
            let files = self.hub.mirror_files(repo, file.commit).await?;
            refused = policy.repo_bytes(files.iter().map(|file| file.file_bytes).sum());
        }
        refused.map_err(|why| {
            let (path, from) = (&file.path, remote.name());
            HubError::Forbidden(format!(
                "{path} is not fetched from {from}: {why}. Get it there, or ask the operator of this node"
            ))
        })?;
        Ok((remotes, mirror))
    }

    async fn far_part(&self, actor: &Actor, repo: &Repo, file: FarFile, range: ByteRange) -> HubResult<Bytes> {
        let (remotes, mirror) = self.far_place(repo, &file).await?;
        let remote = remotes.get(mirror.remote).ok_or_else(|| gone(&file.path))?;
        let path = file.path.clone();
        let transfer = self.transfer_of(actor, remote, repo, &mirror, file, Extent::Part).await?;
        let silent = |why: &dyn std::fmt::Display| {
            HubError::OriginSilent(format!(
                "the bytes of {path} are not held here, and {} {why}; try again",
                remote.name()
            ))
        };
        match tokio::time::timeout(PART_WAIT, self.ways.transfers.part(&transfer, range)).await {
            Ok(Ok(bytes)) => Ok(bytes.into()),
            Ok(Err(error)) => Err(silent(&format!("did not give them: {error}"))),
            Err(_) => match transfer.progress().trouble {
                None => Err(silent(&"has not given enough of them in time")),
                Some(trouble) => Err(silent(&format!("does not send them: {trouble}"))),
            },
        }
    }

    async fn far_file(&self, actor: &Actor, repo: &Repo, file: FarFile, range: ByteRange) -> HubResult<FileStream> {
        let (remotes, mirror) = self.far_place(repo, &file).await?;
        let remote = remotes.get(mirror.remote).ok_or_else(|| gone(&file.path))?;
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let path = file.path.clone();
        // A sealed address is read by a program that came through no door where requests are counted.
        if matches!(actor, Actor::Operator) && range.start == 0 {
            self.file_used(repo, file.sha256, 0);
        }
        let transfer = self.transfer_of(actor, remote, repo, &mirror, file, Extent::Whole).await?;
        let silent = |why: &dyn std::fmt::Display| {
            HubError::OriginSilent(format!(
                "the bytes of {path} are not held here, and {} {why}; try again",
                remote.name()
            ))
        };
        let mut stream = transfer.stream(range);
        // Before the head of the answer goes out, so that a failure is a status and not a broken download.
        let first = match tokio::time::timeout(FIRST_BYTES_WAIT, stream.next()).await {
            Ok(Some(Ok(bytes))) => Some(bytes),
            Ok(Some(Err(TransferError::Closed(why)))) => return Err(silent(&format!("does not send them: {why}"))),
            Ok(Some(Err(error))) => return Err(silent(&format!("did not give them: {error}"))),
            Ok(None) => return Err(silent(&"gave none")),
            // A line that is only slow gets time: who reads waits, and can go on where a wait was too long.
            Err(_) => match transfer.progress().trouble {
                None => None,
                Some(trouble) => return Err(silent(&format!("does not send them: {trouble}"))),
            },
        };
        Ok(with_first(first, stream))
    }

    /// Returns who can say how a file of a mirror is fetched for a caller. Maps are kept in the folder.
    pub(crate) async fn planner(
        &self,
        actor: &Actor,
        remote: &KnownRemote,
        repo: &Repo,
        folder: &Path,
    ) -> Result<RemotePlanner, PullFailure> {
        let credential = self.file_credential(actor, remote, repo).await?;
        let token = credential.as_ref().map(super::rights::Credential::token);
        planner_of(&self.hub, &self.ways, remote, token, folder).await
    }

    /// Returns who may hold what the origin of a public mirror publishes; nobody is asked for a restricted one.
    fn holders(&self, remote: &KnownRemote, mirror: &Mirror) -> Option<Holders> {
        let key = remote.row.log_key.as_deref()?.parse::<VerifierKey>().ok()?;
        let dial = ShelfDial { hub: self.hub.clone(), shelf: self.shelf.clone(), ways: self.ways.clone() };
        (!mirror.is_restricted).then(|| Holders {
            catalog: self.hub.catalog().clone(),
            origin: remote.row.id,
            log: key.name().to_owned(),
            repo: mirror.remote_repo.clone(),
            dial: Arc::new(dial),
        })
    }

    /// Starts the transfer of a file, or joins the one that is running.
    async fn transfer_of(
        &self,
        actor: &Actor,
        remote: &KnownRemote,
        repo: &Repo,
        mirror: &Mirror,
        file: FarFile,
        extent: Extent,
    ) -> HubResult<Arc<Transfer>> {
        let sha256 = file.sha256;
        let failed = |failure: PullFailure| failure.for_caller(remote.name(), actor, &repo.address(), None);
        // A transfer for a restricted repository is for nobody else: to name its hash must not open it.
        if let Some(running) = self.ways.transfers.find(sha256)
            && running.wanted().repo.id != repo.id
            && running.wanted().repo.mirror.is_none_or(|mark| mark.is_restricted)
            && tokio::time::timeout(FIRST_BYTES_WAIT, running.done()).await.is_err()
        {
            return Err(HubError::Busy);
        }
        tokio::fs::create_dir_all(&self.ways.folder).await.map_err(|error| {
            tracing::error!(%error, folder = %self.ways.folder.display(), "cannot make the folder of transfers");
            HubError::StorageFull
        })?;
        let planner = self.planner(actor, remote, repo, &self.ways.folder).await.map_err(failed)?;
        let first = (planner, remote.row.line.clone());
        let planner = SourcesPlanner { first, holders: self.holders(remote, mirror) };
        let stay = self.stay_of(remote, mirror, &file).await?;
        let wanted = FileWanted {
            repo: repo.clone(),
            remote_repo: mirror.remote_repo.clone(),
            commit: file.commit,
            path: file.path,
            sha256,
            file_bytes: file.file_bytes,
        };
        if extent == Extent::Part {
            return Ok(self.ways.transfers.start_part(wanted, Arc::new(planner)));
        }
        let transfer = self.ways.transfers.start_to(stay, wanted, Arc::new(planner), Priority::High);
        if transfer.wanted().repo.id != repo.id && stay == Stay::Kept {
            let (hub, repo, joined) = (Arc::clone(&self.hub), repo.clone(), Arc::clone(&transfer));
            tokio::spawn(async move {
                if joined.done().await.is_ok()
                    && let Err(error) = hub.mirror_file_attach(&repo, sha256).await
                {
                    tracing::warn!(repo = %repo.address(), %error, "a file that came could not be attached");
                }
            });
        }
        Ok(transfer)
    }
}

/// Returns who can say how files of a remote are fetched, to whoever shows a token.
async fn planner_of(
    hub: &Arc<Hub>,
    ways: &FileWays,
    remote: &KnownRemote,
    token: Option<&str>,
    folder: &Path,
) -> Result<RemotePlanner, PullFailure> {
    let (http, url) = remote.connection()?;
    let gate = ways.gates.of(hub, &remote.row.line);
    // A line that nobody has looked up yet is closed, and its cost is not known.
    gate.allowance().await;
    let source = SourceRemote::new(remote.name(), url.clone(), http.clone(), token, gate.cost());
    Ok(RemotePlanner::new(source, folder, FileMapLimits::from(hub.limits())))
}

/// The way to the remotes that the operator added.
struct ShelfDial {
    hub: Arc<Hub>,
    shelf: Arc<Shelf>,
    ways: FileWays,
}

impl Dial for ShelfDial {
    fn dial(&self, remote: RemoteId) -> BoxFuture<'_, Option<Dialled>> {
        Box::pin(async move {
            let remotes = self.shelf.remotes(&self.hub).await.ok()?;
            let remote = remotes.get(remote).filter(|remote| !remote.row.is_removed())?;
            let token = remote.token.as_ref().map(super::rights::Credential::token);
            let planner = planner_of(&self.hub, &self.ways, remote, token, &self.ways.folder).await.ok()?;
            Some((planner, remote.row.line.clone()))
        })
    }
}

fn with_first(first: Option<Bytes>, rest: BoxStream<'static, Result<Bytes, TransferError>>) -> FileStream {
    let rest = rest.map(|piece| piece.map_err(|error| HubError::OriginSilent(error.to_string())));
    stream::iter(first.map(Ok)).chain(rest).boxed()
}
