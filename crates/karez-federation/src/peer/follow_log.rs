//! Following a peer's log: what is new is read, recomputed, compared with what the peer signed, and only
//! then applied.
//!
//! The right edge of the tree as it was read last is kept. New entries are appended to it; when the root
//! is the signed one, the new tree continues the old one and holds exactly these entries: that is the
//! consistency check and the inclusion check at once. A log that grew by much comes in steps, and each
//! step is proved to be the beginning of the signed tree, so memory stays bounded.

use karez_catalog::{Catalog, Feed, FeedAct, FeedChange, FeedFacts, FeedTree};
use karez_formats::log_entry::{LogAct, LogEntry, LogFacts};
use karez_governance::note::NOTE_BYTES_MAX;
use karez_governance::tree::consistency_verify;
use karez_governance::{Frontier, TreeHash, VerifiedCheckpoint, VerifierKey};
use karez_types::{RemoteId, Timestamp};

use super::forks::fork_keep;
use super::log_reader::{BUNDLE_ENTRIES, LogReader};
use super::{PeerError, Wire};

/// Bundles that are read before they are applied: 16,384 entries, usually 4 MiB, never more than 64 MiB.
const STEP_BUNDLES: u64 = 64;
/// The branch whose place is the repository's head.
const MAIN: &str = "refs/heads/main";

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

