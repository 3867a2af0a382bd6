//! The notary: signed notes, the tree of a log and its proofs, checkpoints and cosignatures.
//!
//! Everything is bytes in, value out, in the public formats of C2SP: signed-note, tlog-checkpoint,
//! tlog-tiles, tlog-cosignature, tlog-witness, tlog-proof, tlog-policy. Keys come in as values; where
//! they are kept, and when something is signed, is for others to say.
//!
//! Invariants:
//! - A value that was verified has a type of its own; nothing else is made from unverified bytes.
//! - No I/O, no clock: time comes in as a parameter. Any input gives a value or an error, never a panic.
//! - The byte that names an algorithm is kept everywhere; a key of an algorithm that is not known here
//!   is carried along and verifies nothing.

#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod cosignature;
pub mod descriptor;
pub mod fork;
pub mod key;
pub mod note;
pub mod policy;
pub mod proof;
pub mod tile;
pub mod tree;
pub mod witness;

pub use checkpoint::{Checkpoint, CheckpointError, VerifiedCheckpoint};
pub use descriptor::{Descriptor, DescriptorError};
pub use fork::{ForkError, ForkEvidence};
pub use key::{Algorithm, KeyError, SigningKey, VerifierKey};
pub use note::{Note, NoteError, NoteSignature, VerifiedNote};
pub use policy::{Policy, PolicyError};
pub use proof::{LogProof, ProofError, VerifiedProof};
pub use tile::{EntryBundle, Growth, TileError, TileId, TilePath, TileSet};
pub use tree::{Frontier, HashReader, TreeError, TreeHash};
pub use witness::{AddCheckpoint, Decision, Held, Refusal};

/// Reads a number as logs write it: decimal digits without sign and leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
