//! Parts of multipart uploads: kept until the upload is completed, abandoned or expired.

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt, TryStreamExt};
use karez_types::ByteRange;

use crate::folder::Overwrite;
use crate::staged::Staged;
use crate::{Store, StoreError, UploadId, name};

/// A part on its way in. Dropping it leaves nothing behind.
pub struct StagedPart {
    staged: Staged,
    name: String,
    written_bytes: u64,
}

impl StagedPart {
    /// Appends bytes.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room. After an error, drop the stage.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.written_bytes += bytes.len() as u64;
        self.staged.write(bytes).await
    }

    /// Makes the part durable and visible, in place of an older one of the same number. Returns its length.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room.
    pub async fn publish(self) -> Result<u64, StoreError> {
        self.staged.publish(&self.name, None, Overwrite::Always).await?;
        Ok(self.written_bytes)
    }
}

impl Store {
    /// Makes a place to stream one part into.
    ///
    /// # Errors
    /// When the folder backend cannot make a file.
    pub async fn part_stage(&self, upload: &UploadId, part: u32) -> Result<StagedPart, StoreError> {
        let name = name::part(upload, part);
        Ok(StagedPart { staged: Staged::named(&self.inner.backend, &name).await?, name, written_bytes: 0 })
    }

    /// Stores one part, in place of an older one of the same number. Returns its length.
    ///
    /// # Errors
    /// [`StoreError::Interrupted`] when the stream fails: then nothing changes.
    pub async fn part_put<E>(
        &self,
        upload: &UploadId,
        part: u32,
        stream: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<u64, StoreError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut staged = self.part_stage(upload, part).await?;
        let mut stream = std::pin::pin!(stream);
        while let Some(bytes) = stream.next().await {
            staged.write(bytes.map_err(|error| StoreError::Interrupted { source: error.into() })?).await?;
        }
        staged.publish().await
    }

    /// Returns the length of a part, or `None` when there is none.
    ///
    /// # Errors
    /// When the backend fails.
    pub async fn part_stored_bytes(&self, upload: &UploadId, part: u32) -> Result<Option<u64>, StoreError> {
        self.inner.backend.stored_bytes(&name::part(upload, part)).await
    }

    /// Streams a whole part. Fails with [`StoreError::Missing`] when there is none.
    pub fn part_stream(&self, upload: &UploadId, part: u32) -> BoxStream<'static, Result<Bytes, StoreError>> {
        let (backend, name) = (self.inner.backend.clone(), name::part(upload, part));
        let stream = async move {
            match backend.stored_bytes(&name).await? {
                Some(end) => Ok(backend.stream(name, ByteRange { start: 0, end })),
                None => Err(StoreError::Missing { name }),
            }
        };
        futures::stream::once(stream).try_flatten().boxed()
    }

    /// Lists the parts of an upload with their lengths, in order.
    ///
    /// # Errors
    /// When the backend fails.
    pub async fn part_list(&self, upload: &UploadId) -> Result<Vec<(u32, u64)>, StoreError> {
        let listed = self.inner.backend.list(&name::upload(upload)).try_filter_map(|(object, bytes)| {
            let number = object.rsplit('/').next().and_then(|last| last.parse::<u32>().ok());
            std::future::ready(Ok(number.map(|number| (number, bytes))))
        });
        let mut parts: Vec<(u32, u64)> = listed.try_collect().await?;
        parts.sort_unstable();
        Ok(parts)
    }

    /// Removes all parts of an upload. Fine when there are none.
    ///
    /// # Errors
    /// When the backend fails.
    pub async fn upload_delete(&self, upload: &UploadId) -> Result<(), StoreError> {
        self.inner.backend.delete_folder(&name::upload(upload)).await
    }
}
