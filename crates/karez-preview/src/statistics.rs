//! Statistics of columns in one pass, in the words of the dataset viewer's `/statistics`.
//!
//! Counts, least, most, mean and deviation are exact. Median and histogram are exact while a column has up to
//! [`EXACT_VALUES`] values; beyond, they come from a sketch of its ranks, whose error is under a thousandth of the
//! rows and the same each time.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::arrow_cell::whole;
use crate::media;
use crate::moment;
use crate::table::{Batch, Cell, Column};

/// Values of a column that are kept as they are.
pub const EXACT_VALUES: usize = 16_384;
/// Columns that statistics are made of. Each takes up to half a megabyte.
pub const COLUMNS_MAX: usize = 256;
/// Bars of a histogram (dataset viewer, `descriptive_statistics`).
const BARS: usize = 10;
/// Different texts up to which a column is one of labels, and their share of the rows (same source).
const LABELS_MAX: usize = 30;
const LABELS_SHARE_MAX: f64 = 0.2;
/// Bytes of a text that may be a label.
const LABEL_BYTES_MAX: usize = 1_000;
/// Decimals of a figure (same source).
const DECIMALS: f64 = 1e5;

/// Numbers by rank, in bounded memory: levels of values that each stand for twice as many as those below. A level
/// that is full is sorted, and every other value goes up; which one changes each time, so that errors cancel.
#[derive(Debug, Clone, Default)]
struct Ranks {
    levels: Vec<Vec<f64>>,
    odd: Vec<bool>,
}

impl Ranks {
    fn add(&mut self, number: f64) {
        if self.levels.is_empty() {
            self.levels.push(Vec::new());
            self.odd.push(false);
        }
        self.levels[0].push(number);
        let mut level = 0;
        while self.levels[level].len() > EXACT_VALUES {
            self.compact(level);
            level += 1;
        }
    }

    fn compact(&mut self, level: usize) {
        if self.levels.len() == level + 1 {
            self.levels.push(Vec::new());
            self.odd.push(false);
        }
        let mut full = std::mem::take(&mut self.levels[level]);
        full.sort_unstable_by(f64::total_cmp);
        // One that has no neighbour stays, so that no row is lost.
        if full.len() % 2 == 1 {
            self.levels[level].extend(full.pop());
        }
        let skip = usize::from(self.odd[level]);
        self.odd[level] = !self.odd[level];
        self.levels[level + 1].extend(full.into_iter().skip(skip).step_by(2));
    }

    /// Returns the values in order, with how many each stands for.
    fn weighted(&self) -> Vec<(f64, u64)> {
        let mut all: Vec<(f64, u64)> = Vec::new();
        for (level, values) in self.levels.iter().enumerate() {
            all.extend(values.iter().map(|value| (*value, 1u64 << level.min(62))));
        }
        all.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        all
    }
}

/// Figures of numbers.
#[derive(Debug, Clone, Default)]
struct Numbers {
    count: u64,
    mean: f64,
    /// Sum of the squares of the distances from the mean (Welford).
    squares: f64,
    min: f64,
    max: f64,
    /// The same as whole numbers, which a double might not hold.
    min_int: i128,
    max_int: i128,
    /// The first whole number: all others are counted from there, so that large ones that lie close stay apart.
    base: i128,
    ranks: Ranks,
}

impl Numbers {
    fn add_whole(&mut self, number: i128) {
        if self.count == 0 {
            self.base = number;
            (self.min_int, self.max_int) = (number, number);
        }
        self.min_int = self.min_int.min(number);
        self.max_int = self.max_int.max(number);
        self.add((number - self.base) as f64);
    }

    fn add(&mut self, number: f64) {
        if self.count == 0 {
            (self.min, self.max) = (number, number);
        }
        self.count += 1;
        let distance = number - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (number - self.mean);
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        self.ranks.add(number);
    }

    fn deviation(&self) -> f64 {
        if self.count < 2 { 0.0 } else { (self.squares / (self.count - 1) as f64).sqrt() }
    }

