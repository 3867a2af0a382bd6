//! Nodes as equals: upstream hubs, peers, following, and the transfer of bytes over poor lines.
//!
//! Invariants:
//! - Nothing dials out but to remotes that the operator or an administrator added, and the provider for signing in that the settings name; and never
//!   to a private address unless allowed.
//! - Every byte from outside is verified before it is used: chunks by their hash, files by their sha256,
//!   git objects by their id, logs by signature and proof.
//! - What was received is written down before anything else happens, and is not asked for twice.
//! - A remote decides about its own repositories only; nothing here is deleted because a remote says so.

#![forbid(unsafe_code)]

mod conversation;
mod federation;
mod file_ways;
pub mod follow;
mod holders;
mod metrics;
pub mod net;
pub mod peer;
mod peer_settings;
pub mod policy;
pub mod provider;
mod running;
mod settings;
pub mod sim;
pub mod source;
mod tells;
pub mod transfer;
pub mod upstream;
pub mod views;

pub use federation::{Federation, FederationParts};
pub use file_ways::FileWays;
pub use metrics::metrics;
pub use peer_settings::PeerSettings;
pub use running::Running;
pub use settings::FederationSettings;
pub use tells::Told;
