//! The files of a dataset with their SHA-256, and the columns of its tables: what a description of it for
//! machines needs.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use karez_formats::table_head::{csv_columns, json_line_columns};
use karez_types::{ByteRange, GitOid, RepoAddress, RepoPath, Revision, Sha256};
use quick_cache::sync::Cache;
use serde_json::Value;
use sha2::{Digest, Sha256 as Hasher};

use crate::{Actor, Hub, HubError, HubResult, RepoField, RepoInfo, Right, SiblingDetail};

/// Files that one description names; the rest of a larger dataset it leaves out.
const FILES_MAX: usize = 1_000;
/// Tables of one description. Each costs a read of its beginning.
const TABLES_MAX: usize = 20;
/// Bytes of the beginning of a table that are looked at for its columns.
const HEAD_BYTES_MAX: u64 = 64 << 10;
/// Hashes of small files that are remembered: 52 bytes each.
const HASHES_CACHED: usize = 32_768;

/// SHA-256 of small files by their blob, which never changes: git knows another hash of them.
pub(crate) struct BlobHashes(Cache<GitOid, Sha256>);

impl Default for BlobHashes {
    fn default() -> BlobHashes {
        BlobHashes(Cache::new(HASHES_CACHED))
    }
}

/// A file.
#[derive(Debug, Clone)]
pub struct HashedFile {
    /// Path in the repository.
    pub path: String,
    /// Length in bytes.
    pub file_bytes: u64,
    /// SHA-256 of its content.
    pub sha256: Sha256,
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated values with a header line.
    Csv,
    /// The same with tabs.
    Tsv,
    /// An object of JSON on each line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

impl TableFormat {
    /// Returns the format that the ending of a path names.
    pub fn of_path(path: &str) -> Option<TableFormat> {
        match path.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "csv" => Some(TableFormat::Csv),
            "tsv" => Some(TableFormat::Tsv),
            "jsonl" | "ndjson" => Some(TableFormat::JsonLines),
            "parquet" => Some(TableFormat::Parquet),
            _ => None,
        }
    }
}

/// A file whose rows have columns.
#[derive(Debug, Clone)]
pub struct Table {
    /// Path of the file.
    pub path: String,
    /// Names of columns with the type that the card gives them, such as `int64`.
    pub columns: Vec<(String, Option<String>)>,
}

/// A dataset with its files.
#[derive(Debug, Clone)]
pub struct DatasetFiles {
    /// The repository, with its card.
    pub info: RepoInfo,
    /// The commit that the files are of.
    pub commit: GitOid,
    /// The files, in the order of git, but for what only git reads.
    pub files: Vec<HashedFile>,
    /// Whether there are more.
    pub has_more: bool,
    /// The tables among them whose columns are known.
    pub tables: Vec<Table>,
}

impl Hub {
    /// Lists the files of the main branch of a dataset, each with its SHA-256.
    ///
    /// # Errors
    /// As [`Hub::repo_open`]; [`HubError::RevisionMissing`] when nothing was committed yet.
    pub async fn dataset_files(&self, actor: &Actor, address: &RepoAddress) -> HubResult<DatasetFiles> {
        // Columns come out of the files, and sums of small ones tell what is in them.
        self.repo_open(actor, address, Right::Read).await?;
        let info = self.repo_info(actor, address, None, &[RepoField::CardData], SiblingDetail::Name).await?;
        let commit = info.commit.ok_or_else(|| HubError::RevisionMissing { revision: "main".to_owned() })?;
        let mut siblings = self.siblings_at_most(commit, SiblingDetail::Blob, FILES_MAX + 1).await?;
        let has_more = siblings.len() > FILES_MAX;
        siblings.truncate(FILES_MAX);
        let mut files = Vec::with_capacity(siblings.len());
        for sibling in siblings.into_iter().filter(|sibling| sibling.path != ".gitattributes") {
            let Some(blob) = sibling.blob else { continue };
            let sha256 = match blob.pointer {
                Some(pointer) => pointer.sha256,
                None => self.blob_sha256(blob.oid).await?,
            };
            files.push(HashedFile { path: sibling.path, file_bytes: blob.file_bytes(), sha256 });
        }
        let mut tables = Vec::new();
        let features = info.card.as_ref().map_or(&Value::Null, |card| &card["dataset_info"]);
        for file in files.iter().filter(|file| TableFormat::of_path(&file.path).is_some()).take(TABLES_MAX) {
            let columns = self.columns_of(actor, &info, commit, &file.path, features).await?;
            if !columns.is_empty() {
                tables.push(Table { path: file.path.clone(), columns });
            }
        }
        Ok(DatasetFiles { info, commit, files, has_more, tables })
    }

