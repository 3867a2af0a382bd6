//! Memory and S3 through the `object_store` crate, which stays behind this file.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use karez_types::ByteRange;
use object_store::aws::AmazonS3Builder;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload,
    RetryConfig,
};

use crate::folder::{Listed, Overwrite};
use crate::{S3Location, StoreError};

/// Bytes of one part when an object of unknown length is written. S3 wants at least 5 MiB.
const PART_BYTES: usize = 8 << 20;

/// How often and how long a request to S3 is tried again.
const RETRIES_MAX: usize = 8;
const RETRY_TOTAL_SECS: u64 = 120;
const RETRY_FIRST_MS: u64 = 100;
const RETRY_LONGEST_SECS: u64 = 10;
/// Seconds to connect, and without a byte, before a request counts as failed.
const CONNECT_SECS_MAX: u64 = 10;
const IDLE_SECS_MAX: u64 = 60;

/// Word for the one action whose object may be missing.
const READ: &str = "read";

/// Objects behind the `object_store` trait. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    place: String,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.place)
    }
}

impl Objects {
    pub(crate) fn memory() -> Objects {
        Objects { store: Arc::new(InMemory::new()), prefix: Path::default(), place: "memory".to_owned() }
    }

    pub(crate) fn s3(location: S3Location) -> Result<Objects, StoreError> {
        let wrong = |error: &dyn std::fmt::Display| StoreError::Location { what: error.to_string() };
        let place = format!("s3://{}/{}", location.bucket, location.prefix);
        let prefix = Path::parse(&location.prefix).map_err(|error| wrong(&error))?;
        let options = ClientOptions::new()
            .with_allow_http(location.allow_http)
            .with_connect_timeout(Duration::from_secs(CONNECT_SECS_MAX))
            .with_read_timeout(Duration::from_secs(IDLE_SECS_MAX))
            .with_timeout_disabled();
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(RETRY_FIRST_MS),
                max_backoff: Duration::from_secs(RETRY_LONGEST_SECS),
                ..BackoffConfig::default()
            },
            max_retries: RETRIES_MAX,
            retry_timeout: Duration::from_secs(RETRY_TOTAL_SECS),
        };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(location.bucket)
            .with_virtual_hosted_style_request(location.virtual_hosted)
            .with_client_options(options)
            .with_retry(retry);
        if let Some(endpoint) = location.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = location.region {
            builder = builder.with_region(region);
        }
        if let Some(key) = location.access_key_id {
            builder = builder.with_access_key_id(key);
        }
        if let Some(secret) = location.secret_access_key {
            builder = builder.with_secret_access_key(secret);
        }
        let store = builder.build().map_err(|error| wrong(&error))?;
        Ok(Objects { store: Arc::new(store), prefix, place })
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    pub(crate) async fn stored_bytes(&self, name: &str) -> Result<Option<u64>, StoreError> {
        match self.store.head(&self.path(name)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("look at", name, error)),
        }
    }

    /// Reads a whole object of at most `bytes_max`; a longer one counts as damaged.
    pub(crate) async fn read_all(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let result = match self.store.get(&self.path(name)).await {
            Ok(result) => result,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(READ, name, error)),
        };
        let bytes = result.meta.size;
        if bytes > bytes_max {
            return Err(StoreError::Corrupt { name: name.to_owned(), what: format!("{bytes} bytes is too long") });
        }
        Ok(Some(result.bytes().await.map_err(|error| failed(READ, name, error))?.into()))
    }

    pub(crate) fn stream(&self, name: String, range: ByteRange) -> BoxStream<'static, Result<Bytes, StoreError>> {
        if range.is_empty() {
            return futures::stream::empty().boxed();
        }
        let objects = self.clone();
        let stream = async move {
            let options = GetOptions::new().with_range(Some(range.start..range.end));
            let result = objects.store.get_opts(&objects.path(&name), options).await;
            let result = result.map_err(|error| failed(READ, &name, error))?;
            if result.range != (range.start..range.end) {
                let what = format!("it ends at byte {}, before the range that was asked for", result.range.end);
                return Err(StoreError::Corrupt { name, what });
            }
            Ok(result.into_stream().map_err(move |error| failed(READ, &name, error)))
        };
        futures::stream::once(stream).try_flatten().boxed()
    }

    pub(crate) async fn put(&self, name: &str, payload: Vec<Bytes>, overwrite: Overwrite) -> Result<bool, StoreError> {
        let payload: PutPayload = payload.into_iter().collect();
        let length = payload.content_length() as u64;
        if overwrite == Overwrite::Never && self.stored_bytes(name).await? == Some(length) {
            return Ok(false);
        }
        self.store.put(&self.path(name), payload).await.map_err(|error| failed("write", name, error))?;
        Ok(true)
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), StoreError> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("remove", name, error)),
        }
    }

    pub(crate) async fn delete_folder(&self, name: &str) -> Result<(), StoreError> {
        let paths = self.store.list(Some(&self.path(name))).map_ok(|meta| meta.location).boxed();
        let removed = self
            .store
            .delete_stream(paths)
            .filter(|removed| std::future::ready(!matches!(removed, Err(Error::NotFound { .. }))));
        removed.try_for_each(|_| std::future::ready(Ok(()))).await.map_err(|error| failed("remove", name, error))
    }

    pub(crate) fn list(&self, name: &str) -> BoxStream<'static, Result<Listed, StoreError>> {
        let (prefix, asked) = (self.prefix.clone(), name.to_owned());
        self.store
            .list(Some(&self.path(name)))
            .map(move |meta| {
                let meta = meta.map_err(|error| failed("list", &asked, error))?;
                let parts: Vec<_> = meta.location.prefix_match(&prefix).into_iter().flatten().collect();
                let name = parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("/");
                Ok((name, meta.size))
            })
            .boxed()
    }

    pub(crate) async fn healthy(&self) -> Result<(), StoreError> {
        const NAME: &str = "tmp/health";
        self.put(NAME, vec![Bytes::from_static(b"ok")], Overwrite::Always).await?;
        self.stored_bytes(NAME).await?.ok_or(StoreError::Missing { name: NAME.to_owned() })?;
        self.delete(NAME).await
    }
}

