//! Dialling out: one HTTP client for all that a node asks of others.
//!
//! # Purpose
//! Remotes are added by an operator, but what they answer is theirs: redirects, addresses of bytes, names
//! that lead anywhere. So every request, every hop of a redirect and every address that a name leads to
//! is judged here before a connection is made, and every answer is bounded while it arrives.
//!
//! # What it guarantees
//! - Only `http` and `https`, and never from `https` back to `http`.
//! - No connection to an address that is not on the public internet, unless the operator allowed private
//!   ones for this remote; never to link-local and metadata addresses ([`guard`]). A name is looked up
//!   once for each connection and the connection goes to what was judged, so an answer that changes in
//!   between gains nothing. Behind a proxy it is the proxy that looks names up.
//! - Redirects are followed by hand, at most [`REDIRECTS_MAX`] of them. A token goes only to the origin
//!   (scheme, host, port) that the request began with.
//! - An answer's head comes within [`HEAD_SECS_MAX`], no pause in its body is longer than
//!   [`BODY_IDLE_SECS_MAX`], and it is never slower than [`SLOWEST_BYTES`] in [`SLOWEST_SECS`]: an answer
//!   that drips holds nobody. Bodies that are kept in memory have a bound that the caller names.
//!
//! # Connections
//! HTTP/1.1 only: one connection is one congestion window, and how many there are is the scheduler's
//! business. They are kept for the next request. After an outage they are dead, whatever the kernel
//! thinks: [`HttpClient::redial`] forgets them all.

mod body;
mod client;
mod error;
pub mod guard;
mod lookup;

pub use client::{HttpAnswer, HttpClient, HttpOptions, HttpRequest, ProxyChoice};
pub use error::NetError;
pub use guard::Reach;
pub use lookup::{Lookup, SystemLookup};

use std::time::Duration;

/// Redirects that one request follows.
pub const REDIRECTS_MAX: usize = 5;
/// Seconds until a connection stands. A GEO satellite needs 1.2 s for TCP, twice that with TLS.
pub const CONNECT_SECS_MAX: u64 = 5;
/// Seconds from the request to the end of the answer's head. Huge repositories take a hub that long.
pub const HEAD_SECS_MAX: u64 = 30;
/// Seconds without a byte after which an answer is given up.
pub const BODY_IDLE_SECS_MAX: u64 = 20;
/// Bytes that must come in each [`SLOWEST_SECS`] of a body.
pub const SLOWEST_BYTES: u64 = 4 << 10;
/// See [`SLOWEST_BYTES`]: 136 bytes a second, a hundredth of the slowest line that is worth using.
pub const SLOWEST_SECS: u64 = 30;
/// All header names and values of an answer, in bytes.
pub const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long the parts of an exchange may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// From the request to the end of the answer's head.
    pub head: Duration,
    /// Without a byte of the body.
    pub idle: Duration,
    /// A stretch of the body in which [`SLOWEST_BYTES`] must come.
    pub slowest: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: Duration::from_secs(CONNECT_SECS_MAX),
            head: Duration::from_secs(HEAD_SECS_MAX),
            idle: Duration::from_secs(BODY_IDLE_SECS_MAX),
            slowest: Duration::from_secs(SLOWEST_SECS),
        }
    }
}
