//! YAML into JSON, with a budget.
//!
//! The events of the parser are put together here and not by the parser, because an alias can ask
//! for the same value again and again: what a document becomes is weighed while it grows.

use std::collections::HashMap;

use serde_json::{Map, Value};
use yaml_rust2::parser::{Event, Parser, Tag};
use yaml_rust2::scanner::{ScanError, TScalarStyle};

/// How heavy a document may become: bytes of text, and a little for each value.
const WEIGHT_MAX: usize = 8 << 20;
const VALUE_WEIGHT: usize = 16;
/// How deep a document may be. JSON parsers stop at 128.
const DEPTH_MAX: usize = 64;

/// Why text is not metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// The text breaks the grammar.
    #[error("the metadata is not valid YAML: line {line}, column {column}: {what}")]
    Syntax {
        /// Line of the README, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The parser's words.
        what: String,
    },
    /// The same name twice in one mapping.
    #[error("the metadata has `{0}` twice in one mapping; keep one")]
    Duplicate(String),
    /// A list or mapping where a name belongs.
    #[error("a name in the metadata is a list or a mapping; use a plain text")]
    Name,
    /// Nested too deep.
    #[error("the metadata is nested over {DEPTH_MAX} levels deep; flatten it")]
    Depth,
    /// Too much, after aliases have been replaced by what they stand for.
    #[error("the metadata becomes too large when its aliases are expanded; write fewer aliases")]
    Weight,
}

impl From<ScanError> for YamlError {
    fn from(error: ScanError) -> YamlError {
        // One line for the `---` above.
        let (line, column) = (error.marker().line(), error.marker().col() + 1);
        YamlError::Syntax { line, column, what: error.info().chars().take(200).collect() }
    }
}

/// The first document of a text; null when there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parsed {
    /// What it says, with aliases replaced by what they stand for.
    pub(super) value: Value,
    /// Whether it names values and refers to them: `&name`, `*name`.
    pub(super) has_anchors: bool,
}

/// Reads the first document in this text.
pub(super) fn parse(text: &str) -> Result<Parsed, YamlError> {
    let mut parser = Parser::new_from_str(text);
    let mut builder = Builder { stack: Vec::new(), anchors: HashMap::new(), weight: 0, root: Value::Null };
    let mut has_anchors = false;
    loop {
        let (event, _) = parser.next_token()?;
        has_anchors |= match &event {
            Event::Alias(_) => true,
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                *anchor > 0
            }
            _ => false,
        };
        match event {
            Event::DocumentEnd | Event::StreamEnd => return Ok(Parsed { value: builder.root, has_anchors }),
            event => builder.event(event)?,
        }
    }
}

/// A finished value, with what its aliases cost.
#[derive(Clone)]
struct Node {
    value: Value,
    weight: usize,
    height: usize,
}

enum Children {
    List(Vec<Value>),
    Mapping { map: Map<String, Value>, name: Option<String>, merged: Vec<Value> },
}

struct Frame {
    children: Children,
    anchor: usize,
    weight: usize,
    height: usize,
}

struct Builder {
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    weight: usize,
    root: Value,
}

