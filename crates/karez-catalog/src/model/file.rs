//! Xorbs, large files, uploads.

use karez_formats::xet::Term;
use karez_types::{AccountId, ChunkHash, FileHash, RepoId, Sha256, Timestamp, XorbHash};

/// A xorb that is durable in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XorbRow {
    /// Merkle root over its chunks.
    pub hash: XorbHash,
    /// Length as stored, in bytes.
    pub stored_bytes: u64,
    /// Length of its chunks unpacked, in bytes.
    pub raw_bytes: u64,
    /// How many chunks it holds.
    pub chunk_count: u32,
}

/// A large file and how it is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Xet id.
    pub hash: FileHash,
    /// SHA-256 of the whole file.
    pub sha256: Sha256,
    /// Length in bytes.
    pub file_bytes: u64,
    /// The ranges of chunks that make the file, in order.
    pub terms: Vec<Term>,
}

/// A large file, without how it is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileBrief {
    /// Xet id; the first when the same bytes were chunked in several ways.
    pub hash: FileHash,
    /// SHA-256 of the whole file.
    pub sha256: Sha256,
    /// Length in bytes.
    pub file_bytes: u64,
}

/// A file to register, whose xorbs are registered.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// The file.
    pub row: FileRow,
    /// Chunks by which other clients may find this file's xorbs, and where each is.
    pub dedup_keys: Vec<(ChunkHash, XorbHash)>,
}

/// What a chunk that somebody asked for leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupHit {
    /// The xorb that holds the chunk.
    pub xorb: XorbHash,
    /// The xorbs of a file that uses it, from this one on, then those before it; each once. Only
    /// members of the asked zones. The first is `xorb`.
    pub xorbs: Vec<XorbHash>,
}

/// A multipart LFS upload that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRow {
    /// Random text that names the upload.
    pub id: String,
    /// For which repository.
    pub repo_id: RepoId,
    /// What the whole file must hash to.
    pub sha256: Sha256,
    /// Length of the whole file.
    pub file_bytes: u64,
    /// Length of each part but the last.
    pub part_bytes: u64,
    /// Who uploads.
    pub user: AccountId,
    /// When the upload may be thrown away.
    pub expires: Timestamp,
}
