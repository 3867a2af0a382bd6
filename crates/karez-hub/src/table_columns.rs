//! Columns of tables whose bytes are here: their names for search, with what they hold for descriptions.
//!
//! Nothing is fetched from elsewhere for it, and little is read: the beginning of a text, the footer of a Parquet
//! file. What a file holds never changes, so it is remembered by blob.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use karez_formats::parquet_head::{PARQUET_END_BYTES, PARQUET_SCHEMA_BYTES_MAX, parquet_columns, parquet_footer_bytes};
use karez_formats::table_head::{COLUMNS_MAX, ColumnKind, csv_columns};
use karez_formats::table_rows::{Extent, csv_table, json_lines_table};
use karez_types::{ByteRange, GitOid, RepoId};
use quick_cache::sync::Cache;
use serde_json::Value;

use crate::objects::{ByHeldBytes, Held};
use crate::repo_info::SiblingBlob;
use crate::{Hub, HubError, HubResult};

/// Bytes of the beginning of a text that are read for the names of its columns.
const NAMES_BYTES_MAX: u64 = 16 << 10;
/// Bytes of the beginning of a text whose rows are looked at when it is not looked at whole.
const HEAD_BYTES_MAX: u64 = 64 << 10;
/// Longest line that stands for names when it is no proper header, in bytes.
const LINE_BYTES_MAX: usize = 4 << 10;
/// Memory of what is remembered.
const REMEMBERED_BYTES: u64 = 8 << 20;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Depth {
    Names,
    Beginning,
    Whole,
}

type Columns = Arc<[(String, ColumnKind)]>;

impl Held for Columns {
    fn held_bytes(&self) -> u64 {
        128 + self.iter().map(|(name, _)| name.len() as u64 + 48).sum::<u64>()
    }
}

/// What was read of tables; an empty list for what is none.
pub(crate) struct TableColumns(Cache<(GitOid, TableFormat, Depth), Columns, ByHeldBytes>);

impl Default for TableColumns {
    fn default() -> TableColumns {
        TableColumns(Cache::with_weighter(10_000, REMEMBERED_BYTES, ByHeldBytes))
    }
}

/// What became of a look at a table.
pub(crate) enum Found {
    /// Its columns.
    Columns(Columns),
    /// It has none that mean anything, or is none.
    NoTable,
    /// Its bytes are not here.
    NotHere,
}

impl Hub {
    /// Returns the names of the columns of a table whose bytes are here; none of what is no table.
    pub(crate) async fn column_names(&self, repo: RepoId, path: &str, blob: &SiblingBlob) -> HubResult<Vec<String>> {
        match self.columns_at(repo, path, blob, Depth::Names).await? {
            Found::Columns(columns) => Ok(columns.iter().map(|(name, _)| name.clone()).collect()),
            Found::NoTable | Found::NotHere => Ok(Vec::new()),
        }
    }

    /// Returns the plain columns of a table with what they hold. A text is looked at whole when it has no more than
    /// `check_bytes`, which become less by it; of a longer one the beginning.
    pub(crate) async fn table_columns(
        &self,
        repo: RepoId,
        path: &str,
        blob: &SiblingBlob,
        check_bytes: &mut u64,
    ) -> HubResult<Found> {
        let is_text = TableFormat::of_path(path) != Some(TableFormat::Parquet);
        let depth = match check_bytes.checked_sub(blob.file_bytes()) {
            Some(left_bytes) if is_text => {
                *check_bytes = left_bytes;
                Depth::Whole
            }
            _ => Depth::Beginning,
        };
        self.columns_at(repo, path, blob, depth).await
    }

    async fn columns_at(&self, repo: RepoId, path: &str, blob: &SiblingBlob, depth: Depth) -> HubResult<Found> {
        let Some(format) = TableFormat::of_path(path) else { return Ok(Found::NoTable) };
        let key = (blob.oid, format, depth);
        let columns = match self.columns.0.get(&key) {
            Some(known) => known,
            None => {
                let file_bytes = blob.file_bytes();
                let read = match format {
                    TableFormat::Parquet => self.parquet_footer(repo, blob).await?,
                    _ => {
                        let most = match depth {
                            Depth::Names => NAMES_BYTES_MAX,
                            Depth::Beginning => HEAD_BYTES_MAX,
                            Depth::Whole => u64::MAX,
                        };
                        self.held_bytes(repo, blob, ByteRange { start: 0, end: file_bytes.min(most) }).await?
                    }
                };
                let Some(bytes) = read else { return Ok(Found::NotHere) };
                let read = move || columns_in(&bytes, format, depth, file_bytes);
                let columns = tokio::task::spawn_blocking(read).await;
                let columns = columns.map_err(|error| HubError::Damaged(format!("reading columns failed: {error}")))?;
                let columns: Columns = columns.into();
                self.columns.0.insert(key, Arc::clone(&columns));
                columns
            }
        };
        Ok(if columns.is_empty() { Found::NoTable } else { Found::Columns(columns) })
    }

