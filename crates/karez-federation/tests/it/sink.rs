//! A hub in memory that checks hashes for real.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;

use bytes::Bytes;
use futures::future::{self, BoxFuture};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use karez_catalog::FileBrief;
use karez_federation::transfer::{Body, ChunksHeld, FileWanted, Sink, SinkError};
use karez_formats::xet::{Chunk, FileHasher, Term, XorbIndex, XorbVerifier, decode_chunks};
use karez_types::{ChunkHash, FileHash, XorbHash};

use crate::sample::sha256;

/// Bytes and index of a xorb.
type Stored = (Vec<u8>, Arc<XorbIndex>);

#[derive(Default)]
pub struct MemorySink {
    pub xorbs: Mutex<HashMap<XorbHash, Stored>>,
    pub files: Mutex<Vec<Vec<u8>>>,
    /// How many more times the hub has no room.
    pub full: Mutex<u32>,
}

impl MemorySink {
    pub fn add(&self, hash: XorbHash, bytes: &[u8], index: &XorbIndex) {
        self.xorbs.lock().unwrap().insert(hash, (bytes.to_vec(), Arc::new(index.clone())));
    }

    fn raw(&self, xorb: XorbHash, chunks: Range<u32>) -> Option<Vec<Vec<u8>>> {
        let xorbs = self.xorbs.lock().unwrap();
        let (bytes, index) = xorbs.get(&xorb)?;
        let one = |chunk: u32| {
            let range = index.stored_range(chunk..chunk + 1)?;
            let mut raw = Vec::new();
            decode_chunks(&bytes[range.start as usize..range.end as usize], &mut raw).ok()?;
            Some(raw)
        };
        chunks.map(one).collect()
    }

    fn is_full(&self) -> bool {
        let mut full = self.full.lock().unwrap();
        let is_full = *full > 0;
        *full = full.saturating_sub(1);
        is_full
    }
}

impl Sink for MemorySink {
    fn chunks_held<'a>(
        &'a self,
        _file: &'a FileWanted,
        chunks: &'a [ChunkHash],
        _xorbs: &'a [XorbHash],
    ) -> BoxFuture<'a, Result<ChunksHeld, SinkError>> {
        let mut held = HashMap::new();
        for (name, (_, index)) in &*self.xorbs.lock().unwrap() {
            for (chunk, position) in index.chunks.iter().zip(0..) {
                if chunks.contains(&chunk.hash) {
                    held.insert(chunk.hash, (*name, position));
                }
            }
        }
        Box::pin(future::ready(Ok(held)))
    }

    fn xorb_held<'a>(
        &'a self,
        _file: &'a FileWanted,
        xorb: XorbHash,
    ) -> BoxFuture<'a, Result<Option<Arc<XorbIndex>>, SinkError>> {
        let held = self.xorbs.lock().unwrap().get(&xorb).map(|(_, index)| index.clone());
        Box::pin(future::ready(Ok(held)))
    }

    fn chunks_read(&self, xorb: XorbHash, chunks: Range<u32>) -> BoxStream<'static, Result<Bytes, SinkError>> {
        let Some(raw) = self.raw(xorb, chunks) else {
            return stream::iter([Err(SinkError::Gone(xorb))]).boxed();
        };
        stream::iter(raw.into_iter().map(|chunk| Ok(Bytes::from(chunk)))).boxed()
    }

    fn xorb_put<'a>(
        &'a self,
        _file: &'a FileWanted,
        xorb: XorbHash,
        body: Body,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            if self.is_full() {
                return Err(SinkError::Full);
            }
            let bytes: Vec<Bytes> = body.try_collect().await.map_err(|error| SinkError::Failed(error.to_string()))?;
            let bytes = bytes.concat();
            let wrong = |error: karez_formats::xet::XorbError| SinkError::Wrong(error.to_string());
            let mut verifier = XorbVerifier::new(65 << 20, 8192);
            verifier.push(&bytes).map_err(wrong)?;
            let index = verifier.finish(xorb).map_err(wrong)?;
            self.add(xorb, &bytes, &index);
            Ok(())
        })
    }

    fn file_put<'a>(
        &'a self,
        file: &'a FileWanted,
        hash: FileHash,
        terms: Vec<Term>,
    ) -> BoxFuture<'a, Result<FileBrief, SinkError>> {
        let mut hasher = FileHasher::new();
        let mut data = Vec::new();
        for term in terms {
            let range = term.chunk_start..term.chunk_end;
            let stored = self.xorbs.lock().unwrap().get(&term.xorb).map(|(_, index)| index.clone());
            let Some(index) = stored else { return Box::pin(future::ready(Err(SinkError::Gone(term.xorb)))) };
            assert_eq!(index.raw_bytes_of(range.clone()), Some(u64::from(term.raw_bytes)));
            for chunk in index.slice(range.clone()).unwrap() {
                hasher.push(Chunk::from(*chunk));
            }
            self.raw(term.xorb, range).unwrap().iter().for_each(|raw| data.extend_from_slice(raw));
        }
        let outcome = if hasher.finish() != hash || sha256(&data) != file.sha256 {
            Err(SinkError::Wrong("it is another file".to_owned()))
        } else {
            self.files.lock().unwrap().push(data);
            Ok(FileBrief { hash, sha256: file.sha256, file_bytes: file.file_bytes })
        };
        Box::pin(future::ready(outcome))
    }

    fn file_ingest<'a>(&'a self, file: &'a FileWanted, body: Body) -> BoxFuture<'a, Result<FileBrief, SinkError>> {
        Box::pin(async move {
            let bytes: Vec<Bytes> = body.try_collect().await.map_err(|error| SinkError::Failed(error.to_string()))?;
            let data = bytes.concat();
            if sha256(&data) != file.sha256 {
                return Err(SinkError::Wrong("it has another sha256".to_owned()));
            }
            self.files.lock().unwrap().push(data);
            Ok(FileBrief { hash: FileHash([0; 32]), sha256: file.sha256, file_bytes: file.file_bytes })
        })
    }
}
