//! Large files of mirrors, brought when somebody reads them.

use futures::future::BoxFuture;
use karez_catalog::Repo;
use karez_hub::{Actor, FarFile, FarFiles, FileStream, HubError, HubResult};
use karez_types::ByteRange;

use super::Upstreams;

impl FarFiles for Upstreams {
    fn file_stream<'a>(
        &'a self,
        _actor: &'a Actor,
        _repo: &'a Repo,
        _file: FarFile,
        _range: ByteRange,
    ) -> BoxFuture<'a, HubResult<FileStream>> {
        Box::pin(async move { Err(HubError::OriginSilent("later".into())) })
    }
}
