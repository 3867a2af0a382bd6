//! What the values of a column look like, where a file does not say it: kinds that were seen, and the type that
//! holds all of them. More values only add kinds, so types of parts of a file can be put together.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Kinds of values, one bit each.
const NOTHING: u16 = 1;
const BOOL: u16 = 1 << 1;
const INT: u16 = 1 << 2;
const NEGATIVE: u16 = 1 << 3;
/// A whole number of 64 bits without a sign, which none with a sign holds.
const LARGE: u16 = 1 << 4;
/// A whole number of more than 64 bits.
const HUGE: u16 = 1 << 5;
const FLOAT: u16 = 1 << 6;
const TEXT: u16 = 1 << 7;
/// A text that is no moment.
const PLAIN: u16 = 1 << 8;
const LIST: u16 = 1 << 9;
const OBJECT: u16 = 1 << 10;
/// Something that is not looked into.
const DEEP: u16 = 1 << 11;
const NUMBERS: u16 = INT | FLOAT;

/// Fields of an object, and depth, that are followed.
const FIELDS_MAX: usize = 1_000;
const DEPTH_MAX: usize = 32;

/// The values of a column as far as they were seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    kinds: u16,
    /// The values of its lists.
    item: Option<Box<Look>>,
    /// The values of its objects.
    fields: Vec<(String, Look)>,
}

/// What a text of CSV says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text,
}

/// A type of CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// A whole number.
    Int,
    /// A whole number that is not negative, of 64 bits.
    Unsigned,
    /// Any number.
    Float,
    /// True or false.
    Bool,
    /// Text.
    Text,
}

impl Plain {
    /// Returns its name in the `datasets` library.
    pub fn dtype(self) -> &'static str {
        match self {
            Plain::Int => "int64",
            Plain::Unsigned => "uint64",
            Plain::Float => "float64",
            Plain::Bool => "bool",
            Plain::Text => "string",
        }
    }
}

impl Look {
    fn add(&mut self, kinds: u16) -> bool {
        let is_new = kinds & !self.kinds != 0;
        self.kinds |= kinds;
        is_new
    }

    /// Tells whether a text was seen: then CSV is text, whatever comes.
    pub fn is_text(&self) -> bool {
        self.kinds & TEXT != 0
    }

    /// Notes a value of CSV.
    pub fn add_said(&mut self, said: Said) {
        let kinds = match said {
            Said::Nothing => NOTHING,
            Said::Bool(_) => BOOL,
            Said::Float(_) => FLOAT,
            Said::Text => TEXT,
            Said::Int(number) => {
                let sign = if number < 0 { NEGATIVE } else { 0 };
                let size = match (i64::try_from(number), u64::try_from(number)) {
                    (Ok(_), _) => 0,
                    (_, Ok(_)) => LARGE,
                    _ => HUGE,
                };
                INT | sign | size
            }
        };
        self.add(kinds);
    }

    /// Returns the type of a column of CSV (pandas 3.1 by its defaults, measured): whole numbers with gaps are
    /// fractions, and what no number of 64 bits holds is text.
    pub fn plain(&self) -> Plain {
        let kinds = self.kinds;
        let has = |kind: u16| kinds & kind != 0;
        match kinds & (BOOL | NUMBERS | TEXT) {
            0 if has(NOTHING) => Plain::Float,
            BOOL => Plain::Bool,
            INT if has(HUGE) || (has(LARGE) && has(NEGATIVE | NOTHING)) => Plain::Text,
            INT if has(LARGE) => Plain::Unsigned,
            INT if has(NOTHING) => Plain::Float,
            INT => Plain::Int,
            of if of & !NUMBERS == 0 && of != 0 => Plain::Float,
            _ => Plain::Text,
        }
    }

    /// Notes a value of JSON; tells whether its kind is new.
    pub fn add_json(&mut self, value: &Value, depth: usize) -> bool {
        match value {
            Value::Null => self.add(NOTHING),
            Value::Bool(_) => self.add(BOOL),
            Value::Number(number) if number.is_i64() => self.add(INT),
            Value::Number(_) => self.add(FLOAT),
            Value::String(_) if self.kinds & PLAIN != 0 => false,
            Value::String(text) => self.add(if is_moment(text) { TEXT } else { TEXT | PLAIN }),
            _ if depth > DEPTH_MAX => self.add(DEEP),
            Value::Array(items) => {
                let mut is_new = self.add(LIST);
                let look = self.item.get_or_insert_default();
                for item in items.iter().take(FIELDS_MAX) {
                    is_new |= look.add_json(item, depth + 1);
                }
                is_new
            }
            Value::Object(fields) => {
                let mut is_new = self.add(OBJECT);
                for (at, (name, value)) in fields.iter().take(FIELDS_MAX).enumerate() {
                    // Most objects have the same fields in the same order.
                    let place = match self.fields.get(at) {
                        Some((known, _)) if known == name => Some(at),
                        _ => self.fields.iter().position(|(known, _)| known == name),
                    };
                    is_new |= match place {
                        Some(place) => self.fields[place].1.add_json(value, depth + 1),
                        None if self.fields.len() < FIELDS_MAX => {
                            let mut look = Look::default();
                            look.add_json(value, depth + 1);
                            self.fields.push((name.clone(), look));
                            true
                        }
                        None => false,
                    };
                }
                is_new
            }
        }
    }

