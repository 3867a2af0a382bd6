//! A transfer from its start to its end: lease, plan, bytes, file.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use karez_catalog::FileBrief;
use karez_types::ByteRange;
use tokio::time::{Instant, sleep};

use super::content::{Chunked, Content, Table};
use super::engine::{Engine, Fetched};
use super::extents::Extents;
use super::handle::{Transfer, TransferError, Work};
use super::journal::Journal;
use super::layout::LayoutError;
use super::lease::Lease;
use super::schedule::Schedule;
use super::sink::{Sink, SinkError};
use super::worker::is_full;
use super::{FileWanted, Incident, IncidentKind, Plan, Planner, SourceError, TransferState};

/// First and longest wait before a remote that cannot say how to fetch a file is asked again.
const PLAN_RETRY_SECS: u64 = 1;
const PLAN_RETRY_SECS_MAX: u64 = 30;

/// How long a line takes, about, to become empty after others have closed their connections. The first packet of a
/// new connection that meets a full queue is lost, and sent again only after a second.
const CLEARING_MS: u64 = 300;

/// Time between two attempts of what a full or failing disk refuses.
const DISK_RETRY_SECS: u64 = 5;

/// Chunks of one question about what is held: about those of one xorb, so that little is in memory.
const HELD_CHUNKS_MAX: usize = 8_192;

/// How long a reader waits while nothing may come: looking a line up again takes less.
const CLOSED_WAIT: Duration = Duration::from_secs(2);

/// Runs a transfer and tells its outcome.
pub(super) async fn run(transfer: &Arc<Transfer>) {
    let end = End(transfer.clone());
    let outcome = whole(transfer).await;
    {
        let mut inner = transfer.inner();
        let error = outcome.as_ref().err().filter(|error| **error != TransferError::NotKept);
        inner.state = if error.is_none() { TransferState::Done } else { TransferState::Failed };
        inner.trouble = error.map(ToString::to_string);
    }
    if let Err(error) = outcome.as_ref()
        && *error != TransferError::NotKept
    {
        tracing::warn!(file.sha256 = %transfer.wanted.sha256, %error, "a transfer failed");
    }
    transfer.services.notices.progress(&transfer.progress()).await;
    transfer.outcome.send_replace(Some(outcome));
    drop(end);
}

/// Whatever ends a transfer: nobody waits for ever, and nobody writes any more.
struct End(Arc<Transfer>);

impl Drop for End {
    fn drop(&mut self) {
        let transfer = &self.0;
        transfer.services.uses.forget(transfer.number);
        if let Some(work) = &transfer.inner().work {
            work.journal.close();
        }
        transfer.outcome.send_if_modified(|outcome| {
            let is_open = outcome.is_none();
            outcome.get_or_insert(Err(TransferError::Stopped));
            is_open
        });
        transfer.changed();
    }
}

impl Transfer {
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        self.inner().trouble = trouble;
    }

    /// Says why nothing may come over any line, as long as that is so; readers look when they have waited enough.
    pub(super) fn set_closed(&self, why: Option<String>) {
        let is_told = {
            let mut inner = self.inner();
            let since = inner.closed.as_ref().map_or_else(Instant::now, |(since, _)| *since);
            inner.closed = why.map(|why| (since, why));
            inner.closed.is_some() && since.elapsed() >= CLOSED_WAIT
        };
        if is_told {
            self.changed();
        }
    }

    /// Returns why nothing may come over any line, once that has lasted longer than it takes to look a line up.
    pub(super) fn closed(&self) -> Option<String> {
        let inner = self.inner();
        inner.closed.as_ref().filter(|(since, _)| since.elapsed() >= CLOSED_WAIT).map(|(_, why)| why.clone())
    }

    pub(super) async fn set_state(&self, state: TransferState) {
        self.inner().state = state;
        self.services.notices.progress(&self.progress()).await;
        self.changed();
    }

    pub(super) async fn incident(&self, remote: &str, kind: IncidentKind, what: &str) {
        let FileWanted { path, sha256, repo, .. } = &self.wanted;
        let what = format!("{remote} {what} (file {path} of {}, sha256 {sha256})", repo.address());
        tracing::warn!(remote, incident.kind = kind.word(), what, "a remote did wrong");
        self.services.notices.incident(&Incident { remote: remote.to_owned(), kind, what }).await;
    }

    /// Does blocking work until the disk lets it; says what is in the way meanwhile.
    async fn until_disk<T: Send + 'static>(
        &self,
        work: impl Fn() -> Result<T, LayoutError> + Clone + Send + 'static,
    ) -> Result<T, LayoutError> {
        loop {
            let outcome = tokio::task::spawn_blocking(work.clone()).await.map_err(io::Error::other)?;
            match outcome {
                Err(LayoutError::Io(error)) => {
                    self.set_trouble(Some(disk_trouble(&error)));
                    sleep(Duration::from_secs(DISK_RETRY_SECS)).await;
                }
                done => {
                    self.set_trouble(None);
                    return done;
                }
            }
        }
    }
}

