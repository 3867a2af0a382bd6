//! What safetensors files say of themselves, without moving their data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::TryStreamExt;
use karez_catalog::Repo;
use karez_formats::safetensors::{HEADER_BYTES_MAX, header_end, parse_header};
use karez_types::{ByteRange, GitOid, RepoAddress, RepoPath, Revision};
use quick_cache::sync::Cache;
use serde_json::Value;

use crate::resolve::Resolved;
use crate::{Actor, Hub, HubError, HubResult};

/// Files that one answer looks into.
const SHARDS_MAX: usize = 512;
/// Bytes of all headers in one answer.
const HEADERS_BYTES_MAX: u64 = 64 << 20;
/// Largest index of a sharded model, in bytes.
const INDEX_BYTES_MAX: u64 = 16 << 20;
/// Read first: 97 % of headers are shorter (huggingface_hub, `parse_safetensors_file_metadata`).
const FIRST_READ_BYTES: u64 = 100_000;
/// The file of a model that is not sharded.
const SINGLE_FILE: &str = "model.safetensors";
/// The index of a model that is.
const INDEX_FILE: &str = "model.safetensors.index.json";

/// How many numbers of each type a model has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParameterCounts {
    /// Numbers by type, such as `BF16`.
    pub by_dtype: BTreeMap<String, u64>,
}