    fn median(&self, ordered: &[(f64, u64)]) -> f64 {
        let at = |rank: u64| {
            let mut seen = 0;
            let found = ordered.iter().find(|(_, weight)| {
                seen += weight;
                seen > rank
            });
            found.map_or(0.0, |(value, _)| *value)
        };
        let middle = self.count / 2;
        if self.count % 2 == 1 { at(middle) } else { (at(middle.saturating_sub(1)) + at(middle)) / 2.0 }
    }

    fn whole(&self) -> Value {
        let ordered = self.ranks.weighted();
        let span = self.max_int - self.min_int + 1;
        let step = (span + BARS as i128 - 1) / BARS as i128;
        let mut edges: Vec<i128> =
            (0..BARS as i128).map(|n| self.min_int + n * step).filter(|n| *n <= self.max_int).collect();
        edges.push(self.max_int);
        let bars = histogram(&ordered, &edges.iter().map(|edge| (*edge - self.base) as f64).collect::<Vec<_>>());
        let edges: Vec<Value> = edges.into_iter().map(whole).collect();
        let base = self.base as f64;
        json!({
            "min": whole(self.min_int), "max": whole(self.max_int), "mean": round(base + self.mean),
            "median": round(base + self.median(&ordered)), "std": round(self.deviation()),
            "histogram": { "hist": bars, "bin_edges": edges },
        })
    }

    fn edges(&self) -> Vec<f64> {
        if self.min == self.max {
            return vec![self.min, self.max];
        }
        // Each half first, for the distance of two doubles may be none.
        let step = self.max / BARS as f64 - self.min / BARS as f64;
        let mut edges: Vec<f64> = (0..BARS).map(|n| self.min + step * n as f64).collect();
        edges.push(self.max);
        edges
    }

    fn fraction(&self) -> Value {
        let ordered = self.ranks.weighted();
        let edges = self.edges();
        let bars = histogram(&ordered, &edges);
        let mut edges: Vec<Value> = edges.into_iter().map(round).collect();
        if let [first, .., last] = &mut edges[..] {
            (*first, *last) = (self.min.into(), self.max.into());
        }
        json!({
            "min": self.min, "max": self.max, "mean": round(self.mean), "median": round(self.median(&ordered)),
            "std": round(self.deviation()), "histogram": { "hist": bars, "bin_edges": edges },
        })
    }

    /// Returns figures of moments; each is followed by the offset of its zone.
    fn moments(&self, offset: &str) -> Value {
        let ordered = self.ranks.weighted();
        let text = |micros: f64| format!("{}{offset}", moment::moment(micros as i64).replace('T', " "));
        let edges = self.edges();
        let bars = histogram(&ordered, &edges);
        let edges: Vec<String> = edges.into_iter().map(text).collect();
        let deviation = self.deviation() as i64;
        let days = deviation / 86_400_000_000;
        let clock = moment::clock(deviation % 86_400_000_000 / 1_000_000 * 1_000_000);
        let deviation = match days {
            0 => clock,
            1 => format!("1 day, {clock}"),
            days => format!("{days} days, {clock}"),
        };
        json!({
            "min": text(self.min), "max": text(self.max), "mean": text(self.mean), "median": text(self.median(&ordered)),
            "std": deviation, "histogram": { "hist": bars, "bin_edges": edges },
        })
    }
}

/// Counts values between edges; the last bar has both of its edges.
fn histogram(ordered: &[(f64, u64)], edges: &[f64]) -> Vec<u64> {
    let bars = edges.len() - 1;
    let mut counts = vec![0u64; bars];
    for (value, weight) in ordered {
        let bar = edges[1..bars].partition_point(|edge| edge <= value);
        counts[bar] += weight;
    }
    counts
}

/// Rounds a figure as the viewer does; small ones keep their first digits, and large ones are as they are.
fn round(number: f64) -> Value {
    let size = number.abs();
    if number == 0.0 || !(1e-300..1e10).contains(&size) {
        return number.into();
    }
    if size < 0.1 {
        return format!("{number:.5e}").parse::<f64>().unwrap_or(number).into();
    }
    ((number * DECIMALS).round() / DECIMALS).into()
}

