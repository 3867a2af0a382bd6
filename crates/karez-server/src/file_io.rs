//! A connection that sends stored files from the page cache, without copying them through the process.
//!
//! Bodies hand out windows of files as memory. When such a window comes to be written, the kernel is
//! asked to send that part of the file (`sendfile`) instead: half the processor time of writing from
//! the mapping. Everything else is written as usual, and so is a window if the kernel declines.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use karez_hub::file_behind;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Below this length the search for a file costs more than the copy.
const FILE_BYTES_MIN: usize = 64 << 10;

/// A TCP connection that sends windows of files by `sendfile`.
pub(crate) struct FileIo(pub(crate) TcpStream);

impl FileIo {
    fn poll_send(&mut self, context: &mut Context<'_>, memory: &[u8]) -> Poll<io::Result<usize>> {
        let Some(behind) = file_behind(memory) else { return Pin::new(&mut self.0).poll_write(context, memory) };
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match self.0.try_io(Interest::WRITABLE, || behind.send(&self.0)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A file system that cannot do this.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    return Pin::new(&mut self.0).poll_write(context, memory);
                }
                sent => return Poll::Ready(sent),
            }
        }
    }
}

impl AsyncWrite for FileIo {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, memory: &[u8]) -> Poll<io::Result<usize>> {
        if memory.len() >= FILE_BYTES_MIN {
            return self.poll_send(context, memory);
        }
        Pin::new(&mut self.0).poll_write(context, memory)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.iter().position(|slice| slice.len() >= FILE_BYTES_MIN) {
            None => Pin::new(&mut self.0).poll_write_vectored(context, slices),
            // What stands before the long slice, such as the head of the answer, goes first.
            Some(long) if slices[..long].iter().any(|slice| !slice.is_empty()) => {
                Pin::new(&mut self.0).poll_write_vectored(context, &slices[..long])
            }
            Some(long) => self.poll_send(context, &slices[long]),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl AsyncRead for FileIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}
