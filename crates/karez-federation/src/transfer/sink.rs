//! Where a transfer puts its file: the hub, behind a trait so that the engine can be tested by itself.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use karez_catalog::FileBrief;
use karez_formats::xet::{Term, XorbIndex};
use karez_types::{ChunkHash, FileHash, XorbHash};

use super::FileWanted;

/// A body that is read from the journal.
pub type Body = BoxStream<'static, io::Result<Bytes>>;

/// Which chunks are where, here: the xorb and the position in it.
pub type ChunksHeld = HashMap<ChunkHash, (XorbHash, u32)>;

/// Why a sink did not take something. Nothing of it is visible then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// There is no room; tried again when there may be.
    #[error("there is no room left to store the file")]
    Full,
    /// The node is busy; tried again.
    #[error("the node is busy")]
    Busy,
    /// The bytes are not what they should be.
    #[error("{0}")]
    Wrong(String),
    /// What was here when the transfer was planned is not any more: it is fetched like the rest.
    #[error("xorb {0} is not stored here any more")]
    Gone(XorbHash),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// What a transfer needs of the hub.
pub trait Sink: Send + Sync {
    /// Of these chunks, those that are stored where the mirror may use them; whole xorbs of these names
    /// are looked into directly.
    fn chunks_held<'a>(
        &'a self,
        file: &'a FileWanted,
        chunks: &'a [ChunkHash],
        xorbs: &'a [XorbHash],
    ) -> BoxFuture<'a, Result<ChunksHeld, SinkError>>;

    /// Returns the index of a xorb when the mirror may use all of it.
    fn xorb_held<'a>(
        &'a self,
        file: &'a FileWanted,
        xorb: XorbHash,
    ) -> BoxFuture<'a, Result<Option<Arc<XorbIndex>>, SinkError>>;

    /// Reads chunks of a xorb that is held, unpacked, one item for each chunk.
    fn chunks_read(&self, xorb: XorbHash, chunks: Range<u32>) -> BoxStream<'static, Result<Bytes, SinkError>>;

    /// Stores a xorb. Its name and every chunk are checked.
    fn xorb_put<'a>(&'a self, file: &'a FileWanted, xorb: XorbHash, body: Body)
    -> BoxFuture<'a, Result<(), SinkError>>;

    /// Registers the file from terms over stored xorbs. Its file hash and sha256 are checked.
    fn file_put<'a>(
        &'a self,
        file: &'a FileWanted,
        hash: FileHash,
        terms: Vec<Term>,
    ) -> BoxFuture<'a, Result<FileBrief, SinkError>>;

    /// Stores and registers the file from plain bytes. Its sha256 is checked.
    fn file_ingest<'a>(&'a self, file: &'a FileWanted, body: Body) -> BoxFuture<'a, Result<FileBrief, SinkError>>;
}
