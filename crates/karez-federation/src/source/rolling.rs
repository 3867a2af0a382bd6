//! An object from a server that knows no ranges: read once from its beginning, handed out stretch by stretch.
//!
//! Only one reader has the stream at a time; the others wait for their turn, in the order in which they
//! asked. Who asks for what comes next goes on where the stream stands. Who asks for something earlier gets
//! a new stream; who asks for something later waits for what lies in between, which is thrown away: there
//! is no other way to it.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{StreamExt, TryStreamExt, try_unfold};
use karez_types::ByteRange;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::transfer::{ByteStream, SourceError};

/// The one stream of an object.
#[derive(Clone, Default)]
pub(super) struct Rolling(Arc<Mutex<Option<Standing>>>);

/// A stream, and where it stands.
struct Standing {
    at: u64,
    stream: ByteStream,
    /// Bytes that came with those of the reader before.
    left_over: Bytes,
}

impl Standing {
    async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        if self.left_over.is_empty() {
            return self.stream.try_next().await;
        }
        Ok(Some(std::mem::take(&mut self.left_over)))
    }
}

impl Rolling {
    /// Returns a stretch. `open` makes a new stream of the whole object.
    pub(super) async fn read<F>(&self, range: ByteRange, open: impl FnOnce() -> F) -> Result<ByteStream, SourceError>
    where
        F: Future<Output = Result<ByteStream, SourceError>>,
    {
        let mut turn = Arc::clone(&self.0).lock_owned().await;
        // Taken out: a reader that is dropped half way leaves no stream at an unknown place.
        let standing = match turn.take() {
            Some(standing) if standing.at <= range.start => standing,
            _ => Standing { at: 0, stream: open().await?, left_over: Bytes::new() },
        };
        let reader = Reader { turn, standing: Some(standing), range };
        Ok(try_unfold(reader, |mut reader| async move { Ok(reader.next().await?.map(|bytes| (bytes, reader))) })
            .boxed())
    }
}

struct Reader {
    turn: OwnedMutexGuard<Option<Standing>>,
    standing: Option<Standing>,
    range: ByteRange,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        let Some(standing) = &mut self.standing else { return Ok(None) };
        while standing.at < self.range.end {
            let Some(mut bytes) = standing.next().await? else {
                return Err(SourceError::Wrong("sent fewer bytes than the file has".to_owned()));
            };
            let start = standing.at;
            let taken = (bytes.len() as u64).min(self.range.end - start);
            standing.left_over = bytes.split_off(taken as usize);
            standing.at += taken;
            let skipped = self.range.start.saturating_sub(start).min(taken);
            let wanted = bytes.slice(skipped as usize..);
            if !wanted.is_empty() {
                return Ok(Some(wanted));
            }
        }
        *self.turn = self.standing.take();
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::stream;

    use super::*;

    #[tokio::test]
    async fn stretches_in_order_are_read_from_one_stream() {
        let whole: Vec<u8> = (0..100).collect();
        let opened = AtomicUsize::new(0);
        let rolling = Rolling::default();
        let read = async |start, end| {
            let stream = rolling.read(ByteRange { start, end }, || {
                opened.fetch_add(1, Ordering::SeqCst);
                let pieces: Vec<_> = whole.chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
                std::future::ready(Ok(stream::iter(pieces).boxed()))
            });
            stream.await.unwrap().try_collect::<Vec<Bytes>>().await.map(|pieces| pieces.concat())
        };
        for (start, end, streams) in
            [(0, 10, 1), (10, 20, 1), (20, 21, 1), (30, 40, 1), (90, 100, 1), (5, 7, 2), (7, 100, 2)]
        {
            assert_eq!(read(start, end).await.unwrap(), whole[start as usize..end as usize], "{start}..{end}");
            assert_eq!(opened.load(Ordering::SeqCst), streams, "{start}..{end}");
        }
        // Readers at the same time wait for each other instead of opening more.
        let together = futures::future::join_all([read(0, 40), read(40, 60), read(60, 100)]).await;
        let parts: Vec<u8> = together.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!((parts, opened.load(Ordering::SeqCst)), (whole.clone(), 3));
        assert!(matches!(read(90, 101).await, Err(SourceError::Wrong(_))));
        // A reader that goes away half way leaves nothing behind.
        drop(rolling.read(ByteRange { start: 0, end: 50 }, || async { Ok(stream::pending().boxed()) }).await.unwrap());
        assert_eq!(read(0, 10).await.unwrap(), whole[..10]);
    }
}