    /// Returns the type of a column of JSON: what `pyarrow.json` makes of it, or `Json` where it makes nothing.
    pub fn feature(&self) -> Value {
        let value = |dtype: &str| json!({ "dtype": dtype, "_type": "Value" });
        match self.kinds & (BOOL | NUMBERS | TEXT | LIST | OBJECT | DEEP) {
            0 => value("null"),
            BOOL => value("bool"),
            INT => value("int64"),
            of if of & !NUMBERS == 0 => value("float64"),
            TEXT => value("string"),
            LIST => {
                let item = self.item.as_ref().map_or_else(|| value("null"), |item| item.feature());
                json!({ "feature": item, "_type": "List" })
            }
            OBJECT => {
                let fields = self.fields.iter().map(|(name, look)| (name.clone(), look.feature()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            _ => json!({ "_type": "Json" }),
        }
    }

    /// Tells whether the library makes something else of it than [`Look::feature`]: moments where all texts are such,
    /// or what is mixed.
    pub fn is_other_to_library(&self) -> bool {
        let is_moment = self.kinds & (TEXT | PLAIN) == TEXT;
        let kinds = self.kinds & (BOOL | NUMBERS | TEXT | LIST | OBJECT | DEEP);
        let is_mixed = kinds & !NUMBERS != 0 && kinds.count_ones() > 1;
        let inside = self.fields.iter().any(|(_, look)| look.is_other_to_library());
        is_moment || is_mixed || inside || self.item.as_ref().is_some_and(|item| item.is_other_to_library())
    }

    /// Tells whether the library finds a type of CSV by itself that it cannot be told: truth with gaps (pandas 3.1 refuses
    /// those where the type is given).
    pub fn cannot_be_told(&self) -> bool {
        self.plain() == Plain::Bool && self.kinds & NOTHING != 0
    }

    /// Adds what was seen of the same column elsewhere.
    pub fn merge(&mut self, other: &Look) {
        self.kinds |= other.kinds;
        if let Some(item) = &other.item {
            self.item.get_or_insert_default().merge(item);
        }
        for (name, look) in &other.fields {
            match self.fields.iter().position(|(known, _)| known == name) {
                Some(place) => self.fields[place].1.merge(look),
                None if self.fields.len() < FIELDS_MAX => self.fields.push((name.clone(), look.clone())),
                None => {}
            }
        }
    }

    /// Returns about how many bytes it takes in memory.
    pub fn held_bytes(&self) -> u64 {
        let fields = self.fields.iter().map(|(name, look)| name.len() as u64 + 32 + look.held_bytes());
        56 + fields.sum::<u64>() + self.item.as_ref().map_or(0, |item| item.held_bytes())
    }
}

/// Tells whether a text begins as a moment does (ISO 8601: `2020-01-01`, with or without a time of day).
fn is_moment(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
    bytes.len() >= 10
        && bytes.len() <= 35
        && digits(0..4)
        && bytes[4] == b'-'
        && digits(5..7)
        && bytes[7] == b'-'
        && digits(8..10)
        && (bytes.len() == 10 || matches!(bytes[10], b'T' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(said: &[Said]) -> &'static str {
        let mut look = Look::default();
        said.iter().for_each(|one| look.add_said(*one));
        look.plain().dtype()
    }

    #[test]
    fn csv_has_the_types_of_pandas() {
        use Said::{Bool, Float, Int, Nothing, Text};
        let large = i128::from(i64::MAX) + 1;
        let huge = i128::from(u64::MAX) + 1;
        for (said, dtype) in [
            (&[Int(1), Int(-2)][..], "int64"),
            (&[Int(1), Nothing], "float64"),
            (&[Int(1), Float(0.5)], "float64"),
            (&[Int(1), Int(large)], "uint64"),
            (&[Int(-1), Int(large)], "string"),
            (&[Nothing, Int(large)], "string"),
            (&[Float(0.5), Int(large)], "float64"),
            (&[Int(1), Int(huge)], "string"),
            (&[Float(0.5), Int(huge)], "float64"),
            (&[Bool(true), Nothing], "bool"),
            (&[Bool(true), Int(1)], "string"),
            (&[Nothing], "float64"),
            (&[Int(1), Text], "string"),
            (&[], "string"),
        ] {
            assert_eq!(plain(said), dtype, "{said:?}");
        }
    }

    #[test]
    fn parts_together_are_the_whole() {
        let values = [json!({ "a": 1, "b": [1] }), json!({ "a": 0.5, "c": "2020-01-01" }), json!({ "b": ["x"] })];
        let mut whole = Look::default();
        let mut merged = Look::default();
        for value in &values {
            whole.add_json(value, 0);
            let mut part = Look::default();
            part.add_json(value, 0);
            merged.merge(&part);
        }
        assert_eq!(whole, merged);
        assert_eq!(whole.feature()["a"]["dtype"], "float64");
        assert_eq!(whole.feature()["b"]["feature"], json!({ "_type": "Json" }));
        assert!(whole.is_other_to_library() && !whole.add_json(&values[0], 0));
    }
}
