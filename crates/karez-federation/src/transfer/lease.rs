//! Who is at work on a transfer: a file with a heartbeat, because locks do not work on network file systems.
//!
//! The file says who owns it and counts heartbeats. Whoever finds it watches it: content that does not
//! change for [`TAKE_OVER_SECS`] of the watcher's own waiting belongs to nobody, whatever clocks say. On the
//! same machine the death of the owner's process is seen at once, so a restart does not wait. Taking over is
//! a rename, a pause and a second look, so that of two takers one remains. An owner that finds another's
//! name stops.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use karez_types::Entropy;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::journal::Boot;

/// Name of the file in a transfer's folder.
pub(super) const NAME: &str = "lease";

/// An unchanged lease is free after this time.
const TAKE_OVER_SECS: u64 = 30;

/// Time between two heartbeats: several fit into the time above, on a slow disk too.
const BEAT_SECS: u64 = 5;

/// Time in which a second taker shows itself.
const SETTLE_SECS: u64 = 2;

/// Time between two looks at another's lease.
const LOOK_SECS: u64 = 1;

/// The owner of a lease, as the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    /// Drawn anew for each lease.
    nonce: String,
    /// Which machine, since when it runs, and in which namespace of processes.
    machine: String,
    process: u32,
    /// When the process began, in ticks since the machine did.
    process_start: String,
}

impl Owner {
    fn ourselves(entropy: &dyn Entropy, boot: Boot) -> Owner {
        let mut nonce = [0; 16];
        entropy.fill(&mut nonce);
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let process = std::process::id();
        Owner {
            nonce: nonce.iter().map(|byte| format!("{byte:02x}")).collect(),
            machine: format!("{:016x}-{}", boot.0, namespace.display()),
            process,
            process_start: process_start(process).unwrap_or_default(),
        }
    }

    /// All contents of one owner are equally long, so a heartbeat never needs room on a full disk.
    fn content(&self, beat: u64) -> String {
        format!("{} {} {} {} {beat:020}\n", self.nonce, self.machine, self.process, self.process_start)
    }

    fn parse(content: &str) -> Option<Owner> {
        let mut words = content.split(' ');
        let mut word = || words.next().map(str::to_owned);
        Some(Owner { nonce: word()?, machine: word()?, process: word()?.parse().ok()?, process_start: word()? })
    }

    /// Whether this is a process of this machine that is gone.
    fn is_dead(&self, ours: &Owner) -> bool {
        let is_here = self.machine == ours.machine && !self.process_start.is_empty();
        is_here && process_start(self.process).as_ref() != Some(&self.process_start)
    }
}

/// Returns when a process began, or `None` when there is none.
fn process_start(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything; the start is the 20th word after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

/// A lease that is held. Dropping it gives it back.
pub(super) struct Lease {
    path: PathBuf,
    owner: Owner,
    heart: JoinHandle<()>,
    lost: watch::Receiver<bool>,
}

impl Lease {
    /// Waits until the folder is ours.
    ///
    /// # Errors
    /// When the file system fails.
    pub(super) async fn acquire(folder: &Path, entropy: Arc<dyn Entropy>, boot: Boot) -> io::Result<Lease> {
        let (path, owner) = (folder.join(NAME), Owner::ourselves(&*entropy, boot));
        let create = { move |folder: PathBuf| fs::create_dir_all(folder) };
        blocking(folder.to_owned(), create).await?;
        let mut seen: Option<(String, Instant)> = None;
        let mut attempt = Attempt { path: path.clone(), owner: owner.clone(), is_over: Arc::default(), has_won: false };
        loop {
            let (ours, is_over) = (owner.clone(), attempt.is_over.clone());
            match blocking(path.clone(), move |path| look(&path, &ours, &is_over)).await? {
                Look::Created => break,
                Look::Dead => {
                    if take_over(&path, &owner).await? {
                        break;
                    }
                }
                Look::Owned(content) => match &seen {
                    Some((before, since)) if *before == content => {
                        if since.elapsed() >= Duration::from_secs(TAKE_OVER_SECS) && take_over(&path, &owner).await? {
                            break;
                        }
                    }
                    _ => seen = Some((content, Instant::now())),
                },
            }
            sleep(Duration::from_secs(LOOK_SECS)).await;
        }
        attempt.has_won = true;
        let (tell, lost) = watch::channel(false);
        let heart = tokio::spawn(beat(path.clone(), owner.clone(), tell));
        Ok(Lease { path, owner, heart, lost })
    }

    /// Returns when somebody else has taken the lease.
    pub(super) async fn lost(&self) {
        let mut lost = self.lost.clone();
        if lost.wait_for(|is_lost| *is_lost).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heart.abort();
        if is_ours(&self.path, &self.owner).unwrap_or(false)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot give back a lease; it ends by itself");
        }
    }
}

/// Undoes an attempt that was given up while the file system was still at it.
struct Attempt {
    path: PathBuf,
    owner: Owner,
    is_over: Arc<Mutex<bool>>,
    has_won: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        *is_over = true;
        if !self.has_won && is_ours(&self.path, &self.owner).unwrap_or(false) {
            drop(fs::remove_file(&self.path));
        }
    }
}

enum Look {
    Created,
    Dead,
    Owned(String),
}

