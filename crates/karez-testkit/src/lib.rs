//! What tests share: a whole node in the test's own process, and a client for it.
//!
//! Each [`TestNode`] has its own folder, database, port, clock and randomness, so tests run side by
//! side and the same seed gives the same tokens. Dropping it stops it and removes its folder;
//! [`TestNode::stop`] also checks that it could stop in peace. A [`Link`] stands before a node, or anything else that speaks TCP, and
//! makes the way to it slow, long, cut or false.
//!
//! Invariant: nothing here is reachable from the program; it is a dependency of tests only.

mod client;
mod link;
mod node;
mod origin;

pub use client::{Answer, TestClient};
pub use link::{Act, Corruption, Cut, Link, LinkCounts, LinkShape, LinkedNode, Step, Trigger};
pub use node::{NodeClock, NodeOptions, NodeSearch, NodeStore, TestNode, log_keys};
pub use origin::Origin;
pub use reqwest;
