//! What can go wrong with an index.

use std::io;
use std::path::PathBuf;

/// The index could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The folder cannot be made or written.
    #[error("cannot use the folder {path} for the search index")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Every place for an index in the folder is used by another process.
    #[error(
        "{places} processes keep a search index in {path} already; give this one a folder of its own with --data-dir"
    )]
    Busy {
        /// The folder.
        path: PathBuf,
        /// How many places there are.
        places: usize,
    },
    /// The disk is full or fails, or what is on it is damaged.
    #[error("the search index does not work")]
    Engine(#[source] tantivy::TantivyError),
}

impl From<tantivy::TantivyError> for SearchError {
    fn from(error: tantivy::TantivyError) -> SearchError {
        SearchError::Engine(error)
    }
}
