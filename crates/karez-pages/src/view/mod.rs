//! The pages, one module for each sort.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod change;
pub(crate) mod collection;
pub(crate) mod commits;
pub(crate) mod discussion;
pub(crate) mod error;
pub(crate) mod facets;
pub(crate) mod file;
pub(crate) mod form;
pub(crate) mod home;
pub(crate) mod list;
pub(crate) mod make;
pub(crate) mod node;
pub(crate) mod owner;
pub(crate) mod people;
pub(crate) mod repo;
pub(crate) mod room;
pub(crate) mod sign_in;
pub(crate) mod upstream;
pub(crate) mod viewer;
pub(crate) mod weights;
