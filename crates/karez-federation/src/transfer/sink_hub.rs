//! The hub as a sink.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, TryStreamExt, try_unfold};
use karez_catalog::FileBrief;
use karez_formats::xet::{Term, XorbIndex, chunk_hash, decode_chunks};
use karez_hub::{FileClaim, Hub, HubError};
use karez_store::StoreError;
use karez_types::{ChunkHash, FileHash, XorbHash};

use super::FileWanted;
use super::sink::{Body, ChunksHeld, Sink, SinkError};

/// Puts files into a hub.
pub struct HubSink(pub Arc<Hub>);

impl From<HubError> for SinkError {
    fn from(error: HubError) -> SinkError {
        match error {
            HubError::StorageFull => SinkError::Full,
            HubError::Busy => SinkError::Busy,
            HubError::Invalid(what) => SinkError::Wrong(what),
            HubError::XorbMissing(xorb) => SinkError::Gone(xorb),
            other => SinkError::Failed(with_causes(&other)),
        }
    }
}

/// A transfer's trouble is read by people: the cause belongs to it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn body(body: Body) -> impl futures::Stream<Item = Result<Bytes, HubError>> + Send {
    body.map_err(|error| HubError::BodyBroken(error.to_string()))
}

impl Sink for HubSink {
    fn chunks_held<'a>(
        &'a self,
        file: &'a FileWanted,
        chunks: &'a [ChunkHash],
        xorbs: &'a [XorbHash],
    ) -> BoxFuture<'a, Result<ChunksHeld, SinkError>> {
        Box::pin(async move { Ok(self.0.chunks_held(&file.repo, chunks, xorbs).await?) })
    }

    fn xorb_held<'a>(
        &'a self,
        file: &'a FileWanted,
        xorb: XorbHash,
    ) -> BoxFuture<'a, Result<Option<Arc<XorbIndex>>, SinkError>> {
        Box::pin(async move {
            let index = self.0.store().xorb_index(xorb).await.map_err(HubError::from)?;
            let Some(index) = index else { return Ok(None) };
            // Whether this mirror may use it is the hub's to say.
            let chunks: Vec<ChunkHash> = index.chunks.iter().map(|chunk| chunk.hash).collect();
            let held = self.0.chunks_held(&file.repo, &chunks, &[xorb]).await?;
            let is_all = chunks.iter().all(|chunk| held.get(chunk).is_some_and(|(there, _)| *there == xorb));
            Ok(is_all.then_some(index))
        })
    }

    fn chunks_read(&self, xorb: XorbHash, chunks: Range<u32>) -> BoxStream<'static, Result<Bytes, SinkError>> {
        let hub = self.0.clone();
        let read = move |next: u32| {
            let (hub, end) = (hub.clone(), chunks.end);
            async move {
                if next >= end {
                    return Ok(None);
                }
                match chunk_read(&hub, xorb, next).await {
                    Ok(raw) => Ok(Some((raw, next + 1))),
                    Err(error) => Err(gone_or(&hub, xorb, error).await),
                }
            }
        };
        try_unfold(chunks.start, read).boxed()
    }

    fn xorb_put<'a>(
        &'a self,
        file: &'a FileWanted,
        xorb: XorbHash,
        bytes: Body,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move { Ok(self.0.mirror_xorb_put(&file.repo, xorb, body(bytes)).await?) })
    }

    fn file_put<'a>(
        &'a self,
        file: &'a FileWanted,
        hash: FileHash,
        terms: Vec<Term>,
    ) -> BoxFuture<'a, Result<FileBrief, SinkError>> {
        let claim = FileClaim { hash: Some(hash), sha256: file.sha256, file_bytes: file.file_bytes, terms };
        Box::pin(async move { Ok(self.0.mirror_file_put(&file.repo, claim).await?) })
    }

    fn file_ingest<'a>(&'a self, file: &'a FileWanted, bytes: Body) -> BoxFuture<'a, Result<FileBrief, SinkError>> {
        Box::pin(async move {
            let bytes = body(bytes);
            Ok(self.0.mirror_file_ingest(&file.repo, file.sha256, file.file_bytes, bytes).await?)
        })
    }
}

/// Says why a chunk could not be read: when its xorb was deleted, nothing is damaged.
async fn gone_or(hub: &Hub, xorb: XorbHash, error: SinkError) -> SinkError {
    match hub.catalog().xorbs_get(&[xorb]).await {
        Ok(rows) if rows.is_empty() => SinkError::Gone(xorb),
        _ => error,
    }
}

async fn chunk_read(hub: &Hub, xorb: XorbHash, chunk: u32) -> Result<Bytes, SinkError> {
    let index = hub.store().xorb_index(xorb).await.map_err(HubError::from)?;
    let index = index.ok_or_else(|| SinkError::Failed(format!("xorb {xorb} is missing")))?;
    let damaged = || SinkError::Failed(format!("xorb {xorb} does not have its chunk {chunk} any more"));
    let range = index.stored_range(chunk..chunk + 1).ok_or_else(damaged)?;
    let stored: Vec<Bytes> =
        hub.store().xorb_stream(xorb, range).try_collect().await.map_err(|error: StoreError| HubError::from(error))?;
    let mut raw = Vec::new();
    decode_chunks(&stored.concat(), &mut raw).map_err(|_| damaged())?;
    if index.chunks.get(chunk as usize).is_none_or(|entry| chunk_hash(&raw) != entry.hash) {
        return Err(damaged());
    }
    Ok(raw.into())
}
