//! Sending a pack in constant memory.

use std::collections::HashMap;
use std::vec;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use karez_catalog::{Catalog, GitObject};
use karez_formats::git::PackWriter;
use karez_types::GitOid;

use crate::{Hub, HubError, HubResult};

/// The objects of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackPlan {
    objects: Vec<GitOid>,
}

impl PackPlan {
    pub(super) fn new(objects: Vec<GitOid>) -> PackPlan {
        PackPlan { objects }
    }

    /// Returns how many objects the pack will have.
    pub fn object_count(&self) -> usize {
        self.objects.len()
    }
}

/// Objects whose lengths are asked for in one query.
const STATS_BATCH: usize = 500;
/// What objects read in one query may hold together, in bytes; a larger object comes alone.
const BATCH_BYTES_MAX: u64 = 1 << 20;

impl Hub {
    /// Streams a pack. Holds one batch of objects at a time.
    pub fn pack_stream(&self, plan: PackPlan) -> BoxStream<'static, HubResult<Bytes>> {
        let mut start = Vec::new();
        let count = u32::try_from(plan.objects.len()).unwrap_or(u32::MAX);
        let writer = PackWriter::new(count, &mut start);
        let sender = Sender {
            catalog: self.catalog.clone(),
            plan: plan.objects.into_iter(),
            batches: Vec::new().into_iter(),
            writer: Some(writer),
            start: Some(start),
        };
        try_unfold(sender, |mut sender| async move { Ok(sender.next().await?.map(|bytes| (bytes, sender))) }).boxed()
    }
}

struct Sender {
    catalog: Catalog,
    plan: vec::IntoIter<GitOid>,
    batches: vec::IntoIter<Vec<GitOid>>,
    /// Gone when the pack has ended.
    writer: Option<PackWriter>,
    start: Option<Vec<u8>>,
}

impl Sender {
    async fn next(&mut self) -> HubResult<Option<Bytes>> {
        if let Some(start) = self.start.take() {
            return Ok(Some(start.into()));
        }
        let Some(mut writer) = self.writer.take() else { return Ok(None) };
        let Some(batch) = self.batch().await? else {
            let mut end = Vec::new();
            writer.finish(&mut end);
            return Ok(Some(end.into()));
        };
        let mut objects: HashMap<GitOid, GitObject> = self.catalog.objects_get(&batch).await?.into_iter().collect();
        // Compressing a batch takes milliseconds: too long for a thread that serves others.
        let packed = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            for oid in batch {
                let object = objects.remove(&oid).ok_or_else(|| missing(oid))?;
                writer.object(object.kind, &object.content, &mut out);
            }
            HubResult::Ok((writer, out))
        });
        let (writer, out) = packed.await.map_err(|error| HubError::Damaged(error.to_string()))??;
        self.writer = Some(writer);
        Ok(Some(out.into()))
    }

    /// Returns the next objects that fit into memory together.
    async fn batch(&mut self) -> HubResult<Option<Vec<GitOid>>> {
        if let Some(batch) = self.batches.next() {
            return Ok(Some(batch));
        }
        let oids: Vec<GitOid> = self.plan.by_ref().take(STATS_BATCH).collect();
        let stats = self.catalog.object_stats(&oids).await?;
        let lengths: HashMap<GitOid, u64> = stats.iter().map(|stat| (stat.oid, stat.bytes)).collect();
        let mut batches: Vec<Vec<GitOid>> = Vec::new();
        let mut batch_bytes = u64::MAX;
        for oid in oids {
            let bytes = *lengths.get(&oid).ok_or_else(|| missing(oid))?;
            match batches.last_mut() {
                Some(batch) if batch_bytes.saturating_add(bytes) <= BATCH_BYTES_MAX => {
                    batch.push(oid);
                    batch_bytes += bytes;
                }
                _ => {
                    batches.push(vec![oid]);
                    batch_bytes = bytes;
                }
            }
        }
        self.batches = batches.into_iter();
        Ok(self.batches.next())
    }
}

fn missing(oid: GitOid) -> HubError {
    HubError::Damaged(format!("git object {oid}: missing"))
}
