//! What a card says of how files are read, as the `datasets` library takes it (datasets 5.2, `CsvConfig`, `JsonConfig`,
//! `TextConfig`). What is not followed here is named, so that nothing is shown wrong.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::format::Format;

/// Names of columns that a card may give.
const NAMES_MAX: usize = 20_000;

/// Which record names the columns of CSV.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Header {
    /// The first, unless names are given.
    #[default]
    Infer,
    /// None.
    Without,
    /// The one with this number; those before it are passed over.
    Record(u32),
}

/// How files are read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReaderOptions {
    /// What stands between values.
    pub separator: Option<u8>,
    /// Which record names the columns.
    pub header: Header,
    /// Names of the columns.
    pub names: Vec<String>,
    /// What stands around values; nothing when quotes mean nothing.
    pub quote: Option<u8>,
    /// Whether two quotes inside of quotes are one.
    pub is_quote_doubled: bool,
    /// What stands before a character that means nothing special.
    pub escape: Option<u8>,
    /// Lines that are passed over first.
    pub skip_lines: u32,
    /// More texts that stand for nothing.
    pub nothing: Vec<String>,
    /// Whether the usual texts stand for nothing.
    pub has_usual_nothing: bool,
    /// What stands before the fraction of a number.
    pub decimal: u8,
    /// How characters are written as bytes.
    pub encoding: Option<String>,
    /// The key of a JSON object whose list is the rows.
    pub field: Option<String>,
}

impl Default for ReaderOptions {
    fn default() -> ReaderOptions {
        ReaderOptions {
            separator: None,
            header: Header::Infer,
            names: Vec::new(),
            quote: Some(b'"'),
            is_quote_doubled: true,
            escape: None,
            skip_lines: 0,
            nothing: Vec::new(),
            has_usual_nothing: true,
            decimal: b'.',
            encoding: None,
            field: None,
        }
    }
}

/// Options of CSV that change nothing in what the rows are.
const CSV_NEUTRAL: [&str; 12] = [
    "chunksize",
    "memory_map",
    "engine",
    "float_precision",
    "verbose",
    "encoding_errors",
    "on_bad_lines",
    "error_bad_lines",
    "warn_bad_lines",
    "mangle_dupe_cols",
    "low_memory",
    "date_format",
];
/// Options of CSV that change it, with the value that they have anyway.
const CSV_CHANGING: [(&str, Value); 18] = [
    ("index_col", Value::Null),
    ("usecols", Value::Null),
    ("prefix", Value::Null),
    ("converters", Value::Null),
    ("true_values", Value::Null),
    ("false_values", Value::Null),
    ("skipinitialspace", Value::Bool(false)),
    ("nrows", Value::Null),
    ("skip_blank_lines", Value::Bool(true)),
    ("thousands", Value::Null),
    ("lineterminator", Value::Null),
    ("comment", Value::Null),
    ("dialect", Value::Null),
    ("skipfooter", Value::Null),
    ("features", Value::Null),
    ("parse_dates", Value::Null),
    ("dtype", Value::Null),
    ("squeeze", Value::Null),
];
const JSON_CHANGING: [(&str, Value); 2] = [("features", Value::Null), ("newlines_in_values", Value::Null)];
const TEXT_CHANGING: [(&str, Value); 2] = [("features", Value::Null), ("keep_linebreaks", Value::Bool(false))];
const PARQUET_CHANGING: [(&str, Value); 3] =
    [("columns", Value::Null), ("filters", Value::Null), ("features", Value::Null)];
const FOLDER_CHANGING: [(&str, Value); 5] = [
    ("drop_labels", Value::Null),
    ("drop_metadata", Value::Null),
    ("metadata_filenames", Value::Null),
    ("filters", Value::Null),
    ("features", Value::Null),
];

impl ReaderOptions {
    /// Reads the options of a configuration for files of a format. What the library's reader of that format does not
    /// know, it passes over, and so does this.
    ///
    /// # Errors
    /// With the name of an option that is not followed here.
    pub fn of(config: &Value, format: Format) -> Result<ReaderOptions, String> {
        let mut options = ReaderOptions::default();
        let Some(config) = config.as_object() else { return Ok(options) };
        for (name, value) in config {
            let is_followed = match format {
                Format::Csv | Format::Tsv => options.csv(name, value),
                Format::Json => match name.as_str() {
                    "field" => options.text_into(value, |options, field| options.field = field),
                    "encoding" => options.encoding(value),
                    _ => is_usual(&JSON_CHANGING, name, value),
                },
                Format::Text => match name.as_str() {
                    "encoding" => options.encoding(value),
                    "sample_by" => value.is_null() || value == "line",
                    _ => is_usual(&TEXT_CHANGING, name, value),
                },
                Format::Parquet => is_usual(&PARQUET_CHANGING, name, value),
                Format::Images | Format::Sounds => is_usual(&FOLDER_CHANGING, name, value),
            };
            if !is_followed {
                return Err(name.chars().take(60).collect());
            }
        }
        // `delimiter` wins over `sep`, and `column_names` over `names`, in whatever order they stand.
        if let Some(Value::String(one)) = config.get("delimiter")
            && let [separator] = one.as_bytes()
        {
            options.separator = Some(*separator);
        }
        if let Some(Value::Array(names)) = config.get("column_names") {
            options.names = names.iter().filter_map(name).collect();
        }
        if config.get("quoting").and_then(Value::as_u64) == Some(3) {
            options.quote = None;
        }
        Ok(options)
    }

