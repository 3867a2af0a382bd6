//! Bytes in, value out: git objects, commit bodies, cards, chunks, xorbs, shards.
//!
//! Invariants:
//! - No I/O, no clock, no randomness, no async: a function of its input.
//! - No panic and no unbounded memory on any input; every parser has a property test that says so.
//! - Ids are those that git and the Xet specification compute.

#![forbid(unsafe_code)]

pub mod attributes;
pub mod card;
pub mod commit_ndjson;
pub mod file_map;
pub mod gguf;
pub mod git;
pub mod gitignore;
pub mod gzip;
pub mod http_range;
pub mod lfs;
pub mod log_entry;
pub mod log_news;
pub mod parquet_head;
pub mod safetensors;
pub mod table_head;
pub mod table_rows;
pub mod xet;
