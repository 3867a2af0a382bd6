//! Rows and features as the viewer's clients read them.

use std::fmt::Write as _;

use karez_hub::{Answer, Column, Row};
use karez_pages::{encode_part, file_url};
use karez_types::{GitOid, RepoAddress};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::asked::Viewed;

/// Named values in the order in which they come: that of the columns, which clients keep.
pub(super) struct Ordered<T>(pub Vec<(String, T)>);

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A column.
#[derive(serde::Serialize)]
pub(super) struct FeatureItem {
    feature_idx: usize,
    name: String,
    #[serde(rename = "type")]
    kind: Value,
}

/// A row.
#[derive(serde::Serialize)]
pub(super) struct RowItem {
    row_idx: u64,
    row: Ordered<Value>,
    truncated_cells: Vec<String>,
}

/// `/rows`, `/search` and `/filter`.
#[derive(serde::Serialize)]
pub(super) struct Page {
    pub features: Vec<FeatureItem>,
    pub rows: Vec<RowItem>,
    pub num_rows_total: u64,
    pub num_rows_per_page: u64,
    pub partial: bool,
}

/// `/first-rows`.
#[derive(serde::Serialize)]
pub(super) struct FirstRows {
    pub dataset: String,
    pub config: String,
    pub split: String,
    pub features: Vec<FeatureItem>,
    pub rows: Vec<RowItem>,
    pub truncated: bool,
}

pub(super) fn features(columns: &[Column]) -> Vec<FeatureItem> {
    let item = |(feature_idx, column): (usize, &Column)| FeatureItem {
        feature_idx,
        name: column.name.clone(),
        kind: column.feature.clone(),
    };
    columns.iter().enumerate().map(item).collect()
}

pub(super) fn rows(viewed: &Viewed, found: &Answer) -> Vec<RowItem> {
    let (config, split) = (viewed.value("config"), viewed.value("split"));
    let address = viewed.view.repo.address();
    let cells = |row: &Row| {
        let cell = |(column, cell): (&Column, &Value)| {
            let place = Place { base: &viewed.base, address: &address, commit: viewed.view.commit, config, split };
            (column.name.clone(), shown(&place, column, row.row, cell))
        };
        Ordered(found.columns.iter().zip(&row.cells).map(cell).collect())
    };
    let names = |row: &Row| row.cut.iter().filter_map(|&at| Some(found.columns.get(at)?.name.clone())).collect();
    let item = |row: &Row| RowItem { row_idx: row.row, row: cells(row), truncated_cells: names(row) };
    found.rows.iter().map(item).collect()
}

struct Place<'a> {
    base: &'a str,
    address: &'a RepoAddress,
    commit: GitOid,
    config: &'a str,
    split: &'a str,
}

/// Returns a picture or sound with the address of its bytes; all else as it is.
fn shown(place: &Place<'_>, column: &Column, row: u64, cell: &Value) -> Value {
    if !column.is_media() || !cell.is_object() {
        return cell.clone();
    }
    let src = match cell.get("path").and_then(Value::as_str) {
        Some(path) => resolve_url(place.base, place.address, place.commit, path),
        None => {
            let mut url = format!("{}/datasets-server/assets?", place.base);
            let dataset = place.address.id();
            let (commit, row) = (place.commit.to_string(), row.to_string());
            let pairs = [
                ("dataset", dataset.as_str()),
                ("config", place.config),
                ("split", place.split),
                ("row", &row),
                ("column", &column.name),
                ("revision", &commit),
            ];
            for (name, value) in pairs {
                let and = if url.ends_with('?') { "" } else { "&" };
                write!(url, "{and}{name}={}", encode_part(value)).expect("a String grows");
            }
            url
        }
    };
    match column.kind() {
        Some("Audio") => json!([{ "src": src, "type": cell.get("type"), "duration": cell.get("duration") }]),
        _ => json!({ "src": src, "height": cell.get("height"), "width": cell.get("width") }),
    }
}

/// Returns the address of a file at a commit.
pub(super) fn resolve_url(base: &str, address: &RepoAddress, commit: GitOid, path: &str) -> String {
    format!("{base}{}", file_url(address, "resolve", &commit.to_string(), path))
}
