//! All transfers of a process: one for each file.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use karez_types::{Clock, Entropy, Sha256};
use tokio::task::JoinHandle;

use super::handle::Transfer;
use super::journal::Boot;
use super::lines::{LineUses, Lines};
use super::passing::{LINGER, Stay};
use super::schedule::ScheduleParams;
use super::sink::Sink;
use super::{FileWanted, Notices, Planner, Priority, Progress};

/// What transfers are made with.
pub struct TransfersParts {
    /// Where the journals are; on a file system with room for what is on its way.
    pub folder: PathBuf,
    /// Where files go: a [`HubSink`](super::HubSink).
    pub sink: Arc<dyn Sink>,
    /// Where progress and incidents go.
    pub notices: Arc<dyn Notices>,
    /// Rules of the lines.
    pub lines: Arc<dyn Lines>,
    /// Where the present comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
    /// Bounds of each schedule.
    pub params: ScheduleParams,
}

/// What every transfer of a process shares.
pub(super) struct Services {
    pub(super) folder: PathBuf,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) notices: Arc<dyn Notices>,
    pub(super) lines: Arc<dyn Lines>,
    pub(super) uses: LineUses,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) params: ScheduleParams,
    pub(super) boot: Boot,
    linger_ms: AtomicU64,
}

impl Services {
    /// How long a transfer whose file is not kept waits for the next reader.
    pub(super) fn linger(&self) -> Duration {
        Duration::from_millis(self.linger_ms.load(Ordering::Relaxed))
    }
}

type Running = HashMap<Sha256, (Arc<Transfer>, JoinHandle<()>)>;

/// The transfers of a process. Dropping it stops them where they are; they go on from there when they are
/// started again.
pub struct Transfers {
    services: Arc<Services>,
    running: Arc<Mutex<Running>>,
    next: AtomicU64,
    ended: Arc<AtomicU64>,
}

impl Transfers {
    /// Returns a registry without transfers.
    pub fn new(parts: TransfersParts) -> Transfers {
        let services = Services {
            folder: parts.folder,
            sink: parts.sink,
            notices: parts.notices,
            lines: parts.lines,
            uses: LineUses::default(),
            clock: parts.clock,
            entropy: parts.entropy,
            params: parts.params,
            boot: Boot::current(),
            linger_ms: AtomicU64::new(0),
        };
        let transfers = Transfers {
            services: Arc::new(services),
            running: Arc::default(),
            next: AtomicU64::new(0),
            ended: Arc::default(),
        };
        transfers.linger_set(LINGER);
        transfers
    }

    /// Sets how long a transfer whose file is not kept waits for the next reader: a minute, when nothing is said.
    pub fn linger_set(&self, linger: Duration) {
        let linger_ms = u64::try_from(linger.as_millis()).unwrap_or(u64::MAX);
        self.services.linger_ms.store(linger_ms, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a transfer, or joins the one of this file that is running: then its priority is raised, and
    /// the planner is asked when the first one fails. A caller that joined for another repository attaches
    /// the file to that when it is done. Needs a tokio runtime.
    pub fn start(&self, wanted: FileWanted, planner: Arc<dyn Planner>, priority: Priority) -> Arc<Transfer> {
        self.start_to(Stay::Kept, wanted, planner, priority)
    }

    /// As [`Transfers::start`], and says whether the file is kept: it is when anybody who joins wants that.
    pub fn start_to(
        &self,
        stay: Stay,
        wanted: FileWanted,
        planner: Arc<dyn Planner>,
        priority: Priority,
    ) -> Arc<Transfer> {
        self.start_with(stay, wanted, planner, priority, true)
    }

    /// As [`Transfers::start_to`], and says whether what no reader waits for is asked for: it is when anybody who
    /// joins wants that.
    pub(super) fn start_with(
        &self,
        stay: Stay,
        wanted: FileWanted,
        planner: Arc<dyn Planner>,
        priority: Priority,
        asks_ahead: bool,
    ) -> Arc<Transfer> {
        let mut running = self.lock();
        if let Some((transfer, _)) = running.get(&wanted.sha256)
            && transfer.inner().readers_now.join(stay)
        {
            transfer.inner().asks_ahead |= asks_ahead;
            transfer.add_planner(planner);
            transfer.raise(priority);
            return transfer.clone();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let sha256 = wanted.sha256;
        let transfer =
            Arc::new(Transfer::new(number, wanted, planner, priority, stay, asks_ahead, self.services.clone()));
        let (at_work, registry) = (transfer.clone(), Arc::downgrade(&self.running));
        let ended = Arc::clone(&self.ended);
        let task = tokio::spawn(async move {
            super::run::run(&at_work).await;
            ended.fetch_add(1, Ordering::Relaxed);
            if let Some(registry) = registry.upgrade() {
                let mut running = registry.lock().unwrap_or_else(PoisonError::into_inner);
                // Another may have begun for whom this one was too late.
                if running.get(&sha256).is_some_and(|(running, _)| Arc::ptr_eq(running, &at_work)) {
                    running.remove(&sha256);
                }
            }
        });
        running.insert(sha256, (transfer.clone(), task));
        transfer
    }

    /// Removes what a program left that ended while it passed files on. Returns how many files that were.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn sweep(&self) -> io::Result<u64> {
        super::passing::sweep(&self.services, |sha256| self.lock().contains_key(sha256)).await
    }

    /// Returns the running transfer of a file.
    pub fn find(&self, sha256: Sha256) -> Option<Arc<Transfer>> {
        self.lock().get(&sha256).map(|(transfer, _)| transfer.clone())
    }

    /// Tells whether a part of a file lies here that is to be kept when it is whole.
    pub(super) fn has_waiting(&self, sha256: Sha256) -> bool {
        super::passing::is_waiting(&self.services.folder.join(sha256.to_string()))
    }

    /// Returns how many transfers have come to their end, good or bad.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Returns how far each running transfer is.
    pub fn list(&self) -> Vec<Progress> {
        let transfers: Vec<Arc<Transfer>> = self.lock().values().map(|(transfer, _)| transfer.clone()).collect();
        transfers.iter().map(|transfer| transfer.progress()).collect()
    }

    /// Stops the transfer of a file where it is. Its journal stays.
    pub async fn stop_one(&self, sha256: Sha256) {
        let stopped = self.lock().remove(&sha256);
        if let Some((_, task)) = stopped {
            task.abort();
            // An aborted task has nothing to say.
            let _ = task.await;
        }
    }

    /// Stops a transfer that nobody has asked to go on; tells whether it did.
    pub(super) async fn stop_resting(&self, transfer: &Arc<Transfer>) -> bool {
        let sha256 = transfer.wanted.sha256;
        let stopped = {
            let mut running = self.lock();
            let is_this = running.get(&sha256).is_some_and(|(other, _)| Arc::ptr_eq(other, transfer));
            // Whoever comes from now on begins another.
            if is_this && !transfer.inner().asks_ahead { running.remove(&sha256) } else { None }
        };
        let Some((_, task)) = stopped else { return false };
        task.abort();
        // An aborted task has nothing to say.
        let _ = task.await;
        true
    }

    /// Stops all transfers where they are, and waits until they have let go of their journals.
    pub async fn stop(&self) {
        let stopped: Vec<Sha256> = self.lock().keys().copied().collect();
        for sha256 in stopped {
            self.stop_one(sha256).await;
        }
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        for (_, task) in self.lock().values() {
            task.abort();
        }
    }
}
