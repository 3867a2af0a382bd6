//! Buffers for reading files, used again instead of allocated anew.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Size of one buffer, in bytes: large enough that a system call costs little beside the copy,
/// small enough that the bytes are still in the processor's cache when the socket copies them.
pub(crate) const BUFFER_BYTES: usize = 256 << 10;

/// Buffers kept while nobody reads: 4 MiB, so that an idle node stays small.
const IDLE_BUFFERS_MAX: usize = 16;

/// A stack of idle buffers.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<Vec<Box<[u8]>>>,
}

impl Pool {
    /// Takes a buffer of [`BUFFER_BYTES`]; its content is whatever the last user left.
    pub(crate) fn take(self: &Arc<Pool>) -> Buffer {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let memory = idle.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice());
        Buffer { memory, filled_bytes: 0, pool: Arc::clone(self) }
    }
}

/// A buffer that goes back to its pool when it is dropped.
pub(crate) struct Buffer {
    memory: Box<[u8]>,
    filled_bytes: usize,
    pool: Arc<Pool>,
}

impl Buffer {
    /// Returns the whole memory, to read into.
    pub(crate) fn memory(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    /// Hands out the first bytes; the buffer goes back when the last clone is dropped.
    pub(crate) fn into_bytes(mut self, filled_bytes: usize) -> Bytes {
        self.filled_bytes = filled_bytes.min(self.memory.len());
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.filled_bytes]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_BUFFERS_MAX {
            idle.push(memory);
        }
    }
}
