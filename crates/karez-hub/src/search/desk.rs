//! The index of a hub: there or not, complete or not, and how far it has read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use karez_catalog::Change;
use karez_search::{IndexPlace, SearchIndex};
use karez_types::RepoId;

/// Keeps the index of a hub.
#[derive(Default)]
pub(crate) struct SearchDesk {
    index: RwLock<Option<Arc<SearchIndex>>>,
    /// Where to open it again.
    place: Mutex<Option<IndexPlace>>,
    /// Whether the index holds everything that the catalog held when it was built.
    is_complete: AtomicBool,
    /// Whether something was wrong with it: it is opened again, and built again if need be.
    is_doubted: AtomicBool,
    reading: Mutex<Reading>,
    /// Held by the one who changes the index.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

/// How far the index has read the changes of the catalog.
#[derive(Default)]
pub(super) struct Reading {
    /// Everything before this place is in the index.
    pub from: i64,
    /// Of what lies beyond, this is in the index too.
    pub known: HashMap<RepoId, i64>,
}

impl Reading {
    /// Tells whether the index has this change.
    pub(super) fn has(&self, change: &Change) -> bool {
        self.known.get(&change.repo) == Some(&change.change)
    }
}

impl SearchDesk {
    /// Returns the index when it can answer.
    pub(super) fn ready(&self) -> Option<Arc<SearchIndex>> {
        let can_answer = self.is_complete.load(Ordering::Acquire) && !self.is_doubted.load(Ordering::Acquire);
        if can_answer { self.index() } else { None }
    }

    /// Returns the index, also one that is still being built.
    pub(super) fn index(&self) -> Option<Arc<SearchIndex>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that the index gave a wrong answer or none.
    pub(super) fn doubt(&self) {
        self.is_doubted.store(true, Ordering::Release);
    }

    pub(super) fn is_doubted(&self) -> bool {
        self.is_doubted.load(Ordering::Acquire)
    }

    pub(super) fn place(&self) -> Option<IndexPlace> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes an index into use.
    pub(super) fn set(&self, place: IndexPlace, index: SearchIndex) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        self.is_complete.store(false, Ordering::Release);
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(index));
        self.is_doubted.store(false, Ordering::Release);
    }

    /// Lets go of the index, so that it can be opened again; not while somebody searches in it.
    pub(super) fn release(&self) -> bool {
        let mut slot = self.index.write().unwrap_or_else(PoisonError::into_inner);
        match slot.take().map(Arc::try_unwrap) {
            Some(Err(in_use)) => {
                *slot = Some(in_use);
                false
            }
            Some(Ok(_)) | None => true,
        }
    }

    pub(super) fn complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }

    pub(super) fn reading(&self) -> std::sync::MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
