//! Conditions on rows: the part of SQL's `WHERE` that the dataset viewer takes, read and applied here.
//!
//! `"column" = 'text'`, `<>`, `!=`, `<`, `<=`, `>`, `>=`, `LIKE`, `ILIKE`, `IN (…)`, `BETWEEN … AND …`, `IS [NOT] NULL`,
//! with `AND`, `OR`, `NOT` and brackets. What compares with nothing is unknown, and unknown is not true.

use std::cmp::Ordering;

use serde_json::Value;

use crate::error::{PreviewError, PreviewResult};
use crate::table::{Cell, Column};

/// Longest condition, in bytes.
const CONDITION_BYTES_MAX: usize = 8 << 10;
/// Brackets and words inside of one another.
const DEPTH_MAX: usize = 64;

/// A value that a condition names.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// A whole number, which a double might not hold.
    Int(i64),
    /// True or false.
    Bool(bool),
}

/// How a value compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Is,
    /// Another.
    IsNot,
    /// Less.
    Less,
    /// Less, or the same.
    AtMost,
    /// More.
    More,
    /// More, or the same.
    AtLeast,
}

/// A condition. Columns are named by their place in [`Predicate::columns`].
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Compare(usize, Comparison, Literal),
    Like(usize, String, bool),
    IsNull(usize),
    Truth(usize),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

/// A condition, and the columns that it names.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    columns: Vec<String>,
    root: Node,
}

impl Predicate {
    /// Reads a condition.
    ///
    /// # Errors
    /// With what is wrong in it.
    pub fn parse(text: &str) -> PreviewResult<Predicate> {
        if text.len() > CONDITION_BYTES_MAX {
            return Err(PreviewError::question(format!("the condition is longer than {CONDITION_BYTES_MAX} bytes")));
        }
        let mut parser = Parser { words: words(text)?, at: 0, columns: Vec::new() };
        let root = parser.any(0)?;
        if parser.at < parser.words.len() {
            return Err(parser.unexpected());
        }
        Ok(Predicate { columns: parser.columns, root })
    }

    /// Takes names of labels for their numbers, in columns that hold labels.
    pub fn with_labels(mut self, columns: &[Column]) -> Predicate {
        let names: Vec<Option<&Vec<Value>>> = self
            .columns
            .iter()
            .map(|name| {
                let column = columns.iter().find(|column| column.name == *name)?;
                column.feature.get("names").filter(|_| column.kind() == Some("ClassLabel"))?.as_array()
            })
            .collect();
        labelled(&mut self.root, &names);
        self
    }

    /// Returns the names of the columns that it looks at.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Tells whether a row fulfils it. The cells are those of [`Predicate::columns`].
    pub fn holds(&self, cells: &[Cell<'_>]) -> bool {
        holds(&self.root, cells) == Some(true)
    }

    /// Returns bounds that a column must lie in for the condition to hold: column, lowest, highest. Only conditions
    /// that all must hold are looked at.
    pub fn bounds(&self) -> Vec<(&str, f64, f64)> {
        let mut found = Vec::new();
        self.collect(&self.root, &mut found);
        found
    }

    fn collect<'a>(&'a self, node: &'a Node, found: &mut Vec<(&'a str, f64, f64)>) {
        match node {
            Node::All(nodes) => nodes.iter().for_each(|node| self.collect(node, found)),
            Node::Compare(column, comparison, literal) => {
                let number = match literal {
                    Literal::Number(number) => *number,
                    Literal::Int(number) => *number as f64,
                    _ => return,
                };
                let (low, high) = match comparison {
                    Comparison::Is => (number, number),
                    Comparison::Less | Comparison::AtMost => (f64::NEG_INFINITY, number),
                    Comparison::More | Comparison::AtLeast => (number, f64::INFINITY),
                    Comparison::IsNot => return,
                };
                found.push((&self.columns[*column], low, high));
            }
            _ => {}
        }
    }
}

