//! One transfer, as others see it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream::BoxStream;
use karez_catalog::FileBrief;
use karez_types::{ByteRange, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::content::Content;
use super::first_bytes::FirstBytes;
use super::journal::Journal;
use super::lines::Rank;
use super::passing::{Readers, Stay};
use super::progress::Meter;
use super::registry::Services;
use super::schedule::Schedule;
use super::{FileWanted, Planner, Priority, Progress, TransferState};

/// Why a file did not come. Nothing of it is visible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// No source has the file, or all that have it are banned.
    #[error("no source gives the file: {0}")]
    NoSource(String),
    /// A remote's recipe leads to another file; the remote is named.
    #[error("{remote} {what}")]
    Wrong {
        /// Name of the remote.
        remote: String,
        /// What it did, to be read after its name.
        what: String,
    },
    /// Bytes that a reader had got already turned out to be wrong; the transfer goes on.
    #[error("bytes that were sent before turned out to be wrong; read the file again")]
    Retracted,
    /// The range lies outside the file.
    #[error("the range lies outside the file")]
    RangeOutside,
    /// The file was passed on to those who read it, and is not kept. They have left.
    #[error("the file was passed on to its readers and is not kept")]
    NotKept,
    /// The lines to all that have it are closed; says why. The transfer waits for them, who reads does not.
    #[error("{0}")]
    Closed(String),
    /// The transfer was stopped, with the program or because another process has it.
    #[error("the transfer was stopped")]
    Stopped,
    /// The disk, the catalog or the store failed.
    #[error("{0}")]
    Failed(String),
}

/// What is at work once there is a plan.
pub(super) struct Work {
    pub(super) content: Arc<Content>,
    pub(super) journal: Arc<Journal>,
    pub(super) schedule: Mutex<Schedule>,
}

impl Work {
    pub(super) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Inner {
    pub(super) priority: Priority,
    /// Remotes that can say how to fetch the file; the first is at it.
    pub(super) planners: VecDeque<Arc<dyn Planner>>,
    pub(super) state: TransferState,
    pub(super) work: Option<Arc<Work>>,
    pub(super) trouble: Option<String>,
    /// Since when, and why, nothing may come over any line to the file.
    pub(super) closed: Option<(Instant, String)>,
    pub(super) meter: Meter,
    /// Counts how often unverified bytes were taken back.
    pub(super) retractions: u64,
    pub(super) readers: u64,
    pub(super) first_bytes: FirstBytes,
    pub(super) readers_now: Readers,
    /// Whether chunks that were here when it was planned have been found gone.
    pub(super) has_lost_chunks: bool,
    /// Whether it asks for what no reader waits for.
    pub(super) asks_ahead: bool,
}

/// A file on its way here. Shared by everyone who waits for it.
pub struct Transfer {
    pub(super) number: u64,
    pub(super) wanted: FileWanted,
    pub(super) services: Arc<Services>,
    pub(super) began: Instant,
    pub(super) started: Timestamp,
    pub(super) inner: Mutex<Inner>,
    /// Counts what readers may want to look at.
    pub(super) changes: watch::Sender<u64>,
    pub(super) outcome: watch::Sender<Option<Result<FileBrief, TransferError>>>,
    /// Wakes the engine.
    pub(super) wake: Notify,
}

impl Transfer {
    pub(super) fn new(
        number: u64,
        wanted: FileWanted,
        planner: Arc<dyn Planner>,
        priority: Priority,
        stay: Stay,
        asks_ahead: bool,
        services: Arc<Services>,
    ) -> Transfer {
        Transfer {
            number,
            wanted,
            began: Instant::now(),
            started: services.clock.now(),
            services,
            inner: Mutex::new(Inner {
                priority,
                planners: VecDeque::from([planner]),
                state: TransferState::Waiting,
                work: None,
                trouble: None,
                closed: None,
                meter: Meter::default(),
                retractions: 0,
                readers: 0,
                first_bytes: FirstBytes::default(),
                readers_now: Readers::new(stay),
                has_lost_chunks: false,
                asks_ahead,
            }),
            changes: watch::Sender::new(0),
            outcome: watch::Sender::new(None),
            wake: Notify::new(),
        }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns who goes before this transfer, and before whom it goes.
    pub(super) fn rank(&self) -> Rank {
        let inner = self.inner();
        // Who brings a head has no hurry: it is for nobody in particular.
        let awaits_first_bytes = inner.asks_ahead && inner.first_bytes.are_awaited();
        Rank { priority: inner.priority, awaits_first_bytes }
    }

    /// Milliseconds since the transfer began: the clock of its schedule.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Returns the file.
    pub fn wanted(&self) -> &FileWanted {
        &self.wanted
    }

    /// Returns how far the transfer is.
    pub fn progress(&self) -> Progress {
        super::progress::of(self)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`TransferError`] when the file cannot be fetched.
    pub async fn done(&self) -> Result<FileBrief, TransferError> {
        let mut outcome = self.outcome.subscribe();
        let outcome = outcome.wait_for(Option::is_some).await;
        outcome.ok().and_then(|outcome| outcome.clone()).unwrap_or(Err(TransferError::Stopped))
    }

    /// Streams bytes of the file while they arrive, in order. Each chunk is verified before it is given;
    /// where chunk hashes are not known, the last piece (up to 64 KiB) is held back until the whole file is
    /// verified. What is streamed is fetched first. Many readers may stream at once.
    pub fn stream(self: &Arc<Self>, range: ByteRange) -> BoxStream<'static, Result<bytes::Bytes, TransferError>> {
        super::stream::stream(self.clone(), range)
    }

    /// Tells whether the file is kept when it is whole.
    pub(super) fn is_kept(&self) -> bool {
        self.inner().readers_now.is_kept()
    }

    /// Makes the transfer at least this urgent.
    pub fn raise(&self, priority: Priority) {
        let mut inner = self.inner();
        inner.priority = inner.priority.max(priority);
        drop(inner);
        self.wake.notify_one();
    }

    /// Adds another remote that can say how to fetch the file, for when the first cannot or lies.
    pub(super) fn add_planner(&self, planner: Arc<dyn Planner>) {
        let mut inner = self.inner();
        if !inner.planners.iter().any(|other| other.name() == planner.name()) {
            inner.planners.push_back(planner);
        }
    }
}
