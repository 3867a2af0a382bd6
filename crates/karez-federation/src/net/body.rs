//! Bytes while they arrive: idle time, slowest rate, bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, StreamExt, TryStreamExt, try_unfold};
use tokio::time::{Instant, timeout};

use super::{NetError, Patience, SLOWEST_BYTES};

/// A body as it arrives.
pub(super) type Body = BoxStream<'static, Result<Bytes, NetError>>;

/// Ends a body with [`NetError::Stalled`] when it pauses or drips. Only the time counts in which the
/// reader waits: it may itself be waiting for a disk.
pub(super) fn watched(body: Body, patience: Patience) -> Body {
    let watch = Watch { body, waited: Duration::ZERO, since_bytes: 0 };
    try_unfold(watch, move |mut watch| async move { Ok(watch.next(patience).await?.map(|bytes| (bytes, watch))) })
        .boxed()
}

struct Watch {
    body: Body,
    /// How long was waited for the last [`SLOWEST_BYTES`].
    waited: Duration,
    since_bytes: u64,
}

impl Watch {
    async fn next(&mut self, patience: Patience) -> Result<Option<Bytes>, NetError> {
        loop {
            let asked = Instant::now();
            let Ok(next) = timeout(patience.idle, self.body.next()).await else { return Err(NetError::Stalled) };
            let Some(bytes) = next.transpose()? else { return Ok(None) };
            self.waited += asked.elapsed();
            self.since_bytes += bytes.len() as u64;
            if self.since_bytes >= SLOWEST_BYTES {
                (self.waited, self.since_bytes) = (Duration::ZERO, 0);
            } else if self.waited > patience.slowest {
                return Err(NetError::Stalled);
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }
}

/// Ends a body with [`NetError::TooLarge`] when it goes beyond a bound.
pub(super) fn bounded(body: Body, bytes_max: u64) -> Body {
    let mut left = bytes_max;
    body.and_then(move |bytes| {
        let fits = left.checked_sub(bytes.len() as u64);
        left = fits.unwrap_or(0);
        std::future::ready(fits.map(|_| bytes).ok_or(NetError::TooLarge { bytes_max }))
    })
    .boxed()
}

/// Reads a bounded body into memory, which grows with what arrives and not with what was announced.
pub(super) async fn whole(body: Body, bytes_max: u64) -> Result<Bytes, NetError> {
    let mut body = bounded(body, bytes_max);
    let Some(first) = body.try_next().await? else { return Ok(Bytes::new()) };
    let Some(second) = body.try_next().await? else { return Ok(first) };
    let mut bytes = BytesMut::from(&first[..]);
    bytes.extend_from_slice(&second);
    while let Some(piece) = body.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    /// A body of pieces of one length, each after a pause of virtual time.
    fn dripping(piece_bytes: usize, pieces: usize, pause: Duration) -> Body {
        stream::iter(0..pieces)
            .then(move |_| async move {
                tokio::time::sleep(pause).await;
                Ok(Bytes::from(vec![0; piece_bytes]))
            })
            .boxed()
    }

    async fn received(body: Body) -> (usize, Option<NetError>) {
        let mut body = watched(body, Patience::default());
        let mut bytes = 0;
        loop {
            match body.try_next().await {
                Ok(Some(piece)) => bytes += piece.len(),
                Ok(None) => return (bytes, None),
                Err(error) => return (bytes, Some(error)),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_and_drips_end_a_body_and_slowness_does_not() {
        let secs = Duration::from_secs;
        assert_eq!(received(dripping(10_000, 50, secs(19))).await, (500_000, None));
        assert_eq!(received(dripping(1_000, 50, secs(6))).await, (50_000, None));
        assert_eq!(received(dripping(10_000, 50, secs(21))).await, (0, Some(NetError::Stalled)));
        let (bytes, error) = received(dripping(1, 1000, secs(5))).await;
        assert_eq!((bytes < 8, error), (true, Some(NetError::Stalled)));
        assert_eq!(received(dripping(0, 1000, secs(5))).await, (0, Some(NetError::Stalled)), "empty pieces are none");
        assert_eq!(received(dripping(1, 5, secs(5))).await, (5, None), "a short body may be slow");
    }

    #[tokio::test]
    async fn bounds_hold() {
        let body = || dripping(10, 3, Duration::ZERO);
        assert_eq!(whole(body(), 30).await.unwrap().len(), 30);
        assert_eq!(whole(body(), 29).await, Err(NetError::TooLarge { bytes_max: 29 }));
        assert_eq!(whole(dripping(10, 0, Duration::ZERO), 0).await.unwrap().len(), 0);
        assert_eq!(whole(dripping(10, 1, Duration::ZERO), 9).await, Err(NetError::TooLarge { bytes_max: 9 }));
    }
}