impl ParameterCounts {
    /// Returns the count over all types.
    pub fn total(&self) -> u64 {
        self.by_dtype.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Types of numbers that a count tells apart. There are about twenty; a header may claim anything.
const DTYPES_MAX: usize = 64;
/// Longest name of a type, in bytes.
const DTYPE_BYTES_MAX: usize = 32;
/// Counts that are remembered: at most about 4 MiB.
const COUNTS_CACHED: usize = 1_024;

/// Counts by commit, which never change.
pub(crate) struct CountsCache(Cache<GitOid, Arc<ParameterCounts>>);

impl Default for CountsCache {
    fn default() -> CountsCache {
        CountsCache(Cache::new(COUNTS_CACHED))
    }
}

/// The headers of the files of a model.
#[derive(Debug, Clone)]
pub struct SafetensorsHeaders {
    /// The `metadata` of the index, if there is an index.
    pub index_metadata: Option<Value>,
    /// The header of each file, as it stands there.
    pub headers: BTreeMap<String, Value>,
}

impl Hub {
    /// Reads the headers of all files that an index names, or of one safetensors file, on `main`.
    ///
    /// # Errors
    /// As [`Hub::file_resolve`]; [`HubError::Invalid`] when a file is not what its name says, or
    /// there is too much to read.
    pub async fn safetensors_headers(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        path: &RepoPath,
    ) -> HubResult<SafetensorsHeaders> {
        let (repo, file) = self.file_resolve(actor, address, &Revision::main(), path).await?;
        if !path.as_str().ends_with(".json") {
            let header = self.header_json(actor, &repo, &file).await?;
            return Ok(SafetensorsHeaders {
                index_metadata: None,
                headers: BTreeMap::from([(path.to_string(), header_value(path, &header)?)]),
            });
        }
        let (index_metadata, shards) = self.index_read(Some(actor), &repo, &file).await?;
        let mut headers = BTreeMap::new();
        let mut left_bytes = HEADERS_BYTES_MAX;
        for shard in shards {
            let (_, file) = self.file_resolve(actor, address, &Revision::from(file.commit), &shard).await?;
            let header = self.header_json(actor, &repo, &file).await?;
            left_bytes = left_bytes.checked_sub(header.len() as u64).ok_or_else(|| {
                HubError::Invalid("the headers are too large for one answer; read each file's own with a Range".into())
            })?;
            headers.insert(shard.to_string(), header_value(&shard, &header)?);
        }
        Ok(SafetensorsHeaders { index_metadata, headers })
    }

    /// Counts the parameters of a model at a commit; nothing when it has no readable safetensors.
    pub(crate) async fn safetensors_counts(
        &self,
        repo: &Repo,
        commit: GitOid,
    ) -> HubResult<Option<Arc<ParameterCounts>>> {
        if let Some(counts) = self.parameter_counts.0.get(&commit) {
            return Ok(Some(counts));
        }
        let counts = self.safetensors_count(repo, commit).await?.map(Arc::new);
        if let Some(counts) = &counts {
            self.parameter_counts.0.insert(commit, Arc::clone(counts));
        }
        Ok(counts)
    }

    async fn safetensors_count(&self, repo: &Repo, commit: GitOid) -> HubResult<Option<ParameterCounts>> {
        let single: RepoPath = SINGLE_FILE.parse()?;
        let index: RepoPath = INDEX_FILE.parse()?;
        let mut counts = ParameterCounts::default();
        let shards = if self.entry_find(commit, &single).await?.is_some() {
            BTreeSet::from([single])
        } else if self.entry_find(commit, &index).await?.is_some() {
            let file = self.resolve_at(commit, &index).await?;
            match absent(self.index_read(None, repo, &file).await)? {
                Some((_, shards)) => shards,
                None => return Ok(None),
            }
        } else {
            return Ok(None);
        };
        for shard in shards {
            let Some(file) = absent(self.resolve_at(commit, &shard).await)? else { return Ok(None) };
            let Some(start) = absent(self.header_read(None, repo, &file).await)? else { return Ok(None) };
            let Ok(header) = parse_header(&start) else { return Ok(None) };
            for (dtype, count) in header.parameters_by_dtype() {
                if dtype.len() > DTYPE_BYTES_MAX || counts.by_dtype.len() >= DTYPES_MAX {
                    return Ok(None);
                }
                let sum = counts.by_dtype.entry(dtype).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        Ok(Some(counts))
    }

    /// Reads an index: its metadata, and the files that it names, which lie beside it.
    pub(crate) async fn index_read(
        &self,
        far_for: Option<&Actor>,
        repo: &Repo,
        file: &Resolved,
    ) -> HubResult<(Option<Value>, BTreeSet<RepoPath>)> {
        let broken =
            |what: &str| HubError::Invalid(format!("{} is not an index of safetensors files: {what}", file.path));
        if file.file_bytes > INDEX_BYTES_MAX {
            return Err(broken("it is too large"));
        }
        let text = self.part_read(far_for, repo, file, 0, file.file_bytes).await?;
        let mut index: Value = serde_json::from_slice(&text).map_err(|_| broken("it is not JSON"))?;
        let map = index.get("weight_map").and_then(Value::as_object).ok_or_else(|| broken("it has no weight_map"))?;
        let folder = file.path.as_str().rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let mut shards = BTreeSet::new();
        for name in map.values() {
            let name = name.as_str().ok_or_else(|| broken("its weight_map names something that is not a file"))?;
            shards.insert(format!("{folder}{name}").parse::<RepoPath>().map_err(|error| broken(&error.to_string()))?);
            if shards.len() > SHARDS_MAX {
                return Err(broken("it names too many files"));
            }
        }
        Ok((index.get_mut("metadata").map(Value::take), shards))
    }

    /// Reads the JSON of a file's header.
    async fn header_json(&self, actor: &Actor, repo: &Repo, file: &Resolved) -> HubResult<Bytes> {
        let start = self.header_read(Some(actor), repo, file).await?;
        Ok(start.slice(8.min(start.len())..))
    }

    /// Reads a file from its start to the end of its header.
    async fn header_read(&self, far_for: Option<&Actor>, repo: &Repo, file: &Resolved) -> HubResult<Bytes> {
        let not_safetensors = |error: &dyn std::fmt::Display| {
            HubError::Invalid(format!("{} is not a safetensors file: {error}", file.path))
        };
        let first = self.part_read(far_for, repo, file, 0, FIRST_READ_BYTES.min(file.file_bytes)).await?;
        let end = header_end(&first).map_err(|error| not_safetensors(&error))?;
        if end > file.file_bytes || end > HEADER_BYTES_MAX + 8 {
            return Err(not_safetensors(&"its header is longer than the file"));
        }
        if end <= first.len() as u64 {
            return Ok(first.slice(..usize::try_from(end).unwrap_or(first.len())));
        }
        self.part_read(far_for, repo, file, 0, end).await
    }

    /// Reads a part of a file into memory. The caller bounds its length. What is not here is brought only
    /// for somebody who asked for this file: a listing must not start a hundred transfers.
    pub(crate) async fn part_read(
        &self,
        far_for: Option<&Actor>,
        repo: &Repo,
        file: &Resolved,
        start: u64,
        end: u64,
    ) -> HubResult<Bytes> {
        let range = ByteRange { start, end: end.max(start) };
        let Some(large) = file.large else {
            return self.small_file_read(file, range).await;
        };
        let missing = || HubError::EntryMissing { path: file.path.to_string(), commit: Some(file.commit) };
        let row = match large.hash {
            Some(hash) => self.catalog.repo_file_contains(repo.id, &hash).await?,
            None => None,
        };
        let stream = match (row, far_for, file.far()) {
            (Some(row), _, _) => self.file_stream(&row, range),
            (None, Some(actor), Some(far)) if repo.mirror.is_some() => self.far_stream(actor, repo, far, range).await?,
            _ => return Err(missing()),
        };
        let read = stream.try_fold(BytesMut::new(), |mut whole, part| async move {
            whole.extend_from_slice(&part);
            Ok(whole)
        });
        Ok(read.await?.freeze())
    }
}

fn header_value(path: &RepoPath, header: &[u8]) -> HubResult<Value> {
    serde_json::from_slice(header)
        .map_err(|_| HubError::Invalid(format!("{path} is not a safetensors file: its header is not JSON")))
}

/// Turns "it is not there, or not what it seems" into nothing; the node's own failures stay.
fn absent<T>(result: HubResult<T>) -> HubResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(HubError::EntryMissing { .. } | HubError::Invalid(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