fn labelled(node: &mut Node, names: &[Option<&Vec<Value>>]) {
    match node {
        Node::Compare(column, _, literal) => {
            let Some(names) = names[*column] else { return };
            let Literal::Text(text) = &*literal else { return };
            if let Some(number) = names.iter().position(|name| name.as_str() == Some(text)) {
                *literal = Literal::Int(number as i64);
            }
        }
        Node::Not(node) => labelled(node, names),
        Node::All(nodes) | Node::Any(nodes) => nodes.iter_mut().for_each(|node| labelled(node, names)),
        Node::Like(..) | Node::IsNull(_) | Node::Truth(_) => {}
    }
}

fn holds(node: &Node, cells: &[Cell<'_>]) -> Option<bool> {
    match node {
        Node::Compare(column, comparison, literal) => {
            let order = compare(cells[*column], literal)?;
            Some(match comparison {
                Comparison::Is => order == Ordering::Equal,
                Comparison::IsNot => order != Ordering::Equal,
                Comparison::Less => order == Ordering::Less,
                Comparison::AtMost => order != Ordering::Greater,
                Comparison::More => order == Ordering::Greater,
                Comparison::AtLeast => order != Ordering::Less,
            })
        }
        Node::Like(column, pattern, is_folded) => match cells[*column] {
            Cell::Text(text) if *is_folded => Some(like(&pattern.to_lowercase(), &text.to_lowercase())),
            Cell::Text(text) => Some(like(pattern, text)),
            _ => None,
        },
        Node::IsNull(column) => Some(cells[*column] == Cell::Null),
        Node::Truth(column) => match cells[*column] {
            Cell::Bool(is) => Some(is),
            _ => None,
        },
        Node::Not(node) => holds(node, cells).map(|is| !is),
        Node::All(nodes) => {
            let mut all = Some(true);
            for node in nodes {
                match holds(node, cells) {
                    Some(false) => return Some(false),
                    Some(true) => {}
                    None => all = None,
                }
            }
            all
        }
        Node::Any(nodes) => {
            let mut any = Some(false);
            for node in nodes {
                match holds(node, cells) {
                    Some(true) => return Some(true),
                    Some(false) => {}
                    None => any = None,
                }
            }
            any
        }
    }
}

/// Compares a cell with a value; nothing when they are not of a kind.
fn compare(cell: Cell<'_>, literal: &Literal) -> Option<Ordering> {
    match (cell, literal) {
        (Cell::Int(one), Literal::Int(other)) => Some(one.cmp(&i128::from(*other))),
        (Cell::Int(one), Literal::Number(other)) => (one as f64).partial_cmp(other),
        (Cell::Float(one), Literal::Int(other)) => one.partial_cmp(&(*other as f64)),
        (Cell::Float(one), Literal::Number(other)) => one.partial_cmp(other),
        (Cell::Text(one), Literal::Text(other)) => Some(one.cmp(other.as_str())),
        (Cell::Bool(one), Literal::Bool(other)) => Some(one.cmp(other)),
        (Cell::Time(one), Literal::Text(other)) => {
            // Both are written with the largest unit first, so the order of the texts is that of the moments.
            let other = other.trim().replace(' ', "T");
            let whole = crate::moment::moment(one);
            Some(match whole.starts_with(&other) && other.len() >= 10 {
                true if whole.len() == other.len() => Ordering::Equal,
                true if whole[other.len()..].chars().all(|c| "T0:.".contains(c)) => Ordering::Equal,
                _ => whole.as_str().cmp(other.as_str()),
            })
        }
        _ => None,
    }
}

/// Matches SQL's `LIKE`: `%` is any text, `_` any character.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'%') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '_' || *c == text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((star_p, star_t)) = star {
            star = Some((star_p, star_t + 1));
            (p, t) = (star_p + 1, star_t + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

#[derive(Debug, Clone, PartialEq)]
enum Word {
    /// A name in double quotes, or a plain word.
    Name {
        text: String,
        is_quoted: bool,
    },
    Text(String),
    Number(String),
    Sign(&'static str),
}

const SIGNS: [&str; 13] = ["<>", "!=", "<=", ">=", "==", "=", "<", ">", "(", ")", ",", "-", ";"];

fn words(text: &str) -> PreviewResult<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let after = if first == '"' || first == '\'' {
            let (inside, after) = quoted(rest, first)?;
            words.push(match first {
                '"' => Word::Name { text: inside, is_quoted: true },
                _ => Word::Text(inside),
            });
            after
        } else if first.is_ascii_digit() || first == '.' {
            let is_part = |(at, c): (usize, char)| {
                let sign_of_exponent = (c == '+' || c == '-') && rest[..at].ends_with(['e', 'E']);
                c.is_ascii_alphanumeric() || c == '.' || sign_of_exponent
            };
            let end = rest.char_indices().find(|&one| !is_part(one)).map_or(rest.len(), |(at, _)| at);
            words.push(Word::Number(rest[..end].to_owned()));
            &rest[end..]
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
            words.push(Word::Name { text: rest[..end].to_owned(), is_quoted: false });
            &rest[end..]
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            words.push(Word::Sign(sign));
            &rest[sign.len()..]
        } else {
            return Err(PreviewError::question(format!("the condition has a character that means nothing: {first:?}")));
        };
        rest = after.trim_start();
    }
    Ok(words)
}

/// Reads what stands between quotes, in which two quotes stand for one.
fn quoted(text: &str, quote: char) -> PreviewResult<(String, &str)> {
    let mut inside = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c != quote {
            inside.push(c);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            inside.push(quote);
        } else {
            return Ok((inside, &text[at + 1..]));
        }
    }
    Err(PreviewError::question(format!("a quotation in the condition has no end: {quote}")))
}

