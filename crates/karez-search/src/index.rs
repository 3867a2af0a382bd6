//! The index on disk: opening, changing, and knowing how far it is.
//!
//! Each process has an index of its own, in a numbered place of the folder that it holds by a lock. What
//! the index is up to (the *mark*) is committed together with the documents, so a crash repeats at most the
//! last batch. An index that cannot be read, or was written in another format, is thrown away: the caller
//! sees an empty mark and builds it again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use karez_types::RepoId;
use tantivy::directory::MmapDirectory;
use tantivy::indexer::IndexWriterOptions;
use tantivy::merge_policy::LogMergePolicy;
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyDocument};

use crate::doc::SearchDoc;
use crate::error::SearchError;
use crate::fields::{FORMAT, Fields};
use crate::pages::Pages;

/// Processes that may keep their index in one folder.
const PLACES_MAX: usize = 16;
/// Memory of documents that are not committed yet, in bytes; nothing is taken while nothing changes.
const WRITER_BYTES: usize = 48 << 20;
/// Segments of this many documents are merged no further: a merge must not occupy a small machine for minutes.
const MERGE_DOCS_MAX: usize = 1_000_000;

/// Where an index is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexPlace {
    /// In memory, for tests.
    Memory,
    /// In a numbered place of this folder, which is made when it is missing.
    Folder(PathBuf),
}

/// An index, open for reading and writing.
pub struct SearchIndex {
    pub(crate) fields: Fields,
    pub(crate) reader: IndexReader,
    writer: Mutex<IndexWriter>,
    mark: Mutex<String>,
    pub(crate) pages: Pages,
    /// Held while the index is open; the kernel lets go of it however the process ends.
    _lock: Option<File>,
}

/// Changes that are committed together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Documents that are new or have changed.
    pub put: Vec<SearchDoc>,
    /// Repositories that are gone.
    pub removed: Vec<RepoId>,
    /// Whether everything else is forgotten first.
    pub is_fresh: bool,
    /// What the index is up to with this batch. Means something to the caller only.
    pub mark: String,
}

impl SearchIndex {
    /// Opens an index, or makes an empty one where there is none that can be used. Reads all of it once to
    /// see whether it is whole.
    ///
    /// # Errors
    /// When the folder cannot be used; a damaged index is no error.
    pub fn open(place: &IndexPlace) -> Result<SearchIndex, SearchError> {
        let fields = Fields::new();
        let (index, lock) = match place {
            IndexPlace::Memory => (Index::create_in_ram(fields.schema.clone()), None),
            IndexPlace::Folder(folder) => {
                let (place, lock) = free_place(folder)?;
                (open_or_replace(&place, &fields)?, Some(lock))
            }
        };
        Fields::register(&index);
        let mark = mark_of(&index)?;
        // One thread writes and one merges: a node has two cores, and other things to do.
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer: IndexWriter = index.writer_with_options(options)?;
        let mut policy = LogMergePolicy::default();
        policy.set_max_docs_before_merge(MERGE_DOCS_MAX);
        // A third of deleted documents is enough to write a segment anew.
        policy.set_del_docs_ratio_before_merge(0.33);
        writer.set_merge_policy(Box::new(policy));
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(SearchIndex {
            fields,
            reader,
            writer: Mutex::new(writer),
            mark: Mutex::new(mark),
            pages: Pages::default(),
            _lock: lock,
        })
    }

    /// Returns what the index is up to: the mark of the last batch; empty when there was none.
    pub fn mark(&self) -> String {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how many repositories the index knows.
    pub fn doc_count(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Applies a batch: afterwards it is durable and found. After an error the index is as it was.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn apply(&self, batch: &Batch) -> Result<(), SearchError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match self.write(&mut writer, batch) {
            Ok(()) => Ok(()),
            Err(error) => {
                // What was added and not committed must not come along with the next batch.
                if let Err(error) = writer.rollback() {
                    tracing::warn!(%error, "the search index could not forget an unfinished batch");
                }
                Err(error)
            }
        }
    }

    fn write(&self, writer: &mut IndexWriter, batch: &Batch) -> Result<(), SearchError> {
        if batch.is_fresh {
            writer.delete_all_documents()?;
        }
        for id in batch.put.iter().map(|doc| doc.id).chain(batch.removed.iter().copied()) {
            writer.delete_term(self.fields.id_term(id));
        }
        for doc in &batch.put {
            let document: TantivyDocument = self.fields.document(doc);
            writer.add_document(document)?;
        }
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&format!("{FORMAT} {}", batch.mark));
        commit.commit()?;
        self.reader.reload()?;
        self.mark.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&batch.mark);
        Ok(())
    }

    /// Forgets pages that were made lately; for measurements.
    pub fn pages_forget(&self) {
        self.pages.clear();
    }

    /// Waits until running merges are done; for measurements.
    ///
    /// # Errors
    /// When a merge failed.
    pub fn settle(self) -> Result<(), SearchError> {
        let writer = self.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(writer.wait_merging_threads()?)
    }
}

/// Returns the first place that no other process holds, and its lock.
fn free_place(folder: &Path) -> Result<(PathBuf, File), SearchError> {
    let trouble = |source: io::Error| SearchError::Folder { path: folder.to_owned(), source };
    for number in 1..=PLACES_MAX {
        let place = folder.join(number.to_string());
        fs::create_dir_all(&place).map_err(trouble)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(place.join("lock")).map_err(trouble)?;
        match lock.try_lock() {
            Ok(()) => return Ok((place.join("index"), lock)),
            Err(fs::TryLockError::WouldBlock) => {}
            Err(fs::TryLockError::Error(source)) => return Err(trouble(source)),
        }
    }
    Err(SearchError::Busy { path: folder.to_owned(), places: PLACES_MAX })
}

/// Opens the index in a folder; one that is damaged or of another format gives way to an empty one.
fn open_or_replace(folder: &Path, fields: &Fields) -> Result<Index, SearchError> {
    if folder.exists() {
        match open_whole(folder, fields) {
            Ok(index) => return Ok(index),
            Err(why) => tracing::warn!(folder = %folder.display(), why, "the search index is built again"),
        }
        fs::remove_dir_all(folder).map_err(|source| SearchError::Folder { path: folder.to_owned(), source })?;
    }
    fs::create_dir_all(folder).map_err(|source| SearchError::Folder { path: folder.to_owned(), source })?;
    let directory = MmapDirectory::open(folder).map_err(tantivy::TantivyError::from)?;
    Ok(Index::create(directory, fields.schema.clone(), IndexSettings::default())?)
}

/// Opens an index and looks whether all its bytes are as they were written.
fn open_whole(folder: &Path, fields: &Fields) -> Result<Index, String> {
    let index = Index::open_in_dir(folder).map_err(|error| error.to_string())?;
    if index.schema() != fields.schema {
        return Err("it has other fields".to_owned());
    }
    let meta = index.load_metas().map_err(|error| error.to_string())?;
    let format = meta.payload.as_deref().and_then(|payload| payload.split(' ').next()?.parse::<u32>().ok());
    if format.is_some_and(|format| format != FORMAT) {
        return Err("it has another format".to_owned());
    }
    let damaged = index.validate_checksum().map_err(|error| error.to_string())?;
    match damaged.is_empty() {
        true => Ok(index),
        false => Err(format!("{} of its files are damaged", damaged.len())),
    }
}

fn mark_of(index: &Index) -> Result<String, SearchError> {
    let payload = index.load_metas()?.payload.unwrap_or_default();
    Ok(payload.split_once(' ').map_or_else(String::new, |(_, mark)| mark.to_owned()))
}
