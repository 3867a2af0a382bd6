//! One way to speak to a folder and to object storage.

use bytes::Bytes;
use futures::stream::BoxStream;
use karez_types::ByteRange;

use crate::folder::{Folder, Listed};
use crate::objects::Objects;
use crate::{StoreError, StoreLocation};

/// Where objects are. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Folder(Folder),
    Objects(Objects),
}

/// Calls the method of the same name on whichever backend it is.
macro_rules! either {
    ($backend:expr, $inner:ident => $call:expr) => {
        match $backend {
            Backend::Folder($inner) => $call,
            Backend::Objects($inner) => $call,
        }
    };
}

impl Backend {
    pub(crate) async fn open(location: StoreLocation) -> Result<Backend, StoreError> {
        Ok(match location {
            StoreLocation::Memory => Backend::Objects(Objects::memory()),
            StoreLocation::Folder(path) => Backend::Folder(Folder::open(path).await?),
            StoreLocation::S3(s3) => Backend::Objects(Objects::s3(s3)?),
        })
    }

    pub(crate) async fn healthy(&self) -> Result<(), StoreError> {
        either!(self, inner => inner.healthy().await)
    }

    pub(crate) async fn stored_bytes(&self, name: &str) -> Result<Option<u64>, StoreError> {
        either!(self, inner => inner.stored_bytes(name).await)
    }

    pub(crate) async fn read_all(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, StoreError> {
        either!(self, inner => inner.read_all(name, bytes_max).await)
    }

    pub(crate) fn stream(&self, name: String, range: ByteRange) -> BoxStream<'static, Result<Bytes, StoreError>> {
        either!(self, inner => inner.stream(name, range))
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), StoreError> {
        either!(self, inner => inner.delete(name).await)
    }

    pub(crate) async fn delete_folder(&self, name: &str) -> Result<(), StoreError> {
        either!(self, inner => inner.delete_folder(name).await)
    }

    pub(crate) fn list(&self, name: &str) -> BoxStream<'static, Result<Listed, StoreError>> {
        either!(self, inner => inner.list(name))
    }
}
