//! Socket options of Linux that no safe library sets.

#![expect(unsafe_code, reason = "setsockopt with a number; each call passes a valid pointer and its size")]

use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

fn set<T: Copy>(socket: &impl AsFd, level: c_int, option: c_int, value: T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer is to `value`, which has that length and lives until the call is over; the
    // descriptor is open as long as `socket` is borrowed.
    let outcome = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, option, std::ptr::from_ref(&value).cast(), length)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Bounds what a socket sends, in bytes a second.
pub(crate) fn set_pace(socket: &impl AsFd, bytes_per_sec: u64) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, bytes_per_sec)
}

/// Bounds the bytes that wait unsent in the kernel before a socket counts as not writable.
pub(crate) fn set_not_sent_max(socket: &impl AsFd, bytes: u32) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, bytes)
}

#[cfg(test)]
fn get<T: Copy + Default>(socket: &impl AsFd, level: c_int, option: c_int) -> io::Result<T> {
    let mut value = T::default();
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `value`, which has that length, and every bit
    // pattern is a number.
    let outcome = unsafe {
        let at = std::ptr::from_mut(&mut value).cast();
        libc::getsockopt(socket.as_fd().as_raw_fd(), level, option, at, &raw mut length)
    };
    if outcome == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
pub(crate) fn pace(socket: &impl AsFd) -> io::Result<u64> {
    get(socket, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE)
}

#[cfg(test)]
pub(crate) fn not_sent_max(socket: &impl AsFd) -> io::Result<u32> {
    get(socket, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT)
}
