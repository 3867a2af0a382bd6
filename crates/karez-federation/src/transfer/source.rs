//! Where bytes come from.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{self, BoxFuture};
use futures::stream::BoxStream;
use karez_types::ByteRange;

use super::{CostClass, Place, STORED};

/// Number of a source within one transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bytes of a source as they arrive.
pub type ByteStream = BoxStream<'static, Result<Bytes, SourceError>>;

/// Something that can give ranges of the objects of a plan: a peer, a hub, a static web server, a disk.
///
/// A source is asked for several ranges at once. It keeps nothing of them itself: what it does not
/// deliver is asked for again, here or elsewhere. Dropping a stream ends its request.
pub trait Source: Send + Sync {
    /// Name of the remote, for people and for incidents.
    fn name(&self) -> &str;

    /// What a byte from here costs now.
    fn cost(&self) -> CostClass;

    /// The line that its bytes come over; connections and rates are bounded for each line.
    fn line(&self) -> &str {
        ""
    }

    /// The encodings that this source can send; today [`STORED`](super::STORED).
    fn encodings(&self) -> &[&'static str] {
        &[STORED]
    }

    /// Whether one connection to it fills a line that loses packets, as its sender says: then two are as good as
    /// sixteen, and less is under way when they are cut.
    fn fills_line_alone(&self) -> bool {
        false
    }

    /// Asks for `bytes` of a place, counted from where the place begins. The stream yields exactly the
    /// bytes asked for (in the `stored` encoding), in order, or an error; never more.
    ///
    /// # Errors
    /// [`SourceError`], as soon as it is known. What was yielded before an error counts as received.
    fn open<'a>(
        &'a self,
        place: &'a Place,
        bytes: ByteRange,
        encoding: &'static str,
    ) -> BoxFuture<'a, Result<ByteStream, SourceError>>;

    /// Tries whether the source can be reached, by a short connect, and returns how long that took:
    /// one round trip. Called in an outage, about once a second; the caller limits the time.
    ///
    /// # Errors
    /// [`SourceError::Unreachable`] when it cannot.
    fn probe(&self) -> BoxFuture<'_, Result<Duration, SourceError>> {
        Box::pin(future::ready(Ok(Duration::ZERO)))
    }

    /// Forgets every open connection: after an outage they are dead, whatever the kernel thinks. Called
    /// before the source is asked again.
    fn redial(&self) {}
}

/// Why a source did not give what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No connection, or it broke. Tried again soon.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// No byte for too long.
    #[error("it sends nothing")]
    Stalled,
    /// It answered, and said no. Tried again later.
    #[error("it answered with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// It does not have this object, or not any more.
    #[error("it does not have the bytes")]
    Gone,
    /// It broke the protocol: another range, another size. A lie, so the source is banned for the object.
    #[error("it {0}")]
    Wrong(String),
    /// A signed address has expired: the file is planned again.
    #[error("its addresses have expired")]
    Expired,
}