struct Parser {
    words: Vec<Word>,
    at: usize,
    columns: Vec<String>,
}

impl Parser {
    fn unexpected(&self) -> PreviewError {
        let what = match self.words.get(self.at) {
            None => "its end".to_owned(),
            Some(Word::Name { text, .. } | Word::Text(text) | Word::Number(text)) => format!("`{text}`"),
            Some(Word::Sign(sign)) => format!("`{sign}`"),
        };
        PreviewError::question(format!(
            "the condition cannot be read at {what}; write for example \"column\" > 3 AND \"other\" = 'text'"
        ))
    }

    fn keyword(&mut self, wanted: &str) -> bool {
        let is = matches!(self.words.get(self.at), Some(Word::Name { text, is_quoted: false }) if text.eq_ignore_ascii_case(wanted));
        self.at += usize::from(is);
        is
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let is = matches!(self.words.get(self.at), Some(Word::Sign(sign)) if *sign == wanted);
        self.at += usize::from(is);
        is
    }

    fn any(&mut self, depth: usize) -> PreviewResult<Node> {
        let mut nodes = vec![self.all(depth)?];
        while self.keyword("or") {
            nodes.push(self.all(depth)?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Any(nodes) })
    }

    fn all(&mut self, depth: usize) -> PreviewResult<Node> {
        let mut nodes = vec![self.one(depth)?];
        while self.keyword("and") {
            nodes.push(self.one(depth)?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::All(nodes) })
    }

