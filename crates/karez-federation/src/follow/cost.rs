//! What a repository would cost: how many bytes would travel, from where, over which line, given what is here.
//!
//! The same questions are asked as when somebody reads the files: where the repository is, how each file is put
//! together, which of its chunks are stored. So what is said here is what travels then, up to the heads of requests.
//! A chunk that two of the files have in common, and that is not here, counts for both: they may come at the same
//! time. Bytes that a transfer brought before it was cut count again.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{StreamExt, TryStreamExt, iter};
use karez_catalog::{Mirror, RemoteKind, Repo};
use karez_hub::{Actor, HubError, HubResult, MirrorFile, Right};
use karez_types::{GitOid, RepoAddress, RepoPath, Revision};

use super::{line_allowance, line_load};
use crate::Federation;
use crate::file_ways::FileWays;
use crate::policy::upstream::Verdict;
use crate::source::RemotePlanner;
use crate::transfer::{FileWanted, HubSink, Planner, bytes_needed};
use crate::upstream::{Asking, Purpose, Upstreams, Via};

/// How long an operator waits for the metadata of a repository: longer than clients do, since nobody asks again.
const ANSWER_WAIT: Duration = Duration::from_secs(120);
/// Files that are asked about at the same time: a round trip may be a second.
const FILES_AT_ONCE: usize = 4;

/// What a repository would cost.
#[derive(Debug, Clone)]
pub struct Cost {
    /// The repository, as it is called here.
    pub repo: RepoAddress,
    /// The commit; nothing for a repository of this node's own.
    pub commit: Option<GitOid>,
    /// Whether its commits and small files came only now, for this answer. They stay.
    pub is_new: bool,
    /// Its large files, each content once.
    pub files: Vec<FileCost>,
    /// Where bytes would come from. Nothing travels from where this list ends.
    pub sources: Vec<SourceCost>,
    /// What else to know, in a sentence.
    pub warning: Option<String>,
}

/// What one large file would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCost {
    /// Where the commit has it.
    pub path: RepoPath,
    /// Its length.
    pub file_bytes: u64,
    /// Bytes that would travel.
    pub wire_bytes: u64,
    /// Why these are not what one would expect, in words.
    pub note: Option<String>,
}

/// What would come from one remote.
#[derive(Debug, Clone)]
pub struct SourceCost {
    /// Its name.
    pub remote: String,
    /// What it is.
    pub kind: RemoteKind,
    /// Bytes that would travel.
    pub wire_bytes: u64,
    /// The line that they would come over.
    pub line: String,
    /// What the line allows a month; unset: no bound.
    pub month_bytes_max: Option<u64>,
    /// What is left of that.
    pub month_bytes_left: Option<u64>,
    /// How fast the line may be; unset: no bound.
    pub rate_bytes_per_sec: Option<u64>,
    /// What the line allows now, in words.
    pub line_state: String,
    /// Peers that are known to hold the commit too: following asks them as well.
    pub also_at: Vec<String>,
}

impl Cost {
    /// Returns the bytes that would travel in all.
    pub fn wire_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.wire_bytes).sum()
    }

    /// Returns the length of all large files.
    pub fn file_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.file_bytes).sum()
    }
}

impl SourceCost {
    /// Returns for how long the line would be busy at its rate, in seconds.
    pub fn secs(&self) -> Option<u64> {
        self.rate_bytes_per_sec.filter(|&rate| rate > 0).map(|rate| self.wire_bytes.div_ceil(rate))
    }
}

