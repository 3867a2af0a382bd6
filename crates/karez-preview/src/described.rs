//! Pictures and sounds with a metadata file: its rows are the rows, and a column that names files shows what is in them.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::error::{PreviewError, PreviewResult};
use crate::media::shown;
use crate::source::Source;
use crate::table::{Batch, Column, Ended, Flow, Hint, Table, Visit};

/// Rows whose files are looked at before the next look at the time.
const BATCH_ROWS: usize = 16;
/// Names of one cell whose files are looked at.
const NAMES_MAX: usize = 100;
/// Structures inside of structures that are followed.
const DEPTH_MAX: usize = 32;

/// The files that can be named, by path.
pub type Named = Arc<HashMap<String, Source>>;

/// A metadata file with the files that it names.
pub struct Described {
    inner: Box<dyn Table>,
    columns: Vec<Column>,
    /// Where each column stands in the metadata file.
    places: Vec<usize>,
    reader: Reader,
}

struct Reader {
    /// The folder of the metadata file, with a slash behind it unless it is the root.
    folder: String,
    files: Named,
    base: &'static str,
    kind: &'static str,
}

/// A key that names files, and what takes its place.
enum Names {
    One(String),
    Several(String),
}

impl Described {
    /// Returns the table of a metadata file at a path.
    ///
    /// # Errors
    /// When it has no column that names files.
    pub fn new(inner: Box<dyn Table>, path: &str, files: Named, is_sound: bool) -> PreviewResult<Described> {
        let folder = path.rfind('/').map_or("", |end| &path[..=end]).to_owned();
        let (base, kind) = if is_sound { ("audio", "Audio") } else { ("image", "Image") };
        let reader = Reader { folder, files, base, kind };
        let (mut columns, mut places): (Vec<Column>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut is_found = false;
        for (place, column) in inner.columns().iter().enumerate() {
            let (name, feature) = match reader.names(&column.name, &column.feature) {
                Some(Names::One(name)) => (name, json!({ "_type": kind })),
                Some(Names::Several(name)) => (name, json!({ "feature": { "_type": kind }, "_type": "List" })),
                None => (column.name.clone(), reader.feature(&column.feature, 0)),
            };
            let is_media = feature != column.feature;
            is_found |= is_media;
            match columns.iter().position(|known| known.name == name) {
                None => {
                    columns.push(Column { name, feature });
                    places.push(place);
                }
                // What names a file wins over a column that is called like it.
                Some(known) if is_media => (columns[known].feature, places[known]) = (feature, place),
                Some(_) => {}
            }
        }
        if !is_found {
            let words =
                format!("{path} has no column `file_name`, `*_file_name`, `file_names` or `*_file_names` of text");
            return Err(PreviewError::malformed(words));
        }
        Ok(Described { inner, columns, places, reader })
    }
}

impl Reader {
    /// Tells what a key with a feature names, if anything.
    fn names(&self, key: &str, feature: &Value) -> Option<Names> {
        let called = |ending: &str, otherwise: String| {
            let before = if key == ending { "" } else { key.strip_suffix(ending)?.strip_suffix('_')? };
            Some(if before.is_empty() { otherwise } else { before.to_owned() })
        };
        let is_text = |feature: &Value| {
            feature["_type"] == "Value" && matches!(feature["dtype"].as_str(), Some("string" | "large_string"))
        };
        if is_text(feature) {
            return called("file_name", self.base.to_owned()).map(Names::One);
        }
        let is_list = feature["_type"] == "List" && is_text(&feature["feature"]);
        called("file_names", format!("{}s", self.base)).filter(|_| is_list).map(Names::Several)
    }

    /// Returns a feature with what names files inside of it replaced.
    fn feature(&self, feature: &Value, depth: usize) -> Value {
        let Value::Object(fields) = feature else { return feature.clone() };
        if depth > DEPTH_MAX {
            return feature.clone();
        }
        if fields.get("_type").is_some_and(Value::is_string) {
            let mut made = fields.clone();
            if let Some(item) = fields.get("feature") {
                made.insert("feature".to_owned(), self.feature(item, depth + 1));
            }
            return Value::Object(made);
        }
        let mut made = Map::new();
        for (key, feature) in fields {
            match self.names(key, feature) {
                Some(Names::One(name)) => made.insert(name, json!({ "_type": self.kind })),
                Some(Names::Several(name)) => {
                    made.insert(name, json!({ "feature": { "_type": self.kind }, "_type": "List" }))
                }
                None => made.insert(key.clone(), self.feature(feature, depth + 1)),
            };
        }
        Value::Object(made)
    }

    /// Returns a value of a feature of the metadata file with what files hold in the place of their names.
    fn value(&self, value: Value, feature: &Value, depth: usize) -> PreviewResult<Value> {
        let Value::Object(fields) = feature else { return Ok(value) };
        if depth > DEPTH_MAX {
            return Ok(value);
        }
        if fields.get("_type").is_some_and(Value::is_string) {
            return match (value, fields.get("feature")) {
                (Value::Array(items), Some(item)) => items
                    .into_iter()
                    .map(|value| self.value(value, item, depth + 1))
                    .collect::<PreviewResult<Vec<_>>>()
                    .map(Value::Array),
                (value, _) => Ok(value),
            };
        }
        let Value::Object(values) = value else { return Ok(value) };
        let mut made = Map::new();
        for (key, value) in values {
            let Some(feature) = fields.get(&key) else { continue };
            let names = self.names(&key, feature);
            let name = match &names {
                Some(Names::One(name) | Names::Several(name)) => name.clone(),
                None => key,
            };
            let value = match names {
                Some(names) => self.files(value, &names)?,
                None => self.value(value, feature, depth + 1)?,
            };
            made.insert(name, value);
        }
        Ok(Value::Object(made))
    }

