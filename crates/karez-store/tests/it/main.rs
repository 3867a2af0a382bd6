//! Tests of the store: one conformance suite over every backend, and what only a folder can do wrong.

mod conformance;
mod disk_full;
mod folder;
mod memory;
mod s3;
mod sample;
