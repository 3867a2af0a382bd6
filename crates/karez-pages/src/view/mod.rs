//! The pages, one module for each sort.

pub(crate) mod commits;
pub(crate) mod error;
pub(crate) mod file;
pub(crate) mod home;
pub(crate) mod list;
pub(crate) mod node;
pub(crate) mod owner;
pub(crate) mod repo;
pub(crate) mod sign_in;