    fn csv(&mut self, name: &str, value: &Value) -> bool {
        match name {
            "sep" | "delimiter" => match value {
                Value::Null => true,
                Value::String(text) if text.len() == 1 && text.is_ascii() => {
                    self.separator = Some(text.as_bytes()[0]);
                    true
                }
                _ => false,
            },
            "header" => {
                self.header = match value {
                    Value::Null => Header::Without,
                    Value::String(text) if text == "infer" => Header::Infer,
                    _ => match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
                        Some(number) => Header::Record(number),
                        None => return false,
                    },
                };
                true
            }
            "names" | "column_names" => match value {
                Value::Null => true,
                Value::Array(names) if names.len() <= NAMES_MAX && !names.is_empty() => {
                    self.names = names.iter().filter_map(self::name).collect();
                    self.names.len() == names.len()
                }
                _ => false,
            },
            "quotechar" => self.byte(value, |options, byte| options.quote = Some(byte)),
            // Everything, or only what needs it: that is the writer's choice. Nothing: quotes mean nothing.
            "quoting" => matches!(value.as_u64(), Some(0 | 1 | 3)),
            "doublequote" => value.as_bool().is_some_and(|is| {
                self.is_quote_doubled = is;
                true
            }),
            "escapechar" => value.is_null() || self.byte(value, |options, byte| options.escape = Some(byte)),
            "decimal" => self.byte(value, |options, byte| options.decimal = byte),
            "skiprows" => match (value, value.as_u64().and_then(|number| u32::try_from(number).ok())) {
                (Value::Null, _) => true,
                (_, Some(lines)) => {
                    self.skip_lines = lines;
                    true
                }
                _ => false,
            },
            "na_values" => {
                let texts = match value {
                    Value::Null => return true,
                    Value::Array(texts) => texts.iter().map(self::name).collect::<Option<Vec<_>>>(),
                    one => self::name(one).map(|one| vec![one]),
                };
                texts.is_some_and(|texts| {
                    self.nothing = texts;
                    true
                })
            }
            "keep_default_na" | "na_filter" => value.as_bool().is_some_and(|is| {
                self.has_usual_nothing &= is;
                // Without the filter nothing stands for nothing.
                is || name == "keep_default_na"
            }),
            "encoding" => self.encoding(value),
            _ => CSV_NEUTRAL.contains(&name) || is_usual(&CSV_CHANGING, name, value),
        }
    }

    fn byte(&mut self, value: &Value, set: impl Fn(&mut ReaderOptions, u8)) -> bool {
        let Some([byte]) = value.as_str().filter(|text| text.is_ascii()).map(str::as_bytes) else { return false };
        set(self, *byte);
        true
    }

    fn text_into(&mut self, value: &Value, set: impl Fn(&mut ReaderOptions, Option<String>)) -> bool {
        let is_text = value.is_null() || value.is_string();
        set(self, value.as_str().map(str::to_owned));
        is_text
    }

    fn encoding(&mut self, value: &Value) -> bool {
        if value.as_str().is_some_and(|name| crate::encoding::of_name(name).is_none()) {
            return false;
        }
        self.text_into(value, |options, name| options.encoding = name)
    }
}

/// Returns a name as text; numbers are names too.
fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Tells whether an option has the value that it has anyway; of one that changes nothing, any will do.
fn is_usual(changing: &[(&str, Value)], name: &str, value: &Value) -> bool {
    let known = changing.iter().find(|(known, _)| *known == name);
    known.is_none_or(|(_, usual)| value == usual || value.is_null() || (name == "skipfooter" && value == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_are_those_of_the_library() {
        let config = json!({ "config_name": "x", "data_files": "*.csv", "sep": ",", "delimiter": ";", "header": 1,
            "names": ["a", 7], "skiprows": 2, "decimal": ",", "encoding": "latin-1", "field": "is not of CSV" });
        let options = ReaderOptions::of(&config, Format::Csv).unwrap();
        assert_eq!((options.separator, options.header, options.skip_lines), (Some(b';'), Header::Record(1), 2));
        assert_eq!((options.names, options.decimal, options.field), (vec!["a".to_owned(), "7".into()], b',', None));
        assert_eq!(ReaderOptions::of(&json!({ "quoting": 3, "quotechar": "'" }), Format::Csv).unwrap().quote, None);
        assert_eq!(ReaderOptions::of(&json!({ "field": "data" }), Format::Json).unwrap().field, Some("data".into()));
        assert_eq!(ReaderOptions::of(&json!({ "sep": ";" }), Format::Parquet), Ok(ReaderOptions::default()));
        for (config, format, name) in [
            (json!({ "sep": "\\s+" }), Format::Csv, "sep"),
            (json!({ "usecols": ["a"] }), Format::Csv, "usecols"),
            (json!({ "header": [0, 1] }), Format::Csv, "header"),
            (json!({ "encoding": "klingon" }), Format::Csv, "encoding"),
            (json!({ "na_filter": false }), Format::Csv, "na_filter"),
            (json!({ "sample_by": "paragraph" }), Format::Text, "sample_by"),
            (json!({ "columns": ["a"] }), Format::Parquet, "columns"),
            (json!({ "drop_labels": true }), Format::Images, "drop_labels"),
        ] {
            assert_eq!(ReaderOptions::of(&config, format), Err(name.to_owned()), "{config}");
        }
        assert!(ReaderOptions::of(&json!({ "usecols": null, "skip_blank_lines": true }), Format::Csv).is_ok());
    }
}
