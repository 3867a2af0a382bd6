//! Following a peer's log: what is new is read, recomputed, compared with what the peer signed, and only
//! then applied.
//!
//! The right edge of the tree as it was read last is kept. New entries are appended to it; when the root
//! is the signed one, the new tree continues the old one and holds exactly these entries: that is the
//! consistency check and the inclusion check at once. So one answer with a checkpoint and a few entries is
//! all that is needed. A log that grew by much comes in steps, and each step is proved to be the beginning
//! of the signed tree, so memory stays bounded.

use karez_catalog::{Catalog, FeedChange, FeedTree};
use karez_governance::note::NOTE_BYTES_MAX;
use karez_governance::tree::consistency_verify;
use karez_governance::{Frontier, TreeHash, VerifiedCheckpoint, VerifierKey};
use karez_types::{RemoteId, Timestamp};

use super::forks::fork_keep;
use super::log_reader::{BUNDLE_ENTRIES, LogReader};
use super::news::{LogAsked, NewsAnswer, news_ask};
use super::reading::{Reading, Step};
use super::trail::Trail;
use super::{PeerError, Wire};

/// Bundles that are read before they are applied: 16,384 entries, usually 4 MiB, never more than 64 MiB.
const STEP_BUNDLES: u64 = 64;

/// How a question for a peer's log ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// Nothing new.
    Same,
    /// The log had `from` entries and has `to`; everything up to there is applied.
    Grew {
        /// Entries before.
        from: u64,
        /// Entries now.
        to: u64,
    },
    /// Another process has moved the feed meanwhile.
    Overtaken,
}

/// A signed checkpoint of a log that others showed: the log must lead through it.
#[derive(Debug, Clone)]
pub struct Milestone {
    /// The checkpoint.
    pub checkpoint: VerifiedCheckpoint,
    /// Who showed it.
    pub shown_by: String,
}

/// What to follow.
pub struct Follower<'a> {
    /// Where it is kept.
    pub catalog: &'a Catalog,
    /// Which peer.
    pub remote: RemoteId,
    /// The key of its log.
    pub key: &'a VerifierKey,
    /// How to ask it.
    pub wire: &'a Wire,
    /// The present, for rows. Nothing is decided by it.
    pub now: Timestamp,
}

/// A log as it was read last.
struct SoFar {
    edge: Frontier,
    /// The newest checkpoint that was believed.
    known: Option<VerifiedCheckpoint>,
}

impl SoFar {
    /// Returns how far the log was seen, which may be further than it was read.
    fn known_size(&self) -> u64 {
        self.known.as_ref().map_or(0, VerifiedCheckpoint::size).max(self.edge.size())
    }
}

