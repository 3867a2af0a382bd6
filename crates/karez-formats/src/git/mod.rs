//! Git as bytes: objects and their ids, packs, pkt-lines and the fetch protocol.
//!
//! Ids are those that `git hash-object` prints, because clients skip unchanged files by comparing
//! them and because a mirror must have the commit ids of its origin. What we encode passes
//! `git fsck --strict`; what we parse from outside must too, as far as names, modes and order go.

mod commit;
mod delta;
pub mod fetch_client;
mod object;
mod pack;
mod pack_entry;
mod pack_read;
mod pkt;
mod tag;
mod tree;
pub mod upload_pack;

pub use commit::{Commit, Signature, encode_commit, parse_commit};
pub use object::{GitError, GitKind, object_id};
pub use pack::PackWriter;
pub use pack_read::{PackError, PackLimits, PackReader, PackedObject};
pub use pkt::{
    Pkt, PktError, PktReader, SIDE_BAND_DATA_BYTES_MAX, SideBand, write_delimiter, write_flush, write_line,
    write_side_band,
};
pub use tag::{Tag, encode_tag, parse_tag};
pub use tree::{TreeEntry, TreeMode, encode_tree, parse_tree};