pub(super) fn disk_trouble(error: &io::Error) -> String {
    if is_full(error) {
        "no room is left on the disk for what is received; the transfer goes on when there is room".to_owned()
    } else {
        format!("the disk for what is received fails: {error}")
    }
}

async fn whole(transfer: &Arc<Transfer>) -> Result<FileBrief, TransferError> {
    let services = &transfer.services;
    let folder = services.folder.join(transfer.wanted.sha256.to_string());
    transfer.set_state(TransferState::Waiting).await;
    let lease = loop {
        match Lease::acquire(&folder, services.entropy.clone(), services.boot).await {
            Ok(lease) => break lease,
            Err(error) => {
                transfer.set_trouble(Some(disk_trouble(&error)));
                sleep(Duration::from_secs(DISK_RETRY_SECS)).await;
            }
        }
    };
    transfer.set_trouble(None);
    super::passing::mark(transfer);
    loop {
        let planner = transfer.inner().planners.front().cloned().ok_or(TransferError::Stopped)?;
        let outcome = tokio::select! {
            outcome = with_planner(transfer, &planner, &folder) => outcome,
            () = lease.lost() => return Err(TransferError::Stopped),
        };
        match outcome {
            outcome @ (Ok(_) | Err(TransferError::NotKept)) => {
                let work = transfer.inner().work.clone();
                let removed = tokio::task::spawn_blocking(move || work.map_or(Ok(()), |work| work.journal.remove()));
                if let Err(error) = removed.await.map_err(io::Error::other).flatten() {
                    tracing::warn!(%error, "what a finished transfer received could not be removed");
                }
                drop(lease);
                // Not empty when the line above failed; then it stays for a person to see.
                let _ = tokio::fs::remove_dir(&folder).await;
                return outcome;
            }
            Err(TransferError::Stopped) => return Err(TransferError::Stopped),
            Err(error) => {
                let mut inner = transfer.inner();
                if inner.planners.len() < 2 {
                    return Err(error);
                }
                inner.planners.pop_front();
                inner.trouble = Some(error.to_string());
            }
        }
    }
}

async fn with_planner(
    transfer: &Arc<Transfer>,
    planner: &Arc<dyn Planner>,
    folder: &Path,
) -> Result<FileBrief, TransferError> {
    if transfer.services.uses.is_cleared_for(transfer.number, transfer.rank()) {
        sleep(Duration::from_millis(CLEARING_MS)).await;
    }
    let mut plan = plan(transfer, &**planner).await?;
    loop {
        let work = prepare(transfer, &**planner, &plan, folder).await?;
        transfer.inner().work = Some(work.clone());
        transfer.set_state(TransferState::Running).await;
        match Engine::new(transfer, planner, work, &plan).run().await? {
            Fetched::File(brief) => return Ok(brief),
            Fetched::OtherPlan(other) => plan = *other,
        }
    }
}

async fn plan(transfer: &Transfer, planner: &dyn Planner) -> Result<Plan, TransferError> {
    let mut wait_secs = PLAN_RETRY_SECS;
    loop {
        let error = match planner.plan(&transfer.wanted).await {
            Ok(plan) if plan.sources.is_empty() => SourceError::Gone,
            Ok(plan) => {
                transfer.set_trouble(None);
                return Ok(plan);
            }
            Err(error) => error,
        };
        let trouble = format!("{}: {error}", planner.name());
        if let SourceError::Wrong(what) = &error {
            transfer.incident(planner.name(), IncidentKind::WrongRecipe, what).await;
            return Err(TransferError::Wrong { remote: planner.name().to_owned(), what: what.clone() });
        }
        if !is_passing(&error) {
            return Err(TransferError::NoSource(trouble));
        }
        transfer.set_trouble(Some(trouble));
        if transfer.inner().readers_now.are_gone(transfer.services.linger()) {
            return Err(TransferError::NotKept);
        }
        sleep(Duration::from_secs(wait_secs)).await;
        wait_secs = (wait_secs * 2).min(PLAN_RETRY_SECS_MAX);
    }
}

/// Whether asking again may help.
pub(super) fn is_passing(error: &SourceError) -> bool {
    match error {
        SourceError::Unreachable(_) | SourceError::Stalled | SourceError::Expired => true,
        SourceError::Refused { status } => *status == 429 || *status >= 500,
        SourceError::Gone | SourceError::Wrong(_) => false,
    }
}

