//! Small questions to a peer: an address, a bound, a whole answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use karez_formats::gzip;

/// Seconds for a whole question. What is asked here has kilobytes; at 64 kbit/s a megabyte takes two minutes.
const ASK_SECS_MAX: u64 = 180;
/// Seconds without a byte after which a question is over.
const STALL_SECS_MAX: u64 = 20;
/// Bytes that an answer costs beside its body, about: status and headers.
const HEAD_BYTES: u64 = 300;

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
    http: reqwest::Client,
    base: String,
    received_bytes: AtomicU64,
}

impl Wire {
    /// Returns a way to ask the node at this address.
    pub fn new(http: reqwest::Client, url: &str) -> Wire {
        Wire { http, base: url.trim_end_matches('/').to_owned(), received_bytes: AtomicU64::new(0) }
    }

    /// Returns the address that is asked.
    pub fn url(&self) -> &str {
        &self.base
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
        let mut request = self.http.get(format!("{}{path}", self.base)).header("accept-encoding", "gzip");
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
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
        let request = self.http.post(format!("{}{path}", self.base)).header("content-type", "text/plain").body(body);
        self.ask(request, path, bytes_max).await
    }

    async fn ask(
        &self,
        request: reqwest::RequestBuilder,
        path: &str,
        bytes_max: u64,
    ) -> Result<WireAnswer, WireError> {
        let whole = tokio::time::timeout(Duration::from_secs(ASK_SECS_MAX), self.answer(request, path, bytes_max));
        whole.await.unwrap_or_else(|_| {
            Err(WireError::Unreachable(format!("no whole answer to {path} within {ASK_SECS_MAX} seconds")))
        })
    }

    async fn answer(
        &self,
        request: reqwest::RequestBuilder,
        path: &str,
        bytes_max: u64,
    ) -> Result<WireAnswer, WireError> {
        let wrong = |what: String| WireError::Wrong { path: path.to_owned(), what };
        let silent = |_| WireError::Unreachable(format!("nothing came for {STALL_SECS_MAX} seconds"));
        let stall = Duration::from_secs(STALL_SECS_MAX);
        let response = tokio::time::timeout(stall, request.send()).await.map_err(silent)?.map_err(unreachable)?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let etag = header("etag").filter(|etag| etag.len() <= 256);
        let is_packed = match header("content-encoding").as_deref() {
            None | Some("identity") => false,
            Some("gzip") => true,
            Some(other) => return Err(wrong(format!("the encoding {other} was not asked for"))),
        };
        let mut body = BytesMut::new();
        let mut stream = response.bytes_stream();
        while let Some(piece) = tokio::time::timeout(stall, stream.next()).await.map_err(silent)? {
            let piece = piece.map_err(unreachable)?;
            self.received_bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
            if (body.len() + piece.len()) as u64 > bytes_max {
                return Err(wrong(format!("more than {bytes_max} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        self.received_bytes.fetch_add(HEAD_BYTES, Ordering::Relaxed);
        let body = match is_packed {
            true => gzip::unpack(&body, bytes_max).map_err(|error| wrong(error.to_string()))?.into(),
            false => body.freeze(),
        };
        Ok(WireAnswer { status, etag, body })
    }
}

fn unreachable(error: reqwest::Error) -> WireError {
    // The innermost cause says most: "connection refused", not "error sending request".
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    WireError::Unreachable(cause.to_string())
}