    /// Reads the beginning of the footer of a Parquet file; empty when it is none.
    async fn parquet_footer(&self, repo: RepoId, blob: &SiblingBlob) -> HubResult<Option<Bytes>> {
        let file_bytes = blob.file_bytes();
        let Some(end_start) = file_bytes.checked_sub(PARQUET_END_BYTES) else { return Ok(Some(Bytes::new())) };
        let end = self.held_bytes(repo, blob, ByteRange { start: end_start, end: file_bytes }).await?;
        let Some(end) = end else { return Ok(None) };
        let start = parquet_footer_bytes(&end).and_then(|footer_bytes| end_start.checked_sub(footer_bytes));
        let Some(start) = start else { return Ok(Some(Bytes::new())) };
        let range = ByteRange { start, end: end_start.min(start + PARQUET_SCHEMA_BYTES_MAX) };
        self.held_bytes(repo, blob, range).await
    }

    /// Reads a range of a file of a repository; nothing when its bytes are not here.
    async fn held_bytes(&self, repo: RepoId, blob: &SiblingBlob, range: ByteRange) -> HubResult<Option<Bytes>> {
        let Some(pointer) = blob.pointer else {
            let bytes = self.blob_read(blob.oid).await?;
            let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            return Ok(Some(bytes.slice(place(range.start)..place(range.end))));
        };
        if !self.catalog.repo_file_has(repo, &pointer.sha256).await? {
            return Ok(None);
        }
        let Some(file) = self.catalog.file_by_sha256(&pointer.sha256).await? else { return Ok(None) };
        let mut stream = self.file_stream(&file, range);
        let mut read = BytesMut::new();
        while let Some(bytes) = stream.try_next().await? {
            read.extend_from_slice(&bytes);
        }
        Ok(Some(read.freeze()))
    }
}

fn columns_in(bytes: &[u8], format: TableFormat, depth: Depth, file_bytes: u64) -> Vec<(String, ColumnKind)> {
    let extent = if bytes.len() as u64 == file_bytes { Extent::Whole } else { Extent::Beginning };
    let as_text = |names: Vec<String>| names.into_iter().map(|name| (name, ColumnKind::Text)).collect();
    let delimiter = if format == TableFormat::Tsv { b'\t' } else { b',' };
    match (format, depth) {
        (TableFormat::Parquet, _) => parquet_columns(bytes).unwrap_or_default(),
        (TableFormat::Csv | TableFormat::Tsv, Depth::Names) => {
            as_text(csv_columns(bytes, delimiter).unwrap_or_else(|| first_line(bytes)))
        }
        (TableFormat::Csv | TableFormat::Tsv, _) => csv_table(bytes, delimiter, extent).unwrap_or_default(),
        (TableFormat::JsonLines, Depth::Names) => as_text(first_keys(bytes)),
        (TableFormat::JsonLines, _) => json_lines_table(bytes, extent).unwrap_or_default(),
    }
}

/// Returns the first line as one name: its words are found, however they are parted.
fn first_line(bytes: &[u8]) -> Vec<String> {
    let bytes = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    std::str::from_utf8(line).into_iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Returns the keys of the first object, on one line or on several.
fn first_keys(bytes: &[u8]) -> Vec<String> {
    let Some(start) = bytes.iter().position(|&byte| byte == b'{') else { return Vec::new() };
    let first = serde_json::Deserializer::from_slice(&bytes[start..]).into_iter::<Value>().next();
    match first {
        Some(Ok(Value::Object(row))) => row.into_iter().map(|(name, _)| name).take(COLUMNS_MAX).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_follow_endings() {
        assert_eq!(TableFormat::of_path("data/a.CSV"), Some(TableFormat::Csv));
        assert_eq!(TableFormat::of_path("a.csv.gz"), None);
        assert_eq!(TableFormat::of_path("csv"), None);
    }

    #[test]
    fn names_are_found_also_where_nothing_is_proper() {
        let names = |bytes: &[u8], format| -> Vec<String> {
            columns_in(bytes, format, Depth::Names, 1 << 20).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(b"a,b\n1,2", TableFormat::Csv), ["a", "b"]);
        assert_eq!(names(b"id;name;val\n1;2;3", TableFormat::Csv), ["id;name;val"]);
        assert_eq!(names(b"a,a\n1,2", TableFormat::Csv), ["a,a"]);
        assert_eq!(names(b"\n{\"x\":1,\"y\":[1]}\n{", TableFormat::JsonLines), ["x", "y"]);
        assert!(names(b"\xff\xfe", TableFormat::Csv).is_empty() && names(b"", TableFormat::JsonLines).is_empty());
        assert!(names(b"PAR1", TableFormat::Parquet).is_empty());
    }
}