impl Follower<'_> {
    /// Asks whether the log has grown, and reads what is new: with one question where the peer tells its news,
    /// otherwise the checkpoint and then the entries. `milestones` are checkpoints that others showed of this
    /// log.
    pub async fn poll(
        &self,
        asked: &mut LogAsked,
        trail: &mut Trail,
        milestones: &[Milestone],
    ) -> Result<Polled, PeerError> {
        let so_far = self.read_so_far().await?;
        // What others showed must be looked at, also when nothing is new.
        let is_quiet = milestones.is_empty();
        if !asked.lacks_news {
            let etag = asked.news_etag.as_deref().filter(|_| is_quiet);
            match news_ask(self.wire, self.key, so_far.edge.size(), etag).await? {
                NewsAnswer::Same => return self.same().await,
                NewsAnswer::NotTold => {}
                NewsAnswer::Told(told) => {
                    let polled = self.advance(so_far, &told.checkpoint, told.entries, trail, milestones).await?;
                    asked.tags = Some(told.tags);
                    // Only now: what failed half way is asked for again.
                    asked.news_etag = told.etag.filter(|_| polled != Polled::Overtaken);
                    return Ok(polled);
                }
            }
        }
        let etag = asked.checkpoint_etag.as_deref().filter(|_| is_quiet);
        let answer = self.wire.get("/log/checkpoint", etag, NOTE_BYTES_MAX as u64).await?;
        (asked.lacks_news, asked.tags) = (true, None);
        if answer.status == 304 {
            return self.same().await;
        }
        let new = VerifiedCheckpoint::parse(&answer.body, self.key, &[])?;
        let polled = self.advance(so_far, &new, Vec::new(), trail, milestones).await?;
        asked.checkpoint_etag = answer.etag.filter(|_| polled != Polled::Overtaken);
        Ok(polled)
    }

    async fn same(&self) -> Result<Polled, PeerError> {
        self.catalog.feed_polled(self.remote, self.now).await?;
        Ok(Polled::Same)
    }

    /// Brings the feed to a checkpoint that the log has signed. `given` are all entries up to there, when the
    /// peer sent them along.
    async fn advance(
        &self,
        so_far: SoFar,
        new: &VerifiedCheckpoint,
        given: Vec<Vec<u8>>,
        trail: &mut Trail,
        milestones: &[Milestone],
    ) -> Result<Polled, PeerError> {
        let known_size = so_far.known_size();
        let SoFar { edge, known } = so_far;
        let from = edge.size();
        if new.size() < known_size {
            return Err(PeerError::Replayed { found: new.size(), known: known_size });
        }
        let log = LogReader::new(self.wire, new.size());
        if from == new.size() {
            if edge.root() != new.root() {
                return Err(self.contradiction(known.as_ref(), new, &log).await);
            }
            trail.note(from, edge.root());
            self.milestones_check(&edge, new, trail, milestones).await?;
            return self.same().await;
        }
        let mut reading = Reading { edge, trail: trail.clone(), known: known.as_ref(), new, milestones };
        reading.trail.note(from, reading.edge.root());
        let mut given = Some(given).filter(|given| !given.is_empty());
        while reading.edge.size() < new.size() {
            let start = reading.edge.size();
            let changes = self.step(&mut reading, given.take(), &log).await?;
            let edge = &reading.edge;
            let tree = FeedTree { size: edge.size(), frontier: edge.encode(), note: new.note().note().to_string() };
            if !self.catalog.feed_apply(self.remote, start, &tree, &changes, self.now).await? {
                return Ok(Polled::Overtaken);
            }
        }
        // What is proved is remembered, and nothing else.
        let edge = reading.edge;
        *trail = reading.trail;
        let earlier: Vec<Milestone> =
            milestones.iter().filter(|stone| stone.checkpoint.size() < from).cloned().collect();
        self.milestones_check(&edge, new, trail, &earlier).await?;
        Ok(Polled::Grew { from, to: new.size() })
    }

    /// Returns the right edge of what was read, and the newest checkpoint that was believed.
    async fn read_so_far(&self) -> Result<SoFar, PeerError> {
        let feed = self.catalog.feed_get(self.remote).await?;
        let Some(feed) = feed.filter(|feed| !feed.tree.note.is_empty()) else {
            return Ok(SoFar { edge: Frontier::default(), known: None });
        };
        let edge = Frontier::decode(&feed.tree.frontier)
            .map_err(|error| PeerError::Setup(format!("what was read of its log is damaged: {error}")))?;
        let known = VerifiedCheckpoint::parse(feed.tree.note.as_bytes(), self.key, &[])?;
        Ok(SoFar { edge, known: Some(known) })
    }

    /// Reads what was given, or up to [`STEP_BUNDLES`], and proves that it is what was signed.
    async fn step(
        &self,
        reading: &mut Reading<'_>,
        given: Option<Vec<Vec<u8>>>,
        log: &LogReader<'_>,
    ) -> Result<Vec<FeedChange>, PeerError> {
        let (known, new) = (reading.known, reading.new);
        let mut step = Step::default();
        let mut fits = true;
        if let Some(entries) = given {
            fits = reading.take(&entries, &mut step)?;
        } else {
            let first = reading.edge.size() / BUNDLE_ENTRIES;
            let last = (new.size() - 1) / BUNDLE_ENTRIES;
            for index in first..=last.min(first + STEP_BUNDLES - 1) {
                let seen = reading.edge.size() - index * BUNDLE_ENTRIES;
                let entries = log.bundle(index).await?;
                fits &= reading.take(entries.get(seen as usize..).unwrap_or_default(), &mut step)?;
                if !fits {
                    break;
                }
            }
        }
        if !fits {
            return Err(self.contradiction(known, new, log).await);
        }
        self.prove(&reading.edge, known, new, log).await?;
        // Now it is certain that the log says this; somebody was shown something else.
        if let Some(stone) = step.passed.first() {
            return Err(self.contradiction(Some(stone), new, log).await);
        }
        if step.skipped > 0 {
            tracing::warn!(
                remote = self.remote.0,
                entries = step.skipped,
                "passed over log entries that a newer program wrote"
            );
        }
        Ok(step.changes)
    }

    /// Proves that what was read is the beginning of what was signed.
    async fn prove(
        &self,
        edge: &Frontier,
        known: Option<&VerifiedCheckpoint>,
        new: &VerifiedCheckpoint,
        reader: &LogReader<'_>,
    ) -> Result<(), PeerError> {
        let fits = if edge.size() == new.size() {
            edge.root() == new.root()
        } else {
            let proof = reader.proof(edge.size()).await?;
            consistency_verify(edge.size(), edge.root(), new.size(), new.root(), &proof).is_ok()
        };
        if fits { Ok(()) } else { Err(self.contradiction(known, new, reader).await) }
    }

    /// Tells whether the log leads through checkpoints of a size that it has passed already.
    async fn milestones_check(
        &self,
        edge: &Frontier,
        new: &VerifiedCheckpoint,
        trail: &Trail,
        milestones: &[Milestone],
    ) -> Result<(), PeerError> {
        let reader = LogReader::new(self.wire, new.size());
        for stone in milestones {
            let old = &stone.checkpoint;
            let passed = trail.root_at(old.size());
            let fits = match old.size() {
                0 => old.root() == TreeHash::EMPTY,
                size if size == edge.size() => old.root() == edge.root(),
                size if size > edge.size() => true,
                _ if passed.is_some() => passed == Some(old.root()),
                size => {
                    let proof = reader.proof(size).await?;
                    consistency_verify(size, old.root(), new.size(), new.root(), &proof).is_ok()
                }
            };
            if !fits {
                return Err(self.contradiction(Some(old), new, &reader).await);
            }
        }
        Ok(())
    }

    /// Two checkpoints that cannot both be true: keeps the evidence if there is one, and says what it is.
    async fn contradiction(
        &self,
        old: Option<&VerifiedCheckpoint>,
        new: &VerifiedCheckpoint,
        reader: &LogReader<'_>,
    ) -> PeerError {
        match fork_keep(self.catalog, old, new, reader, self.now).await {
            Ok(what) => PeerError::Fork(what),
            Err(error) => error,
        }
    }
}
