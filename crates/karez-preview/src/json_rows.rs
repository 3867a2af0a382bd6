//! JSON: values one after another, as in JSON Lines, or one array of them. Each is found by its brackets first and
//! parsed alone, so that a file of any length takes the memory of its longest value.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use crate::encoding::Origin;
use crate::error::{PreviewError, PreviewResult};
use crate::look::Look;
use crate::records::{Feed, Records};
use crate::table::{Column, Hint};

/// Bytes of one value at the top.
const VALUE_BYTES_MAX: usize = 16 << 20;
/// Columns of one file.
const COLUMNS_MAX: usize = 20_000;
/// Bytes of a key that is compared with the one that a card names.
const KEY_BYTES_MAX: usize = 64 << 10;

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

/// The values of a JSON file.
pub struct JsonRows {
    field: Option<String>,
    /// The columns that rows have.
    columns: Vec<Column>,
    /// Where each name that was seen stands, and what its values look like: more than the columns, where names turn up
    /// late.
    places: HashMap<String, usize>,
    looks: Vec<(String, Look)>,
    bytes: Vec<u8>,
    is_at_front: bool,
    is_over: bool,
}

impl JsonRows {
    /// Reads the first values of a file, unless they are remembered. With a field, the rows are the list that stands
    /// there in one object. Returns what is known then.
    ///
    /// # Errors
    /// When it cannot be read, or is not JSON.
    pub fn open(
        origin: &Origin,
        field: Option<String>,
        mut hint: Hint,
        sample_bytes: u64,
    ) -> PreviewResult<(JsonRows, Hint)> {
        let mut rows = JsonRows {
            field,
            columns: Vec::new(),
            places: HashMap::new(),
            looks: std::mem::take(&mut hint.looks),
            bytes: Vec::new(),
            is_at_front: true,
            is_over: false,
        };
        rows.places = rows.looks.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
        hint.is_utf16 = origin.is_utf16;
        if rows.looks.is_empty() {
            let mut feed = Feed::new(origin.reader()?, 0);
            let mut count = 0;
            while feed.position() < sample_bytes || count == 0 {
                let Some(Row(pairs)) = rows.row(&mut feed)? else {
                    hint.rows = Some(count);
                    break;
                };
                rows.learn(&pairs)?;
                count += 1;
            }
            if count == 0 {
                return Err(PreviewError::malformed("the file is empty"));
            }
            hint.rows_seen = count;
        }
        let looks = rows.looks.clone();
        rows.adopt(&looks);
        hint.looks = looks;
        Ok((rows, hint))
    }

    /// Notes what the values of a row look like.
    fn learn(&mut self, pairs: &[(String, Value)]) -> PreviewResult<()> {
        for (name, value) in pairs {
            let place = match self.places.get(name) {
                Some(place) => *place,
                None if self.looks.len() >= COLUMNS_MAX => {
                    return Err(PreviewError::too_large(format!("it has more than {COLUMNS_MAX} columns")));
                }
                None => {
                    self.places.insert(name.clone(), self.looks.len());
                    self.looks.push((name.clone(), Look::default()));
                    self.looks.len() - 1
                }
            };
            self.looks[place].1.add_json(value, 0);
        }
        Ok(())
    }

