//! The child that reads strangers' files: it gets a question and ranges of bytes over one socket, and gives back an
//! answer. Before it looks at anything it gives up what it does not need: new file descriptors, memory and time
//! beyond its limits, and all but a few system calls.
//!
//! A frame is one byte that says what it is, four bytes of length (little endian), and that many bytes.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::answer::answer;
use crate::error::PreviewError;
use crate::question::{Outcome, Request};
use crate::source::{RANGE_BYTES_MAX, ReadAt, Source};

/// The word that makes the program such a child.
pub const WORKER_COMMAND: &str = "preview-worker";

/// To the child: a [`Job`], as JSON.
pub const FRAME_JOB: u8 = b'J';
/// To the child: the bytes that it asked for.
pub const FRAME_BYTES: u8 = b'B';
/// To the child: the bytes cannot be had.
pub const FRAME_NONE: u8 = b'N';
/// From the child: number of a file (4 bytes), first byte (8), how many (8), all little endian.
pub const FRAME_RANGE: u8 = b'R';
/// From the child, last: an [`Outcome`], as JSON.
pub const FRAME_OUTCOME: u8 = b'O';
/// Bytes of a frame, at most: the longest range.
pub const FRAME_BYTES_MAX: usize = RANGE_BYTES_MAX;

/// What a child may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLimits {
    /// Memory that it may map, in bytes.
    pub memory_bytes: u64,
    /// Processor time, in seconds.
    pub cpu_secs: u64,
}

/// What a child is given first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The question.
    pub request: Request,
}

/// Writes a frame.
///
/// # Errors
/// When the other end is gone.
pub fn write_frame(mut to: impl Write, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut head = [kind; 5];
    head[1..].copy_from_slice(&length.to_le_bytes());
    to.write_all(&head)?;
    to.write_all(body)
}

/// Reads a frame.
///
/// # Errors
/// When the other end is gone, or sends more than a frame holds.
pub fn read_frame(mut from: impl Read) -> io::Result<(u8, Bytes)> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok((head[0], body.into()))
}

/// A file at the other end of the socket.
struct Remote {
    socket: Arc<Mutex<UnixStream>>,
    number: u32,
    file_bytes: u64,
}

impl ReadAt for Remote {
    fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    fn read_at(&self, start: u64, length_bytes: usize) -> io::Result<Bytes> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wish = [0; 20];
        wish[..4].copy_from_slice(&self.number.to_le_bytes());
        wish[4..12].copy_from_slice(&start.to_le_bytes());
        wish[12..].copy_from_slice(&(length_bytes as u64).to_le_bytes());
        write_frame(&*socket, FRAME_RANGE, &wish)?;
        match read_frame(&*socket)? {
            (FRAME_BYTES, bytes) if bytes.len() == length_bytes => Ok(bytes),
            // The node says to its own log why.
            _ => Err(io::Error::other("its bytes are not to be had now")),
        }
    }
}

/// Answers one question on a socket.
///
/// # Errors
/// When the other end is gone.
pub fn serve(socket: UnixStream) -> io::Result<()> {
    let (kind, body) = read_frame(&socket)?;
    if kind != FRAME_JOB {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let job: Job = serde_json::from_slice(&body)?;
    let socket = Arc::new(Mutex::new(socket));
    let remote = |(number, file): (usize, &crate::FileBrief)| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        Source::new(Remote { socket: Arc::clone(&socket), number, file_bytes: file.file_bytes })
    };
    let sources = job.request.files.iter().enumerate().map(remote).collect();
    let begun = Instant::now();
    let patience = Duration::from_millis(job.request.soft_millis);
    // A library that panics on a stranger's bytes costs this preview, with words for whoever waits.
    let work = || answer(&job.request, sources, &|| begun.elapsed() >= patience);
    let outcome: Outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let words = "the file is damaged, or is not what its name says";
        Err(PreviewError::malformed(words))
    });
    let outcome = serde_json::to_vec(&outcome)?;
    let socket = socket.lock().unwrap_or_else(PoisonError::into_inner);
    write_frame(&*socket, FRAME_OUTCOME, &outcome)
}

/// Is the child: takes the socket that is its standard input, gives up what it does not need, and serves. The limits
/// are the two words after [`WORKER_COMMAND`]: bytes of memory, seconds of processor time.
///
/// # Errors
/// When it cannot give something up, or the other end is gone.
pub fn run(words: impl Iterator<Item = String>) -> io::Result<()> {
    let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
    let [memory_bytes, cpu_secs] = numbers[..] else { return Err(io::ErrorKind::InvalidInput.into()) };
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // What a panic says is a stranger's bytes, and nobody reads it.
    std::panic::set_hook(Box::new(|_| {}));
    confine(WorkerLimits { memory_bytes, cpu_secs })?;
    serve(socket)
}

/// Gives up, for good, what reading files does not need.
fn confine(limits: WorkerLimits) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let set = |resource, most: u64| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    set(Resource::As, limits.memory_bytes)?;
    set(Resource::Cpu, limits.cpu_secs)?;
    set(Resource::Core, 0)?;
    set(Resource::Fsize, 0)?;
    // No descriptor can be made any more: nothing is opened, nobody is dialled.
    set(Resource::Nofile, 0)?;
    #[cfg(target_os = "linux")]
    forbid_system_calls().map_err(io::Error::other)?;
    Ok(())
}

/// Lets the kernel refuse every system call but those that memory, time, and the open socket need.
#[cfg(target_os = "linux")]
fn forbid_system_calls() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
    let Ok(machine) = TargetArch::try_from(std::env::consts::ARCH) else {
        // The kernel's filter is not known for this processor; the limits above still hold.
        return Ok(());
    };
    let allowed = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_readv,
        libc::SYS_writev,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_close,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_clock_gettime,
        libc::SYS_getrandom,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_tgkill,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_restart_syscall,
    ];
    let rules = allowed.into_iter().map(|call| (call, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter: BpfProgram = SeccompFilter::new(rules, refused, SeccompAction::Allow, machine)?.try_into()?;
    seccompiler::apply_filter(&filter)?;
    Ok(())
}
