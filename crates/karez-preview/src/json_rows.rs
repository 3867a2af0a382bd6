//! JSON: values one after another, as in JSON Lines, or one array of them. Each is found by its brackets first and
//! parsed alone, so that a file of any length takes the memory of its longest value.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, json};

use crate::error::{PreviewError, PreviewResult};
use crate::format::Packing;
use crate::records::{Feed, Records};
use crate::source::Source;
use crate::table::Column;
use crate::unpack::unpacked;

/// Bytes of one value at the top.
const VALUE_BYTES_MAX: usize = 16 << 20;
/// Columns of one file.
const COLUMNS_MAX: usize = 20_000;
/// Values that types are taken from, and their bytes.
const SAMPLE_VALUES: usize = 2_000;
const SAMPLE_BYTES: u64 = 4 << 20;

/// An object with its names in the order in which they stand; the last of two that are the same counts.
struct Row(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Row, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Row;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry::<String, Value>()? {
                    pairs.push(pair);
                }
                Ok(Row(pairs))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Row, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element::<Value>()? {
                    items.push(item);
                }
                Ok(alone(Value::Array(items)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Row, E> {
                Ok(alone(text.into()))
            }

            fn visit_bool<E>(self, is: bool) -> Result<Row, E> {
                Ok(alone(is.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Row, E> {
                Ok(alone(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Row, E> {
                Ok(alone(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Row, E> {
                Ok(alone(Number::from_f64(number).map_or(Value::Null, Value::Number)))
            }

            fn visit_unit<E>(self) -> Result<Row, E> {
                Ok(alone(Value::Null))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Returns the row of a value that is no object: one column.
fn alone(value: Value) -> Row {
    Row(vec![("text".to_owned(), value)])
}

/// What the values of a column look like, as far as they were seen.
#[derive(Debug, Clone, PartialEq)]
enum Look {
    Nothing,
    Bool,
    Int,
    Float,
    Text,
    List(Box<Look>),
    Object(Vec<(String, Look)>),
    Mixed,
}

/// Fields of an object, and depth, that are followed.
const FIELDS_MAX: usize = 1_000;
const DEPTH_MAX: usize = 32;

impl Look {
    fn of(value: &Value, depth: usize) -> Look {
        match value {
            Value::Null => Look::Nothing,
            Value::Bool(_) => Look::Bool,
            Value::Number(number) if number.is_i64() => Look::Int,
            Value::Number(_) => Look::Float,
            Value::String(_) => Look::Text,
            _ if depth > DEPTH_MAX => Look::Mixed,
            Value::Array(items) => {
                let items = items.iter().take(FIELDS_MAX).map(|item| Look::of(item, depth + 1));
                Look::List(Box::new(items.fold(Look::Nothing, Look::with)))
            }
            Value::Object(fields) => Look::Object(
                fields
                    .iter()
                    .take(FIELDS_MAX)
                    .map(|(name, value)| (name.clone(), Look::of(value, depth + 1)))
                    .collect(),
            ),
        }
    }

    fn with(self, other: Look) -> Look {
        match (self, other) {
            (Look::Nothing, look) | (look, Look::Nothing) => look,
            (Look::Int | Look::Float, Look::Float) | (Look::Float, Look::Int) => Look::Float,
            (Look::List(one), Look::List(other)) => Look::List(Box::new(one.with(*other))),
            (Look::Object(mut fields), Look::Object(others)) => {
                for (name, look) in others {
                    match fields.iter().position(|(known, _)| *known == name) {
                        Some(at) => fields[at].1 = std::mem::replace(&mut fields[at].1, Look::Nothing).with(look),
                        None if fields.len() < FIELDS_MAX => fields.push((name, look)),
                        None => {}
                    }
                }
                Look::Object(fields)
            }
            (one, other) if one == other => one,
            _ => Look::Mixed,
        }
    }

    fn feature(&self) -> Value {
        let value = |dtype: &str| json!({ "dtype": dtype, "_type": "Value" });
        match self {
            Look::Nothing => value("null"),
            Look::Bool => value("bool"),
            Look::Int => value("int64"),
            Look::Float => value("float64"),
            Look::Text => value("string"),
            Look::List(item) => json!({ "feature": item.feature(), "_type": "List" }),
            Look::Object(fields) => {
                Value::Object(fields.iter().map(|(name, look)| (name.clone(), look.feature())).collect::<Map<_, _>>())
            }
            Look::Mixed => json!({ "_type": "Json" }),
        }
    }
}

/// The values of a JSON file.
pub struct JsonRows {
    columns: Vec<Column>,
    places: HashMap<String, usize>,
    bytes: Vec<u8>,
}

impl JsonRows {
    /// Reads the first values of a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not JSON.
    pub fn open(source: &Source, packing: Packing) -> PreviewResult<JsonRows> {
        let mut rows = JsonRows { columns: Vec::new(), places: HashMap::new(), bytes: Vec::new() };
        let mut feed = Feed::new(unpacked(source, packing)?, 0);
        let mut looks: Vec<Look> = Vec::new();
        let mut count = 0;
        while count < SAMPLE_VALUES && feed.position() < SAMPLE_BYTES {
            let Some(Row(pairs)) = rows.row(&mut feed)? else { break };
            for (name, value) in pairs {
                let look = Look::of(&value, 0);
                match rows.places.get(&name) {
                    Some(&place) => looks[place] = std::mem::replace(&mut looks[place], Look::Nothing).with(look),
                    None if looks.len() >= COLUMNS_MAX => {
                        return Err(PreviewError::too_large(format!("it has more than {COLUMNS_MAX} columns")));
                    }
                    None => {
                        rows.places.insert(name.clone(), looks.len());
                        rows.columns.push(Column { name, feature: Value::Null });
                        looks.push(look);
                    }
                }
            }
            count += 1;
        }
        if count == 0 {
            return Err(PreviewError::malformed("the file is empty"));
        }
        for (column, look) in rows.columns.iter_mut().zip(&looks) {
            column.feature = look.feature();
        }
        Ok(rows)
    }

    fn row(&mut self, feed: &mut Feed) -> PreviewResult<Option<Row>> {
        let start = feed.position();
        if !self.find(feed)? {
            return Ok(None);
        }
        let wrong = |error: serde_json::Error| {
            PreviewError::malformed(format!("there is no valid JSON at byte {start}: {error}"))
        };
        serde_json::from_slice(&self.bytes).map(Some).map_err(wrong)
    }

    /// Finds the next value at the top, or one level below when the top is an array; returns whether there is one.
    fn find(&mut self, feed: &mut Feed) -> PreviewResult<bool> {
        self.bytes.clear();
        let (mut depth, mut is_text, mut is_escaped) = (0usize, false, false);
        loop {
            let is_front = feed.position() == 0;
            let window = feed.peek()?;
            if window.is_empty() {
                return match self.bytes.is_empty() {
                    true => Ok(false),
                    false if depth == 0 && !is_text => Ok(true),
                    false => Err(PreviewError::malformed("the file ends within a JSON value")),
                };
            }
            let mut taken = 0;
            let mut is_whole = false;
            if is_front && window.starts_with(b"\xef\xbb\xbf") {
                taken = 3;
            }
            if is_front {
                let space = window[taken..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                taken += space;
                // An array around all: each of its values is a row.
                taken += usize::from(window.get(taken) == Some(&b'['));
            }
            let begin = taken;
            let mut kept_from = if self.bytes.is_empty() { None } else { Some(begin) };
            while taken < window.len() {
                let byte = window[taken];
                if is_text {
                    match byte {
                        _ if is_escaped => is_escaped = false,
                        b'\\' => is_escaped = true,
                        b'"' => is_text = false,
                        _ => {}
                    }
                } else if depth == 0 && (byte.is_ascii_whitespace() || byte == b',' || byte == b']') {
                    if kept_from.is_some() {
                        is_whole = true;
                        break;
                    }
                    taken += 1;
                    continue;
                } else {
                    match byte {
                        b'"' => is_text = true,
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => {
                            depth = depth.saturating_sub(1);
                            if depth == 0 {
                                kept_from.get_or_insert(taken);
                                taken += 1;
                                is_whole = true;
                                break;
                            }
                        }
                        _ => {}
                    }
                }
                kept_from.get_or_insert(taken);
                taken += 1;
            }
            if let Some(from) = kept_from {
                self.bytes.extend_from_slice(&window[from..taken]);
            }
            feed.take(taken);
            if self.bytes.len() > VALUE_BYTES_MAX {
                return Err(PreviewError::too_large(format!(
                    "one of its values is longer than {} MiB",
                    VALUE_BYTES_MAX >> 20
                )));
            }
            if is_whole {
                return Ok(true);
            }
        }
    }
}

impl Records for JsonRows {
    fn next(&mut self, feed: &mut Feed) -> PreviewResult<Option<Vec<Value>>> {
        let Some(Row(pairs)) = self.row(feed)? else { return Ok(None) };
        let mut values = vec![Value::Null; self.columns.len()];
        for (name, value) in pairs {
            // Names that only turn up later have no column.
            if let Some(&place) = self.places.get(&name) {
                values[place] = value;
            }
        }
        Ok(Some(values))
    }

    fn restart(&mut self, _is_front: bool) {
        self.bytes.clear();
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }
}