fn failed(action: &str, name: &str, error: Error) -> StoreError {
    match error {
        // Whatever else is asked of something that is not there, it is the bucket that is missing.
        Error::NotFound { .. } if action == READ => StoreError::Missing { name: name.to_owned() },
        // The crate prints the cause inside the message and returns it as the source too; once is enough.
        error => {
            StoreError::Backend { action: format!("{action} {name}"), source: one_line(&error.to_string()).into() }
        }
    }
}

/// Puts what a server said into one line of bounded length.
fn one_line(text: &str) -> String {
    const LETTERS_MAX: usize = 400;
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LETTERS_MAX).collect()
}

/// An object that arrives in pieces and whose name is known: sent as a multipart upload once it is
/// longer than one part.
pub(crate) struct StagedObject {
    objects: Objects,
    name: String,
    collected: Vec<Bytes>,
    collected_bytes: usize,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl StagedObject {
    pub(crate) fn new(objects: &Objects, name: String) -> StagedObject {
        StagedObject { objects: objects.clone(), name, collected: Vec::new(), collected_bytes: 0, upload: None }
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.collected_bytes += bytes.len();
        self.collected.push(bytes);
        if self.collected_bytes < PART_BYTES {
            return Ok(());
        }
        self.send().await
    }

    async fn send(&mut self) -> Result<(), StoreError> {
        let mut upload = match self.upload.take() {
            Some(upload) => upload,
            None => {
                let path = self.objects.path(&self.name);
                self.objects.store.put_multipart(&path).await.map_err(|error| failed("write", &self.name, error))?
            }
        };
        let payload: PutPayload = self.collected.drain(..).collect();
        self.collected_bytes = 0;
        let sent = upload.put_part(payload).await;
        self.upload = Some(upload);
        sent.map_err(|error| failed("write", &self.name, error))
    }

    pub(crate) async fn publish(mut self) -> Result<(), StoreError> {
        if self.upload.is_none() {
            let payload = std::mem::take(&mut self.collected);
            return self.objects.put(&self.name, payload, Overwrite::Always).await.map(|_| ());
        }
        if self.collected_bytes > 0 {
            self.send().await?;
        }
        let mut upload = self.upload.take().expect("a part was sent");
        let completed = upload.complete().await;
        if completed.is_err() {
            self.upload = Some(upload);
        }
        completed.map(|_| ()).map_err(|error| failed("write", &self.name, error))
    }
}

impl Drop for StagedObject {
    /// S3 keeps the parts of an upload until somebody says that it is over.
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                if let Err(error) = upload.abort().await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot abort an upload to the object storage"
                    );
                }
            });
        }
    }
}
