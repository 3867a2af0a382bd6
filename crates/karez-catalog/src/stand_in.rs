//! Words of `karez-formats` until that crate has them.

/// Kinds of git object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GitKind {
    /// Content of a small file.
    Blob,
    /// A folder.
    Tree,
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

/// What an LFS pointer points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LfsPointer {
    /// SHA-256 of the file.
    pub sha256: karez_types::Sha256,
    /// Length of the file.
    pub file_bytes: u64,
}

/// A range of chunks of a xorb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Which xorb.
    pub xorb: karez_types::XorbHash,
    /// First chunk.
    pub chunk_start: u32,
    /// One past the last chunk.
    pub chunk_end: u32,
    /// Length unpacked.
    pub raw_bytes: u32,
}
