//! What an operator decides, as data and pure functions: lines and their budgets, what to follow and
//! in which order, which upstream repositories to keep, what to evict, and whom to ask.
//!
//! Nothing here reads a clock, opens a socket or touches the catalog: moments and counts come in,
//! decisions and the words that explain them come out. The simulator runs this same code.

pub mod budget;
pub mod choose;
pub mod evict;
pub mod files;
pub mod glob;
pub mod line;
pub mod rules;
pub mod upstream;

pub use karez_types::units;
