//! The work at one plan: spans go out, bytes come in, are checked, and become the file.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use karez_catalog::FileBrief;
use karez_types::{ByteRange, ChunkHash};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::blame::Suspect;
use super::extents::Extents;
use super::handle::{Transfer, TransferError, Work};
use super::journal::{SYNC_BYTES, SYNC_SECS, SourceTag};
use super::lines::Turn;
use super::run::disk_trouble;
use super::schedule::{Order, Outcome, SpanId};
use super::sink::SinkError;
use super::sourcing::{Slot, Sourcing, offer};
use super::translate::Translation;
use super::verify::{BadBytes, Verifier};
use super::worker::{Failure, Job, Shared, WorkerEnd};
use super::{IncidentKind, Layout, Plan, Planner, Source, SourceError, SourceId, TransferState, assemble, passing};

/// How often silence, speed and lines are judged.
pub(super) const TICK_MS: u64 = 100;

/// How long a reader is waited for that has not said where it reads.
const WISH_MS: u64 = 500;

/// How often progress is written down.
const NOTICE_MS: u64 = 5_000;

/// Received bytes that are checked in one go, so that readers see what is done meanwhile.
const CHECK_BYTES: u64 = 8 << 20;

/// A probe begins this often while the ones before have no answer yet, and ends after so many.
const PROBE_EVERY_MS: u64 = 1_000;
const PROBES: usize = 4;

/// Time between two attempts to put the file together when the node has no room or is busy.
const SINK_RETRY_SECS: u64 = 5;

/// How the work ended.
pub(super) enum Fetched {
    /// The file is held.
    File(FileBrief),
    /// The remote lays the file out in another way now.
    OtherPlan(Box<Plan>),
}

pub(super) enum Chore {
    Verified(Verifier, io::Result<Vec<BadBytes>>),
    Synced(io::Result<()>),
    Planned(Result<Plan, SourceError>),
    AskedOthers,
    /// Sources that have the file in other pieces, and where.
    Compared(Vec<Arc<dyn Source>>, Arc<Translation>),
    Probed(SourceId, Option<Duration>),
    Told,
}

struct OpenSpan {
    cancel: Arc<Notify>,
    line: String,
    source: SourceId,
}

pub(super) struct Engine {
    pub(super) transfer: Arc<Transfer>,
    pub(super) planner: Arc<dyn Planner>,
    pub(super) work: Arc<Work>,
    pub(super) shared: Arc<Shared>,
    pub(super) layout: Layout,
    /// By which it works; made use of again when chunks that were here are gone.
    plan: Plan,
    pub(super) slots: Vec<Slot>,
    open: HashMap<SpanId, OpenSpan>,
    workers: JoinSet<WorkerEnd>,
    pub(super) chores: JoinSet<Chore>,
    pub(super) sourcing: Sourcing,
    /// Away while it works.
    verifier: Option<Verifier>,
    /// What has to be checked.
    pub(super) backlog: Extents,
    /// Chunks that were wrong, and who gave them.
    pub(super) evidence: HashMap<u64, (ChunkHash, SourceTag)>,
    /// Chunks that were wrong and came from several sources.
    pub(super) suspects: BTreeMap<u64, Suspect>,
    is_syncing: bool,
    is_telling: bool,
    began_ms: u64,
    synced_ms: u64,
    noticed_ms: u64,
}

impl Engine {
    pub(super) fn new(transfer: &Arc<Transfer>, planner: &Arc<dyn Planner>, work: Arc<Work>, plan: &Plan) -> Engine {
        let shared = Shared {
            transfer: transfer.clone(),
            work: work.clone(),
            fresh: Mutex::new(Extents::new()),
            is_full: AtomicBool::new(false),
        };
        let mut backlog = Extents::new();
        backlog.extend(if work.content.is_mapped() {
            work.journal.unverified()
        } else {
            work.journal.have().iter().collect()
        });
        let mut engine = Engine {
            transfer: transfer.clone(),
            planner: planner.clone(),
            verifier: Some(Verifier::new(work.content.clone(), work.journal.clone())),
            work,
            shared: Arc::new(shared),
            layout: plan.layout.clone(),
            plan: plan.clone(),
            slots: Vec::new(),
            open: HashMap::new(),
            workers: JoinSet::new(),
            chores: JoinSet::new(),
            sourcing: Sourcing::of(plan),
            backlog,
            evidence: HashMap::new(),
            suspects: BTreeMap::new(),
            is_syncing: false,
            is_telling: false,
            began_ms: transfer.now_ms(),
            synced_ms: transfer.now_ms(),
            noticed_ms: transfer.now_ms(),
        };
        transfer.services.uses.has_plan(transfer.number);
        engine.take_sources(plan);
        engine
    }