/// What a column's figures are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Int,
    Float,
    Bool,
    Text,
    Labels,
    Time,
    List,
    Picture,
    Sound,
}

impl About {
    fn of(column: &Column) -> Option<About> {
        match column.kind() {
            Some("ClassLabel") => return Some(About::Labels),
            Some("Image") => return Some(About::Picture),
            Some("Audio") => return Some(About::Sound),
            Some("List" | "LargeList" | "Sequence" | "Array2D" | "Array3D" | "Array4D" | "Array5D") => {
                return Some(About::List);
            }
            Some("Value") => {}
            // What it holds is not looked into.
            _ => return None,
        }
        let dtype = column.dtype()?;
        match dtype {
            "bool" => Some(About::Bool),
            "string" | "large_string" | "string_view" => Some(About::Text),
            _ if dtype.starts_with("int") || dtype.starts_with("uint") => Some(About::Int),
            _ if dtype.starts_with("float") || dtype.starts_with("decimal") => Some(About::Float),
            _ if dtype.starts_with("timestamp") || dtype.starts_with("date") => Some(About::Time),
            _ => None,
        }
    }
}

struct ColumnFigures {
    column: Column,
    about: About,
    rows: u64,
    nulls: u64,
    numbers: Numbers,
    /// How often each text, label or truth stands there; nothing when there are too many.
    texts: Option<HashMap<String, u64>>,
    no_label: u64,
}

/// Figures of columns, row by row.
pub struct Figures {
    /// Places of the columns in the table.
    pub places: Vec<usize>,
    columns: Vec<ColumnFigures>,
    rows: u64,
}

impl Figures {
    /// Returns figures of all columns that have any.
    pub fn new(columns: &[Column]) -> Figures {
        let wanted = columns.iter().enumerate().filter_map(|(place, column)| Some((place, column, About::of(column)?)));
        let (mut places, mut figures) = (Vec::new(), Vec::new());
        for (place, column, about) in wanted.take(COLUMNS_MAX) {
            places.push(place);
            figures.push(ColumnFigures {
                column: column.clone(),
                about,
                rows: 0,
                nulls: 0,
                numbers: Numbers::default(),
                texts: Some(HashMap::new()),
                no_label: 0,
            });
        }
        Figures { places, columns: figures, rows: 0 }
    }

    /// Adds rows, whose columns are those of [`Figures::places`].
    pub fn add(&mut self, batch: &Batch) {
        self.rows += batch.rows() as u64;
        for (place, column) in self.columns.iter_mut().enumerate() {
            match column.about {
                About::Picture | About::Sound => column.add_media(batch, place),
                _ => batch.visit(place, &mut |_, cell| column.add(cell)),
            }
        }
    }

    /// Returns the figures as `/statistics` has them, and how many rows they are of.
    pub fn finish(&self) -> (u64, Value) {
        (self.rows, self.columns.iter().map(ColumnFigures::finish).collect())
    }
}

impl ColumnFigures {
    fn add(&mut self, cell: Cell<'_>) {
        self.rows += 1;
        match (self.about, cell) {
            (_, Cell::Null) => self.nulls += 1,
            (About::Int, Cell::Int(number)) => self.numbers.add_whole(number),
            // As the viewer: what is not a number counts as missing.
            (About::Int | About::Float, Cell::Float(number)) if !number.is_finite() => self.nulls += 1,
            (About::Float, Cell::Float(number)) => self.numbers.add(number),
            (About::Float, Cell::Int(number)) => self.numbers.add(number as f64),
            (About::Bool, Cell::Bool(is)) => self.count(if is { "True" } else { "False" }),
            (About::Text, Cell::Text(text)) => {
                let characters = text.chars().count();
                self.numbers.add_whole(characters as i128);
                self.count(text);
            }
            (About::Labels, Cell::Int(-1)) => self.no_label += 1,
            (About::Labels, Cell::Int(number)) => {
                let names = self.column.feature.get("names").and_then(Value::as_array);
                let name = names.and_then(|names| names.get(usize::try_from(number).ok()?)?.as_str());
                let name = name.map_or_else(|| number.to_string(), str::to_owned);
                self.count(&name);
            }
            (About::Time, Cell::Time(micros)) => self.numbers.add(micros as f64),
            (About::List, Cell::List(length)) => self.numbers.add_whole(length as i128),
            // A value that is not of its column's type.
            _ => self.nulls += 1,
        }
    }