fn look(path: &Path, owner: &Owner, is_over: &Mutex<bool>) -> io::Result<Look> {
    let is_over = is_over.lock().unwrap_or_else(PoisonError::into_inner);
    if *is_over {
        return Err(io::ErrorKind::Interrupted.into());
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => {
            let written = file.write_all_at(owner.content(0).as_bytes(), 0).and_then(|()| file.sync_all());
            // On a full disk: an empty lease would keep everyone waiting.
            written.inspect_err(|_| drop(fs::remove_file(path)))?;
            Ok(Look::Created)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let content = match fs::read(path) {
                Ok(content) => String::from_utf8_lossy(&content).into_owned(),
                // Given back just now: the next look creates it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                Err(error) => return Err(error),
            };
            let is_dead = Owner::parse(&content).is_some_and(|found| found.is_dead(owner));
            Ok(if is_dead { Look::Dead } else { Look::Owned(content) })
        }
        Err(error) => Err(error),
    }
}

/// Puts our name on the lease; tells whether it is still there a moment later.
async fn take_over(path: &Path, owner: &Owner) -> io::Result<bool> {
    let ours = owner.clone();
    let write = move |path: PathBuf| {
        let temporary = path.with_file_name(format!("{NAME}.{}", ours.nonce));
        let written = (|| {
            let file = File::create(&temporary)?;
            file.write_all_at(ours.content(0).as_bytes(), 0)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        })();
        written.inspect_err(|_| drop(fs::remove_file(&temporary)))
    };
    blocking(path.to_owned(), write).await?;
    sleep(Duration::from_secs(SETTLE_SECS)).await;
    let ours = owner.clone();
    blocking(path.to_owned(), move |path| is_ours(&path, &ours)).await
}

fn is_ours(path: &Path, owner: &Owner) -> io::Result<bool> {
    match fs::read_to_string(path) {
        Ok(content) => Ok(Owner::parse(&content).as_ref() == Some(owner)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

async fn beat(path: PathBuf, owner: Owner, tell: watch::Sender<bool>) {
    let mut beats = 0;
    let mut last_beat = Instant::now();
    loop {
        sleep(Duration::from_secs(BEAT_SECS)).await;
        beats += 1;
        let ours = owner.clone();
        let once = move |path: PathBuf| {
            // The file that was looked at is the one that is written: after a take-over that is an old one.
            let file = OpenOptions::new().read(true).write(true).open(&path)?;
            if !is_ours(&path, &ours)? {
                return Ok(false);
            }
            file.write_all_at(ours.content(beats).as_bytes(), 0)?;
            file.sync_data()?;
            Ok(true)
        };
        match blocking(path.clone(), once).await {
            Ok(true) => last_beat = Instant::now(),
            Ok(false) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            // A file system that does not answer for so long has let others take over.
            Err(_) if last_beat.elapsed() >= Duration::from_secs(TAKE_OVER_SECS - BEAT_SECS) => break,
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a lease cannot be renewed"),
        }
    }
    tell.send_replace(true);
}

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(PathBuf) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(move || work(path)).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use karez_types::SeededEntropy;

    use super::*;

    const HERE: Boot = Boot(1);

    fn entropy(seed: u64) -> Arc<dyn Entropy> {
        Arc::new(SeededEntropy::new(seed))
    }

    async fn within(secs: u64, lease: impl Future<Output = io::Result<Lease>>) -> Option<Lease> {
        tokio::time::timeout(Duration::from_secs(secs), lease).await.ok().map(|lease| lease.unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_has_one_owner_and_goes_back_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lease::acquire(folder.path(), entropy(1), HERE).await.unwrap();
        // The heart beats, so the second waits for as long as it takes.
        assert!(within(300, Lease::acquire(folder.path(), entropy(2), HERE)).await.is_none());
        drop(first);
        assert!(within(2, Lease::acquire(folder.path(), entropy(3), HERE)).await.is_some());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_without_heartbeat_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lease::acquire(folder.path(), entropy(1), HERE).await.unwrap();
        first.heart.abort();
        assert!(within(25, Lease::acquire(folder.path(), entropy(2), HERE)).await.is_none());
        let second = within(40, Lease::acquire(folder.path(), entropy(3), HERE)).await.unwrap();
        drop(first);
        assert!(is_ours(&second.path, &second.owner).unwrap(), "the old owner leaves it alone");
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_notices_that_it_lost() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lease::acquire(folder.path(), entropy(1), HERE).await.unwrap();
        let other = Owner::ourselves(&SeededEntropy::new(2), HERE);
        assert!(take_over(&first.path, &other).await.unwrap());
        tokio::time::timeout(Duration::from_secs(20), first.lost()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_takers_one_remains() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "half a lea").unwrap();
        let take = |seed| {
            let (folder, entropy) = (folder.path().to_owned(), entropy(seed));
            async move { within(100, Lease::acquire(&folder, entropy, HERE)).await }
        };
        let (one, two, three) = tokio::join!(take(1), take(2), take(3));
        assert_eq!([one.is_some(), two.is_some(), three.is_some()].iter().filter(|has| **has).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_death_of_a_process_here_is_seen_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let mut dead = Owner::ourselves(&SeededEntropy::new(9), HERE);
        dead.process = child.id();
        child.wait().unwrap();
        fs::write(folder.path().join(NAME), dead.content(3)).unwrap();
        assert!(within(5, Lease::acquire(folder.path(), entropy(1), HERE)).await.is_some());
        // On another machine that process may live.
        fs::write(folder.path().join(NAME), dead.content(3)).unwrap();
        assert!(within(20, Lease::acquire(folder.path(), entropy(1), Boot(2))).await.is_none());
    }
}
