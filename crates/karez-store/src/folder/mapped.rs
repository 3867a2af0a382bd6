//! Windows of a file in memory: the page cache itself, without a copy.
//!
//! Copying out of the page cache with `read` costs about 0.5 CPU-s per GB where this was measured,
//! mapping it less than 0.1 (`examples/read_cost.rs`). The price is that a page which cannot be
//! read from the disk, or was cut off the file, is a fatal signal instead of an error. So:
//!
//! - Only ranges inside the file are mapped, only on local file systems, and xorbs never shrink.
//! - A window is handed out only after all of its pages are in memory: either they were
//!   (`cachestat`, or `mincore` on older kernels), or the kernel was asked to read them
//!   (`MADV_POPULATE_READ`), which reports errors.
//! - What remains: somebody cuts a file off in place, or a page is dropped under memory pressure and
//!   its sector breaks in the moment between.
//!
//! Windows are small, so that the memory of a process that reads stays small, and are given back one by one.
//!
//! Whoever sends a window through a socket need not touch its memory: [`file_behind`] tells which
//! part of which file it is, and `sendfile` does the rest inside the kernel, at half the cost of
//! writing from the mapping. Windows that are only sent are never paged in.

#![expect(unsafe_code, reason = "mapping files is not possible otherwise; see the conditions above")]

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use karez_types::ByteRange;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

/// Bytes of one window: large enough that mapping costs nothing beside sending.
pub(super) const WINDOW_BYTES: usize = 4 << 20;

/// Where mappings may begin: a multiple of every page size that Linux is built with today.
const BEGIN_BYTES: u64 = 64 << 10;

/// The smallest page, in bytes. With larger ones `is_in_memory` says no too often, which is only slower.
const PAGE_BYTES_MIN: usize = 4 << 10;

/// File systems (`statfs` numbers) whose pages come from a local disk or from memory.
const LOCAL_FILE_SYSTEMS: [rustix::fs::FsWord; 8] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0xF2F5_2010, // F2FS
    0xCA45_1A4E, // bcachefs
    0x2FC1_2FC1, // ZFS
    0x0102_1994, // tmpfs
    0x794C_7630, // overlayfs, as in containers
];

/// Tells whether files of this folder may be mapped.
pub(super) fn can_map(folder: &File) -> bool {
    rustix::fs::fstatfs(folder).is_ok_and(|status| LOCAL_FILE_SYSTEMS.contains(&status.f_type))
}

/// Every window there is, by its first address.
static WINDOWS: RwLock<BTreeMap<usize, Place>> = RwLock::new(BTreeMap::new());

#[derive(Clone)]
struct Place {
    mapped_bytes: usize,
    file: Arc<File>,
    offset: u64,
}

/// The part of a file that some memory is a window of.
pub struct FileBehind {
    file: Arc<File>,
    offset: u64,
    bytes: usize,
}

impl FileBehind {
    /// Sends the bytes through a socket without copying them through the process. Returns how many
    /// were sent: fewer when the socket has no room for more.
    ///
    /// # Errors
    /// `WouldBlock` when a non-blocking socket has no room at all.
    pub fn send(&self, socket: impl AsFd) -> io::Result<usize> {
        let mut offset = self.offset;
        let sent = rustix::fs::sendfile(socket, &*self.file, Some(&mut offset), self.bytes)?;
        match sent {
            0 if self.bytes > 0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a stored file became shorter")),
            sent => Ok(sent),
        }
    }
}

/// Returns which part of which file this memory is a window of, if it is one.
///
/// The window lives at least as long as the borrow, so the answer is right until then.
pub fn file_behind(memory: &[u8]) -> Option<FileBehind> {
    let address = memory.as_ptr().addr();
    let windows = WINDOWS.read().unwrap_or_else(PoisonError::into_inner);
    let (first, place) = windows.range(..=address).next_back()?;
    let inside = address - first;
    if inside + memory.len() > place.mapped_bytes {
        return None;
    }
    Some(FileBehind { file: Arc::clone(&place.file), offset: place.offset + inside as u64, bytes: memory.len() })
}

/// A mapped range of a file.
pub(super) struct Window {
    address: NonNull<c_void>,
    mapped_bytes: usize,
    /// Bytes from the start of the mapping to the start of the range.
    skipped_bytes: usize,
    file: Arc<File>,
    offset: u64,
}

// SAFETY: the mapping is read-only and belongs to the process; any thread may read or unmap it.
unsafe impl Send for Window {}
// SAFETY: as above; nothing is ever written through it.
unsafe impl Sync for Window {}

