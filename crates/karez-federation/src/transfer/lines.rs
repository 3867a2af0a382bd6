//! Transfers share lines: how many connections, who goes first, and how fast.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

    /// Takes note of bytes that came over a line; returns how long to wait before the connection that
    /// brought them is read again, which is how a rate is kept.
    fn received(&self, line: &str, bytes: u64) -> Duration;
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

    fn received(&self, _line: &str, _bytes: u64) -> Duration {
        Duration::ZERO
    }
}

/// Who uses which line at the moment.
#[derive(Debug, Default)]
pub(super) struct LineUses(Mutex<HashMap<String, Users>>);

/// Transfers on one line, by their number, with the connections they have.
type Users = HashMap<u64, (Priority, usize)>;

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

impl LineUses {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Users>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn turn(&self, lines: &dyn Lines, line: &str, transfer: u64, priority: Priority) -> Turn {
        let rule = lines.rule(line, priority);
        if rule.closed.is_some() {
            return Turn::Yield(rule.closed);
        }
        let uses = self.lock();
        let Some(users) = uses.get(line) else { return Turn::Go };
        if users.iter().any(|(id, (other, count))| *id != transfer && *other > priority && *count > 0) {
            return Turn::Yield(None);
        }
        let total: usize = users.values().map(|(_, count)| count).sum();
        if total < rule.connections_max { Turn::Go } else { Turn::Full }
    }

    /// Says how many connections a transfer has on a line.
    pub(super) fn set(&self, line: &str, transfer: u64, priority: Priority, connections: usize) {
        let mut uses = self.lock();
        let users = uses.entry(line.to_owned()).or_default();
        users.insert(transfer, (priority, connections));
        users.retain(|_, (_, count)| *count > 0);
        if users.is_empty() {
            uses.remove(line);
        }
    }

    /// Forgets a transfer.
    pub(super) fn forget(&self, transfer: u64) {
        self.lock().retain(|_, users| {
            users.remove(&transfer);
            !users.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_goes_first_and_a_line_has_room_for_so_many() {
        let uses = LineUses::default();
        uses.set("sat", 1, Priority::Background, 20);
        assert_eq!(uses.turn(&OpenLines, "sat", 1, Priority::Background), Turn::Go);
        uses.set("sat", 2, Priority::High, 4);
        assert_eq!(uses.turn(&OpenLines, "sat", 1, Priority::Background), Turn::Yield(None));
        assert_eq!(uses.turn(&OpenLines, "sat", 2, Priority::High), Turn::Go);
        assert_eq!(uses.turn(&OpenLines, "fibre", 1, Priority::Background), Turn::Go);
        uses.set("sat", 2, Priority::High, 12);
        assert_eq!(uses.turn(&OpenLines, "sat", 2, Priority::High), Turn::Full);
        uses.forget(2);
        assert_eq!(uses.turn(&OpenLines, "sat", 1, Priority::Background), Turn::Go);
    }
}
