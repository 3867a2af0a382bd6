//! Differential tests against the reference implementation of Xet, and the Rust client of the Hub.
//!
//! The tests are the crate: see `tests/xet.rs` and `tests/hf_hub.rs`. `cargo xtask test upstream` runs them.
