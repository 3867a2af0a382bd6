//! Reading files: no copy and no thread hop while the bytes are in the page cache.
//!
//! Long ranges are handed out as windows of the page cache (`mapped.rs`). Short ones, and files on
//! file systems that should not be mapped, are copied into buffers that are used again: first with
//! `RWF_NOWAIT` on the runtime's own thread, which never waits for the disk. Only when the kernel
//! would have to wait does a read go to the blocking pool, which also tells the kernel to fetch
//! what comes after it.

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

use super::mapped::{WINDOW_BYTES, Window};
use super::{Folder, blocking};
use crate::StoreError;
use crate::pool::{BUFFER_BYTES, Buffer, Pool};

/// Below this length a copy is cheaper than a mapping.
const MAPPED_BYTES_MIN: u64 = 96 << 10;

/// An open file and what is still to be read of it.
struct Reading {
    name: String,
    file: Arc<File>,
    rest: ByteRange,
    pool: Arc<Pool>,
    can_map: bool,
}

impl Folder {
    /// Streams a range of an object in pieces of up to [`WINDOW_BYTES`].
    pub(crate) fn stream(&self, name: String, range: ByteRange) -> BoxStream<'static, Result<Bytes, StoreError>> {
        let opening = Opening { folder: self.clone(), name, range };
        futures::stream::try_unfold(State::Opening(opening), State::next).boxed()
    }

    async fn reading(&self, name: String, range: ByteRange) -> Result<Reading, StoreError> {
        let (path, shared) = (self.path(&name), name.clone());
        let opened = blocking("open a file", move || {
            let failed = |error: io::Error| StoreError::io(format!("open {shared}"), error);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(StoreError::Missing { name: shared });
                }
                Err(error) => return Err(failed(error)),
            };
            let stored_bytes = file.metadata().map_err(failed)?.len();
            if stored_bytes < range.end {
                let what = format!("it ends at byte {stored_bytes}, inside or before the range that was asked for");
                return Err(StoreError::Corrupt { name: shared, what });
            }
            Ok(file)
        });
        let file = Arc::new(opened.await?);
        Ok(Reading { name, file, rest: range, pool: Arc::clone(&self.0.pool), can_map: self.0.can_map })
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
        if self.can_map && self.rest.byte_count() >= MAPPED_BYTES_MIN {
            // Without a mapping, or on a kernel that cannot fetch one, copying still works.
            if let Ok(window) = Window::map(&self.file, self.first_window()) {
                if window.is_in_memory() {
                    return Ok(window.into_bytes());
                }
                return self.fetch_waiting(window).await;
            }
        }
        self.copy().await
    }

    /// Returns the first bytes of what is left to read.
    fn first(&self, bytes_max: usize) -> ByteRange {
        ByteRange { start: self.rest.start, end: self.rest.end.min(self.rest.start + bytes_max as u64) }
    }

    /// Returns the first window of what is left: it ends where the next one may begin.
    fn first_window(&self) -> ByteRange {
        let past = self.rest.start % WINDOW_BYTES as u64;
        self.first(WINDOW_BYTES - usize::try_from(past).expect("less than a window"))
    }

    async fn fetch_waiting(&self, window: Window) -> Result<Bytes, StoreError> {
        let (file, rest, name) = (Arc::clone(&self.file), self.rest, self.name.clone());
        let here = self.first_window();
        let fetched = blocking("read a file", move || {
            fetch_ahead(&file, here.end, rest.end, WINDOW_BYTES);
            match window.fetch() {
                Ok(()) => Ok(Some(window.into_bytes())),
                // A kernel before 5.14 does not know how.
                Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(None),
                Err(error) => Err(StoreError::io(format!("read {name}"), error)),
            }
        });
        match fetched.await? {
            Some(bytes) => Ok(bytes),
            None => self.copy().await,
        }
    }

    async fn copy(&self) -> Result<Bytes, StoreError> {
        let wanted = usize::try_from(self.first(BUFFER_BYTES).byte_count()).expect("at most one buffer");
        let mut buffer = self.pool.take();
        let at_once = read_at_once(&self.file, &mut buffer.memory()[..wanted], self.rest.start);
        match at_once {
            Ok(0) => Err(self.too_short()),
            Ok(count) => Ok(buffer.into_bytes(count)),
            // EAGAIN: not in memory. Anything else: let the plain read say what is wrong, or work.
            Err(_) => self.copy_waiting(buffer, wanted).await,
        }
    }

    async fn copy_waiting(&self, mut buffer: Buffer, wanted: usize) -> Result<Bytes, StoreError> {
        let (file, rest, name) = (Arc::clone(&self.file), self.rest, self.name.clone());
        let read = blocking("read a file", move || {
            let count = read_full(&file, &mut buffer.memory()[..wanted], rest.start);
            let count = count.map_err(|error| StoreError::io(format!("read {name}"), error))?;
            fetch_ahead(&file, rest.start + wanted as u64, rest.end, BUFFER_BYTES);
            Ok(buffer.into_bytes(count))
        });
        let bytes = read.await?;
        if bytes.is_empty() { Err(self.too_short()) } else { Ok(bytes) }
    }

    fn too_short(&self) -> StoreError {
        let what = format!("it now ends at byte {}, before the range that was asked for", self.rest.start);
        StoreError::Corrupt { name: self.name.clone(), what }
    }
}

/// Asks the kernel to read what is needed next, without waiting. Advice only: all works without.
fn fetch_ahead(file: &File, start: u64, end: u64, bytes_max: usize) {
    if let Some(ahead) = NonZeroU64::new(end.saturating_sub(start).min(bytes_max as u64)) {
        let _ = fadvise(file, start, Some(ahead), Advice::WillNeed);
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
