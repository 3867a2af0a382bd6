//! The index follows the catalog: built from all repositories once, then from what changed.
//!
//! How far it is stands in the mark that is committed with the documents: `build FROM AFTER` while it is
//! being built (changes are read from FROM on when it is done, repositories come after AFTER), then `at FROM`.
//! So a crash, or a stop in the middle of building, repeats one batch at most.

use std::str::FromStr;
use std::sync::Arc;

use karez_catalog::Change;
use karez_search::{Batch, IndexPlace, SearchDoc, SearchIndex};
use karez_types::RepoId;

use super::desk::Reading;
use crate::{Hub, HubResult};

/// Repositories that are read from the catalog at once.
const READ_REPOS: u64 = 256;
/// Repositories, and bytes of text, in one batch while the index is built: a batch costs memory, and a
/// commit costs time.
const BUILD_REPOS: usize = 2_000;
const BUILD_TEXT_BYTES: usize = 16 << 20;

/// What an index is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Build { from: i64, after: RepoId },
    At { from: i64 },
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mark::Build { from, after } => write!(f, "build {from} {after}"),
            Mark::At { from } => write!(f, "at {from}"),
        }
    }
}

impl FromStr for Mark {
    type Err = ();
    fn from_str(text: &str) -> Result<Mark, ()> {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |word: &str| word.parse::<i64>().map_err(|_| ());
        match words.as_slice() {
            ["build", from, after] => Ok(Mark::Build { from: number(from)?, after: RepoId(number(after)?) }),
            ["at", from] => Ok(Mark::At { from: number(from)? }),
            _ => Err(()),
        }
    }
}

/// How far the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchProgress {
    /// There is no index.
    Absent,
    /// It is being built and knows this many repositories.
    Building(u64),
    /// It knows all that the catalog held a moment ago.
    Current(u64),
}

impl Hub {
    /// Opens the index of this process. Until it is complete, names alone are searched. Reads the whole index
    /// once.
    ///
    /// # Errors
    /// When its folder cannot be used.
    pub async fn search_open(&self, place: IndexPlace) -> HubResult<()> {
        let _turn = self.search.turn.lock().await;
        self.search_reopen(place).await
    }

    async fn search_reopen(&self, place: IndexPlace) -> HubResult<()> {
        let opening = place.clone();
        let opened = tokio::task::spawn_blocking(move || SearchIndex::open(&opening)).await;
        let index = opened.map_err(|error| crate::HubError::Damaged(error.to_string()))??;
        let settled = self.catalog.changes_settled().await?;
        let mark = index.mark().parse().ok().filter(|mark| match mark {
            // An index that is ahead of the catalog was fed from another one.
            Mark::Build { from, .. } | Mark::At { from } => *from <= settled,
        });
        let mark = mark.unwrap_or(Mark::Build { from: settled, after: RepoId(0) });
        let is_complete = matches!(mark, Mark::At { .. });
        let (Mark::Build { from, .. } | Mark::At { from }) = mark;
        *self.search.reading() = Reading { from, ..Reading::default() };
        if !is_complete {
            tracing::info!(search.from = from, "building the search index");
        }
        self.search.set(place, index);
        if is_complete {
            self.search.complete();
        }
        Ok(())
    }

    /// Takes one step towards the present: a batch of repositories while the index is built, then all changes.
    /// Meant to be called again and again.
    ///
    /// # Errors
    /// When catalog or index fail; nothing is lost, and the next step tries the same.
    pub async fn search_step(&self) -> HubResult<SearchProgress> {
        if self.search.is_doubted() {
            let _turn = self.search.turn.lock().await;
            if let Some(place) = self.search.place().filter(|_| self.search.is_doubted() && self.search.release()) {
                self.search_reopen(place).await?;
            }
        }
        let Some(index) = self.search.index() else { return Ok(SearchProgress::Absent) };
        match index.mark().parse() {
            Ok(Mark::At { .. }) => self.search_catch_up().await?,
            mark => {
                let start = Mark::Build { from: self.search.reading().from, after: RepoId(0) };
                self.search_build(&index, mark.unwrap_or(start)).await?;
            }
        }
        Ok(match self.search.ready() {
            Some(index) => SearchProgress::Current(index.doc_count()),
            None => SearchProgress::Building(index.doc_count()),
        })
    }