impl Follower<'_> {
    /// Asks whether the log has grown, and reads what is new. `etag` is that of the last checkpoint, and is
    /// replaced; `milestones` are checkpoints that others showed of this log.
    pub async fn poll(&self, etag: &mut Option<String>, milestones: &[Milestone]) -> Result<Polled, PeerError> {
        // What others showed must be looked at, also when nothing is new.
        let known = etag.as_deref().filter(|_| milestones.is_empty());
        let answer = self.wire.get("/log/checkpoint", known, NOTE_BYTES_MAX as u64).await?;
        if answer.status == 304 {
            self.catalog.feed_polled(self.remote, self.now).await?;
            return Ok(Polled::Same);
        }
        let new = VerifiedCheckpoint::parse(&answer.body, self.key, &[])?;
        let polled = self.advance(&new, milestones).await?;
        // Only now: what failed half way is asked for again.
        *etag = answer.etag;
        Ok(polled)
    }

    /// Brings the feed to a checkpoint that the log has signed.
    pub async fn advance(&self, new: &VerifiedCheckpoint, milestones: &[Milestone]) -> Result<Polled, PeerError> {
        let feed = self.catalog.feed_get(self.remote).await?;
        let (mut edge, known) = self.read_so_far(feed.as_ref())?;
        let from = edge.size();
        let known_size = known.as_ref().map_or(0, VerifiedCheckpoint::size).max(from);
        if new.size() < known_size {
            return Err(PeerError::Replayed { found: new.size(), known: known_size });
        }
        let reader = LogReader::new(self.wire, new.size());
        if from == new.size() {
            if edge.root() != new.root() {
                return Err(self.contradiction(known.as_ref(), new, &reader).await);
            }
            self.milestones_check(&edge, new, milestones).await?;
            self.catalog.feed_polled(self.remote, self.now).await?;
            return Ok(Polled::Same);
        }
        while edge.size() < new.size() {
            let start = edge.size();
            let changes = self.step(&mut edge, known.as_ref(), new, milestones, &reader).await?;
            let tree = FeedTree { size: edge.size(), frontier: edge.encode(), note: new.note().note().to_string() };
            if !self.catalog.feed_apply(self.remote, start, &tree, &changes, self.now).await? {
                return Ok(Polled::Overtaken);
            }
        }
        let earlier: Vec<Milestone> =
            milestones.iter().filter(|stone| stone.checkpoint.size() < from).cloned().collect();
        self.milestones_check(&edge, new, &earlier).await?;
        Ok(Polled::Grew { from, to: new.size() })
    }

    /// Returns the right edge of what was read, and the newest checkpoint that was believed.
    fn read_so_far(&self, feed: Option<&Feed>) -> Result<(Frontier, Option<VerifiedCheckpoint>), PeerError> {
        let Some(feed) = feed.filter(|feed| !feed.tree.note.is_empty()) else {
            return Ok((Frontier::default(), None));
        };
        let edge = Frontier::decode(&feed.tree.frontier)
            .map_err(|error| PeerError::Setup(format!("what was read of its log is damaged: {error}")))?;
        let known = VerifiedCheckpoint::parse(feed.tree.note.as_bytes(), self.key, &[])?;
        Ok((edge, Some(known)))
    }

    /// Reads up to [`STEP_BUNDLES`] and proves that they are what was signed.
    async fn step(
        &self,
        edge: &mut Frontier,
        known: Option<&VerifiedCheckpoint>,
        new: &VerifiedCheckpoint,
        milestones: &[Milestone],
        reader: &LogReader<'_>,
    ) -> Result<Vec<FeedChange>, PeerError> {
        let first = edge.size() / BUNDLE_ENTRIES;
        let last = (new.size() - 1) / BUNDLE_ENTRIES;
        let mut changes = Vec::new();
        let mut skipped = 0;
        let mut passed = Vec::new();
        for index in first..=last.min(first + STEP_BUNDLES - 1) {
            let seen = edge.size() - index * BUNDLE_ENTRIES;
            for entry in reader.bundle(index).await?.iter().skip(seen as usize) {
                match change_of(edge.size(), entry) {
                    Some(change) => changes.push(change),
                    None => skipped += 1,
                }
                let appended = edge.append(TreeHash::of_entry(entry));
                appended.map_err(|error| PeerError::Unsound(error.to_string()))?;
                if known.is_some_and(|known| known.size() == edge.size() && known.root() != edge.root()) {
                    return Err(self.contradiction(known, new, reader).await);
                }
                passed.extend(
                    milestones.iter().filter(|stone| {
                        stone.checkpoint.size() == edge.size() && stone.checkpoint.root() != edge.root()
                    }),
                );
            }
        }
        self.prove(edge, known, new, reader).await?;
        // Now it is certain that the log says this; somebody was shown something else.
        if let Some(stone) = passed.first() {
            return Err(self.contradiction(Some(&stone.checkpoint), new, reader).await);
        }
        if skipped > 0 {
            tracing::warn!(
                remote = self.remote.0,
                entries = skipped,
                "passed over log entries that a newer program wrote"
            );
        }
        Ok(changes)
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
        milestones: &[Milestone],
    ) -> Result<(), PeerError> {
        let reader = LogReader::new(self.wire, new.size());
        for stone in milestones {
            let old = &stone.checkpoint;
            let fits = match old.size() {
                0 => old.root() == TreeHash::EMPTY,
                size if size == edge.size() => old.root() == edge.root(),
                size if size > edge.size() => true,
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

/// Reads an entry; `None` when a newer program wrote it.
fn change_of(idx: u64, bytes: &[u8]) -> Option<FeedChange> {
    let entry = LogEntry::parse(bytes).ok()?;
    let act = match entry.act {
        LogAct::Publish { head, facts } => FeedAct::Publish { head, facts: facts_of(facts) },
        LogAct::Ref { name, target, facts, .. } if name.as_str() == MAIN => {
            FeedAct::Head { head: Some(target), facts: facts.map(facts_of) }
        }
        LogAct::Unref { name, .. } if name.as_str() == MAIN => FeedAct::Head { head: None, facts: None },
        LogAct::Ref { .. } | LogAct::Unref { .. } => FeedAct::Ref,
        LogAct::Withdraw => FeedAct::Withdraw,
        LogAct::Move { to } => FeedAct::Move { to },
        LogAct::Delete => FeedAct::Delete,
    };
    let at = Timestamp(entry.at_secs.saturating_mul(1000));
    Some(FeedChange { idx, repo: entry.repo, at, act })
}

fn facts_of(facts: LogFacts) -> FeedFacts {
    FeedFacts {
        file_bytes: facts.file_bytes,
        tags: facts.tags,
        license: facts.license,
        pipeline_tag: facts.pipeline_tag,
        library_name: facts.library_name,
    }
}