impl Window {
    /// Maps a range, which must not be empty and must lie inside the file.
    pub(super) fn map(file: &Arc<File>, range: ByteRange) -> io::Result<Window> {
        let skipped_bytes = usize::try_from(range.start % BEGIN_BYTES).expect("less than 64 KiB");
        let wanted = usize::try_from(range.byte_count()).map_err(io::Error::other)?;
        let mapped_bytes = skipped_bytes + wanted;
        let offset = range.start - skipped_bytes as u64;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory in use.
        let address =
            unsafe { mmap(std::ptr::null_mut(), mapped_bytes, ProtFlags::READ, MapFlags::SHARED, file, offset)? };
        let address = NonNull::new(address).ok_or_else(|| io::Error::other("mapped at address zero"))?;
        let file = Arc::clone(file);
        let place = Place { mapped_bytes, file: Arc::clone(&file), offset };
        WINDOWS.write().unwrap_or_else(PoisonError::into_inner).insert(address.as_ptr().addr(), place);
        Ok(Window { address, mapped_bytes, skipped_bytes, file, offset })
    }

    /// Tells whether every page is in memory.
    pub(super) fn is_in_memory(&self) -> bool {
        match pages_in_memory(&self.file, self.offset, self.mapped_bytes as u64) {
            Some(count) => count >= (self.mapped_bytes as u64).div_ceil(page_bytes()),
            None => self.is_mapped_in_memory(),
        }
    }

    /// The same for kernels before 6.5, at the cost of a look at each page.
    fn is_mapped_in_memory(&self) -> bool {
        const PAGES_MAX: usize = (WINDOW_BYTES + BEGIN_BYTES as usize) / PAGE_BYTES_MIN;
        let mut pages = [0u8; PAGES_MAX];
        let page_count = self.mapped_bytes.div_ceil(PAGE_BYTES_MIN);
        if page_count > PAGES_MAX {
            return false;
        }
        // SAFETY: the range is mapped, starts at a page, and `pages` has a byte for each of its pages.
        let answered = unsafe { libc::mincore(self.address.as_ptr(), self.mapped_bytes, pages.as_mut_ptr()) };
        answered == 0 && pages[..page_count].iter().all(|page| page & 1 == 1)
    }

    /// Reads every page that is not in memory from the disk. Waits for the disk.
    pub(super) fn fetch(&self) -> io::Result<()> {
        // SAFETY: the range is mapped; reading its pages changes nothing that anybody sees.
        unsafe { madvise(self.address.as_ptr(), self.mapped_bytes, Advice::LinuxPopulateRead)? };
        Ok(())
    }

    /// Hands out the range; it is unmapped when the last clone is dropped.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Window {
    fn as_ref(&self) -> &[u8] {
        let start = self.address.as_ptr().cast::<u8>().cast_const();
        // SAFETY: the mapping lives as long as `self`, was made with this length, and files of the
        // store are never written after they have their name.
        unsafe { std::slice::from_raw_parts(start.add(self.skipped_bytes), self.mapped_bytes - self.skipped_bytes) }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // First, so that nobody takes what is mapped here next for this file.
        WINDOWS.write().unwrap_or_else(PoisonError::into_inner).remove(&self.address.as_ptr().addr());
        // SAFETY: mapped by `map` with this length, and nobody can borrow from `self` any more.
        let unmapped = unsafe { munmap(self.address.as_ptr(), self.mapped_bytes) };
        debug_assert!(unmapped.is_ok(), "what was mapped can be unmapped");
    }
}

/// Asks the kernel how many pages of a file are in memory; `None` when it cannot say.
fn pages_in_memory(file: &File, offset: u64, bytes: u64) -> Option<u64> {
    /// Number of `cachestat` on every architecture: it is younger than their differences.
    const CACHESTAT: libc::c_long = 451;
    let range = [offset, bytes];
    // Pages in memory, dirty, being written, evicted, evicted lately.
    let mut counts = [0u64; 5];
    // SAFETY: both arrays have the layout of the kernel's structures, and the kernel writes only to the second.
    let answered = unsafe { libc::syscall(CACHESTAT, file.as_raw_fd(), range.as_ptr(), counts.as_mut_ptr(), 0) };
    (answered == 0).then_some(counts[0])
}

fn page_bytes() -> u64 {
    static PAGE_BYTES: OnceLock<u64> = OnceLock::new();
    *PAGE_BYTES.get_or_init(|| {
        // SAFETY: only asks.
        let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        u64::try_from(bytes).ok().filter(|&bytes| bytes > 0).unwrap_or(PAGE_BYTES_MIN as u64)
    })
}
