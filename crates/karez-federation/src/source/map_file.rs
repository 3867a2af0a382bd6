//! A file map on disk: fetched with resume, verified while it comes, read in pages.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt};
use http::StatusCode;
use karez_formats::file_map::{
    FileMapError, FileMapHead, FileMapLimits, FileMapReadError, FileMapReader, FileMapVerifier,
};
use karez_types::{ByteRange, Sha256};
use tokio::fs::OpenOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

use super::Remote;
use super::fetch::{exactly, ranged};
use crate::net::HttpRequest;
use crate::transfer::{MapOnDisk, SourceError};

/// The chunks of a file are larger than this on average, or its map is refused: such a map is 4 % of the file.
/// Honest chunks have 64 KiB.
const MEAN_CHUNK_BYTES_MIN: u64 = 1 << 10;
/// Chunks that a file of any length may have.
const CHUNKS_FREE: u64 = 1 << 10;
/// Bytes of a kept part that are read at a time.
const READ_BYTES: usize = 256 << 10;

/// Opens a map and reads all of it to see that it is still what it was.
fn open_verified(path: &Path, limits: FileMapLimits) -> Result<MapOnDisk, FileMapReadError> {
    FileMapReader::open(BufReader::with_capacity(READ_BYTES, File::open(path)?))?.verify(limits)?;
    Ok(MapOnDisk::open(path)?)
}

/// A map that is wanted.
#[derive(Debug, Clone)]
pub(super) struct MapWanted {
    pub(super) url: Url,
    /// Where it will be.
    pub(super) path: PathBuf,
    pub(super) sha256: Sha256,
    pub(super) file_bytes: u64,
    pub(super) limits: FileMapLimits,
}

/// Trouble with this machine's own disk: the remote is not to blame.
fn own(error: &io::Error) -> SourceError {
    SourceError::Unreachable(format!("the file map cannot be kept here: {error}"))
}

impl MapWanted {
    fn part(&self) -> PathBuf {
        self.path.with_extension("map.part")
    }

    /// Returns the map, from the disk or from the remote. A download that broke off goes on.
    ///
    /// # Errors
    /// [`SourceError::Gone`] when the remote has no map, [`SourceError::Wrong`] when it is not one of this file.
    pub(super) async fn get(&self, remote: &Remote) -> Result<MapOnDisk, SourceError> {
        if let Some(kept) = self.kept().await {
            return Ok(kept);
        }
        let was_begun = tokio::fs::try_exists(self.part()).await.unwrap_or(false);
        match self.download(remote).await {
            // What was kept may be damaged, or of a map that is another one now: once more from the beginning.
            Err(SourceError::Wrong(_)) if was_begun => self.download(remote).await,
            other => other,
        }
    }

    async fn kept(&self) -> Option<MapOnDisk> {
        let (path, limits) = (self.path.clone(), self.limits);
        if !tokio::fs::try_exists(&path).await.unwrap_or(false) {
            return None;
        }
        let opened = tokio::task::spawn_blocking(move || open_verified(&path, limits)).await.ok()?;
        opened.ok().filter(|map| map.head().sha256 == self.sha256 && map.head().file_bytes == self.file_bytes)
    }

    async fn download(&self, remote: &Remote) -> Result<MapOnDisk, SourceError> {
        match self.arrive(remote).await {
            Ok(()) => {
                let path = self.path.clone();
                let opened = tokio::task::spawn_blocking(move || MapOnDisk::open(&path)).await;
                let lost = |error| SourceError::Unreachable(format!("the file map was lost here: {error}"));
                opened.map_err(|error| lost(error.to_string()))?.map_err(|error| lost(error.to_string()))
            }
            Err(error) => {
                if matches!(error, SourceError::Wrong(_) | SourceError::Gone) {
                    let _ = tokio::fs::remove_file(self.part()).await;
                }
                Err(error)
            }
        }
    }