impl Builder {
    fn event(&mut self, event: Event) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_name =
                    matches!(self.stack.last(), Some(Frame { children: Children::Mapping { name: None, .. }, .. }));
                let weight = VALUE_WEIGHT + text.len();
                let value = if is_name { Value::String(text) } else { scalar(text, style, tag.as_ref()) };
                self.finished(Node { value, weight, height: 0 }, anchor, weight)
            }
            Event::SequenceStart(anchor, _) => self.open(Children::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => {
                self.open(Children::Mapping { map: Map::new(), name: None, merged: Vec::new() }, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) if self.weight + node.weight > WEIGHT_MAX => Err(YamlError::Weight),
                Some(node) if self.stack.len() + node.height > DEPTH_MAX => Err(YamlError::Depth),
                Some(node) => {
                    let node = node.clone();
                    let weight = node.weight;
                    self.finished(node, 0, weight)
                }
                // An alias inside its own anchor: a value that holds itself.
                None => Err(YamlError::Depth),
            },
            Event::Nothing | Event::StreamStart | Event::DocumentStart | Event::DocumentEnd | Event::StreamEnd => {
                Ok(())
            }
        }
    }

    fn open(&mut self, children: Children, anchor: usize) -> Result<(), YamlError> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(YamlError::Depth);
        }
        self.stack.push(Frame { children, anchor, weight: VALUE_WEIGHT, height: 1 });
        Ok(())
    }

    fn close(&mut self) -> Result<(), YamlError> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let value = match frame.children {
            Children::List(list) => Value::Array(list),
            Children::Mapping { mut map, merged, .. } => {
                for (name, value) in merged.into_iter().flat_map(mappings) {
                    map.entry(name).or_insert(value);
                }
                Value::Object(map)
            }
        };
        self.finished(Node { value, weight: frame.weight, height: frame.height }, frame.anchor, VALUE_WEIGHT)
    }

    /// Puts a finished value where it belongs. `new_weight` is what the document grows by.
    fn finished(&mut self, node: Node, anchor: usize, new_weight: usize) -> Result<(), YamlError> {
        self.weight += new_weight;
        if anchor > 0 {
            // The kept copy weighs as well.
            self.weight += node.weight;
            if self.weight <= WEIGHT_MAX {
                self.anchors.insert(anchor, node.clone());
            }
        }
        if self.weight > WEIGHT_MAX {
            return Err(YamlError::Weight);
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = node.value;
            return Ok(());
        };
        frame.weight += node.weight;
        frame.height = frame.height.max(node.height + 1);
        match &mut frame.children {
            Children::List(list) => list.push(node.value),
            Children::Mapping { map, name, merged } => match (name.take(), node.value) {
                (None, Value::String(text)) => *name = Some(text),
                (None, Value::Array(_) | Value::Object(_)) => return Err(YamlError::Name),
                (None, other) => *name = Some(other.to_string()),
                (Some(key), value) if key == "<<" && (value.is_object() || value.is_array()) => merged.push(value),
                (Some(key), _) if map.contains_key(&key) => {
                    return Err(YamlError::Duplicate(key.chars().take(80).collect()));
                }
                (Some(key), value) => drop(map.insert(key, value)),
            },
        }
        Ok(())
    }
}

/// Returns the entries of a mapping, or of the mappings of a list, that `<<` brings in.
fn mappings(value: Value) -> Vec<(String, Value)> {
    match value {
        Value::Object(map) => map.into_iter().collect(),
        Value::Array(list) => list.into_iter().filter(Value::is_object).flat_map(mappings).collect(),
        _ => Vec::new(),
    }
}

/// Returns what a scalar means in YAML 1.2's core schema. (In 1.1 `no` would be false; the
/// clients' hub reads it as a text, and so it must be: it is Norwegian.)
fn scalar(text: String, style: TScalarStyle, tag: Option<&Tag>) -> Value {
    let is_text = tag.is_some_and(|tag| tag.suffix == "str" || tag.handle == "!");
    if style != TScalarStyle::Plain || is_text {
        return Value::String(text);
    }
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(&text).unwrap_or(Value::String(text)),
    }
}

fn number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(Value::from);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().map(Value::from);
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok();
    }
    let is_float = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    text.parse::<f64>().ok().filter(|_| is_float).and_then(serde_json::Number::from_f64).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_mean_what_the_core_schema_says() {
        let text = "a: no\nb: 012\nc: 1.5\nd: 0x1F\ne: '5'\nf: !!str 5\ng: ~\nh:\ni: yes\nj: 2024-01-01\nk: 1e3\nl: -7\nm: .inf\nn: 1.2.3\no: TRUE\np: 99999999999999999999\n5: q\n";
        let expected = json!({"a": "no", "b": 12, "c": 1.5, "d": 31, "e": "5", "f": "5", "g": null, "h": null, "i": "yes",
            "j": "2024-01-01", "k": 1000.0, "l": -7, "m": ".inf", "n": "1.2.3", "o": true, "p": "99999999999999999999", "5": "q"});
        assert_eq!(parse(text).unwrap().value, expected);
    }

    #[test]
    fn aliases_and_merges_are_expanded() {
        let text = "a: &x {k: 1, l: 2}\nb: *x\nc:\n  <<: *x\n  l: 3\nd:\n  <<: [*x, {m: 4}]\n";
        let x = json!({"k": 1, "l": 2});
        let expected = json!({"a": x, "b": x, "c": {"k": 1, "l": 3}, "d": {"k": 1, "l": 2, "m": 4}});
        let parsed = parse(text).unwrap();
        assert_eq!((parsed.value, parsed.has_anchors), (expected, true));
    }

    #[test]
    fn errors_name_the_line_of_the_readme() {
        // The README's first line is `---`; the text begins with the newline after it.
        let error = parse("\na: b\nc: [d\n").unwrap_err();
        assert!(matches!(error, YamlError::Syntax { line: 3 | 4, .. }), "{error}");
        assert_eq!(parse("a: &x [*x]"), Err(YamlError::Depth));
    }
}
