//! History, folders and small files of a repository: git's smart HTTP, version 2, as a client.
//!
//! A poll is one question (`ls-refs`, about 500 bytes); what changed comes in one answer, because everything
//! that the mirror has is named in the question and no further talk is asked for. A pack is not resumed when
//! it breaks off: it holds no large files, and is bounded. It is unpacked while it arrives, every id computed
//! from the content.

use std::collections::HashSet;

use futures::TryStreamExt;
use http::{HeaderName, HeaderValue, StatusCode, header};
use karez_formats::git::fetch_client::{
    Capabilities, FetchError, FetchEvent, FetchReader, PackWish, RefsReader, RefsWish, write_fetch, write_ls_refs,
};
use karez_formats::git::upload_pack::AdvertisedRef;
use karez_formats::git::{GitKind, PackError, PackLimits, PackReader};
use karez_hub::MirrorUpdate;
use karez_types::{GitOid, Limits, RefName, RepoAddress};
use tokio::sync::OnceCell;
use url::Url;

use super::Remote;
use crate::net::{HttpAnswer, HttpRequest, NetError};
use crate::transfer::SourceError;

/// Answer to the first question, in bytes: a dozen short lines.
const CAPABILITIES_BYTES_MAX: u64 = 256 << 10;
/// A ref with its name, in bytes. Longer names break git's own tools.
const REF_BYTES_MAX: u64 = 1 << 10;
/// Commits that are named as being here: the newest of each ref say all that a server needs to know.
const HAVES_MAX: usize = 1_000;
/// What git says for "to the beginning" where history was cut before (git, `INFINITE_DEPTH`).
const DEPTH_WHOLE: u32 = 0x7FFF_FFFF;
/// The refs that mirrors follow.
const PREFIXES: [&str; 3] = ["refs/heads/", "refs/tags/", "refs/pr/"];

const PROTOCOL: HeaderName = HeaderName::from_static("git-protocol");
const VERSION_2: HeaderValue = HeaderValue::from_static("version=2");
const REQUEST: &str = "application/x-git-upload-pack-request";

/// Why a repository's history did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitRemoteError {
    /// No answer, or one that breaks a bound.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The remote does not have the repository, or does not show it to this caller.
    #[error("it does not have the repository")]
    Gone,
    /// It said no.
    #[error("it answered with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// It does not speak git's protocol as it should, or refused in its words.
    #[error(transparent)]
    Protocol(#[from] FetchError),
    /// It sent a pack that is none, or too large.
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// Bounds on what a repository sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GitLimits {
    /// Refs.
    pub refs_max: u64,
    /// Lines before a pack: what is shared, where history ends.
    pub lines_max: u64,
    /// The pack as it travels, in bytes.
    pub pack_bytes_max: u64,
    /// The pack unpacked.
    pub pack: PackLimits,
}

impl From<&Limits> for GitLimits {
    fn from(limits: &Limits) -> GitLimits {
        let pack = PackLimits { objects_max: limits.git_pack_objects_max, ..PackLimits::default() };
        GitLimits {
            refs_max: limits.repo_refs_max,
            lines_max: limits.git_negotiation_lines_max,
            // Compressed it is not longer than unpacked, but for a few bytes an object.
            pack_bytes_max: pack.total_bytes_max + (64 << 20),
            pack,
        }
    }
}

/// What came with a pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Objects; their ids are computed again where they are stored.
    pub objects: Vec<(GitKind, Vec<u8>)>,
    /// Commits whose parents did not come.
    pub shallow: Vec<GitOid>,
    /// Commits that were such and are not any more.
    pub unshallow: Vec<GitOid>,
}

/// What a mirror has of a repository.
#[derive(Debug, Clone, Copy, Default)]
pub struct HistoryHere<'a> {
    /// Its refs.
    pub refs: &'a [(RefName, GitOid)],
    /// Its commits whose parents are not here.
    pub shallow: &'a [GitOid],
}

/// A repository at a remote, as git sees it.
#[derive(Debug)]
pub struct GitRemote {
    remote: Remote,
    repo: RepoAddress,
    limits: GitLimits,
    capabilities: OnceCell<Capabilities>,
}

impl GitRemote {
    /// Returns a repository at a remote. Nothing is asked yet.
    pub fn new(remote: Remote, repo: RepoAddress, limits: GitLimits) -> GitRemote {
        GitRemote { remote, repo, limits, capabilities: OnceCell::new() }
    }

    fn url(&self, last: &[&str]) -> Url {
        let prefix = self.repo.kind.url_prefix().trim_end_matches('/');
        let prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
        let name = format!("{}.git", self.repo.name);
        let parts = prefix.into_iter().chain([self.repo.owner.as_str(), name.as_str()]);
        self.remote.url(parts.chain(last.iter().copied()))
    }

