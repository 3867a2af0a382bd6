//! The node's end of the socket: gives a child the ranges that it asks for, of the files of its question only.

use std::collections::HashMap;
use std::io;

use bytes::Bytes;
use futures::stream::TryStreamExt;
use karez_catalog::FileRow;
use karez_preview::worker::{FRAME_BYTES, FRAME_BYTES_MAX, FRAME_JOB, FRAME_NONE, FRAME_OUTCOME, FRAME_RANGE, Job};
use karez_preview::{Outcome, PreviewError, Request};
use karez_types::{ByteRange, RepoPath};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{DataView, PreviewChild};
use crate::resolve::{Resolved, not_here};
use crate::{Actor, Hub, HubError, HubResult};

/// Bytes of an outcome: the cells of an answer, with room for their JSON, names and statistics.
const OUTCOME_BYTES_MAX: usize = 64 << 20;
/// Bytes that one child may ask for: a terabyte is read by nobody in the time that it has.
const RANGES_BYTES_MAX: u64 = 64 << 30;

/// Bytes that one child may have brought from elsewhere: a footer, and the pages of some columns.
const FAR_BYTES_MAX: u64 = 16 << 20;

/// A file of the question, once it was asked for.
#[derive(Clone)]
pub(super) enum Opened {
    Small(Arc<Resolved>),
    Here(Arc<FileRow>),
    Far(Arc<Resolved>),
}

impl Opened {
    /// Tells whether its bytes are on another node.
    pub(super) fn is_far(&self) -> bool {
        matches!(self, Opened::Far(_))
    }
}

/// What was brought from elsewhere for a child.
struct Brought {
    left_bytes: u64,
    /// Why the last range could not be had.
    why_not: Option<HubError>,
}

impl Hub {
    /// Talks with a child until it answers, or is gone.
    pub(super) async fn preview_converse(
        &self,
        actor: &Actor,
        view: &DataView,
        request: &Request,
        child: PreviewChild,
    ) -> HubResult<Talked> {
        let PreviewChild { socket, life } = child;
        let talked = self.preview_talk(actor, view, request, socket).await;
        drop(life);
        match talked {
            Ok((outcome, outcome_bytes)) => Ok(Talked::Said(outcome, outcome_bytes)),
            // It is gone: its memory or its time was used up, or it fell over a stranger's bytes.
            Err(Talk::Gone(error)) => {
                tracing::debug!(%error, repo = %view.repo.address(), "a preview process ended early");
                let words = "the file asks for more memory or time than a preview may use";
                Ok(Talked::Spent(PreviewError::too_large(words)))
            }
            Err(Talk::Failed(error)) => Err(error),
        }
    }

    async fn preview_talk(
        &self,
        actor: &Actor,
        view: &DataView,
        request: &Request,
        socket: std::os::unix::net::UnixStream,
    ) -> Result<(Outcome, u64), Talk> {
        socket.set_nonblocking(true)?;
        let mut socket = UnixStream::from_std(socket)?;
        let job = serde_json::to_vec(&Job { request: request.clone() }).map_err(io::Error::from)?;
        head(&mut socket, FRAME_JOB, job.len()).await?;
        socket.write_all(&job).await?;
        let mut opened = HashMap::new();
        let mut left_bytes = RANGES_BYTES_MAX;
        let mut brought = Brought { left_bytes: FAR_BYTES_MAX, why_not: None };
        loop {
            let (kind, length) = read_head(&mut socket).await?;
            match kind {
                FRAME_OUTCOME if length <= OUTCOME_BYTES_MAX => {
                    let mut body = vec![0; length];
                    socket.read_exact(&mut body).await?;
                    let outcome: Outcome = serde_json::from_slice(&body).map_err(io::Error::from)?;
                    // The child only knows that there were no bytes.
                    if let (Err(_), Some(why)) = (&outcome, brought.why_not) {
                        return Err(Talk::Failed(why));
                    }
                    return Ok((outcome, length as u64));
                }
                FRAME_RANGE if length == 20 => {
                    let mut wish = [0; 20];
                    socket.read_exact(&mut wish).await?;
                    let number = u32::from_le_bytes(wish[..4].try_into().expect("four bytes"));
                    let start = u64::from_le_bytes(wish[4..12].try_into().expect("eight bytes"));
                    let length = u64::from_le_bytes(wish[12..].try_into().expect("eight bytes"));
                    let file = request.files.get(number as usize);
                    let end = start.checked_add(length);
                    // A child that asks for anything else is not ours any more.
                    let (Some(file), Some(end)) = (file, end) else { return Err(Talk::strange()) };
                    let is_whole = end <= file.file_bytes && length <= FRAME_BYTES_MAX as u64;
                    left_bytes = left_bytes.checked_sub(length).filter(|_| is_whole).ok_or_else(Talk::strange)?;
                    let known = match opened.get(&number) {
                        Some(known) => Opened::clone(known),
                        None => {
                            let known = self.preview_file(view, &file.path).await.map_err(Talk::Failed)?;
                            opened.insert(number, known.clone());
                            known
                        }
                    };
                    let range = ByteRange { start, end };
                    self.preview_range(actor, view, &known, range, &mut socket, &mut brought).await?;
                }
                _ => return Err(Talk::strange()),
            }
        }
    }