    fn count(&mut self, text: &str) {
        let Some(texts) = &mut self.texts else { return };
        if let Some(count) = texts.get_mut(text) {
            *count += 1;
        } else if text.len() > LABEL_BYTES_MAX
            || (texts.len() >= LABELS_MAX && self.about == About::Text)
            || texts.len() >= 10_000
        {
            self.texts = None;
        } else {
            texts.insert(text.to_owned(), 1);
        }
    }

    fn add_media(&mut self, batch: &Batch, place: usize) {
        for row in 0..batch.rows() {
            self.rows += 1;
            match batch.media(place, row).and_then(|media| media::Media::measure(&media)) {
                Some(number) if self.about == About::Picture => self.numbers.add_whole(number as i128),
                Some(number) => self.numbers.add(number),
                None => self.nulls += 1,
            }
        }
    }

    fn finish(&self) -> Value {
        let share = |count: u64| match self.rows {
            0 => 0.0,
            rows => (count as f64 / rows as f64 * DECIMALS).round() / DECIMALS,
        };
        let mut figures = Map::new();
        figures.insert("nan_count".to_owned(), self.nulls.into());
        figures.insert("nan_proportion".to_owned(), share(self.nulls).into());
        let labels = self.texts.as_ref().filter(|texts| {
            let few = texts.len() as f64 <= LABELS_SHARE_MAX * self.numbers.count as f64;
            self.about != About::Text || (few && !texts.is_empty())
        });
        let frequencies = |texts: &HashMap<String, u64>| -> Value {
            texts.iter().map(|(text, count)| (text.clone(), Value::from(*count))).collect::<Map<_, _>>().into()
        };
        let (kind, more) = match (self.about, labels) {
            (About::Bool, Some(texts)) => ("bool", json!({ "frequencies": frequencies(texts) })),
            (About::Labels | About::Text, Some(texts)) => {
                let more = json!({
                    "no_label_count": self.no_label,
                    "no_label_proportion": share(self.no_label),
                    "n_unique": texts.len(),
                    "frequencies": frequencies(texts),
                });
                (if self.about == About::Labels { "class_label" } else { "string_label" }, more)
            }
            (about, _) => {
                let kind = match about {
                    About::Int => "int",
                    About::Float => "float",
                    About::Text => "string_text",
                    About::Time => "datetime",
                    About::List => "list",
                    About::Picture => "image",
                    About::Sound => "audio",
                    About::Bool => "bool",
                    About::Labels => "class_label",
                };
                (kind, self.of_numbers())
            }
        };
        figures.extend(more.as_object().cloned().unwrap_or_default());
        json!({ "column_name": self.column.name, "column_type": kind, "column_statistics": figures })
    }

