//! One span: asked for, received, written down.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use karez_types::ByteRange;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::extents::Extents;
use super::handle::{Transfer, Work};
use super::journal::SourceTag;
use super::schedule::{Outcome, Span, SpanId};
use super::{ByteStream, Encoding, Pace, Piece, Source, SourceError, SourceId, Stored};

/// Bytes that one worker has in memory before it writes them, and a little more: one item of its stream.
const BATCH_BYTES: usize = 1 << 20;

/// What is asked for, the best first.
const ENCODINGS: [&dyn Encoding; 1] = [&Stored];

/// Time between two attempts to write to a full disk.
const FULL_RETRY_SECS: u64 = 2;

/// What all workers of a transfer share.
pub(super) struct Shared {
    pub(super) transfer: Arc<Transfer>,
    pub(super) work: Arc<Work>,
    /// Received, and not looked at by the verifier.
    pub(super) fresh: Mutex<Extents>,
    /// Whether the disk is full.
    pub(super) is_full: AtomicBool,
}

/// How a worker ended.
pub(super) struct WorkerEnd {
    pub(super) span: SpanId,
    pub(super) source: SourceId,
    pub(super) end: Result<Outcome, Failure>,
}

pub(super) enum Failure {
    /// The source failed.
    Source(SourceError),
    /// Our own disk did.
    Disk(io::Error),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Failure {
        Failure::Source(error)
    }
}

/// What a worker has to do.
pub(super) struct Job {
    pub(super) span: Span,
    pub(super) piece: Piece,
    pub(super) source: Arc<dyn Source>,
    pub(super) tag: SourceTag,
    pub(super) cancel: Arc<Notify>,
}

impl Job {
    pub(super) async fn run(self, shared: Arc<Shared>) -> WorkerEnd {
        let (span, source) = (self.span.id, self.span.source);
        WorkerEnd { span, source, end: self.fetch(&shared).await }
    }

    async fn fetch(&self, shared: &Shared) -> Result<Outcome, Failure> {
        let Job { span, piece, source, cancel, .. } = self;
        let bytes = ByteRange { start: span.range.start - piece.at, end: span.range.end - piece.at };
        let known = ENCODINGS.iter().find(|encoding| source.encodings().contains(&encoding.name()));
        // In no form that is known here, so for us it is not there.
        let encoding = *known.ok_or(SourceError::Gone)?;
        let opened = tokio::select! {
            biased;
            () = cancel.notified() => return Ok(Outcome::Cancelled),
            opened = source.open(&piece.place, bytes, encoding.name()) => opened,
        };
        let mut stream = opened?;
        let mut batch_bytes_max = self.batch_bytes_max(shared);
        let mut decoder = encoding.decoder(piece, bytes);
        let mut at = span.range.start;
        let mut held: Vec<Bytes> = Vec::new();
        let mut has_all = false;
        while !has_all {
            let received = tokio::select! {
                biased;
                () = cancel.notified() => return Ok(Outcome::Cancelled),
                received = gather(&mut stream, batch_bytes_max) => received,
            };
            let Gathered { items, end } = received;
            let mut decoded = Vec::with_capacity(items.len());
            let mut outcome = Ok(());
            for item in &items {
                outcome = decoder.push(item, &mut decoded);
                if outcome.is_err() {
                    break;
                }
            }
            let decoded_bytes: u64 = decoded.iter().map(|piece| piece.len() as u64).sum();
            let (count, is_last) = shared.work.schedule().claim(span.id, decoded_bytes);
            if count < decoded_bytes {
                cut(&mut decoded, count);
            }
            has_all = is_last;
            if span.is_whole {
                held.append(&mut decoded);
            } else {
                self.write(shared, at, decoded).await?;
            }
            at += count;
            batch_bytes_max = self.received(shared, count).await;
            outcome?;
            match end {
                Some(Some(error)) => return Err(error.into()),
                Some(None) => break,
                None => {}
            }
        }
        if !has_all {
            return Err(SourceError::Unreachable("the answer ended too soon".to_owned()).into());
        }
        if span.is_whole {
            if at < span.range.end {
                return Ok(Outcome::Cancelled);
            }
            self.write(shared, span.range.start, held).await?;
        }
        // What was asked for and is somebody else's now may be on its way here.
        if at == span.range.end && has_more(&mut stream).await {
            return Err(SourceError::Wrong("sends more bytes than it was asked for".to_owned()).into());
        }
        Ok(Outcome::Complete)
    }

