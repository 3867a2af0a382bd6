//! Where the bytes of a file can come from: peers, Xet hubs, and anything that serves ranges.
//!
//! # Three ways
//! What a remote speaks is found out by its answers, best first ([`RemotePlanner`]):
//!
//! | way | asked for | known before the bytes | a wrong byte is seen |
//! |---|---|---|---|
//! | [`peer`](PeerSource) | `/federation/v1/map/…`, then ranges of `/federation/v1/xorb/…` | every chunk's hash and place | at once, and by whom |
//! | [`xet`](XetSource) | `HEAD` of `/resolve/`, a Xet token, the reconstruction, then its signed addresses | places of chunks | with the file hash at the end |
//! | [`plain`](PlainSource) | ranges of `/resolve/` | nothing | with the sha256 at the end |
//!
//! History and small files come by git's own protocol ([`GitRemote`]).
//!
//! # What holds for all
//! - Bytes come as plain ranges over HTTP/1.1, so any proxy or cache can stand in between; see
//!   `docs/decisions/0009-plain-ranges-as-carrier.md`.
//! - A stream yields exactly the bytes that were asked for, or an error. Another range, another length, more
//!   bytes than asked: [`SourceError::Wrong`], which gets the remote banned for the object. A connection that
//!   breaks is no lie.
//! - The operator's or user's token goes to the remote's own origin and nowhere else: not to the hosts of
//!   signed addresses, not where a redirect leads. A Xet token goes to the Xet server alone.
//! - What a remote says about itself has bounds: a map by the length of its file, JSON by [`PLAN_BYTES_MAX`].
//!
//! # Files
//! A map is kept in the folder of the journal, as `<sha256>.<remote>.map`, while it is fetched as
//! `….map.part`; a broken download goes on where it stopped, also in another process.

mod fetch;
mod git;
mod map_file;
mod peer;
mod plain;
mod planner;
mod remote;
mod rolling;
mod xet;
mod xet_answer;

pub use git::{Fetched, GitLimits, GitRemote, GitRemoteError, HistoryHere};
pub use peer::PeerSource;
pub use plain::PlainSource;
pub use planner::RemotePlanner;
pub use remote::Remote;
pub use xet::XetSource;

#[cfg(doc)]
use crate::transfer::SourceError;

/// A reconstruction, in bytes: about 420 for each term, so a file of 500 GB in 100,000 pieces fits. What
/// is longer is fetched as plain ranges.
pub const PLAN_BYTES_MAX: u64 = 40 << 20;
/// Other JSON of a remote, in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
