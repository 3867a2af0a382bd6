//! Xorbs: staged, published, indexed, read.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use karez_formats::xet::{XorbIndex, XorbVerifier};
use karez_types::{ByteRange, XorbHash};

use crate::folder::Overwrite;
use crate::staged::Staged;
use crate::{Store, StoreError, name};

/// Longest index that is read, in bytes: far above what 8,192 chunks need.
const INDEX_BYTES_MAX: u64 = 16 << 20;

/// Shortest chunk frame: an 8-byte header. Bounds the chunks of a xorb by its length.
const FRAME_BYTES_MIN: u64 = 8;

/// A place for the unverified bytes of one xorb. Dropping it leaves nothing behind.
pub struct StagedXorb {
    store: Store,
    staged: Staged,
    written_bytes: u64,
}

impl StagedXorb {
    /// Appends bytes. File work happens off the runtime's threads, in batches of 1 MiB.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room. After an error, drop the stage.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.written_bytes += bytes.len() as u64;
        self.staged.write(bytes).await
    }

    /// Makes the verified xorb and its index durable, then visible. When this answers, they are
    /// on the disk. Returns false when the xorb was there already; then that one stays, whose frames may be others
    /// than these: [`Store::xorb_index`] tells.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the index is not that of these bytes; [`StoreError::Full`].
    pub async fn publish(self, hash: XorbHash, index: &XorbIndex) -> Result<bool, StoreError> {
        check_index(hash, index, self.written_bytes)?;
        if self.store.keeps_other_frames(hash, index).await? {
            return Ok(false);
        }
        let sidecar = Some((name::index(hash), index.encode()));
        let was_new = self.staged.publish(&name::xorb(hash), sidecar, Overwrite::Never).await?;
        self.store.inner.indexes.insert(hash, Arc::new(index.clone()));
        Ok(was_new)
    }
}

impl Store {
    /// Makes a place to stream the bytes of a xorb into while they are verified.
    ///
    /// # Errors
    /// When the folder backend cannot make a file.
    pub async fn xorb_stage(&self) -> Result<StagedXorb, StoreError> {
        let staged = Staged::unnamed(&self.inner.backend).await?;
        Ok(StagedXorb { store: self.clone(), staged, written_bytes: 0 })
    }

    /// Stores a xorb that is whole in memory. Durable when this answers; false when it was there already.
    ///
    /// # Errors
    /// As [`StagedXorb::publish`].
    pub async fn xorb_put(
        &self,
        hash: XorbHash,
        bytes: impl Into<Bytes>,
        index: &XorbIndex,
    ) -> Result<bool, StoreError> {
        let mut staged = self.xorb_stage().await?;
        staged.write(bytes.into()).await?;
        staged.publish(hash, index).await
    }

