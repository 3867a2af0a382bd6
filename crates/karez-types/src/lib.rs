//! The words of Karez: ids, hashes, names, revisions, paths, limits, clock and randomness.
//!
//! Everything above speaks in these types, so a repository name that was checked once stays checked.
//!
//! Invariants:
//! - A value of a type in this crate is valid: parsing is the only way in from text.
//! - No I/O, no async, no clock or randomness except behind [`Clock`] and [`Entropy`].

#![forbid(unsafe_code)]

mod clock;
mod entropy;
mod hash;
mod id;
mod limits;
mod name;
mod path;
mod range;
mod revision;
mod role;
pub mod units;

pub use clock::{Clock, FixedClock, SystemClock, Timestamp, TimestampError};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy, alphanumeric};
pub use hash::{ChunkHash, FileHash, GitOid, HashError, RangeHash, Sha256, XorbHash};
pub use id::{AccountId, RemoteId, RepoId, TokenId, Zone};
pub use limits::Limits;
pub use name::{NameError, OwnerName, RepoAddress, RepoKind, RepoName, fold_name};
pub use path::{PathError, RepoPath};
pub use range::ByteRange;
pub use revision::{RefName, Revision, RevisionError};
pub use role::{OrgRole, TokenRole, Visibility};