    fn one(&mut self, depth: usize) -> PreviewResult<Node> {
        if depth > DEPTH_MAX {
            return Err(PreviewError::question("the condition is nested too deeply"));
        }
        if self.keyword("not") {
            return Ok(Node::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.sign("(") {
            let inside = self.any(depth + 1)?;
            return if self.sign(")") { Ok(inside) } else { Err(self.unexpected()) };
        }
        let Some(Word::Name { text, .. }) = self.words.get(self.at).cloned() else { return Err(self.unexpected()) };
        self.at += 1;
        let column = self.columns.iter().position(|known| *known == text).unwrap_or_else(|| {
            self.columns.push(text);
            self.columns.len() - 1
        });
        self.comparison(column)
    }

    fn comparison(&mut self, column: usize) -> PreviewResult<Node> {
        const COMPARISONS: [(&str, Comparison); 8] = [
            ("=", Comparison::Is),
            ("==", Comparison::Is),
            ("<>", Comparison::IsNot),
            ("!=", Comparison::IsNot),
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<", Comparison::Less),
            (">", Comparison::More),
        ];
        for (sign, comparison) in COMPARISONS {
            if self.sign(sign) {
                return Ok(Node::Compare(column, comparison, self.literal()?));
            }
        }
        if self.keyword("is") {
            let is_not = self.keyword("not");
            if !self.keyword("null") {
                return Err(self.unexpected());
            }
            let node = Node::IsNull(column);
            return Ok(if is_not { Node::Not(Box::new(node)) } else { node });
        }
        let is_not = self.keyword("not");
        let node = if self.keyword("like") {
            Node::Like(column, self.text()?, false)
        } else if self.keyword("ilike") {
            Node::Like(column, self.text()?, true)
        } else if self.keyword("between") {
            let low = self.literal()?;
            if !self.keyword("and") {
                return Err(self.unexpected());
            }
            let high = self.literal()?;
            Node::All(vec![
                Node::Compare(column, Comparison::AtLeast, low),
                Node::Compare(column, Comparison::AtMost, high),
            ])
        } else if self.keyword("in") {
            if !self.sign("(") {
                return Err(self.unexpected());
            }
            let mut nodes = vec![Node::Compare(column, Comparison::Is, self.literal()?)];
            while self.sign(",") {
                nodes.push(Node::Compare(column, Comparison::Is, self.literal()?));
            }
            if !self.sign(")") {
                return Err(self.unexpected());
            }
            Node::Any(nodes)
        } else if is_not {
            return Err(self.unexpected());
        } else {
            Node::Truth(column)
        };
        Ok(if is_not { Node::Not(Box::new(node)) } else { node })
    }

    fn text(&mut self) -> PreviewResult<String> {
        match self.literal()? {
            Literal::Text(text) => Ok(text),
            _ => Err(PreviewError::question("LIKE compares with a text in single quotes")),
        }
    }

    fn literal(&mut self) -> PreviewResult<Literal> {
        let is_negative = self.sign("-");
        let found = match self.words.get(self.at) {
            Some(Word::Text(text)) if !is_negative => Some(Literal::Text(text.clone())),
            Some(Word::Number(digits)) => {
                let digits = if is_negative { format!("-{digits}") } else { digits.clone() };
                match digits.parse::<i64>() {
                    Ok(number) => Some(Literal::Int(number)),
                    Err(_) => digits.parse::<f64>().ok().map(Literal::Number),
                }
            }
            Some(Word::Name { text, is_quoted: false }) if !is_negative => match text.to_ascii_lowercase().as_str() {
                "true" => Some(Literal::Bool(true)),
                "false" => Some(Literal::Bool(false)),
                _ => None,
            },
            _ => None,
        };
        let found = found.ok_or_else(|| self.unexpected())?;
        self.at += 1;
        Ok(found)
    }
}

/// An order of rows: a column, and whether it goes down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderBy {
    /// The column.
    pub column: String,
    /// Whether the largest comes first.
    pub is_descending: bool,
}

impl OrderBy {
    /// Reads an order such as `"column" DESC`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> PreviewResult<OrderBy> {
        let wrong = || PreviewError::question("the order cannot be read; write for example \"column\" DESC");
        if text.len() > CONDITION_BYTES_MAX {
            return Err(wrong());
        }
        let mut words = words(text)?.into_iter();
        let (Some(Word::Name { text: column, .. }), direction, None) = (words.next(), words.next(), words.next())
        else {
            return Err(wrong());
        };
        let is_descending = match direction {
            None => false,
            Some(Word::Name { text, .. }) if text.eq_ignore_ascii_case("asc") => false,
            Some(Word::Name { text, .. }) if text.eq_ignore_ascii_case("desc") => true,
            _ => return Err(wrong()),
        };
        Ok(OrderBy { column, is_descending })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(condition: &str) -> Vec<usize> {
        let table = [
            [Cell::Int(1), Cell::Text("Abc"), Cell::Null],
            [Cell::Int(5), Cell::Text("x%y"), Cell::Bool(true)],
            [Cell::Null, Cell::Text("it's"), Cell::Bool(false)],
            [Cell::Float(2.5), Cell::Null, Cell::Time(0)],
        ];
        let predicate = Predicate::parse(condition).unwrap();
        let names = ["n", "t", "b"];
        let places: Vec<usize> =
            predicate.columns().iter().map(|name| names.iter().position(|other| other == name).unwrap()).collect();
        let fits = |row: &[Cell<'_>; 3]| predicate.holds(&places.iter().map(|&at| row[at]).collect::<Vec<_>>());
        (0..table.len()).filter(|&row| fits(&table[row])).collect()
    }

    #[test]
    fn conditions_hold_as_in_sql() {
        for (condition, expected) in [
            ("n > 1", vec![1, 3]),
            ("\"n\" >= 1 AND t LIKE 'A%'", vec![0]),
            ("NOT n > 1", vec![0]),
            ("n IS NULL OR n = 5", vec![1, 2]),
            ("n is not null", vec![0, 1, 3]),
            ("t = 'it''s'", vec![2]),
            ("t ILIKE '%B%'", vec![0]),
            ("t NOT LIKE '%b%'", vec![1, 2]),
            ("n IN (1, 2.5, 7)", vec![0, 3]),
            ("n BETWEEN -1 AND 2.5", vec![0, 3]),
            ("(n = 1 OR n = 5) AND NOT (t = 'Abc')", vec![1]),
            ("b", vec![1]),
            ("b = false", vec![2]),
            ("b = '1970-01-01'", vec![3]),
            ("b < '1970-01-02 00:00:00'", vec![3]),
            ("n = 'text'", vec![]),
            ("n <> 1", vec![1, 3]),
        ] {
            assert_eq!(rows(condition), expected, "{condition}");
        }
    }

    #[test]
    fn what_is_no_condition_is_said_so() {
        for text in [
            "",
            "n >",
            "n > 1 AND",
            "(n = 1",
            "n = 'x",
            "n LIKE 3",
            "1 = n",
            "n = 1; DROP TABLE x",
            "§",
            "n IN ()",
            "n NOT 3",
            "n ! 3",
        ] {
            assert!(Predicate::parse(text).is_err(), "{text}");
        }
        assert!(Predicate::parse(&format!("{}n{}", "(".repeat(5_000), ")".repeat(5_000))).is_err());
        assert!(Predicate::parse(&"not ".repeat(2_000)).is_err());
        assert_eq!(OrderBy::parse("\"a b\" desc").unwrap(), OrderBy { column: "a b".into(), is_descending: true });
        assert!(OrderBy::parse("a b c").is_err() && OrderBy::parse("'a'").is_err() && OrderBy::parse("").is_err());
    }

    #[test]
    fn bounds_are_those_that_must_hold() {
        let predicate = Predicate::parse("a > 3 AND b = 2 AND (c < 1 OR d = 4) AND e <> 5").unwrap();
        assert_eq!(predicate.bounds(), [("a", 3.0, f64::INFINITY), ("b", 2.0, 2.0)]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_condition_or_an_error(text in "[a-c0-9 '\"()=<>!,.;%-]{0,60}|((not|and|or|in|like|is|null|between|a|1|'x'|[(),=<]) ?){0,20}") {
            if let Ok(predicate) = Predicate::parse(&text) {
                predicate.holds(&vec![Cell::Null; predicate.columns().len()]);
                predicate.bounds();
            }
        }
    }
}