    /// Writes bytes to the journal; on a full disk, waits for room with the bytes in hand.
    async fn write(&self, shared: &Shared, at: u64, pieces: Vec<Bytes>) -> Result<(), Failure> {
        if pieces.is_empty() {
            return Ok(());
        }
        let pieces = Arc::new(pieces);
        let fresh = loop {
            let (journal, pieces, tag) = (shared.work.journal.clone(), pieces.clone(), self.tag);
            let written = tokio::task::spawn_blocking(move || journal.write(at, &pieces, tag)).await;
            match written.map_err(io::Error::other).flatten() {
                Ok(fresh) => break fresh,
                Err(error) if is_full(&error) => {
                    shared.is_full.store(true, Ordering::Relaxed);
                    shared.transfer.wake.notify_one();
                    sleep(Duration::from_secs(FULL_RETRY_SECS)).await;
                }
                Err(error) => return Err(Failure::Disk(error)),
            }
        };
        if shared.is_full.swap(false, Ordering::Relaxed) {
            shared.work.schedule().excuse_silence(shared.transfer.now_ms());
        }
        {
            let mut schedule = shared.work.schedule();
            fresh.iter().for_each(|range| schedule.have(*range));
        }
        shared.fresh.lock().unwrap_or_else(PoisonError::into_inner).extend(fresh);
        shared.transfer.wake.notify_one();
        Ok(())
    }

    /// Returns how much of the line's budget is taken in one go at first.
    fn batch_bytes_max(&self, shared: &Shared) -> u64 {
        shared.transfer.services.lines.received(self.source.line(), 0).batch_bytes_max
    }

    /// Takes note of received bytes, and keeps to the rate of the line; returns how many may be taken in one go next.
    async fn received(&self, shared: &Shared, bytes: u64) -> u64 {
        let Shared { transfer, work, .. } = shared;
        let now_ms = transfer.now_ms();
        work.schedule().received(self.span.id, bytes, now_ms);
        transfer.inner().meter.received(self.source.name(), bytes, now_ms);
        let Pace { pause, batch_bytes_max } = transfer.services.lines.received(self.source.line(), bytes);
        if !pause.is_zero() {
            let until_ms = now_ms + u64::try_from(pause.as_millis()).unwrap_or(u64::MAX / 2);
            work.schedule().hold(self.span.source, until_ms);
            sleep(pause).await;
        }
        batch_bytes_max
    }
}

/// Leaves the first bytes.
fn cut(pieces: &mut Vec<Bytes>, mut bytes: u64) {
    for piece in pieces.iter_mut() {
        let part = bytes.min(piece.len() as u64);
        // Not longer than the piece.
        piece.truncate(part as usize);
        bytes -= part;
    }
    pieces.retain(|piece| !piece.is_empty());
}

/// What came without waiting longer than for the first item. `end`: the stream is over, maybe with an error.
struct Gathered {
    items: Vec<Bytes>,
    end: Option<Option<SourceError>>,
}

/// Waits for bytes, and takes what else is there already: fewer and longer writes.
async fn gather(stream: &mut ByteStream, bytes_max: u64) -> Gathered {
    let mut gathered = Gathered { items: Vec::new(), end: None };
    let bytes_max = usize::try_from(bytes_max).unwrap_or(BATCH_BYTES).min(BATCH_BYTES);
    let mut bytes = 0;
    let mut next = Some(stream.next().await);
    while let Some(item) = next {
        match item {
            Some(Ok(item)) => {
                bytes += item.len();
                gathered.items.push(item);
            }
            Some(Err(error)) => gathered.end = Some(Some(error)),
            None => gathered.end = Some(None),
        }
        if gathered.end.is_some() || bytes >= bytes_max {
            break;
        }
        next = ready(stream).await;
    }
    gathered
}

/// Returns the next item if it is there.
async fn ready(stream: &mut ByteStream) -> Option<Option<Result<Bytes, SourceError>>> {
    let mut next = pin!(stream.next());
    std::future::poll_fn(|context| match next.as_mut().poll(context) {
        Poll::Ready(item) => Poll::Ready(Some(item)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Whether a stream that has given all goes on.
async fn has_more(stream: &mut ByteStream) -> bool {
    loop {
        match ready(stream).await {
            Some(Some(Ok(bytes))) if bytes.is_empty() => {}
            Some(Some(Ok(_))) => return true,
            _ => return false,
        }
    }
}

/// Whether the file system has no room, or a quota is used up.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
