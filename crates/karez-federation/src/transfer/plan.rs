//! What is known of a file before its bytes come.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use karez_catalog::Repo;
use karez_types::{FileHash, GitOid, RepoAddress, RepoPath, Sha256, XorbHash};

use super::{ChunkMap, Layout, Source, SourceError};

/// A file that should come here.
#[derive(Debug, Clone)]
pub struct FileWanted {
    /// The mirror here.
    pub repo: Repo,
    /// The repository at the remote.
    pub remote_repo: RepoAddress,
    /// A commit that names the file.
    pub commit: GitOid,
    /// Where the commit has it.
    pub path: RepoPath,
    /// SHA-256 of the whole file: what is believed in the end.
    pub sha256: Sha256,
    /// Length of the whole file.
    pub file_bytes: u64,
}

/// A term of a Xet reconstruction: chunk hashes are not known, only where the run of frames that holds
/// the chunks can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XetTerm {
    /// The xorb.
    pub xorb: XorbHash,
    /// First chunk of the term.
    pub chunk_start: u32,
    /// One past the last chunk of the term.
    pub chunk_end: u32,
    /// Length of the term's chunks, unpacked.
    pub raw_bytes: u32,
    /// First chunk of the run that can be fetched; not after `chunk_start`.
    pub run_chunk_start: u32,
    /// One past the last chunk of the run; not before `chunk_end`.
    pub run_chunk_end: u32,
    /// Where the run begins in the xorb.
    pub run_byte_start: u32,
    /// Where the run ends in the xorb, exclusive.
    pub run_byte_end: u32,
}

/// How a file is put together, as far as the remote can say.
#[derive(Clone)]
pub enum Recipe {
    /// Every chunk's hash and place are known: each is checked when its bytes are there.
    Mapped(Arc<dyn ChunkMap>),
    /// Places are known, chunk hashes are not: the file hash is checked at the end.
    Reconstructed {
        /// Hash of the file.
        hash: FileHash,
        /// Its terms, in file order.
        terms: Vec<XetTerm>,
    },
    /// Nothing is known but the sha256.
    Plain,
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recipe::Mapped(map) => f.debug_tuple("Mapped").field(&map.file_hash()).finish(),
            Recipe::Reconstructed { hash, .. } => f.debug_tuple("Reconstructed").field(hash).finish(),
            Recipe::Plain => f.write_str("Plain"),
        }
    }
}

/// How a file is to be fetched.
#[derive(Clone)]
pub struct Plan {
    /// Where its bytes are: see [`Layout::of_map`], [`Layout::of_terms`], [`Layout::plain`].
    pub layout: Layout,
    /// How they make up the file.
    pub recipe: Recipe,
    /// Who has them. Those that come in a later plan under the same name replace the earlier ones.
    pub sources: Vec<Arc<dyn Source>>,
}

/// Makes plans: one implementation per kind of remote.
pub trait Planner: Send + Sync {
    /// Name of the remote that says how the file is put together: who is named when that was a lie.
    fn name(&self) -> &str;

    /// Asks the remote how to fetch a file. Called again when a source says [`SourceError::Expired`].
    ///
    /// # Errors
    /// [`SourceError`] when the remote cannot say. Unreachable and refusing remotes are asked again.
    fn plan<'a>(&'a self, file: &'a FileWanted) -> BoxFuture<'a, Result<Plan, SourceError>>;

    /// Asks who else has the file, besides the sources of these names: the plan of each that has, as it
    /// answers. Called again and again while the file is under way; those that cannot say are left out.
    fn others<'a>(&'a self, _file: &'a FileWanted, _known: &'a [String]) -> BoxStream<'a, Plan> {
        stream::empty().boxed()
    }
}

/// How urgent a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Fetched because a rule says so.
    Background,
    /// Asked for by the operator.
    Normal,
    /// A client is waiting.
    High,
}