    fn files(&self, value: Value, names: &Names) -> PreviewResult<Value> {
        match (value, names) {
            (Value::String(name), Names::One(_)) if !name.is_empty() => self.file(&name),
            (Value::Array(names), Names::Several(_)) => names
                .into_iter()
                .take(NAMES_MAX)
                .map(|name| name.as_str().map_or(Ok(Value::Null), |name| self.file(name)))
                .collect::<PreviewResult<Vec<_>>>()
                .map(Value::Array),
            _ => Ok(Value::Null),
        }
    }

    /// Returns what a file holds that is named from the folder of the metadata file.
    fn file(&self, name: &str) -> PreviewResult<Value> {
        let inside = inside(name).ok_or_else(|| {
            let start: String = name.chars().take(100).collect();
            PreviewError::malformed(format!("the metadata names {start:?}, which leads out of its folder"))
        })?;
        let path = format!("{}{inside}", self.folder);
        match self.files.get(&path) {
            Some(source) => Ok(shown(source, path.clone())?),
            // It may be a file of another split, or none at all.
            None => Ok(json!({ "path": path })),
        }
    }
}

/// Returns a relative path without detours; nothing when it leads elsewhere.
fn inside(name: &str) -> Option<String> {
    if name.contains("://") || name.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    // The library makes these of the paths of Windows, after it has looked at the parts.
    let path = parts.join("/").replace('\\', "/");
    (!path.starts_with("../") && path != ".." && !path.starts_with('/')).then_some(path)
}

impl Table for Described {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn rows_known(&self) -> Option<u64> {
        self.inner.rows_known()
    }

    fn hint(&self) -> Hint {
        self.inner.hint()
    }

    fn memory_bytes(&self) -> Option<u64> {
        self.inner.memory_bytes()
    }

    fn read(&mut self, from: u64, rows_max: u64, columns: &[usize], visit: Visit<'_>) -> PreviewResult<Ended> {
        let places: Vec<usize> = columns.iter().map(|&column| self.places[column]).collect();
        let own: Vec<Column> = places.iter().map(|&place| self.inner.columns()[place].clone()).collect();
        let is_plain = |at: usize| own[at].feature == self.columns[columns[at]].feature;
        if (0..columns.len()).all(is_plain) {
            return self.inner.read(from, rows_max, &places, visit);
        }
        let described: Vec<&Column> = own.iter().collect();
        let reader = &self.reader;
        let cell = |(value, column): (Value, &&Column)| match reader.names(&column.name, &column.feature) {
            Some(names) => reader.files(value, &names),
            None => reader.value(value, &column.feature, 0),
        };
        self.inner.read(from, rows_max, &places, &mut |first, batch| {
            let mut at = 0;
            // A batch without rows asks whether to go on.
            while at < batch.rows().max(1) {
                let upto = batch.rows().min(at + BATCH_ROWS);
                let mut rows = Vec::new();
                for row in at..upto {
                    let values = batch.row(row, &described)?;
                    rows.push(values.into_iter().zip(&described).map(cell).collect::<PreviewResult<Vec<_>>>()?);
                }
                if visit(first + at as u64, Batch::Rows(rows))? == Flow::Stop {
                    return Ok(Flow::Stop);
                }
                at += BATCH_ROWS;
            }
            Ok(Flow::On)
        })
    }
}

/// The rows of a split without a metadata file of its own, where another split has one.
pub struct Undescribed {
    /// The columns that the metadata file of the other split gives.
    columns: Vec<Column>,
    /// The pictures or sounds, which are rows if the metadata came only behind this split.
    files: Option<Box<dyn Table>>,
}

impl Undescribed {
    /// Returns the rows of these files, if there are any, with the columns of another table.
    pub fn new(columns: Vec<Column>, files: Option<Box<dyn Table>>) -> Undescribed {
        Undescribed { columns, files }
    }
}

impl Table for Undescribed {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn rows_known(&self) -> Option<u64> {
        self.files.as_ref().map_or(Some(0), |files| files.rows_known())
    }

    fn read(&mut self, from: u64, rows_max: u64, columns: &[usize], visit: Visit<'_>) -> PreviewResult<Ended> {
        let Some(files) = &mut self.files else { return Ok(Ended::End) };
        // Only the picture or sound itself is known.
        let base = files.columns()[0].clone();
        let places: Vec<bool> = columns.iter().map(|&column| self.columns[column] == base).collect();
        let wanted: &[usize] = if places.contains(&true) { &[0] } else { &[] };
        files.read(from, rows_max, wanted, &mut |first, batch| {
            let row = |row: usize| -> PreviewResult<Vec<Value>> {
                let cells = batch.row(row, &[])?;
                let value = cells.first().cloned().unwrap_or_default();
                Ok(places.iter().map(|is_base| if *is_base { value.clone() } else { Value::Null }).collect())
            };
            visit(first, Batch::Rows((0..batch.rows()).map(row).collect::<PreviewResult<_>>()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        for (name, path) in [
            ("a.png", Some("a.png")),
            ("./x//a.png", Some("x/a.png")),
            ("x/../a.png", Some("a.png")),
            ("x\\a.png", Some("x/a.png")),
            ("../a.png", None),
            ("x/../../a.png", None),
            ("..\\a.png", None),
            ("/etc/passwd", None),
            ("\\etc", None),
            ("file:///etc/passwd", None),
        ] {
            assert_eq!(inside(name).as_deref(), path, "{name}");
        }
    }
}
