//! Reading files: no thread hop while the bytes are in the page cache.
//!
//! Each buffer is first asked for with `RWF_NOWAIT`, on the runtime's own thread: a copy out of the
//! page cache takes tens of microseconds, and the bytes are still in the processor's cache when the
//! socket takes them. Only when the kernel would have to wait for the disk does the read go to the
//! blocking pool, which also tells the kernel to fetch the buffer after it.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use karez_types::ByteRange;
use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::{Folder, blocking};
use crate::StoreError;
use crate::pool::{BUFFER_BYTES, Buffer, Pool};

/// An open file and what is still to be read of it.
struct Reading {
    name: String,
    file: Arc<File>,
    rest: ByteRange,
    pool: Arc<Pool>,
}

impl Folder {
    /// Streams a range of an object in buffers of [`BUFFER_BYTES`].
    pub(crate) fn stream(&self, name: String, range: ByteRange) -> BoxStream<'static, Result<Bytes, StoreError>> {
        let opening = Opening { folder: self.clone(), name, range };
        futures::stream::try_unfold(State::Opening(opening), State::next).boxed()
    }

    async fn reading(&self, name: String, range: ByteRange) -> Result<Reading, StoreError> {
        let (path, shared) = (self.path(&name), name.clone());
        let file = blocking("open a file", move || match File::open(&path) {
            Ok(file) => Ok(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::Missing { name: shared }),
            Err(error) => Err(StoreError::io(format!("open {shared}"), error)),
        });
        Ok(Reading { name, file: Arc::new(file.await?), rest: range, pool: Arc::clone(&self.0.pool) })
    }
}

struct Opening {
    folder: Folder,
    name: String,
    range: ByteRange,
}

enum State {
    Opening(Opening),
    Reading(Reading),
}

impl State {
    async fn next(self) -> Result<Option<(Bytes, State)>, StoreError> {
        let mut reading = match self {
            State::Opening(Opening { folder, name, range }) => folder.reading(name, range).await?,
            State::Reading(reading) => reading,
        };
        if reading.rest.is_empty() {
            return Ok(None);
        }
        let bytes = reading.next().await?;
        reading.rest.start += bytes.len() as u64;
        Ok(Some((bytes, State::Reading(reading))))
    }
}

impl Reading {
    async fn next(&self) -> Result<Bytes, StoreError> {
        let wanted = usize::try_from(self.rest.byte_count()).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        let mut buffer = self.pool.take();
        let at_once = read_at_once(&self.file, &mut buffer.memory()[..wanted], self.rest.start);
        match at_once {
            Ok(0) => Err(self.too_short()),
            Ok(count) => Ok(buffer.into_bytes(count)),
            // EAGAIN: not in memory. Anything else: let the plain read say what is wrong, or work.
            Err(_) => self.read_waiting(buffer, wanted).await,
        }
    }

    async fn read_waiting(&self, mut buffer: Buffer, wanted: usize) -> Result<Bytes, StoreError> {
        let (file, rest, name) = (Arc::clone(&self.file), self.rest, self.name.clone());
        let read = blocking("read a file", move || {
            let count = read_full(&file, &mut buffer.memory()[..wanted], rest.start);
            let count = count.map_err(|error| StoreError::io(format!("read {name}"), error))?;
            let after = rest.byte_count() - wanted as u64;
            if let Some(ahead) = NonZeroU64::new(after.min(BUFFER_BYTES as u64)) {
                // Advice only: reading works without.
                let _ = fadvise(&*file, rest.start + wanted as u64, Some(ahead), Advice::WillNeed);
            }
            Ok(buffer.into_bytes(count))
        });
        let bytes = read.await?;
        if bytes.is_empty() { Err(self.too_short()) } else { Ok(bytes) }
    }

    fn too_short(&self) -> StoreError {
        let what = format!("it ends at byte {}, before the range that was asked for", self.rest.start);
        StoreError::Corrupt { name: self.name.clone(), what }
    }
}

/// Reads what is in memory already; fails with `EAGAIN` when nothing is.
fn read_at_once(file: &File, memory: &mut [u8], start: u64) -> Result<usize, Errno> {
    preadv2(file, &mut [IoSliceMut::new(memory)], start, ReadWriteFlags::NOWAIT)
}

/// Reads until the memory is full or the file ends.
fn read_full(file: &File, memory: &mut [u8], start: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < memory.len() {
        match file.read_at(&mut memory[count..], start + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}