    /// Reads the next repositories into an index that is being built.
    async fn search_build(&self, index: &Arc<SearchIndex>, mark: Mark) -> HubResult<()> {
        let turn = Arc::clone(&self.search.turn).lock_owned().await;
        let Mark::Build { from, after: start } = mark else { return Ok(()) };
        let (mut docs, mut after, mut is_last) = (Vec::new(), start, false);
        while !is_last && docs.len() < BUILD_REPOS && text_bytes(&docs) < BUILD_TEXT_BYTES {
            let repos = self.catalog.repos_all(after, READ_REPOS).await?;
            is_last = (repos.len() as u64) < READ_REPOS;
            after = repos.last().map_or(after, |repo| repo.id);
            docs.extend(self.search_docs(repos).await?);
        }
        let mark = if is_last { Mark::At { from } } else { Mark::Build { from, after } };
        let batch = Batch { put: docs, is_fresh: start == RepoId(0), mark: mark.to_string(), ..Batch::default() };
        apply(index, batch, turn).await?;
        if is_last {
            self.search_catch_up().await?;
            self.search.complete();
            tracing::info!(search.repos = index.doc_count(), "the search index is complete");
        }
        Ok(())
    }

    /// Reads all that changed into the index.
    pub(super) async fn search_catch_up(&self) -> HubResult<()> {
        let Some(index) = self.search.index() else { return Ok(()) };
        loop {
            let (from, first) = {
                let from = self.search.reading().from;
                (from, self.catalog.changes(from, None, READ_REPOS).await?)
            };
            if self.is_known(&first.list) && (first.list.len() as u64) < READ_REPOS {
                self.read_until(from, first.settled);
                return Ok(());
            }
            let turn = Arc::clone(&self.search.turn).lock_owned().await;
            if self.search.reading().from != from {
                // Somebody else went on while this one waited.
                continue;
            }
            return self.search_read(&index, from, turn).await;
        }
    }

    /// Reads the changes from a place on, page by page, and takes the new ones in.
    async fn search_read(
        &self,
        index: &Arc<SearchIndex>,
        from: i64,
        mut turn: tokio::sync::OwnedMutexGuard<()>,
    ) -> HubResult<()> {
        let (mut after, mut settled) = (None, None);
        loop {
            let page = self.catalog.changes(from, after, READ_REPOS).await?;
            let settled = *settled.get_or_insert(page.settled);
            let is_last = (page.list.len() as u64) < READ_REPOS;
            after = page.list.last().copied();
            let new: Vec<Change> = {
                let reading = self.search.reading();
                page.list.into_iter().filter(|change| !reading.has(change)).collect()
            };
            if !new.is_empty() {
                let ids: Vec<RepoId> = new.iter().map(|change| change.repo).collect();
                let repos = self.catalog.repos_visible(&ids, &karez_catalog::Viewer::All).await?;
                let put = self.search_docs(repos).await?;
                let removed = ids.iter().copied().filter(|id| !put.iter().any(|doc| doc.id == *id)).collect();
                // Before the last page the place stays: a crash reads these pages again.
                let mark = Mark::At { from: if is_last { settled } else { from } };
                turn = apply(index, Batch { put, removed, is_fresh: false, mark: mark.to_string() }, turn).await?;
                self.search.reading().known.extend(new.into_iter().map(|change| (change.repo, change.change)));
            }
            if is_last {
                self.read_until(from, settled);
                return Ok(());
            }
        }
    }

    fn is_known(&self, changes: &[Change]) -> bool {
        let reading = self.search.reading();
        changes.iter().all(|change| reading.has(change))
    }

    /// Notes that everything before a place is read, unless somebody else has noted more.
    fn read_until(&self, from: i64, settled: i64) {
        let mut reading = self.search.reading();
        if reading.from == from && settled > from {
            reading.from = settled;
            reading.known.retain(|_, change| *change >= settled);
        }
    }
}

fn text_bytes(docs: &[SearchDoc]) -> usize {
    docs.iter().map(|doc| doc.body.len() + doc.summary.len()).sum()
}

/// Applies a batch where it may take its time. Whoever waited may be gone by then; the turn is given back when
/// the index is done, and not before.
async fn apply(
    index: &Arc<SearchIndex>,
    batch: Batch,
    turn: tokio::sync::OwnedMutexGuard<()>,
) -> HubResult<tokio::sync::OwnedMutexGuard<()>> {
    let index = Arc::clone(index);
    let applied = tokio::task::spawn_blocking(move || index.apply(&batch).map(|()| turn)).await;
    Ok(applied.map_err(|error| crate::HubError::Damaged(error.to_string()))??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back() {
        for mark in [Mark::Build { from: 7, after: RepoId(9) }, Mark::At { from: 1 << 60 }] {
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        for text in ["", "at", "at x", "build 1", "at 1 2"] {
            assert_eq!(text.parse::<Mark>(), Err(()), "{text}");
        }
    }
}
