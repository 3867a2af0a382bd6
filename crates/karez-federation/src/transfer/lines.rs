//! Transfers share lines: how many connections, who goes first, and how fast.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Priority;

/// Whether and how a line may be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRule {
    /// Connections of all transfers together.
    pub connections_max: usize,
    /// Why it may not be used at the moment, in words for a person: an hour, a budget.
    pub closed: Option<String>,
}

/// Rules and accounts of the lines. Asked several times a second: answers come from memory.
pub trait Lines: Send + Sync {
    /// Returns the rule of a line for transfers of a priority.
    fn rule(&self, line: &str, priority: Priority) -> LineRule;

    /// Takes note of bytes that came over a line; returns how the connection that brought them is read on.
    fn received(&self, line: &str, bytes: u64) -> Pace;
}

/// How a connection is read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long to wait first, which is how a rate is kept.
    pub pause: Duration,
    /// Most bytes to take then in one go, and a little more: what is taken is beyond a budget that ends with it.
    pub batch_bytes_max: u64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { pause: Duration::ZERO, batch_bytes_max: u64::MAX }
    }
}

/// Connections over one line when nothing else is said: twice what one source may have.
pub const LINE_CONNECTIONS_MAX: usize = 32;

/// Lines without rules.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenLines;

impl Lines for OpenLines {
    fn rule(&self, _line: &str, _priority: Priority) -> LineRule {
        LineRule { connections_max: LINE_CONNECTIONS_MAX, closed: None }
    }

    fn received(&self, _line: &str, _bytes: u64) -> Pace {
        Pace::default()
    }
}

/// How often transfers that others wait for close their connections for one whose reader has nothing yet: so many
/// times in a row, and then once in so long. What is under way is lost each time, at most what the line carries in
/// a second; between, they only open no more.
const CLEARANCES: u32 = 4;
const CLEARANCE_EVERY: Duration = Duration::from_secs(30);

/// Longest time in which a transfer counts as planned: asking how a file is put together.
const PLANNED_MAX: Duration = Duration::from_secs(10);

/// Who goes first on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) priority: Priority,
    /// Whether a reader has nothing yet.
    pub(super) awaits_first_bytes: bool,
}

/// Who uses which line at the moment.
#[derive(Debug, Default)]
pub(super) struct LineUses(Mutex<Uses>);

#[derive(Debug, Default)]
struct Uses {
    lines: HashMap<String, Line>,
    /// Transfers with a reader that are not planned yet, so that nobody knows their lines: since when.
    planned: HashMap<u64, (Priority, Instant)>,
}

#[derive(Debug, Default)]
struct Line {
    /// Transfers by their number, with the connections they have.
    users: HashMap<u64, (Rank, usize)>,
    /// For whom others have closed their connections, the latest last.
    cleared_for: VecDeque<u64>,
    /// Clearances that were used, and since when they have not been counted down.
    cleared: u32,
    since: Option<Instant>,
}

/// What a transfer may do on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// Open one more connection.
    Go,
    /// Keep what is open.
    Full,
    /// Close what is open: a transfer that somebody waits for is at work, or the line is closed.
    Yield(Option<String>),
}

impl Line {
    fn is_forgotten(&self) -> bool {
        self.users.is_empty() && self.since.is_none_or(|since| since.elapsed() >= CLEARANCE_EVERY * CLEARANCES)
    }

    /// Whether connections may be closed for the first bytes of a transfer.
    fn may_clear(&mut self, transfer: u64) -> bool {
        if self.cleared_for.contains(&transfer) {
            return true;
        }
        let now = Instant::now();
        let since = self.since.unwrap_or(now);
        let earned = ((now - since).as_secs() / CLEARANCE_EVERY.as_secs()).min(u64::from(self.cleared)) as u32;
        self.cleared -= earned;
        self.since = Some(if self.cleared == 0 { now } else { since + CLEARANCE_EVERY * earned });
        if self.cleared >= CLEARANCES {
            return false;
        }
        self.cleared += 1;
        self.cleared_for.push_back(transfer);
        if self.cleared_for.len() > CLEARANCES as usize {
            self.cleared_for.pop_front();
        }
        true
    }
}

