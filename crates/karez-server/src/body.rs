//! A request body with a bound on its size and on its silence.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use karez_hub::HubResult;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

/// Why a body was cut.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyCut {
    /// More bytes than the route takes.
    #[error("the body is larger than {bytes_max} bytes (setting limits.{setting})")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
        /// The setting that raises it.
        setting: &'static str,
    },
    /// Nothing came for too long.
    #[error("no byte arrived for {secs} seconds; send again, or raise limits.body_idle_secs_max")]
    Idle {
        /// The bound.
        secs: u64,
    },
}

/// Wraps a body so that it ends in [`BodyCut`] when it is too large or stands still.
///
/// When it is dropped before its end, what is left goes to whoever holds the other end of `leftover`:
/// see [`drain`].
pub(crate) struct BoundedBody {
    inner: Body,
    is_whole: bool,
    leftover: Option<oneshot::Sender<Body>>,
    left_bytes: u64,
    bytes_max: u64,
    setting: &'static str,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
}

impl BoundedBody {
    pub(crate) fn new(
        inner: Body,
        bytes_max: u64,
        setting: &'static str,
        idle: Duration,
        leftover: oneshot::Sender<Body>,
    ) -> BoundedBody {
        let deadline = Box::pin(tokio::time::sleep(idle));
        let leftover = Some(leftover);
        BoundedBody { inner, is_whole: false, leftover, left_bytes: bytes_max, bytes_max, setting, idle, deadline }
    }
}

impl Drop for BoundedBody {
    fn drop(&mut self) {
        if let Some(leftover) = self.leftover.take().filter(|_| !self.is_whole) {
            // Nobody is there any more when the request itself was dropped.
            let _ = leftover.send(std::mem::replace(&mut self.inner, Body::empty()));
        }
    }
}

/// Reads and forgets what a handler left of a body, so that the sender comes to reading the answer and
/// the connection stays usable. Gives up after `bytes_max`, or `idle` without a byte: then the
/// connection is closed, and the sender may see that instead of the answer.
pub(crate) async fn drain(mut body: Body, bytes_max: u64, idle: Duration) {
    let mut left_bytes = bytes_max;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(idle, body.frame()).await {
        let data_bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        match left_bytes.checked_sub(data_bytes) {
            Some(left) => left_bytes = left,
            None => return,
        }
    }
}

impl HttpBody for BoundedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        let frame = match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.is_whole = !matches!(frame, Some(Ok(_)));
                frame
            }
            Poll::Pending => {
                ready!(this.deadline.as_mut().poll(cx));
                return Poll::Ready(Some(Err(BodyCut::Idle { secs: this.idle.as_secs() }.into())));
            }
        };
        this.deadline.as_mut().reset(Instant::now() + this.idle);
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let data_bytes = data.len() as u64;
            if data_bytes > this.left_bytes {
                let cut = BodyCut::TooLarge { bytes_max: this.bytes_max, setting: this.setting };
                return Poll::Ready(Some(Err(cut.into())));
            }
            this.left_bytes -= data_bytes;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Turns a failed read of a body into the error that the sender should see.
pub(crate) fn broken_body(error: &(dyn std::error::Error + 'static)) -> karez_hub::HubError {
    use karez_hub::HubError;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        match current.downcast_ref::<BodyCut>() {
            Some(BodyCut::TooLarge { bytes_max, setting }) => {
                return HubError::TooLarge { what: "the body", limit: format!("{bytes_max} bytes"), setting };
            }
            Some(cut @ BodyCut::Idle { .. }) => return HubError::BodyBroken(cut.to_string()),
            None => cause = current.source(),
        }
    }
    HubError::BodyBroken("the connection was closed".to_owned())
}

/// Streams a body as the hub takes it.
pub(crate) fn body_pieces(body: Body) -> impl Stream<Item = HubResult<Bytes>> + Send {
    TryStreamExt::map_err(body.into_data_stream(), |error| broken_body(&error))
}
