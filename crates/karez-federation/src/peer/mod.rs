//! Peers: nodes that are a key. What they say of themselves, their logs, what they hold, and what they
//! and we sign for each other.
//!
//! Invariants:
//! - A peer is its key. What another key says at the same address is refused, by name.
//! - Nothing of a log is applied before its root is the signed one, nor after the log showed two histories.
//! - Nothing here is decided by a clock: sequences, sizes and signatures decide.

mod descriptor;
mod error;
mod follow_log;
mod forks;
mod gossip;
mod have;
mod log_reader;
mod news;
mod reading;
mod table;
mod trail;
mod wire;
mod witness;

pub use descriptor::{Described, describe, described, described_check, described_keep, log_key, witness_key};
pub use error::PeerError;
pub use follow_log::{Follower, Milestone, Polled};
pub use forks::{fork_keep, fork_store};
pub use gossip::{
    Found, GossipHeard, GossipTags, compare, compared, descriptions_learn, nodes_seen_by, seen_by, seen_of,
};
pub use have::{HaveHeard, bitmap_encode, bitmap_ranges, have_bitmap, haves_hear};
pub use log_reader::LogReader;
pub use news::LogAsked;
pub use table::{Memory, Peer, Table, wire_to};
pub use trail::Trail;
pub use wire::{Wire, WireAnswer, WireError};
pub use witness::{Asked, witness_ask};
