//! Peers: nodes that are a key. What they say of themselves, their logs, what they hold, and what they
//! and we sign for each other.
//!
//! Invariants:
//! - A peer is its key. What another key says at the same address is refused, by name.
//! - Nothing of a log is applied before its root is the signed one, nor after the log showed two histories.
//! - Nothing here is decided by a clock: sequences, sizes and signatures decide.

mod error;
mod follow_log;
mod forks;
mod log_reader;
mod wire;

pub use error::PeerError;
pub use follow_log::{Follower, Milestone, Polled};
pub use forks::{fork_keep, fork_store};
pub use log_reader::LogReader;
pub use wire::{Wire, WireAnswer, WireError};
