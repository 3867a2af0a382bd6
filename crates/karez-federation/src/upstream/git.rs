//! Git's smart HTTP, version 2, as a client: refs, and the objects of commits.
//!
//! The first answer of a server, what it can do, is not asked for: that would be one more round trip, and
//! whoever does not know version 2 answers the commands with an error that says as much.

use futures::TryStreamExt;
use karez_formats::git::fetch_client::{
    FetchError, FetchEvent, FetchReader, PackWish, RefsReader, RefsWish, write_fetch, write_ls_refs,
};
use karez_formats::git::upload_pack::AdvertisedRef;
use karez_formats::git::{GitKind, PackError, PackLimits, PackReader};
use karez_types::{GitOid, Limits, RefName, RepoAddress};

use super::call::Call;
use super::failure::PullFailure;

/// The list of refs, in bytes: 10,000 of them with their tags.
const REFS_BYTES_MAX: u64 = 16 << 20;
/// Refs that are read.
const REFS_MAX: usize = 100_000;
/// A pack as it travels, in bytes. Large files are not in git, so this is many small ones.
const PACK_BYTES_MAX: u64 = 128 << 20;
/// All objects of a pack, unpacked, in bytes: held in memory until they are written together.
const OBJECTS_BYTES_MAX: u64 = 256 << 20;
/// Shallow and shared commits in one answer.
const FETCH_LINES_MAX: usize = 100_000;
/// What git says for "to the beginning" where history was cut before (git, `INFINITE_DEPTH`).
const DEPTH_WHOLE: u32 = 0x7FFF_FFFF;

/// A ref as the remote shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteRef {
    /// Full name.
    pub name: RefName,
    /// What it points at; for an annotated tag that is the tag.
    pub oid: GitOid,
}

/// How much of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Depth {
    /// The commits themselves.
    #[default]
    One,
    /// All before them.
    Whole,
}

/// What to fetch.
#[derive(Debug, Clone, Default)]
pub(super) struct FetchWish {
    /// Commits and tags.
    pub wants: Vec<GitOid>,
    /// Commits that are here.
    pub haves: Vec<GitOid>,
    /// Commits at which history ends here.
    pub shallow: Vec<GitOid>,
    /// How much of history.
    pub depth: Depth,
}

/// What came.
#[derive(Debug, Clone, Default)]
pub(super) struct Fetched {
    /// Objects, whose ids the hub computes again.
    pub objects: Vec<(GitKind, Vec<u8>)>,
    /// Commits at which history ends.
    pub shallow: Vec<GitOid>,
    /// Commits at which it ended and no longer does.
    pub unshallow: Vec<GitOid>,
}

impl From<FetchError> for PullFailure {
    fn from(error: FetchError) -> PullFailure {
        match error {
            FetchError::Refused(words) if words.contains("not our ref") => PullFailure::RevisionMissing,
            error => PullFailure::Wrong(error.to_string()),
        }
    }
}

impl From<PackError> for PullFailure {
    fn from(error: PackError) -> PullFailure {
        match error {
            PackError::TooLarge { .. } => PullFailure::Refused(error.to_string()),
            error => PullFailure::Wrong(error.to_string()),
        }
    }
}

/// Lists the refs whose names begin with one of these.
pub(super) async fn refs_list(
    call: &Call,
    repo: &RepoAddress,
    prefixes: &[String],
) -> Result<Vec<RemoteRef>, PullFailure> {
    let mut body = Vec::new();
    write_ls_refs(&RefsWish { prefixes: prefixes.to_vec() }, &mut body);
    let mut answer = call.upload_pack(repo, body, REFS_BYTES_MAX).await?;
    let mut reader = RefsReader::new(REFS_MAX);
    while let Some(bytes) = answer.try_next().await? {
        reader.push(&bytes)?;
    }
    // `HEAD`, and names that a node cannot keep.
    let kept = |shown: AdvertisedRef| Some(RemoteRef { name: shown.name.parse().ok()?, oid: shown.oid });
    Ok(reader.finish()?.into_iter().filter_map(kept).collect())
}

/// Fetches commits with their folders and files.
pub(super) async fn fetch(
    call: &Call,
    repo: &RepoAddress,
    wish: &FetchWish,
    limits: &Limits,
) -> Result<Fetched, PullFailure> {
    let depth = match wish.depth {
        Depth::One => Some(1),
        Depth::Whole => (!wish.shallow.is_empty()).then_some(DEPTH_WHOLE),
    };
    let asked = PackWish {
        wants: wish.wants.clone(),
        haves: wish.haves.clone(),
        shallow: wish.shallow.clone(),
        depth,
        include_tag: false,
        done: true,
    };
    let mut body = Vec::new();
    write_fetch(&asked, &mut body);
    let mut answer = call.upload_pack(repo, body, PACK_BYTES_MAX).await?;
    let mut fetched = Fetched::default();
    let mut reader = FetchReader::new(FETCH_LINES_MAX);
    let mut pack = PackReader::new(PackLimits {
        objects_max: limits.git_pack_objects_max,
        object_bytes_max: limits.commit_inline_file_bytes_max,
        total_bytes_max: OBJECTS_BYTES_MAX,
        ..PackLimits::default()
    });
    while let Some(bytes) = answer.try_next().await? {
        let mut broken = None;
        reader.push(&bytes, &mut |event| match event {
            FetchEvent::Shallow(oid) => fetched.shallow.push(oid),
            FetchEvent::Unshallow(oid) => fetched.unshallow.push(oid),
            FetchEvent::Pack(data) if broken.is_none() => broken = pack.push(data).err(),
            FetchEvent::Pack(_) | FetchEvent::Common(_) | FetchEvent::Ready | FetchEvent::Progress(_) => {}
        })?;
        if let Some(error) = broken {
            return Err(error.into());
        }
    }
    if !reader.finish()? {
        return Err(PullFailure::Wrong("no pack, although it was asked for".to_owned()));
    }
    // A thin pack was not asked for.
    let objects = pack.finish(&mut |_| None)?;
    fetched.objects = objects.into_iter().map(|object| (object.kind, object.content)).collect();
    Ok(fetched)
}