/// Opens the journal, finds out what is held already, and makes the schedule of the rest.
async fn prepare(
    transfer: &Transfer,
    planner: &dyn Planner,
    plan: &Plan,
    folder: &Path,
) -> Result<Arc<Work>, TransferError> {
    let (folder, boot, file_bytes) = (folder.to_owned(), transfer.services.boot, transfer.wanted.file_bytes);
    let (layout, recipe) = (plan.layout.clone(), plan.recipe.clone());
    let now = transfer.services.clock.now();
    let open = move || {
        // Checked before anything is kept for it.
        if !layout.is_sound() {
            return Err(LayoutError::Broken("has a layout with gaps"));
        }
        let journal = Journal::open(&folder, &layout, &recipe, boot, now)?;
        let content = Content::of(&layout, &recipe, file_bytes, &journal.chunks_path())?;
        Ok((Arc::new(journal), content))
    };
    let (journal, mut content) = match transfer.until_disk(open).await {
        Ok(opened) => opened,
        Err(error) => {
            let what = format!("says how to put the file together, but {error}");
            transfer.incident(planner.name(), IncidentKind::WrongRecipe, &what).await;
            return Err(TransferError::Wrong { remote: planner.name().to_owned(), what });
        }
    };
    let mut needed = Extents::of(ByteRange { start: 0, end: plan.layout.wire_bytes });
    if let Content::Chunked(chunked) = &mut content {
        let (sink, file) = (&*transfer.services.sink, &transfer.wanted);
        for range in held(sink, file, chunked, Some(transfer)).await?.iter() {
            needed.remove(range);
        }
    }
    let mut schedule = Schedule::new(&plan.layout, needed.clone(), transfer.services.params);
    journal.have().iter().for_each(|range| schedule.have(range));
    {
        let mut inner = transfer.inner();
        inner.meter.wire_bytes = needed.byte_count();
        inner.meter.done_bytes = schedule.got().byte_count();
    }
    Ok(Arc::new(Work { content: Arc::new(content), journal, schedule: schedule.into() }))
}

/// Asks which chunks are stored here already; returns their wire bytes, which need not travel. A transfer waits
/// for a busy hub and says so; without one that is an error.
pub(super) async fn held(
    sink: &dyn Sink,
    file: &FileWanted,
    chunked: &mut Chunked,
    waits: Option<&Transfer>,
) -> Result<Extents, TransferError> {
    let mut wire = Extents::new();
    let runs = chunked.runs.runs.clone();
    let is_mapped = matches!(chunked.table, Table::Mapped(_));
    let failed = |error: io::Error| TransferError::Failed(format!("the file map cannot be read: {error}"));
    let mut rest = &runs[..];
    while !rest.is_empty() {
        let mut chunks = Vec::new();
        let mut count = 0;
        while let Some(run) = rest.get(count)
            && (count == 0 || chunks.len() < HELD_CHUNKS_MAX)
        {
            if is_mapped {
                let known = chunked.chunks(run, run.chunk_start..run.chunk_end).map_err(failed)?;
                chunks.extend(known.iter().map(|chunk| chunk.hash));
            }
            count += 1;
            if !is_mapped {
                break;
            }
        }
        let (some, others) = rest.split_at(count);
        rest = others;
        let mut xorbs: Vec<_> = some.iter().map(|run| chunked.runs.xorbs[run.xorb as usize]).collect();
        xorbs.dedup();
        if is_mapped {
            let answer = retry(waits, || sink.chunks_held(file, &chunks, &xorbs)).await?;
            for run in some.iter().filter(|_| !answer.is_empty()) {
                wire.extend(chunked.hold(run, &answer).map_err(failed)?.iter());
            }
        } else if let Some(index) = retry(waits, || sink.xorb_held(file, xorbs[0])).await? {
            wire.extend(chunked.hold_xorb(&some[0], &index).map_err(failed)?.iter());
        }
    }
    Ok(wire)
}

/// Asks the hub until it is not busy.
async fn retry<'a, T>(
    waits: Option<&Transfer>,
    mut ask: impl FnMut() -> futures::future::BoxFuture<'a, Result<T, SinkError>>,
) -> Result<T, TransferError> {
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => match (&error, waits) {
                (SinkError::Busy | SinkError::Full, Some(transfer)) => {
                    transfer.set_trouble(Some(error.to_string()));
                    sleep(Duration::from_secs(DISK_RETRY_SECS)).await;
                }
                _ => return Err(TransferError::Failed(error.to_string())),
            },
        }
    }
}