/// A folder for one answer.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays after a crash is a few maps, in the way of nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Federation {
    /// Says what the large files of a revision would cost. No file travels. The commits and small files of a repository
    /// that is not held come and stay, as when somebody reads it.
    ///
    /// # Errors
    /// [`HubError::RepoMissing`] and [`HubError::RevisionMissing`] when it is neither here nor at a remote,
    /// [`HubError::OriginSilent`] when the remote that should know does not answer.
    pub async fn cost(&self, address: &RepoAddress, revision: &Revision) -> HubResult<Cost> {
        let Some(ways) = &self.ways else {
            return Err(HubError::Invalid("this node has no folder for what is on its way".to_owned()));
        };
        let upstreams = Upstreams::apart(Arc::clone(&self.hub), &self.settings, ways.clone(), ANSWER_WAIT);
        let was_held = self.hub.mirror_find(address).await?.is_some();
        let asking = Asking { caller: &Actor::Operator, via: Via::default() };
        let warning = upstreams.repo_wanted(&asking, address, Some(revision), Purpose::Metadata).await?;
        let repo = self.hub.repo_open(&Actor::Operator, address, Right::Read).await?;
        let mut cost = Cost {
            repo: repo.address(),
            commit: None,
            is_new: !was_held,
            files: Vec::new(),
            sources: Vec::new(),
            warning,
        };
        let Some((_, mirror)) = self.hub.mirror_find(&cost.repo).await? else {
            return Ok(Cost { is_new: false, ..cost });
        };
        let missing = || HubError::RevisionMissing { revision: revision.to_string() };
        let commit = self.hub.revision_held(&repo, revision).await?.ok_or_else(missing)?;
        cost.commit = Some(commit);
        let mut seen = HashSet::new();
        let mut files = self.hub.mirror_files(&repo, commit).await?;
        files.retain(|file| seen.insert(file.sha256));
        let missing: Vec<_> = files.iter().filter(|file| !file.is_held).map(|file| file.sha256).collect();
        let stored: HashSet<_> = self.hub.mirror_files_stored(&repo, &missing).await?.into_iter().collect();
        files.iter_mut().for_each(|file| file.is_held |= stored.contains(&file.sha256));
        let scratch = self.scratch(ways).await?;
        let place = Place { repo: &repo, mirror: &mirror, commit, folder: &scratch.0 };
        cost.files = self.files_cost(&upstreams, &place, files).await?;
        cost.sources = self.source_cost(&upstreams, &place, cost.wire_bytes()).await?.into_iter().collect();
        self.gates.charge_all().await;
        Ok(cost)
    }

    async fn files_cost(
        &self,
        upstreams: &Upstreams,
        place: &Place<'_>,
        files: Vec<MirrorFile>,
    ) -> HubResult<Vec<FileCost>> {
        let whole = |file: &MirrorFile, note: String| FileCost {
            path: file.path.clone(),
            file_bytes: file.file_bytes,
            wire_bytes: file.file_bytes,
            note: Some(note),
        };
        let here = |file: &MirrorFile| FileCost {
            path: file.path.clone(),
            file_bytes: file.file_bytes,
            wire_bytes: 0,
            note: Some("here".to_owned()),
        };
        let never =
            |file: &MirrorFile, why: String| FileCost { note: Some(format!("not fetched: {why}")), ..here(file) };
        let Some(remote) = upstreams.remote(place.mirror.remote).await? else {
            let gone = |file: &MirrorFile| never(file, "the remote it came from was removed".to_owned());
            return Ok(files.iter().map(|file| if file.is_held { here(file) } else { gone(file) }).collect());
        };
        let policy = &remote.settings.policy;
        let planner = upstreams.planner(&Actor::Operator, &remote, place.repo, place.folder).await;
        let (planner, policy) = (&planner, &policy);
        let asked = files.into_iter().map(|file| async move {
            if file.is_held {
                return Ok(here(&file));
            }
            let refused = match policy.repo(&place.mirror.remote_repo) {
                Verdict::Refuse(why) => Err(why),
                Verdict::Keep | Verdict::PassThrough => policy.file_bytes(file.file_bytes),
            };
            if let Err(why) = refused {
                return Ok(never(&file, why.to_string()));
            }
            match planner {
                Ok(planner) => match self.file_needs(planner, place, &file).await {
                    Ok(wire_bytes) => {
                        Ok(FileCost { path: file.path, file_bytes: file.file_bytes, wire_bytes, note: None })
                    }
                    Err(why) => Ok(whole(&file, format!("counted whole: {why}"))),
                },
                Err(failure) => Ok(whole(&file, format!("counted whole: {failure}"))),
            }
        });
        iter(asked).buffered(FILES_AT_ONCE).try_collect().await
    }

    /// Returns how many bytes of a file would travel, or why nobody can say.
    async fn file_needs(&self, planner: &RemotePlanner, place: &Place<'_>, file: &MirrorFile) -> Result<u64, String> {
        let wanted = FileWanted {
            repo: place.repo.clone(),
            remote_repo: place.mirror.remote_repo.clone(),
            commit: place.commit,
            path: file.path.clone(),
            sha256: file.sha256,
            file_bytes: file.file_bytes,
        };
        let plan = planner.plan(&wanted).await.map_err(|error| format!("{} {error}", planner.name()))?;
        let sink = HubSink(Arc::clone(&self.hub));
        bytes_needed(&sink, &wanted, &plan, place.folder).await.map_err(|error| error.to_string())
    }

    async fn source_cost(
        &self,
        upstreams: &Upstreams,
        place: &Place<'_>,
        wire_bytes: u64,
    ) -> HubResult<Option<SourceCost>> {
        let Some(remote) = upstreams.remote(place.mirror.remote).await?.filter(|_| wire_bytes > 0) else {
            return Ok(None);
        };
        let (catalog, now) = (self.hub.catalog(), self.hub.clock().now());
        let line = line_load(catalog, &remote.row.line).await?;
        let allowance = line_allowance(catalog, &line, now).await?;
        let mut also_at = Vec::new();
        let published = catalog.feed_repo(remote.row.id, &place.mirror.remote_repo).await?;
        let published = published.filter(|published| published.head == Some(place.commit));
        let table = self.refresh().await.unwrap_or_else(|_| self.table());
        if let (Some(peer), Some(idx)) = (table.by_id(remote.row.id), published.and_then(|repo| repo.head_idx)) {
            let holders = catalog.have_holders(peer.key.name(), idx).await?;
            let others = holders.into_iter().filter(|&id| id != remote.row.id).filter_map(|id| table.by_id(id));
            also_at.extend(others.map(|other| other.remote.name.clone()));
        }
        Ok(Some(SourceCost {
            remote: remote.name().to_owned(),
            kind: remote.row.kind,
            wire_bytes,
            line: line.name.clone(),
            month_bytes_max: line.month_bytes_max,
            month_bytes_left: allowance.bytes_left,
            rate_bytes_per_sec: allowance.rate_cap.or(line.rate_bytes_per_sec_max),
            line_state: allowance.why,
            also_at,
        }))
    }

    /// Makes a folder beside the journals, whose maps a running node must not find half written.
    async fn scratch(&self, ways: &FileWays) -> HubResult<Scratch> {
        let mut number = [0; 8];
        self.entropy.fill(&mut number);
        let folder = ways.folder.join(format!("cost-{:016x}", u64::from_le_bytes(number)));
        tokio::fs::create_dir_all(&folder).await.map_err(|error| {
            tracing::error!(%error, folder = %folder.display(), "cannot make a folder");
            HubError::StorageFull
        })?;
        Ok(Scratch(folder))
    }
}

/// What is asked about.
struct Place<'a> {
    repo: &'a Repo,
    mirror: &'a Mirror,
    commit: GitOid,
    folder: &'a Path,
}
