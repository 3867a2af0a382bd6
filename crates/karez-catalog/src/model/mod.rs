//! What the catalog takes and gives: plain values, no SQL, no engine.

mod access;
mod account;
mod change;
mod collection;
mod discussion;
mod feed;
mod file;
mod garbage;
mod git;
mod log;
mod mirror;
mod publication;
mod quota;
mod remote;
mod repo;
mod scan;
mod transfer;

pub use access::*;
pub use account::*;
pub use change::*;
pub use collection::*;
pub use discussion::*;
pub use feed::*;
pub use file::*;
pub use garbage::*;
pub use git::*;
pub use log::*;
pub use mirror::*;
pub use publication::*;
pub use quota::*;
pub use remote::*;
pub use repo::*;
pub use scan::*;
pub use transfer::*;