    async fn ask(&self, request: HttpRequest, answers: &str) -> Result<HttpAnswer, GitRemoteError> {
        let answer = self.remote.ask_as_git(request.header(PROTOCOL, VERSION_2)).await?;
        let content_type = answer.header(&header::CONTENT_TYPE).unwrap_or_default();
        match answer.status {
            StatusCode::OK if content_type == answers => Ok(answer),
            StatusCode::OK => Err(FetchError::NotVersion2.into()),
            status => Err(match self.remote.failure(status) {
                SourceError::Gone => GitRemoteError::Gone,
                _ => GitRemoteError::Refused { status: status.as_u16() },
            }),
        }
    }

    /// Returns what the server can do; asked once.
    ///
    /// # Errors
    /// [`GitRemoteError::Gone`] when the remote does not have the repository, [`FetchError::NotVersion2`] when it
    /// does not speak this protocol.
    pub async fn capabilities(&self) -> Result<&Capabilities, GitRemoteError> {
        let ask = async || {
            let mut url = self.url(&["info", "refs"]);
            url.set_query(Some("service=git-upload-pack"));
            let answer = self.ask(HttpRequest::get(url), "application/x-git-upload-pack-advertisement").await?;
            Ok(Capabilities::parse(&answer.bytes(CAPABILITIES_BYTES_MAX).await?)?)
        };
        self.capabilities.get_or_try_init(ask).await
    }

    async fn command(&self, body: Vec<u8>) -> Result<HttpAnswer, GitRemoteError> {
        self.capabilities().await?;
        let request = HttpRequest::post(self.url(&["git-upload-pack"]), REQUEST, body);
        self.ask(request, "application/x-git-upload-pack-result").await
    }

    /// Lists the branches, tags and pull requests.
    ///
    /// # Errors
    /// [`GitRemoteError`].
    pub async fn ls_refs(&self) -> Result<Vec<AdvertisedRef>, GitRemoteError> {
        let mut body = Vec::new();
        write_ls_refs(&RefsWish { prefixes: PREFIXES.map(str::to_owned).to_vec() }, &mut body);
        let answer = self.command(body).await?;
        let refs_max = usize::try_from(self.limits.refs_max).unwrap_or(usize::MAX);
        let mut stream = answer.bounded(self.limits.refs_max.saturating_mul(REF_BYTES_MAX).saturating_add(1024))?;
        let mut reader = RefsReader::new(refs_max);
        while let Some(bytes) = stream.try_next().await? {
            reader.push(&bytes)?;
        }
        Ok(reader.finish()?)
    }

    /// Fetches what is wanted.
    ///
    /// # Errors
    /// [`GitRemoteError`].
    pub async fn fetch(&self, wish: &PackWish) -> Result<Fetched, GitRemoteError> {
        let mut body = Vec::new();
        write_fetch(wish, &mut body);
        let mut stream = self.command(body).await?.bounded(self.limits.pack_bytes_max)?;
        let mut lines = FetchReader::new(usize::try_from(self.limits.lines_max).unwrap_or(usize::MAX));
        let mut pack = PackReader::new(self.limits.pack);
        let mut fetched = Fetched::default();
        while let Some(bytes) = stream.try_next().await? {
            let mut unpacked = Ok(());
            lines.push(&bytes, &mut |event| match event {
                FetchEvent::Pack(bytes) if unpacked.is_ok() => unpacked = pack.push(bytes),
                FetchEvent::Shallow(commit) => fetched.shallow.push(commit),
                FetchEvent::Unshallow(commit) => fetched.unshallow.push(commit),
                FetchEvent::Pack(_) | FetchEvent::Common(_) | FetchEvent::Ready | FetchEvent::Progress(_) => {}
            })?;
            unpacked?;
        }
        if !lines.finish()? {
            return Err(FetchError::Truncated.into());
        }
        // No thin pack was asked for, so there is nothing to look up.
        let objects = pack.finish(&mut |_| None)?;
        fetched.objects = objects.into_iter().map(|object| (object.kind, object.content)).collect();
        Ok(fetched)
    }

