//! HTTP, and only HTTP: routes by protocol, thin handlers, one table of errors.
//!
//! A request comes in through [`serve`], passes the layers in `layers.rs` (request id, body bounds,
//! cross-origin headers, redirects of moved repositories), and meets one row of [`route_table`].
//! Its handler reads the request, calls one method of the hub, and writes the answer.
//!
//! Invariants:
//! - No rule about who may do what is decided here; handlers pass the caller to the hub.
//! - No SQL, no file is touched here.
//! - Every address in an answer begins with the node's public address.
//! - Every request body has a bound and an idle time limit before a handler sees it.

#![deny(unsafe_code)]

mod body;
mod cas;
mod changing;
mod connection;
mod error;
mod extract;
mod federation;
mod file_io;
mod front;
mod git;
mod hub_api;
mod layers;
mod lfs;
mod log;
mod metadata;
mod network;
mod node_settings;
mod ollama;
mod pages;
mod pull_through;
mod route;
mod socket;
mod state;
mod viewer;

pub use connection::serve;
pub use error::ApiError;
pub use network::{NetworkSettings, congestion_of};
pub use node_settings::NodeSettings;
pub use route::{BodyBound, Guard, Route, Verb, route_table, router};
pub use state::AppState;
