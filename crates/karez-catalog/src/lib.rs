//! Karez's catalog.
mod error;
mod model;
mod stand_in;
pub use error::CatalogError;
pub use model::*;
pub use stand_in::{GitKind, LfsPointer, Term};