    fn of_numbers(&self) -> Value {
        if self.numbers.count == 0 {
            let nothing = Value::Null;
            return json!({ "min": nothing, "max": nothing, "mean": nothing, "median": nothing, "std": nothing, "histogram": nothing });
        }
        match self.about {
            About::Float | About::Sound => self.numbers.fraction(),
            About::Time => {
                let is_zoned = self.column.dtype().is_some_and(|dtype| dtype.contains("tz="));
                self.numbers.moments(if is_zoned { "+00:00" } else { "" })
            }
            _ => self.numbers.whole(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(column: Column, values: Vec<Value>) -> Value {
        let mut figures = Figures::new(&[column]);
        figures.add(&Batch::Rows(values.into_iter().map(|value| vec![value]).collect()));
        figures.finish().1[0].clone()
    }

    #[test]
    fn figures_are_those_of_the_viewer() {
        // Checked against pandas 2.2 and the viewer's `generate_bins`.
        let found = of(Column::value("n", "int64"), (1..=21).map(Value::from).chain([Value::Null]).collect());
        assert_eq!(
            found,
            json!({ "column_name": "n", "column_type": "int", "column_statistics": {
                "nan_count": 1, "nan_proportion": 0.04545, "min": 1, "max": 21, "mean": 11.0, "median": 11.0, "std": 6.20484,
                "histogram": { "hist": [3, 3, 3, 3, 3, 3, 3], "bin_edges": [1, 4, 7, 10, 13, 16, 19, 21] },
            }})
        );
        let found = of(Column::value("x", "float64"), vec![0.5.into(), 1.5.into(), 2.5.into()]);
        assert_eq!(found["column_statistics"]["histogram"]["hist"], json!([1, 0, 0, 0, 0, 1, 0, 0, 0, 1]));
        let found = of(Column::value("b", "bool"), vec![true.into(), false.into(), true.into(), Value::Null]);
        assert_eq!(found["column_statistics"]["frequencies"], json!({ "True": 2, "False": 1 }));
        let found = of(Column::value("t", "string"), (0..50).map(|n| Value::from(["a", "b"][n % 2])).collect());
        assert_eq!(
            (&found["column_type"], &found["column_statistics"]["n_unique"]),
            (&json!("string_label"), &json!(2))
        );
        let found = of(Column::value("t", "string"), (0..50).map(|n| format!("é{n}").into()).collect());
        assert_eq!((&found["column_type"], &found["column_statistics"]["max"]), (&json!("string_text"), &json!(3)));
        let label = Column { name: "l".into(), feature: json!({ "names": ["no", "yes"], "_type": "ClassLabel" }) };
        let found = of(label, vec![0.into(), 1.into(), 1.into(), (-1).into()]);
        assert_eq!(found["column_statistics"]["frequencies"], json!({ "no": 1, "yes": 2 }));
        let found = of(Column::value("n", "int64"), vec![Value::Null]);
        assert_eq!(found["column_statistics"]["min"], Value::Null);
    }

    #[test]
    fn a_million_values_keep_their_ranks() {
        let mut numbers = Numbers::default();
        let mut state = 1u64;
        for n in 0..1_000_000i64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = if n % 2 == 0 { (state >> 40) as f64 / 16_777.216 } else { n as f64 / 1_000.0 };
            numbers.add(number);
        }
        let ordered = numbers.ranks.weighted();
        assert_eq!(ordered.iter().map(|(_, weight)| weight).sum::<u64>(), 1_000_000, "no row is lost");
        assert!((numbers.median(&ordered) - 500.0).abs() < 1.0, "{}", numbers.median(&ordered));
        for bar in histogram(&ordered, &numbers.edges()) {
            assert!(bar.abs_diff(100_000) < 1_000, "{bar}");
        }
        assert!(ordered.len() < EXACT_VALUES * 8);
    }

    proptest! {
        #[test]
        fn every_value_is_in_one_bar(values in prop::collection::vec(any::<i64>(), 1..200)) {
            let count = values.len() as u64;
            for dtype in ["int64", "float64"] {
                let found = of(Column::value("n", dtype), values.iter().map(|n| Value::from(*n)).collect());
                let bars = found["column_statistics"]["histogram"]["hist"].as_array().unwrap();
                prop_assert_eq!(bars.iter().map(|bar| bar.as_u64().unwrap()).sum::<u64>(), count);
                prop_assert!(bars.len() <= BARS);
            }
        }

        #[test]
        fn any_double_is_counted(values in prop::collection::vec(any::<f64>(), 1..50)) {
            of(Column::value("x", "float64"), values.iter().map(|x| Value::from(*x)).collect());
        }
    }
}
