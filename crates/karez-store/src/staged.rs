//! Bytes on their way in: written piece by piece, visible only as a whole.

use bytes::Bytes;

use crate::StoreError;
use crate::backend::Backend;
use crate::folder::{Overwrite, StagedFile};
use crate::objects::{Objects, StagedObject};

/// Something being written. Dropping it leaves nothing behind.
pub(crate) enum Staged {
    /// A file in `tmp/`.
    File(Box<StagedFile>),
    /// Held in memory until the name is known and the bytes are verified: at most one xorb.
    Collected { objects: Objects, pieces: Vec<Bytes>, bytes: u64 },
    /// Sent on as it arrives; the object storage shows it when it is complete.
    Object(Box<StagedObject>),
}

impl Staged {
    /// Starts an object whose name is not known before its end.
    pub(crate) async fn unnamed(backend: &Backend) -> Result<Staged, StoreError> {
        Ok(match backend {
            Backend::Folder(folder) => Staged::File(Box::new(StagedFile::new(folder).await?)),
            Backend::Objects(objects) => Staged::Collected { objects: objects.clone(), pieces: Vec::new(), bytes: 0 },
        })
    }

    /// Starts an object that will be called `name`.
    pub(crate) async fn named(backend: &Backend, name: &str) -> Result<Staged, StoreError> {
        Ok(match backend {
            Backend::Folder(folder) => Staged::File(Box::new(StagedFile::new(folder).await?)),
            Backend::Objects(objects) => Staged::Object(Box::new(StagedObject::new(objects, name.to_owned()))),
        })
    }

    pub(crate) async fn write(&mut self, piece: Bytes) -> Result<(), StoreError> {
        if piece.is_empty() {
            return Ok(());
        }
        match self {
            Staged::File(file) => file.write(piece).await,
            Staged::Object(object) => object.write(piece).await,
            Staged::Collected { pieces, bytes, .. } => {
                *bytes += piece.len() as u64;
                pieces.push(piece);
                Ok(())
            }
        }
    }

    /// Makes the object durable and visible. Returns false when it was there already.
    pub(crate) async fn publish(
        self,
        name: &str,
        sidecar: Option<(String, Vec<u8>)>,
        overwrite: Overwrite,
    ) -> Result<bool, StoreError> {
        match self {
            Staged::File(file) => file.publish(name, sidecar, overwrite).await,
            Staged::Object(object) => object.publish().await.map(|()| true),
            Staged::Collected { objects, pieces, .. } => {
                if let Some((name, bytes)) = sidecar {
                    objects.put(&name, vec![Bytes::from(bytes)], Overwrite::Never).await?;
                }
                objects.put(name, pieces, overwrite).await
            }
        }
    }
}