impl LineUses {
    fn lock(&self) -> MutexGuard<'_, Uses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn turn(&self, lines: &dyn Lines, line: &str, transfer: u64, rank: Rank) -> Turn {
        let rule = lines.rule(line, rank.priority);
        if rule.closed.is_some() {
            return Turn::Yield(rule.closed);
        }
        let mut uses = self.lock();
        let planned = uses.planned.iter().filter(|(id, (_, since))| **id != transfer && since.elapsed() < PLANNED_MAX);
        let planned = planned.map(|(id, (priority, _))| (Rank { priority: *priority, awaits_first_bytes: true }, *id));
        let first_planned = planned.max();
        let state = uses.lines.entry(line.to_owned()).or_default();
        let users = state.users.iter().filter(|(id, (_, count))| **id != transfer && *count > 0);
        let first = users.map(|(id, (rank, _))| (*rank, *id)).chain(first_planned).max();
        if let Some((other, id)) = first.filter(|(other, _)| *other > rank) {
            let is_cleared = other.priority > rank.priority || state.may_clear(id);
            return if is_cleared { Turn::Yield(None) } else { Turn::Full };
        }
        let total: usize = state.users.values().map(|(_, count)| count).sum();
        if total < rule.connections_max { Turn::Go } else { Turn::Full }
    }

    /// Says that a transfer with a reader is about to be planned.
    pub(super) fn plans(&self, transfer: u64, priority: Priority) {
        self.lock().planned.entry(transfer).or_insert_with(|| (priority, Instant::now()));
    }

    /// Tells whether others are about to close their connections for this transfer.
    pub(super) fn is_cleared_for(&self, transfer: u64, rank: Rank) -> bool {
        let uses = self.lock();
        let users = uses.lines.values().flat_map(|line| &line.users);
        rank.awaits_first_bytes
            && users.into_iter().any(|(id, (other, count))| *id != transfer && *count > 0 && *other < rank)
    }

    /// Says that a transfer has its plan.
    pub(super) fn has_plan(&self, transfer: u64) {
        self.lock().planned.remove(&transfer);
    }

    /// Says how many connections a transfer has on a line.
    pub(super) fn set(&self, line: &str, transfer: u64, rank: Rank, connections: usize) {
        let mut uses = self.lock();
        let state = uses.lines.entry(line.to_owned()).or_default();
        state.users.insert(transfer, (rank, connections));
        state.users.retain(|_, (_, count)| *count > 0);
        if state.is_forgotten() {
            uses.lines.remove(line);
        }
    }

    /// Forgets a transfer.
    pub(super) fn forget(&self, transfer: u64) {
        let mut uses = self.lock();
        uses.planned.remove(&transfer);
        uses.lines.retain(|_, state| {
            state.users.remove(&transfer);
            !state.is_forgotten()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rank(priority: Priority) -> Rank {
        Rank { priority, awaits_first_bytes: false }
    }

    const BACKGROUND: Rank = rank(Priority::Background);
    const HIGH: Rank = rank(Priority::High);
    const FIRST: Rank = Rank { priority: Priority::High, awaits_first_bytes: true };

    #[tokio::test]
    async fn who_waits_goes_first_and_a_line_has_room_for_so_many() {
        let uses = LineUses::default();
        uses.set("sat", 1, BACKGROUND, 20);
        assert_eq!(uses.turn(&OpenLines, "sat", 1, BACKGROUND), Turn::Go);
        uses.set("sat", 2, HIGH, 4);
        assert_eq!(uses.turn(&OpenLines, "sat", 1, BACKGROUND), Turn::Yield(None));
        assert_eq!(uses.turn(&OpenLines, "sat", 2, HIGH), Turn::Go);
        assert_eq!(uses.turn(&OpenLines, "fibre", 1, BACKGROUND), Turn::Go);
        uses.set("sat", 2, HIGH, 12);
        assert_eq!(uses.turn(&OpenLines, "sat", 2, HIGH), Turn::Full);
        uses.forget(2);
        assert_eq!(uses.turn(&OpenLines, "sat", 1, BACKGROUND), Turn::Go);
    }

    #[tokio::test(start_paused = true)]
    async fn whose_reader_has_nothing_goes_before_those_whose_have() {
        let uses = LineUses::default();
        uses.set("sat", 1, HIGH, 4);
        // Not planned yet: it may come over this line.
        uses.plans(2, Priority::High);
        assert_eq!(uses.turn(&OpenLines, "sat", 1, HIGH), Turn::Yield(None));
        uses.has_plan(2);
        assert_eq!(uses.turn(&OpenLines, "sat", 1, HIGH), Turn::Go);
        uses.set("sat", 2, FIRST, 2);
        assert_eq!(uses.turn(&OpenLines, "sat", 1, HIGH), Turn::Yield(None), "for the same one again");
        assert_eq!(uses.turn(&OpenLines, "sat", 2, FIRST), Turn::Go);
        uses.set("sat", 2, HIGH, 2);
        assert_eq!(uses.turn(&OpenLines, "sat", 1, HIGH), Turn::Go);
        // After some in a row the next does not cost what is under way; it only keeps others from opening more.
        for next in 3..6 {
            uses.set("sat", next, FIRST, 2);
            assert_eq!(uses.turn(&OpenLines, "sat", 1, HIGH), Turn::Yield(None), "{next}");
            uses.forget(next);
        }
        uses.set("sat", 6, FIRST, 2);
        assert_eq!(uses.turn(&OpenLines, "sat", 1, HIGH), Turn::Full);
        tokio::time::advance(CLEARANCE_EVERY).await;
        assert_eq!(uses.turn(&OpenLines, "sat", 1, HIGH), Turn::Yield(None));
        uses.forget(6);
        uses.set("sat", 7, FIRST, 2);
        assert_eq!(uses.turn(&OpenLines, "sat", 1, HIGH), Turn::Full);
        // One that cannot be planned does not stand in the way for ever.
        uses.forget(7);
        uses.plans(4, Priority::High);
        tokio::time::advance(PLANNED_MAX).await;
        assert_eq!(uses.turn(&OpenLines, "sat", 1, HIGH), Turn::Go);
    }
}