    /// Goes to the first value of the list that stands under a key of one object.
    fn field_enter(&self, feed: &mut Feed, field: &str) -> PreviewResult<()> {
        let broken = || PreviewError::malformed("the file is not one JSON object, as the card says");
        let shown: String = field.chars().take(100).collect();
        if feed.peek()?.starts_with(b"\xef\xbb\xbf") {
            feed.take(3);
        }
        if next_byte(feed)? != Some(b'{') {
            return Err(broken());
        }
        loop {
            let key = match next_byte(feed)? {
                Some(b'"') => text_after_quote(feed)?,
                Some(b',') => continue,
                Some(b'}') => {
                    return Err(PreviewError::malformed(format!(
                        "the file has no key {shown:?}, which the card names"
                    )));
                }
                _ => return Err(broken()),
            };
            if next_byte(feed)? != Some(b':') {
                return Err(broken());
            }
            let first = next_byte(feed)?.ok_or_else(broken)?;
            let is_it = serde_json::from_slice::<String>(&key).is_ok_and(|key| key == field);
            match first {
                b'[' if is_it => return Ok(()),
                _ if is_it => {
                    let words = format!("the card names the key {shown:?}, under which there is no list");
                    return Err(PreviewError::unsupported(words));
                }
                first => value_skip(feed, first)?,
            }
        }
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
        if std::mem::take(&mut self.is_at_front)
            && let Some(field) = &self.field
        {
            self.field_enter(feed, field)?;
        }
        if self.is_over {
            return Ok(false);
        }
        let begin_at = feed.position();
        let (mut depth, mut is_text, mut is_escaped) = (0usize, false, false);
        loop {
            let is_front = feed.position() == 0 && self.field.is_none();
            let window = feed.peek()?;
            if window.is_empty() {
                return match self.bytes.is_empty() {
                    true => Ok(false),
                    false if depth == 0 && !is_text => Ok(true),
                    false => Err(PreviewError::malformed(format!(
                        "the JSON value that begins at byte {begin_at} has no end: a bracket or a quote is missing there"
                    ))),
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
                    if byte == b']' && self.field.is_some() {
                        // What stands behind the list in its object is no row.
                        self.is_over = true;
                        feed.take(taken);
                        return Ok(false);
                    }
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

/// Takes the next byte that is no space.
fn next_byte(feed: &mut Feed) -> PreviewResult<Option<u8>> {
    loop {
        let Some(byte) = feed.peek()?.first().copied() else { return Ok(None) };
        feed.take(1);
        if !byte.is_ascii_whitespace() {
            return Ok(Some(byte));
        }
    }
}

/// Takes a text whose first quote was taken; returns it with its quotes.
fn text_after_quote(feed: &mut Feed) -> PreviewResult<Vec<u8>> {
    let mut text = vec![b'"'];
    let mut is_escaped = false;
    loop {
        let Some(byte) = feed.peek()?.first().copied() else {
            return Err(PreviewError::malformed("a text in the JSON has no end"));
        };
        feed.take(1);
        if text.len() < KEY_BYTES_MAX {
            text.push(byte);
        }
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Ok(text),
            _ => {}
        }
    }
}

/// Passes over a value whose first byte was taken.
fn value_skip(feed: &mut Feed, first: u8) -> PreviewResult<()> {
    let mut depth = 0usize;
    let mut byte = first;
    loop {
        match byte {
            b'"' => drop(text_after_quote(feed)?),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match feed.peek()?.first() {
            None => return Ok(()),
            Some(b',' | b'}') if depth == 0 => return Ok(()),
            Some(next) => byte = *next,
        }
        feed.take(1);
    }
}

impl Records for JsonRows {
    fn next(&mut self, feed: &mut Feed, _: u64, _: &mut Hint) -> PreviewResult<Option<Vec<Value>>> {
        let Some(Row(pairs)) = self.row(feed)? else { return Ok(None) };
        self.learn(&pairs)?;
        let mut values = vec![Value::Null; self.columns.len()];
        for (name, value) in pairs {
            // What has no column yet gets one when the types are taken again.
            let Some(slot) = self.places.get(&name).and_then(|&place| values.get_mut(place)) else { continue };
            *slot = value;
        }
        Ok(Some(values))
    }

    fn restart(&mut self, is_front: bool) {
        self.bytes.clear();
        (self.is_at_front, self.is_over) = (is_front, false);
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn looks(&self) -> &[(String, Look)] {
        &self.looks
    }

    fn adopt(&mut self, types: &[(String, Look)]) {
        for (name, _) in types {
            if !self.places.contains_key(name) && self.looks.len() < COLUMNS_MAX {
                self.places.insert(name.clone(), self.looks.len());
                self.looks.push((name.clone(), Look::default()));
            }
        }
        let wide: HashMap<&str, &Look> = types.iter().map(|(name, look)| (name.as_str(), look)).collect();
        let column = |(name, look): &(String, Look)| {
            let feature = wide.get(name.as_str()).copied().unwrap_or(look).feature();
            Column { name: name.clone(), feature }
        };
        self.columns = self.looks.iter().map(column).collect();
    }
}