    /// Tells whether a sound xorb of this name is here whose frames are not these: the same chunks packed in another
    /// way. It is not replaced, since rows, caches and addresses that were given out speak of its places.
    async fn keeps_other_frames(&self, hash: XorbHash, index: &XorbIndex) -> Result<bool, StoreError> {
        let is_other = |stored_bytes| stored_bytes != index.stored_bytes();
        if !self.xorb_stored_bytes(hash).await?.is_some_and(is_other) {
            return Ok(false);
        }
        match self.xorb_verify(hash).await {
            Ok(found) => Ok(found.is_some()),
            // Damaged: what came now mends it.
            Err(StoreError::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns the index of a xorb, from memory, from storage, or rebuilt from the xorb's bytes;
    /// `None` when there is no such xorb.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the index has to be rebuilt and the bytes are not this xorb.
    pub async fn xorb_index(&self, hash: XorbHash) -> Result<Option<Arc<XorbIndex>>, StoreError> {
        let found = self.inner.indexes.get_or_insert_async(&hash, async {
            let missing = || StoreError::Missing { name: name::xorb(hash) };
            self.index_load(hash).await?.map(Arc::new).ok_or_else(missing)
        });
        match found.await {
            Ok(index) => Ok(Some(index)),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn index_load(&self, hash: XorbHash) -> Result<Option<XorbIndex>, StoreError> {
        let Some(stored_bytes) = self.xorb_stored_bytes(hash).await? else { return Ok(None) };
        match self.index_read(hash, stored_bytes).await {
            Ok(Some(index)) => return Ok(Some(index)),
            Ok(None) => {}
            Err(StoreError::Corrupt { name, what }) => tracing::warn!(name, what, "rebuilding a damaged index"),
            Err(error) => return Err(error),
        }
        let Some(index) = self.xorb_verify(hash).await? else { return Ok(None) };
        let mut staged = Staged::named(&self.inner.backend, &name::index(hash)).await?;
        staged.write(Bytes::from(index.encode())).await?;
        staged.publish(&name::index(hash), None, Overwrite::Always).await?;
        Ok(Some(index))
    }

    /// Reads the stored index and checks it against the name and length of its xorb.
    async fn index_read(&self, hash: XorbHash, stored_bytes: u64) -> Result<Option<XorbIndex>, StoreError> {
        let name = name::index(hash);
        let Some(bytes) = self.inner.backend.read_all(&name, INDEX_BYTES_MAX).await? else { return Ok(None) };
        let index = XorbIndex::decode(&bytes).map_err(|error| StoreError::Corrupt { name, what: error.to_string() })?;
        check_index(hash, &index, stored_bytes)?;
        Ok(Some(index))
    }

    /// Reads all bytes of a xorb, hashes every chunk, and returns the index that they give;
    /// `None` when there is no such xorb. What fsck and scrubbing do.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the bytes are not this xorb.
    pub async fn xorb_verify(&self, hash: XorbHash) -> Result<Option<XorbIndex>, StoreError> {
        let Some(stored_bytes) = self.xorb_stored_bytes(hash).await? else { return Ok(None) };
        let range = ByteRange { start: 0, end: stored_bytes };
        let mut verifier = XorbVerifier::new(stored_bytes, stored_bytes / FRAME_BYTES_MIN);
        let mut stream = self.xorb_stream(hash, range);
        let corrupt = move |error: &dyn std::fmt::Display| StoreError::Corrupt {
            name: name::xorb(hash),
            what: error.to_string(),
        };
        while let Some(bytes) = stream.try_next().await? {
            verifier = crate::folder::blocking("verify a xorb", move || {
                verifier.push(&bytes).map_err(|error| corrupt(&error))?;
                Ok(verifier)
            })
            .await?;
        }
        let index = verifier.finish(hash).map_err(|error| corrupt(&error))?;
        check_index(hash, &index, stored_bytes)?;
        Ok(Some(index))
    }

    /// Reads a small range of a xorb into one buffer.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such xorb; [`StoreError::Corrupt`] when it ends before the range.
    pub async fn xorb_read(&self, hash: XorbHash, range: ByteRange) -> Result<Bytes, StoreError> {
        let mut stream = self.xorb_stream(hash, range);
        let Some(first) = stream.try_next().await? else { return Ok(Bytes::new()) };
        if first.len() as u64 == range.byte_count() {
            return Ok(first);
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(range.byte_count()).unwrap_or(0).min(64 << 20));
        bytes.extend_from_slice(&first);
        while let Some(piece) = stream.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    /// Streams a range of a xorb in large buffers. A folder's file stays open until the stream is
    /// dropped, so a xorb that is removed meanwhile is still read to its end.
    ///
    /// The stream fails with [`StoreError::Missing`] when there is no such xorb and with
    /// [`StoreError::Corrupt`] when it ends before the range.
    pub fn xorb_stream(&self, hash: XorbHash, range: ByteRange) -> BoxStream<'static, Result<Bytes, StoreError>> {
        self.inner.backend.stream(name::xorb(hash), range)
    }

    /// Returns the length of a stored xorb, or `None` when there is none.
    ///
    /// # Errors
    /// When the backend fails.
    pub async fn xorb_stored_bytes(&self, hash: XorbHash) -> Result<Option<u64>, StoreError> {
        self.inner.backend.stored_bytes(&name::xorb(hash)).await
    }

    /// Forgets the indexes that are in memory: xorbs may have been removed, and come again, by other processes.
    pub fn indexes_forget(&self) {
        self.inner.indexes.clear();
    }

    /// Removes a xorb, then its index. Fine when there is none.
    ///
    /// # Errors
    /// When the backend fails.
    pub async fn xorb_delete(&self, hash: XorbHash) -> Result<(), StoreError> {
        self.inner.indexes.remove(&hash);
        self.inner.backend.delete(&name::xorb(hash)).await?;
        self.inner.backend.delete(&name::index(hash)).await?;
        self.inner.indexes.remove(&hash);
        Ok(())
    }

    /// Lists all stored xorbs with their lengths. Files with other names are passed over.
    pub fn xorb_list(&self) -> BoxStream<'static, Result<(XorbHash, u64), StoreError>> {
        let listed = self.inner.backend.list(name::XORBS);
        listed
            .try_filter_map(|(object, bytes)| {
                let last = object.rsplit('/').next().unwrap_or_default();
                let hash = last.parse::<XorbHash>().ok().filter(|hash| name::xorb(*hash) == object);
                std::future::ready(Ok(hash.map(|hash| (hash, bytes))))
            })
            .boxed()
    }
}

/// Asserts that an index speaks of this xorb: same Merkle root, same length.
fn check_index(hash: XorbHash, index: &XorbIndex, stored_bytes: u64) -> Result<(), StoreError> {
    let corrupt = |what: String| Err(StoreError::Corrupt { name: name::index(hash), what });
    if index.xorb_hash() != hash {
        return corrupt(format!("its chunks make {}", index.xorb_hash()));
    }
    if index.stored_bytes() != stored_bytes {
        return corrupt(format!("it speaks of {} bytes, the xorb has {stored_bytes}", index.stored_bytes()));
    }
    Ok(())
}