    /// Brings the whole map to its place.
    async fn arrive(&self, remote: &Remote) -> Result<(), SourceError> {
        let mut arriving = self.resumed().await.map_err(|error| own(&error))?;
        if !arriving.is_whole() {
            let mut request = HttpRequest::get(self.url.clone());
            let rest = arriving.rest();
            if let Some(rest) = rest {
                request = request.range(rest);
            }
            let answer = remote.ask(request).await?;
            let mut stream = match (answer.status, rest) {
                (StatusCode::PARTIAL_CONTENT, Some(rest)) => ranged(answer, rest, Some(rest.end))?,
                (StatusCode::OK, _) => {
                    arriving = self.anew().await.map_err(|error| own(&error))?;
                    let bytes_max = self.map_bytes_max();
                    let announced = answer.content_length();
                    let body = answer.bounded(bytes_max)?;
                    match announced {
                        Some(byte_count) => exactly(body, byte_count, false),
                        None => body.map_err(SourceError::from).boxed(),
                    }
                }
                (status, _) => return Err(remote.failure(status)),
            };
            while let Some(bytes) = stream.try_next().await? {
                arriving.verify(&bytes, self)?;
                arriving.file.write_all(&bytes).await.map_err(|error| own(&error))?;
            }
        }
        arriving.file.flush().await.map_err(|error| own(&error))?;
        arriving.verifier.finish().map_err(wrong)?;
        tokio::fs::rename(self.part(), &self.path).await.map_err(|error| own(&error))
    }

    /// Opens what is there of the map and verifies it; begins anew when it is none.
    async fn resumed(&self) -> io::Result<Arriving> {
        let mut file = match OpenOptions::new().read(true).write(true).open(self.part()).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.anew().await,
            Err(error) => return Err(error),
        };
        let mut verifier = FileMapVerifier::new(self.limits);
        let (mut buffer, mut have_bytes) = (vec![0; READ_BYTES], 0u64);
        loop {
            let count = file.read(&mut buffer).await?;
            if count == 0 {
                let arriving = Arriving { file, verifier, have_bytes };
                // Without its head nobody knows how long the map is.
                let is_ours = arriving.verifier.head().is_some_and(|head| self.head_check(head).is_ok());
                return if is_ours { Ok(arriving) } else { self.anew().await };
            }
            have_bytes += count as u64;
            if verifier.push(&buffer[..count]).is_err() {
                return self.anew().await;
            }
        }
    }

    async fn anew(&self) -> io::Result<Arriving> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(self.part()).await?;
        Ok(Arriving { file, verifier: FileMapVerifier::new(self.limits), have_bytes: 0 })
    }

    /// Returns how long the map of such a file may be.
    fn map_bytes_max(&self) -> u64 {
        let chunks = self.file_bytes / MEAN_CHUNK_BYTES_MIN + CHUNKS_FREE;
        // 40 bytes a chunk, 44 a term, and every term has a chunk.
        chunks.saturating_mul(40 + 44).saturating_add(200)
    }

    fn head_check(&self, head: &FileMapHead) -> Result<(), SourceError> {
        if head.sha256 != self.sha256 || head.file_bytes != self.file_bytes {
            return Err(SourceError::Wrong("sent the map of another file".to_owned()));
        }
        if head.map_bytes().is_none_or(|bytes| bytes > self.map_bytes_max()) {
            return Err(SourceError::Wrong("sent a map that is too long for its file".to_owned()));
        }
        Ok(())
    }
}

fn wrong(error: FileMapError) -> SourceError {
    match error {
        // Sites that answer every address with their front page are no nodes, and no liars.
        FileMapError::NotAMap => SourceError::Gone,
        error => SourceError::Wrong(format!("sent a bad map: {error}")),
    }
}

/// A map of which a part is here.
struct Arriving {
    file: tokio::fs::File,
    verifier: FileMapVerifier,
    have_bytes: u64,
}

impl Arriving {
    /// Returns what is missing, once the head is here.
    fn rest(&self) -> Option<ByteRange> {
        let map_bytes = self.verifier.head()?.map_bytes()?;
        ByteRange::new(self.have_bytes, map_bytes).filter(|rest| !rest.is_empty())
    }

    fn is_whole(&self) -> bool {
        self.verifier.head().is_some() && self.rest().is_none()
    }

    fn verify(&mut self, bytes: &[u8], wanted: &MapWanted) -> Result<(), SourceError> {
        let had_head = self.verifier.head().is_some();
        self.verifier.push(bytes).map_err(wrong)?;
        self.have_bytes += bytes.len() as u64;
        match self.verifier.head() {
            Some(head) if !had_head => wanted.head_check(head),
            _ => Ok(()),
        }
    }
}
