//! The files of a dataset with their SHA-256, and the columns of its tables: what a description of it for
//! machines needs.

use karez_formats::table_head::{COLUMNS_MAX, ColumnKind};
use karez_types::{GitOid, RepoAddress, RepoId, Sha256};
use quick_cache::sync::Cache;
use serde_json::Value;
use sha2::{Digest, Sha256 as Hasher};

use crate::repo_info::SiblingBlob;
use crate::table_columns::{Found, TableFormat};
use crate::{Actor, Hub, HubError, HubResult, RepoField, RepoInfo, Right, SiblingDetail};

/// Files that one description names; the rest of a larger dataset it leaves out.
const FILES_MAX: usize = 1_000;
/// Tables of one description. Each costs a read of its beginning.
const TABLES_MAX: usize = 20;
/// Bytes of tables of one description whose rows are looked at, for what their columns hold.
const CHECK_BYTES_MAX: u64 = 16 << 20;
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

/// A file whose rows have columns.
#[derive(Debug, Clone)]
pub struct Table {
    /// Path of the file.
    pub path: String,
    /// Names of columns and what their values are.
    pub columns: Vec<(String, ColumnKind)>,
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
        let (files, blobs, has_more) = self.hashed_files(commit, FILES_MAX).await?;
        let mut tables = Vec::new();
        let mut check_bytes = CHECK_BYTES_MAX;
        let said = info.card.as_ref().map_or(&Value::Null, |card| &card["dataset_info"]);
        let is_table = |(file, _): &(&HashedFile, &SiblingBlob)| TableFormat::of_path(&file.path).is_some();
        for (file, blob) in files.iter().zip(&blobs).filter(is_table).take(TABLES_MAX) {
            let columns = self.columns_of(info.repo.id, &file.path, blob, said, &mut check_bytes).await?;
            if !columns.is_empty() {
                tables.push(Table { path: file.path.clone(), columns });
            }
        }
        Ok(DatasetFiles { info, commit, files, has_more, tables })
    }

    /// Lists files of a commit that is readable, each with its SHA-256, but for what only git reads; whether there are more.
    pub(crate) async fn hashed_files(
        &self,
        commit: GitOid,
        most: usize,
    ) -> HubResult<(Vec<HashedFile>, Vec<SiblingBlob>, bool)> {
        let mut siblings = self.siblings_at_most(commit, SiblingDetail::Blob, most + 1).await?;
        let has_more = siblings.len() > most;
        siblings.truncate(most);
        let (mut files, mut blobs) = (Vec::with_capacity(siblings.len()), Vec::new());
        for sibling in siblings.into_iter().filter(|sibling| sibling.path != ".gitattributes") {
            let Some(blob) = sibling.blob else { continue };
            let sha256 = match blob.pointer {
                Some(pointer) => pointer.sha256,
                None => self.blob_sha256(blob.oid).await?,
            };
            files.push(HashedFile { path: sibling.path, file_bytes: blob.file_bytes(), sha256 });
            blobs.push(blob);
        }
        Ok((files, blobs, has_more))
    }

    async fn blob_sha256(&self, oid: GitOid) -> HubResult<Sha256> {
        if let Some(known) = self.blob_hashes.0.get(&oid) {
            return Ok(known);
        }
        let sha256 = Sha256(Hasher::digest(&self.blob_read(oid).await?).into());
        self.blob_hashes.0.insert(oid, sha256);
        Ok(sha256)
    }

    /// Returns the columns of a table with their kinds: as its rows have them, or, when they are not here, as the card
    /// says of the configuration that the file is of.
    async fn columns_of(
        &self,
        repo: RepoId,
        path: &str,
        blob: &SiblingBlob,
        info: &Value,
        check_bytes: &mut u64,
    ) -> HubResult<Vec<(String, ColumnKind)>> {
        let said = card_columns(info, path);
        let found = match self.table_columns(repo, path, blob, check_bytes).await? {
            Found::Columns(columns) => columns,
            Found::NoTable => return Ok(Vec::new()),
            Found::NotHere => return Ok(said),
        };
        // Whole numbers may be meant as any: 1, 2.0, 3.
        let meant = |name: &str| said.iter().find(|(said, _)| said == name).map(|(_, kind)| *kind);
        let columns = found.iter().map(|(name, kind)| match (kind, meant(name)) {
            (ColumnKind::Integer, Some(ColumnKind::Float)) => (name.clone(), ColumnKind::Float),
            (kind, _) => (name.clone(), *kind),
        });
        Ok(columns.collect())
    }
}

/// Returns the plain columns that a card lists: of several configurations those of the one that is a folder of the path,
/// or nothing when none is.
fn card_columns(info: &Value, path: &str) -> Vec<(String, ColumnKind)> {
    let one = match info {
        Value::Array(list) => {
            let is_of = |one: &&Value| {
                one["config_name"].as_str().is_some_and(|config| path.split('/').any(|part| part == config))
            };
            list.iter().find(is_of).or(list.first().filter(|_| list.len() == 1)).unwrap_or(&Value::Null)
        }
        one => one,
    };
    let column = |feature: &Value| {
        let (name, kind) = (feature["name"].as_str()?, feature["dtype"].as_str()?);
        let kind = match kind {
            "string" | "large_string" => ColumnKind::Text,
            "bool" => ColumnKind::Boolean,
            "date32" | "date64" => ColumnKind::Date,
            kind if kind.starts_with("int") || kind.starts_with("uint") => ColumnKind::Integer,
            kind if kind.starts_with("float") => ColumnKind::Float,
            kind if kind.starts_with("timestamp") => ColumnKind::DateTime,
            _ => return None,
        };
        (!name.is_empty() && !name.contains('/')).then(|| (name.to_owned(), kind))
    };
    let features = one["features"].as_array().map(Vec::as_slice).unwrap_or_default();
    features.iter().take(COLUMNS_MAX).filter_map(column).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_of_cards_are_plain_or_left_out() {
        let features =
            json!([{"name": "text", "dtype": "string"}, {"name": "img", "dtype": {"image": {}}}, {"name": 2}]);
        let text = [("text".to_owned(), ColumnKind::Text)];
        assert_eq!(card_columns(&json!({ "features": features }), "a.parquet"), text);
        assert_eq!(card_columns(&json!([{ "features": features }]), "a.parquet"), text);
        assert!(card_columns(&json!(null), "a").is_empty() && card_columns(&json!([]), "a").is_empty());
        let two = json!([{ "config_name": "all" }, { "config_name": "small", "features": features }]);
        assert_eq!(card_columns(&two, "small/train.parquet"), text);
        assert!(card_columns(&two, "all/train.parquet").is_empty() && card_columns(&two, "train.parquet").is_empty());
    }
}
