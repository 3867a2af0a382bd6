//! Starting the child that reads: this program itself, by another word.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use karez_preview::worker::{WORKER_COMMAND, WorkerLimits};

/// A running child. It ends when this is dropped.
pub struct PreviewChild {
    /// The socket to it.
    pub socket: UnixStream,
    /// What keeps it alive.
    pub life: Box<dyn Send + Sync>,
}

/// Starts children.
pub trait PreviewLauncher: Send + Sync {
    /// Starts one.
    ///
    /// # Errors
    /// When the system refuses.
    fn launch(&self, limits: WorkerLimits) -> io::Result<PreviewChild>;
}

/// Starts a program as child: with an empty environment, nothing open but its end of the socket, in the root folder.
#[derive(Debug, Clone)]
pub struct PreviewProgram {
    /// The program. Its first word is [`WORKER_COMMAND`].
    pub program: OsString,
}

impl PreviewProgram {
    /// Returns the launcher that starts this program itself, also when its file was replaced meanwhile.
    ///
    /// # Errors
    /// When the system does not say where the program is.
    pub fn this() -> io::Result<PreviewProgram> {
        let program = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()?.into() };
        Ok(PreviewProgram { program })
    }
}

impl PreviewLauncher for PreviewProgram {
    fn launch(&self, limits: WorkerLimits) -> io::Result<PreviewChild> {
        let (socket, theirs) = UnixStream::pair()?;
        let child = tokio::process::Command::new(&self.program)
            .arg(WORKER_COMMAND)
            .arg(limits.memory_bytes.to_string())
            .arg(limits.cpu_secs.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C at a terminal is for the node, which ends its children itself.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(PreviewChild { socket, life: Box::new(Life(Some(child))) })
    }
}

/// A child that is ended, and waited for, when nobody needs it any more.
struct Life(Option<tokio::process::Child>);

impl Drop for Life {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        // It may have ended by itself.
        let _ = child.start_kill();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { child.wait().await });
        }
    }
}
