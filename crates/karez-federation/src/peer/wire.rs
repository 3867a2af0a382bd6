//! Small questions to a peer: an address, a bound, a whole answer.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderValue, header};
use url::Url;

use crate::net::{HttpAnswer, HttpClient, HttpRequest, NetError};

/// Bytes that come for a question beside the body of its answer, about: status, headers, acknowledgements,
/// and a share of the connection.
const HEAD_BYTES: u64 = 400;
/// Longest tag that is remembered, in bytes.
const ETAG_BYTES_MAX: usize = 256;

/// Why a peer gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No connection, or it broke, or nothing came for too long.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It answered with this status.
    #[error("answered {path} with status {status}")]
    Status {
        /// What was asked.
        path: String,
        /// The status.
        status: u16,
    },
    /// It broke the protocol.
    #[error("answered {path} wrongly: {what}")]
    Wrong {
        /// What was asked.
        path: String,
        /// What is wrong.
        what: String,
    },
}

impl WireError {
    fn of(path: &str, error: NetError) -> WireError {
        match error {
            NetError::Wrong(_) | NetError::TooLarge { .. } => {
                WireError::Wrong { path: path.to_owned(), what: error.to_string() }
            }
            NetError::Unreachable(_) | NetError::Refused(_) | NetError::Stalled => {
                WireError::Unreachable(error.to_string())
            }
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct WireAnswer {
    /// The status.
    pub status: u16,
    /// Tag of this version of the answer.
    pub etag: Option<String>,
    /// The body, unpacked.
    pub body: Bytes,
}

/// How to ask one peer.
pub struct Wire {
    http: HttpClient,
    base: String,
    received_bytes: AtomicU64,
}

impl Wire {
    /// Returns a way to ask the node at this address.
    pub fn new(http: HttpClient, url: &str) -> Wire {
        Wire { http, base: url.trim_end_matches('/').to_owned(), received_bytes: AtomicU64::new(0) }
    }

    /// Returns the address that is asked.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Returns the client through which it is asked.
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Returns the bytes that came since this was last asked, about: what the line is charged with.
    pub fn take_received(&self) -> u64 {
        self.received_bytes.swap(0, Ordering::Relaxed)
    }

    /// Sends GET. With a tag, the status may be 304; otherwise it is 200.
    ///
    /// # Errors
    /// Also for every other status, and for a body of more than `bytes_max`, unpacked.
    pub async fn get(&self, path: &str, etag: Option<&str>, bytes_max: u64) -> Result<WireAnswer, WireError> {
        let mut request = HttpRequest::get(self.address(path)?).gzip();
        if let Some(etag) = etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let answer = self.ask(request, path, bytes_max).await?;
        match answer.status {
            200 => Ok(answer),
            304 if etag.is_some() => Ok(answer),
            status => Err(WireError::Status { path: path.to_owned(), status }),
        }
    }

    /// Sends POST and returns the answer whatever its status is.
    ///
    /// # Errors
    /// When there is no answer, or one of more than `bytes_max`.
    pub async fn post(&self, path: &str, body: String, bytes_max: u64) -> Result<WireAnswer, WireError> {
        let request = HttpRequest::post(self.address(path)?, "text/plain; charset=utf-8", body).no_redirects();
        self.ask(request, path, bytes_max).await
    }

    fn address(&self, path: &str) -> Result<Url, WireError> {
        let url = format!("{}{path}", self.base);
        Url::parse(&url).map_err(|error| WireError::Unreachable(format!("{url} is no address: {error}")))
    }

    async fn ask(&self, request: HttpRequest, path: &str, bytes_max: u64) -> Result<WireAnswer, WireError> {
        self.received_bytes.fetch_add(HEAD_BYTES, Ordering::Relaxed);
        let answer: HttpAnswer = self.http.send(request).await.map_err(|error| WireError::of(path, error))?;
        let status = answer.status.as_u16();
        let etag = answer.header(&header::ETAG).filter(|etag| etag.len() <= ETAG_BYTES_MAX).map(str::to_owned);
        let travelled = answer.content_length();
        let body = answer.bytes(bytes_max).await.map_err(|error| WireError::of(path, error))?;
        self.received_bytes.fetch_add(travelled.unwrap_or(body.len() as u64), Ordering::Relaxed);
        Ok(WireAnswer { status, etag, body })
    }
}
