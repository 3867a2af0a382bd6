//! What a line is like, and what happens to it.

use std::time::Duration;

/// Properties of a line. The default is a perfect one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkShape {
    /// Bytes a second from clients to the target, all connections together; unbounded when unset.
    pub up_bytes_per_sec: Option<u64>,
    /// Bytes a second from the target to clients, all connections together; unbounded when unset.
    pub down_bytes_per_sec: Option<u64>,
    /// How long bytes are under way, each way.
    pub delay: Duration,
    /// How bodies are falsified on their way to clients; not at all when unset.
    pub corruption: Option<Corruption>,
}

/// Single flipped bits in the bodies of answers. Heads are never touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corruption {
    /// Mean distance in body bytes between two flipped bits.
    pub bytes_apart: u64,
    /// Only answers to requests whose path contains this text; empty for all.
    pub path_part: String,
}

/// How a line is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing is carried and nobody is told.
    BlackHole,
    /// Open connections are reset, and so is every new one.
    Reset,
}

/// Something that happens to a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The line is cut.
    Cut(Cut),
    /// The line is up again.
    Heal,
    /// Present connections are dead for ever, new ones work.
    Strand,
    /// The line has other properties.
    Set(LinkShape),
}

/// When the next step of a script happens, counted from the step before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// As soon as exactly this many more bytes reached clients.
    DownBytes(u64),
    /// As soon as exactly this many more bytes reached the target.
    UpBytes(u64),
    /// After this time.
    After(Duration),
}

/// One step of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub trigger: Trigger,
    /// What.
    pub act: Act,
}

impl Step {
    /// Returns a step.
    pub fn new(trigger: Trigger, act: Act) -> Step {
        Step { trigger, act }
    }
}

/// What a line carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Connections that were taken.
    pub connections: u64,
    /// Bytes from clients to the target, heads included.
    pub up_bytes: u64,
    /// Bytes from the target to clients, heads included.
    pub down_bytes: u64,
    /// Bytes of bodies to clients, as they entered the line.
    pub down_body_bytes: u64,
    /// Bits that were flipped.
    pub bits_flipped: u64,
}