    pub(super) async fn preview_file(&self, view: &DataView, path: &str) -> HubResult<Opened> {
        let path: RepoPath = path.parse()?;
        let file = Arc::new(self.resolve_at(view.commit, &path).await?);
        let Some(large) = file.large else { return Ok(Opened::Small(file)) };
        let row = match large.hash {
            Some(hash) => self.catalog.repo_file_contains(view.repo.id, &hash).await?,
            None => None,
        };
        Ok(row.map_or(Opened::Far(file), |row| Opened::Here(Arc::new(row))))
    }

    /// Sends a range to a child.
    async fn preview_range(
        &self,
        actor: &Actor,
        view: &DataView,
        file: &Opened,
        range: ByteRange,
        socket: &mut UnixStream,
        brought: &mut Brought,
    ) -> Result<(), Talk> {
        let length = usize::try_from(range.end - range.start).map_err(|_| Talk::strange())?;
        let stream = match file {
            Opened::Small(file) => {
                let bytes = self.small_file_read(file, range).await.map_err(Talk::Failed)?;
                head(socket, FRAME_BYTES, length).await?;
                return Ok(socket.write_all(&bytes).await?);
            }
            Opened::Here(row) => self.file_stream(row, range),
            Opened::Far(file) => match self.preview_part(actor, view, file, range, brought).await {
                Ok(bytes) if bytes.len() == length => {
                    head(socket, FRAME_BYTES, length).await?;
                    return Ok(socket.write_all(&bytes).await?);
                }
                Ok(_) => return Ok(head(socket, FRAME_NONE, 0).await?),
                Err(error) => {
                    tracing::debug!(%error, "a preview wanted bytes that are not to be had");
                    brought.why_not = Some(error);
                    return Ok(head(socket, FRAME_NONE, 0).await?);
                }
            },
        };
        let mut stream = stream;
        head(socket, FRAME_BYTES, length).await?;
        let mut sent = 0;
        while let Some(part) = stream.try_next().await.map_err(Talk::Failed)? {
            sent += part.len();
            if sent > length {
                return Err(Talk::strange());
            }
            socket.write_all(&part).await?;
        }
        // That is the store's fault, and nobody else's.
        let short = || Talk::Failed(HubError::Damaged(format!("{sent} bytes came of {length} that a preview wanted")));
        if sent < length { Err(short()) } else { Ok(()) }
    }
}

impl Hub {
    /// Brings a range of a file that is on another node, and nothing else of it.
    async fn preview_part(
        &self,
        actor: &Actor,
        view: &DataView,
        file: &Resolved,
        range: ByteRange,
        brought: &mut Brought,
    ) -> HubResult<Bytes> {
        let far = file.far().filter(|_| view.repo.mirror.is_some()).ok_or_else(|| not_here(&file.path))?;
        let left_bytes = brought.left_bytes.checked_sub(range.end - range.start).ok_or_else(|| {
            HubError::Preview(PreviewError::unsupported(format!(
                "{} is not on this node, and to show this more than {} MiB of its {} bytes would have to come; download it \
                 through this node first",
                file.path,
                FAR_BYTES_MAX >> 20,
                file.file_bytes
            )))
        })?;
        brought.left_bytes = left_bytes;
        self.far_part_read(actor, &view.repo, far, range).await
    }
}

/// How a talk with a child ended.
pub(super) enum Talked {
    /// It answered, with so many bytes.
    Said(Outcome, u64),
    /// It is gone, and this is what to say of that.
    Spent(PreviewError),
}

/// Why a talk ended without an outcome.
enum Talk {
    /// The child is gone, or not what it was.
    Gone(io::Error),
    /// The node failed.
    Failed(HubError),
}

impl Talk {
    fn strange() -> Talk {
        Talk::Gone(io::ErrorKind::InvalidData.into())
    }
}

impl From<io::Error> for Talk {
    fn from(error: io::Error) -> Talk {
        Talk::Gone(error)
    }
}

async fn head(socket: &mut UnixStream, kind: u8, length: usize) -> io::Result<()> {
    let mut head = [kind; 5];
    let length = u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
    head[1..].copy_from_slice(&length.to_le_bytes());
    socket.write_all(&head).await
}

async fn read_head(socket: &mut UnixStream) -> io::Result<(u8, usize)> {
    let mut head = [0; 5];
    socket.read_exact(&mut head).await?;
    Ok((head[0], u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize))
}