    async fn blob_sha256(&self, oid: GitOid) -> HubResult<Sha256> {
        if let Some(known) = self.blob_hashes.0.get(&oid) {
            return Ok(known);
        }
        let sha256 = Sha256(Hasher::digest(&self.blob_read(oid).await?).into());
        self.blob_hashes.0.insert(oid, sha256);
        Ok(sha256)
    }

    /// Returns the columns of a table: of its first line, with the types of the card; of Parquet those of the card.
    async fn columns_of(
        &self,
        actor: &Actor,
        info: &RepoInfo,
        commit: GitOid,
        path: &str,
        features: &Value,
    ) -> HubResult<Vec<(String, Option<String>)>> {
        let said = card_columns(features);
        let format = TableFormat::of_path(path);
        let names = match format {
            Some(TableFormat::Parquet) | None => {
                return Ok(said.into_iter().map(|(name, kind)| (name, Some(kind))).collect());
            }
            Some(format) => {
                let Some(head) = self.beginning(actor, info, commit, path).await? else { return Ok(Vec::new()) };
                match format {
                    TableFormat::Csv => csv_columns(&head, b','),
                    TableFormat::Tsv => csv_columns(&head, b'\t'),
                    TableFormat::JsonLines | TableFormat::Parquet => json_line_columns(&head),
                }
            }
        };
        let with_type = |name: String| {
            let kind = said.iter().find(|(said, _)| *said == name).map(|(_, kind)| kind.clone());
            (name, kind)
        };
        Ok(names.unwrap_or_default().into_iter().map(with_type).collect())
    }

    /// Reads the beginning of a file; nothing when its bytes are not here: a description moves none.
    async fn beginning(&self, actor: &Actor, info: &RepoInfo, commit: GitOid, path: &str) -> HubResult<Option<Bytes>> {
        let path: RepoPath = path.parse()?;
        let revision: Revision = commit.to_string().parse()?;
        let (repo, file) = self.file_resolve(actor, &info.repo.address(), &revision, &path).await?;
        let range = ByteRange { start: 0, end: file.file_bytes.min(HEAD_BYTES_MAX) };
        match file.large {
            None => Ok(Some(self.small_file_read(&file, range).await?)),
            Some(large) if large.hash.is_none() => Ok(None),
            Some(_) => {
                let mut stream = self.large_file_stream(actor, &repo, &file, range).await?;
                let mut head = BytesMut::new();
                while let Some(bytes) = stream.try_next().await? {
                    head.extend_from_slice(&bytes);
                }
                Ok(Some(head.freeze()))
            }
        }
    }
}

/// Returns the plain columns that a card lists, each with its type; of several configurations those of the first.
fn card_columns(info: &Value) -> Vec<(String, String)> {
    let one = match info {
        Value::Array(list) => list.first().unwrap_or(&Value::Null),
        one => one,
    };
    let column = |feature: &Value| {
        let (name, kind) = (feature["name"].as_str()?, feature["dtype"].as_str()?);
        (!name.is_empty() && !name.contains('/')).then(|| (name.to_owned(), kind.to_owned()))
    };
    let features = one["features"].as_array().map(Vec::as_slice).unwrap_or_default();
    features.iter().take(karez_formats::table_head::COLUMNS_MAX).filter_map(column).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_of_cards_are_plain_or_left_out() {
        let features =
            json!([{"name": "text", "dtype": "string"}, {"name": "img", "dtype": {"image": {}}}, {"name": 2}]);
        assert_eq!(card_columns(&json!({ "features": features })), [("text".to_owned(), "string".to_owned())]);
        assert_eq!(card_columns(&json!([{ "features": features }])).len(), 1);
        assert!(card_columns(&json!(null)).is_empty() && card_columns(&json!([])).is_empty());
    }

    #[test]
    fn formats_follow_endings() {
        assert_eq!(TableFormat::of_path("data/a.CSV"), Some(TableFormat::Csv));
        assert_eq!(TableFormat::of_path("a.csv.gz"), None);
        assert_eq!(TableFormat::of_path("csv"), None);
    }
}
