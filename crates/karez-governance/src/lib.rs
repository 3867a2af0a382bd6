//! The notary: signed notes, the tree of a log and its proofs, checkpoints and cosignatures.
//!
//! Everything is bytes in, value out, in the public formats of C2SP: signed-note, tlog-checkpoint,
//! tlog-tiles, tlog-cosignature, tlog-witness, tlog-proof, tlog-policy. Keys come in as values; where
//! they are kept, and when something is signed, is for others to say.
//!
//! Invariants:
//! - A value that was verified has a type of its own; nothing else is made from unverified bytes.
//! - No I/O, no clock: time comes in as a parameter. Any input gives a value or an error, never a panic.

#![forbid(unsafe_code)]