    /// Fetches what a mirror lacks of branches, tags and pull requests: `depth` commits of each that changed, or
    /// all history, also before the commits at which it ends here. Returns nothing when there is nothing new.
    ///
    /// # Errors
    /// [`GitRemoteError`].
    pub async fn update(
        &self,
        here: HistoryHere<'_>,
        depth: Option<u32>,
        verified_by: &str,
    ) -> Result<Option<MirrorUpdate>, GitRemoteError> {
        let there = self.ls_refs().await?;
        let is_deepening = depth.is_none() && !here.shallow.is_empty();
        let (refs, wants) = match changed(&there, here.refs) {
            Some((refs, _)) if is_deepening => (refs, targets(&there)),
            None if is_deepening => (Vec::new(), targets(&there)),
            Some(changed) => changed,
            None => return Ok(None),
        };
        let mut update = MirrorUpdate {
            refs,
            verified_by: verified_by.to_owned(),
            is_whole_history: here.shallow.is_empty(),
            ..MirrorUpdate::default()
        };
        if !wants.is_empty() {
            // Only commits are named, and a tag may be an object of its own.
            let commits = here.refs.iter().filter(|(name, _)| !name.is_tag());
            let mut haves: Vec<GitOid> = commits.map(|(_, oid)| *oid).collect();
            haves.sort_unstable();
            haves.dedup();
            haves.truncate(HAVES_MAX);
            let depth = if is_deepening { Some(DEPTH_WHOLE) } else { depth };
            let depth = depth.filter(|_| self.capabilities.get().is_some_and(Capabilities::has_shallow));
            let wish = PackWish { wants, haves, shallow: here.shallow.to_vec(), depth, include_tag: false, done: true };
            let Fetched { objects, shallow, unshallow } = self.fetch(&wish).await?;
            let is_cut = here.shallow.iter().any(|commit| !unshallow.contains(commit));
            update.is_whole_history = !is_cut && shallow.is_empty();
            (update.objects, update.shallow, update.unshallow) = (objects, shallow, unshallow);
        }
        Ok(Some(update))
    }
}

/// Where refs point now.
type Moved = Vec<(RefName, Option<GitOid>)>;

/// Returns everything that the refs there which mirrors follow point at.
fn targets(there: &[AdvertisedRef]) -> Vec<GitOid> {
    let mut targets: Vec<GitOid> = followed(there).into_iter().map(|(_, oid)| oid).collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

/// Returns the refs there that mirrors follow. Names that this node could not keep are left out.
fn followed(there: &[AdvertisedRef]) -> Vec<(RefName, GitOid)> {
    let shown = there.iter().filter(|shown| is_followed(&shown.name));
    shown.filter_map(|shown| Some((shown.name.parse().ok()?, shown.oid))).collect()
}

fn is_followed(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns what changed between the refs there and here, and what must come for it; nothing when nothing did.
fn changed(there: &[AdvertisedRef], here: &[(RefName, GitOid)]) -> Option<(Moved, Vec<GitOid>)> {
    let there = followed(there);
    let known: HashSet<&(RefName, GitOid)> = here.iter().collect();
    let names: HashSet<&RefName> = there.iter().map(|(name, _)| name).collect();
    let gone = here.iter().filter(|(name, _)| is_followed(name.as_str()) && !names.contains(name));
    let gone = gone.map(|(name, _)| (name.clone(), None));
    let moved = there.iter().filter(|shown| !known.contains(shown)).map(|(name, oid)| (name.clone(), Some(*oid)));
    let moved: Moved = moved.chain(gone).collect();
    if moved.is_empty() {
        return None;
    }
    let held: HashSet<GitOid> = here.iter().map(|(_, oid)| *oid).collect();
    let mut wants: Vec<GitOid> = moved.iter().filter_map(|(_, oid)| *oid).filter(|oid| !held.contains(oid)).collect();
    wants.sort_unstable();
    wants.dedup();
    Some((moved, wants))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_asked_for() {
        let oid = |n: u8| GitOid([n; 20]);
        let there = |name: &str, n| AdvertisedRef { name: name.into(), oid: oid(n), peeled: None, symref_target: None };
        let here = |name: &str, n| (name.parse::<RefName>().unwrap(), oid(n));
        let main = "refs/heads/main";
        assert_eq!(changed(&[there(main, 1), there("HEAD", 1)], &[here(main, 1)]), None);
        let (moved, wants) =
            changed(&[there(main, 2), there("refs/tags/v1", 2), there("refs/x/y", 3)], &[here(main, 1)]).unwrap();
        let name = |name: &str| name.parse::<RefName>().unwrap();
        assert_eq!(moved, [(name(main), Some(oid(2))), (name("refs/tags/v1"), Some(oid(2)))]);
        assert_eq!(wants, [oid(2)]);
        let (moved, wants) = changed(&[there("refs/heads/b", 1)], &[here(main, 1)]).unwrap();
        assert_eq!(moved, [(name("refs/heads/b"), Some(oid(1))), (name(main), None)]);
        assert!(wants.is_empty(), "the commit is here under another name");
        assert_eq!(changed(&[there("refs/heads/..", 1), there("refs/heads/a b", 2)], &[]), None);
    }
}