    /// Works until the file is held.
    pub(super) async fn run(mut self) -> Result<Fetched, TransferError> {
        loop {
            if let Some(other) = self.fetch().await? {
                return Ok(Fetched::OtherPlan(other));
            }
            self.stop_workers().await;
            if let Some(brief) = self.put_together().await? {
                return Ok(Fetched::File(brief));
            }
            if let Some(plan) = self.lost_chunks() {
                return Ok(Fetched::OtherPlan(plan));
            }
            self.transfer.inner().readers_now.is_right = false;
            self.transfer.set_state(TransferState::Running).await;
        }
    }

    /// Fetches and checks until all bytes are here and right, as far as that can be known.
    async fn fetch(&mut self) -> Result<Option<Box<Plan>>, TransferError> {
        let mut tick = interval(Duration::from_millis(TICK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Some(plan) = self.lost_chunks() {
                return Ok(Some(plan));
            }
            self.dispatch();
            self.check();
            if self.is_complete() && self.is_right().await? {
                return Ok(None);
            }
            let transfer = self.transfer.clone();
            tokio::select! {
                Some(end) = self.workers.join_next() => self.worker_ended(end.map_err(lost)?).await?,
                Some(chore) = self.chores.join_next() => {
                    if let Some(other) = self.chore_ended(chore.map_err(lost)?).await? {
                        return Ok(Some(other));
                    }
                }
                Some(plan) = self.sourcing.found.recv() => self.join(plan),
                _ = tick.tick() => self.tick().await?,
                () = transfer.wake.notified() => {}
            }
        }
    }

    /// Returns the plan to begin again with when chunks that need not travel turned out to be gone from here. What has
    /// come stays in the journal.
    fn lost_chunks(&self) -> Option<Box<Plan>> {
        let mut inner = self.transfer.inner();
        let is_lost = std::mem::take(&mut inner.has_lost_chunks);
        inner.readers_now.is_right &= !is_lost;
        is_lost.then(|| Box::new(self.plan.clone()))
    }

    fn is_complete(&self) -> bool {
        let is_idle = self.verifier.is_some() && self.backlog.is_empty();
        is_idle && self.fresh().is_empty() && self.work.schedule().is_finished()
    }

    fn fresh(&self) -> std::sync::MutexGuard<'_, Extents> {
        self.shared.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the whole once all its parts are here.
    async fn is_right(&mut self) -> Result<bool, TransferError> {
        let Some(verifier) = self.verifier.take() else { return Ok(false) };
        let finish = move || {
            let outcome = verifier.finish();
            (verifier, outcome)
        };
        let (verifier, outcome) = tokio::task::spawn_blocking(finish).await.map_err(lost)?;
        self.verifier = Some(verifier);
        match outcome.map_err(|error| TransferError::Failed(disk_trouble(&error)))? {
            Ok(()) => Ok(true),
            Err(what) => {
                self.blame_for_all(&what).await?;
                Ok(false)
            }
        }
    }

    /// Gives spans to the sources that should have more.
    fn dispatch(&mut self) {
        if self.shared.is_full.load(Ordering::Relaxed) {
            return;
        }
        let now_ms = self.transfer.now_ms();
        let (rank, asks_ahead) = (self.transfer.rank(), self.transfer.inner().asks_ahead);
        {
            let mut schedule = self.work.schedule();
            schedule.hurry(rank.awaits_first_bytes);
            schedule.ask_ahead(asks_ahead);
            // The reader is about to say where it reads: what is asked for before would be in its way.
            if rank.awaits_first_bytes && !schedule.is_wanted() && now_ms < self.began_ms + WISH_MS {
                return;
            }
        }
        for number in 0..self.slots.len() {
            let Slot { source, tag, is_present, .. } = &self.slots[number];
            if !is_present {
                continue;
            }
            let (source, tag, id) = (source.clone(), *tag, SourceId(number as u32));
            let services = self.transfer.services.clone();
            while services.uses.turn(&*services.lines, source.line(), self.transfer.number, rank) == Turn::Go {
                let Some(span) = self.work.schedule().next(id, now_ms) else { break };
                let Some(piece) = self.layout.piece_at(span.range.start).copied() else { break };
                tracing::trace!(at_ms = now_ms, span = span.id.0, source = source.name(), range = ?span.range, span.is_repeat, "asks");
                let cancel = Arc::new(Notify::new());
                let line = source.line().to_owned();
                self.open.insert(span.id, OpenSpan { cancel: cancel.clone(), line, source: id });
                let job = Job { span, piece, source: source.clone(), tag, cancel };
                self.workers.spawn(job.run(self.shared.clone()));
                self.count_connections(source.line(), &source);
            }
        }
    }

    fn count_connections(&self, line: &str, source: &Arc<dyn Source>) {
        let rank = self.transfer.rank();
        let mut inner = self.transfer.inner();
        let on_line = self.open.values().filter(|open| open.line == line).count();
        let of_source =
            self.open.values().filter(|open| self.slots[open.source.0 as usize].source.name() == source.name()).count();
        inner.meter.share(source.name()).connections = of_source;
        drop(inner);
        self.transfer.services.uses.set(line, self.transfer.number, rank, on_line);
    }

    /// Sends the verifier to what came.
    fn check(&mut self) {
        let fresh = std::mem::take(&mut *self.fresh());
        self.backlog.extend(fresh.iter());
        if self.backlog.is_empty() {
            return;
        }
        let Some(mut verifier) = self.verifier.take() else { return };
        let mut part = Vec::new();
        let mut bytes = 0;
        while bytes < CHECK_BYTES
            && let Some(range) = self.backlog.first()
        {
            let range = ByteRange { start: range.start, end: range.end.min(range.start + CHECK_BYTES) };
            self.backlog.remove(range);
            bytes += range.byte_count();
            part.push(range);
        }
        self.chores.spawn_blocking(move || {
            let found = part.into_iter().map(|range| verifier.check(range));
            let found = found.collect::<io::Result<Vec<_>>>().map(|bad| bad.concat());
            Chore::Verified(verifier, found)
        });
    }

    async fn worker_ended(&mut self, end: WorkerEnd) -> Result<(), TransferError> {
        let WorkerEnd { span, source: id, end } = end;
        self.open.remove(&span);
        let source = self.slots[id.0 as usize].source.clone();
        self.count_connections(source.line(), &source);
        let now_ms = self.transfer.now_ms();
        tracing::trace!(at_ms = now_ms, span = span.0, is_complete = end.is_ok(), "a span ended");
        let error = match end {
            Ok(outcome) => {
                self.work.schedule().ended(span, outcome, now_ms);
                return Ok(());
            }
            Err(Failure::Disk(error)) => {
                return Err(TransferError::Failed(disk_trouble(&error)));
            }
            Err(Failure::Source(error)) => error,
        };
        let outcome = match &error {
            SourceError::Unreachable(_) | SourceError::Stalled => Outcome::Broken,
            SourceError::Refused { .. } => Outcome::Refused,
            SourceError::Gone => Outcome::Gone,
            SourceError::Wrong(_) => Outcome::Wrong,
            SourceError::Expired => Outcome::Expired,
        };
        self.work.schedule().ended(span, outcome, now_ms);
        self.transfer.set_trouble(Some(format!("{}: {error}", source.name())));
        if let SourceError::Wrong(what) = error {
            self.ban(id, IncidentKind::WrongAnswer, &what).await?;
        }
        Ok(())
    }

    async fn chore_ended(&mut self, chore: Chore) -> Result<Option<Box<Plan>>, TransferError> {
        let now_ms = self.transfer.now_ms();
        match chore {
            Chore::Verified(verifier, found) => {
                self.verifier = Some(verifier);
                let found = found.map_err(|error| TransferError::Failed(disk_trouble(&error)))?;
                for bad in found {
                    self.blame(bad).await?;
                }
                self.compare_suspects().await?;
                self.transfer.changed();
            }
            Chore::Synced(outcome) => {
                self.is_syncing = false;
                self.synced_ms = now_ms;
                if let Err(error) = outcome {
                    self.transfer.set_trouble(Some(disk_trouble(&error)));
                    self.take_losses();
                }
            }
            Chore::Planned(planned) => return Ok(self.planned(planned)),
            Chore::AskedOthers => self.sourcing.others_asked(now_ms),
            Chore::Compared(sources, translation) => self.compared(sources, &translation),
            Chore::Probed(id, Some(rtt)) => {
                let rtt_ms = u64::try_from(rtt.as_millis()).unwrap_or(0);
                self.work.schedule().reached(id, rtt_ms, now_ms);
            }
            Chore::Told => self.is_telling = false,
            Chore::Probed(id, None) => self.work.schedule().not_reached(id, now_ms),
        }
        Ok(None)
    }

    /// What a failed sync made doubtful is missing again.
    fn take_losses(&self) {
        let have = self.work.journal.have();
        let mut schedule = self.work.schedule();
        let lost: Vec<ByteRange> = schedule.got().iter().flat_map(|range| have.gaps(range)).collect();
        lost.into_iter().for_each(|range| schedule.lost(range, false));
    }

    async fn tick(&mut self) -> Result<(), TransferError> {
        let now_ms = self.transfer.now_ms();
        if self.shared.is_full.load(Ordering::Relaxed) {
            self.work.schedule().excuse_silence(now_ms);
            self.transfer.set_trouble(Some(disk_trouble(&io::ErrorKind::StorageFull.into())));
        }
        let orders = {
            let mut schedule = self.work.schedule();
            for (number, slot) in self.slots.iter().enumerate().filter(|(_, slot)| slot.is_present) {
                let id = SourceId(number as u32);
                offer(&mut schedule, id, &*slot.source, now_ms);
            }
            schedule.tick(now_ms)
        };
        for order in orders {
            tracing::debug!(file.sha256 = %self.transfer.wanted.sha256, at_ms = now_ms, ?order, "a transfer changes its mind");
            match order {
                Order::Drop(span) => self.cancel(span),
                Order::Probe(id) => self.probe(id),
            }
        }
        passing::mark(&self.transfer);
        if self.transfer.inner().readers_now.are_gone(self.transfer.services.linger()) {
            return Err(TransferError::NotKept);
        }
        self.keep_turns();
        self.plan_again(now_ms);
        self.ask_others(now_ms);
        self.sync(now_ms);
        self.tell(now_ms);
        self.hope()
    }

    pub(super) fn cancel(&self, span: SpanId) {
        if let Some(open) = self.open.get(&span) {
            open.cancel.notify_one();
        }
    }

    pub(super) fn cancel_source(&self, id: SourceId) {
        for open in self.open.values().filter(|open| open.source == id) {
            open.cancel.notify_one();
        }
    }

    fn probe(&mut self, id: SourceId) {
        let source = self.slots[id.0 as usize].source.clone();
        self.transfer.set_trouble(Some(format!("{}: no byte comes; trying to reach it", source.name())));
        source.redial();
        self.chores.spawn(async move { Chore::Probed(id, probe(&*source).await) });
    }

    /// Closes connections on lines that others go first on, or that are closed now.
    fn keep_turns(&mut self) {
        let services = &self.transfer.services;
        let rank = self.transfer.rank();
        // Why the last line is closed; nothing when one is open.
        let mut closed = None;
        let mut has_open = false;
        for slot in self.slots.iter().filter(|slot| slot.is_present) {
            let line = slot.source.line();
            let Turn::Yield(why) = services.uses.turn(&*services.lines, line, self.transfer.number, rank) else {
                has_open = true;
                continue;
            };
            let own = self.open.values().filter(|open| open.line == line);
            own.for_each(|open| open.cancel.notify_one());
            has_open |= why.is_none();
            closed = why.clone().or(closed);
            let why = why.unwrap_or_else(|| "waits for a transfer that somebody waits for".to_owned());
            self.transfer.set_trouble(Some(why));
        }
        self.transfer.set_closed(closed.filter(|_| !has_open));
    }

    fn sync(&mut self, now_ms: u64) {
        let is_due = now_ms >= self.synced_ms + SYNC_SECS * 1000 || self.work.journal.unsynced_bytes() >= SYNC_BYTES;
        if !self.is_syncing && is_due {
            self.is_syncing = true;
            let journal = self.work.journal.clone();
            self.chores.spawn_blocking(move || Chore::Synced(journal.sync()));
        }
    }

    fn tell(&mut self, now_ms: u64) {
        let done_bytes = self.work.schedule().got().byte_count();
        {
            let mut inner = self.transfer.inner();
            if done_bytes > inner.meter.done_bytes && !self.shared.is_full.load(Ordering::Relaxed) {
                inner.trouble = None;
            }
            inner.meter.done_bytes = done_bytes;
        }
        if now_ms >= self.noticed_ms + NOTICE_MS && !self.is_telling {
            self.noticed_ms = now_ms;
            self.is_telling = true;
            let transfer = self.transfer.clone();
            // A catalog that is slow to write it down does not hold up the bytes.
            self.chores.spawn(async move {
                transfer.services.notices.progress(&transfer.progress()).await;
                Chore::Told
            });
        }
    }

    /// Ends the transfer when nobody can give what is missing.
    fn hope(&self) -> Result<(), TransferError> {
        if self.sourcing.is_asking() || !self.open.is_empty() || self.work.schedule().has_hope() {
            return Ok(());
        }
        let inner = self.transfer.inner();
        let banned = inner.meter.shares.values().filter(|share| share.is_banned);
        let banned: Vec<&str> = banned.map(|share| share.name.as_str()).collect();
        let why = match &inner.trouble {
            _ if !banned.is_empty() => {
                format!(
                    "wrong bytes came from {}, which is asked again an hour later, and nobody else has it",
                    banned.join(" and ")
                )
            }
            Some(trouble) => trouble.clone(),
            None => "nobody has it".to_owned(),
        };
        Err(TransferError::NoSource(why))
    }

    /// Ends what is still open; nothing of it is needed.
    async fn stop_workers(&mut self) {
        self.open.values().for_each(|open| open.cancel.notify_one());
        while let Some(end) = self.workers.join_next().await {
            if let Ok(WorkerEnd { span, .. }) = end {
                self.work.schedule().ended(span, Outcome::Cancelled, self.transfer.now_ms());
            }
        }
        self.open.clear();
        self.transfer.services.uses.forget(self.transfer.number);
        self.transfer.inner().meter.shares.values_mut().for_each(|share| share.connections = 0);
    }

    /// Puts the file into the hub; nothing when bytes turned out to be wrong and have to come again.
    async fn put_together(&mut self) -> Result<Option<FileBrief>, TransferError> {
        {
            let mut inner = self.transfer.inner();
            inner.meter.done_bytes = self.work.schedule().got().byte_count();
            inner.trouble = None;
        }
        match passing::pass_on(&self.transfer).await {
            Ok(()) => {}
            Err(TransferError::Retracted) if self.transfer.inner().has_lost_chunks => return Ok(None),
            Err(TransferError::Retracted) => {
                self.blame_for_file("its sha256 is another").await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        self.transfer.set_state(TransferState::Assembling).await;
        loop {
            let Transfer { services, wanted, .. } = &*self.transfer;
            let outcome = assemble::assemble(&*services.sink, wanted, &self.work.content, &self.work.journal).await;
            match outcome {
                Ok(brief) => return Ok(Some(brief)),
                Err(error @ (SinkError::Full | SinkError::Busy)) => {
                    self.transfer.set_trouble(Some(format!("{error}; the transfer goes on when there is")));
                    sleep(Duration::from_secs(SINK_RETRY_SECS)).await;
                }
                Err(SinkError::Wrong(what)) => {
                    self.blame_for_file(&what).await?;
                    return Ok(None);
                }
                Err(SinkError::Gone(xorb)) => {
                    tracing::info!(%xorb, file.sha256 = %wanted.sha256, "chunks that were here are gone; they are fetched");
                    self.transfer.inner().has_lost_chunks = true;
                    return Ok(None);
                }
                Err(SinkError::Failed(what)) => return Err(TransferError::Failed(what)),
            }
        }
    }
}

/// Whoever comes next may open the journal: nothing that is still under way here writes to it.
impl Drop for Engine {
    fn drop(&mut self) {
        self.work.journal.close();
    }
}

fn lost(error: tokio::task::JoinError) -> TransferError {
    TransferError::Failed(format!("a task of the transfer was lost: {error}"))
}

/// Tries to reach a source. A new attempt begins each second: the first packet of an earlier one may have
/// been lost in the outage, and is not sent again for longer than that.
async fn probe(source: &dyn Source) -> Option<Duration> {
    let mut attempts = FuturesUnordered::new();
    let mut next_attempt = Instant::now();
    for _ in 0..PROBES {
        attempts.push(source.probe());
        next_attempt += Duration::from_millis(PROBE_EVERY_MS);
        while let Ok(Some(answer)) = timeout(next_attempt - Instant::now(), attempts.next()).await {
            if let Ok(rtt) = answer {
                return Some(rtt);
            }
        }
        if attempts.is_empty() {
            return None;
        }
    }
    None
}
