//! A log while it is read: entries go onto the right edge, and what they say comes out. Nothing of it is
//! proved here.

use karez_catalog::{FeedAct, FeedChange, FeedFacts};
use karez_formats::log_entry::{LogAct, LogEntry, LogFacts};
use karez_governance::{Frontier, TreeHash, VerifiedCheckpoint};
use karez_types::Timestamp;

use super::trail::Trail;
use super::{Milestone, PeerError};

/// The branch whose place is the repository's head.
const MAIN: &str = "refs/heads/main";

/// A log while it is read.
pub(super) struct Reading<'a> {
    pub(super) edge: Frontier,
    pub(super) trail: Trail,
    pub(super) known: Option<&'a VerifiedCheckpoint>,
    pub(super) new: &'a VerifiedCheckpoint,
    pub(super) milestones: &'a [Milestone],
}

/// What one step of reading found.
#[derive(Default)]
pub(super) struct Step {
    pub(super) changes: Vec<FeedChange>,
    /// Entries that a newer program wrote.
    pub(super) skipped: u64,
    /// Checkpoints that others showed, and that the log does not lead through.
    pub(super) passed: Vec<VerifiedCheckpoint>,
}

impl Reading<'_> {
    /// Appends entries. Tells whether they lead through the checkpoint that was believed, if they pass it.
    pub(super) fn take(&mut self, entries: &[Vec<u8>], step: &mut Step) -> Result<bool, PeerError> {
        for entry in entries {
            match change_of(self.edge.size(), entry) {
                Some(change) => step.changes.push(change),
                None => step.skipped += 1,
            }
            let appended = self.edge.append(TreeHash::of_entry(entry));
            appended.map_err(|error| PeerError::Unsound(error.to_string()))?;
            let size = self.edge.size();
            if Trail::is_worth(size, self.new.size()) {
                self.trail.note(size, self.edge.root());
            }
            let contradicts = |seen: &VerifiedCheckpoint| seen.size() == size && seen.root() != self.edge.root();
            if self.known.is_some_and(contradicts) {
                return Ok(false);
            }
            let shown = self.milestones.iter().map(|stone| &stone.checkpoint);
            step.passed.extend(shown.filter(|seen| contradicts(seen)).cloned());
        }
        Ok(true)
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
