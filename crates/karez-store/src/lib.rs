//! Bytes by hash: xorbs with their indexes, and the parts of uploads that are not whole yet.
//!
//! One [`Store`] speaks to a folder, to memory (tests) or to S3-compatible storage. It knows
//! nothing of repositories, files, people or SQL: whoever asks has already been allowed to.
//!
//! Layout, the same in every backend:
//!
//! ```text
//! xorbs/aa/bb/<64 hex>        the serialized chunks of one xorb, without footer, immutable
//! xorbs/aa/bb/<64 hex>.idx    its index: hash, end and raw length of each chunk; derived, can be rebuilt
//! uploads/<upload>/<part>     one part of a multipart upload, until the upload is completed or expires
//! tmp/                        folder backend only: files being written; emptied when the store is opened
//! ```
//!
//! Invariants:
//! - When a publishing call answers, the bytes are durable: file and folder are synced, or S3 has said yes.
//! - A name is never visible before all of its bytes are. There are no partial objects.
//! - A visible xorb has an index, or one that can be rebuilt from its bytes and is checked against its name.
//! - A xorb never changes. Writing it twice is harmless, also at the same time.
//! - An index leaves this crate only after its Merkle root and total length agree with the xorb.
//! - Nothing here is a whole file: a staged xorb is at most one xorb, a stream is at most two buffers.

#![deny(unsafe_code)]

mod backend;
mod error;
mod folder;
mod location;
mod name;
mod objects;
mod parts;
mod pool;
mod staged;
mod xorbs;

use std::sync::Arc;

use karez_formats::xet::XorbIndex;
use karez_types::XorbHash;

pub use error::StoreError;
pub use folder::{FileBehind, file_behind};
pub use location::{S3Location, StoreLocation};
pub use name::UploadId;
pub use parts::StagedPart;
pub use xorbs::StagedXorb;

use backend::Backend;

/// The bytes of a node. Cheap to clone: all clones share one backend and one index cache.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Backend,
    indexes: quick_cache::sync::Cache<XorbHash, Arc<XorbIndex>, IndexWeight>,
}

/// Weighs a cached index by the memory that it holds.
#[derive(Clone)]
struct IndexWeight;

impl quick_cache::Weighter<XorbHash, Arc<XorbIndex>> for IndexWeight {
    fn weight(&self, _hash: &XorbHash, index: &Arc<XorbIndex>) -> u64 {
        index_bytes(index.chunks.len())
    }
}

/// Memory of an index with this many chunks, with the cache's own bookkeeping.
fn index_bytes(chunk_count: usize) -> u64 {
    const OVERHEAD_BYTES: usize = 256;
    (OVERHEAD_BYTES + chunk_count * size_of::<karez_formats::xet::IndexedChunk>()) as u64
}

impl Store {
    /// Opens the store at this location, creating the folder when there is none. At most
    /// `cache_bytes` of memory hold xorb indexes.
    ///
    /// Files that a crash left in `tmp/` are removed, unless another process has the folder open.
    ///
    /// # Errors
    /// When the folder cannot be made or locked, or the S3 settings do not fit together. S3 itself
    /// is not asked: call [`Store::healthy`] for that.
    pub async fn open(location: StoreLocation, cache_bytes: u64) -> Result<Store, StoreError> {
        // A 64 MiB xorb has about 1,000 chunks; small files bring xorbs with fewer.
        let items_estimate = cache_bytes / index_bytes(500) + 16;
        let indexes = quick_cache::sync::Cache::with_weighter(
            usize::try_from(items_estimate).unwrap_or(usize::MAX),
            cache_bytes,
            IndexWeight,
        );
        let backend = Backend::open(location).await?;
        Ok(Store { inner: Arc::new(Inner { backend, indexes }) })
    }

    /// Tells whether a staged xorb is held in memory until it is published. A folder holds it in a
    /// file; object storage has no place for bytes whose name is not known yet.
    pub fn holds_staged_in_memory(&self) -> bool {
        matches!(self.inner.backend, Backend::Objects(_))
    }

    /// Returns how many bytes there are for new objects; nothing when nobody can say, as with S3.
    ///
    /// # Errors
    /// When the folder cannot be asked.
    pub fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        match &self.inner.backend {
            Backend::Folder(folder) => folder.free_bytes().map(Some),
            Backend::Objects(_) => Ok(None),
        }
    }

    /// Tells whether the backend answers: writes, reads and removes a small object.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room even for that; otherwise what the backend said.
    pub async fn healthy(&self) -> Result<(), StoreError> {
        self.inner.backend.healthy().await
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("backend", &self.inner.backend).finish_non_exhaustive()
    }
}
