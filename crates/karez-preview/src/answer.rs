//! Answering a question about a split: its files are one long table.

use std::collections::BinaryHeap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::arrow_cell;
use crate::cut::Cutter;
use crate::error::{PreviewError, PreviewResult, Trouble};
use crate::predicate::{OrderBy, Predicate};
use crate::question::{Answer, PAGE_ROWS_MAX, Question, Request, Row};
use crate::source::Source;
use crate::split::SplitTable;
use crate::statistics::Figures;
use crate::table::{Batch, Cell, Column, Flow};

/// Rows that an order of found rows looks at. Each takes up to a hundred bytes.
const ORDERED_ROWS_MAX: usize = 500_000;
/// Words of a search, and its bytes.
const WORDS_MAX: usize = 16;
const QUERY_BYTES_MAX: usize = 1_000;
/// Found rows that lie this close are read together.
const GAP_ROWS: u64 = 64;
/// Times that a question is answered again because wider types were found. The second holds what the first has read.
const AGAIN_MAX: usize = 3;
/// Largest cell whose bytes are given out alone.
const CELL_BYTES_MAX: usize = 8 << 20;

/// Answers a question. `is_over` says when what was found so far must do.
///
/// # Errors
/// When the files are not what they seem, or the question does not fit them.
pub fn answer(request: &Request, sources: Vec<Source>, is_over: &dyn Fn() -> bool) -> PreviewResult<Answer> {
    let of_all = |error| PreviewError { is_of_all: true, ..error };
    let mut split = SplitTable::open(request, sources).map_err(of_all)?;
    let mut found = match once(&mut split, request, is_over) {
        // The column that it names may turn up further down.
        Err(error) if error.trouble == Trouble::Question => {
            let is_other = split.count(is_over)?.1 && split.widen();
            if is_other { once(&mut split, request, is_over)? } else { return Err(error) }
        }
        first => first?,
    };
    let mut is_settled = true;
    for _ in 0..AGAIN_MAX {
        // Values were read that the types did not hold: what was read is read again by the wider types. Where there is
        // no time for that, the answer is that of the rows before, as they were taken then.
        let is_page = matches!(request.question, Question::Rows { .. });
        if !split.widen() {
            is_settled = true;
            break;
        }
        is_settled = false;
        if is_over() && !(is_page && split.is_quick()) {
            break;
        }
        if !is_page && !split.count(is_over)?.1 {
            break;
        }
        split.widen();
        found = once(&mut split, request, is_over)?;
    }
    found.memory_bytes = split.memory_bytes();
    found.hints = split.hints();
    found.are_types_sure = is_settled && split.are_types_sure();
    found.notes = split.notes();
    Ok(found)
}

/// Answers a question by the types that are known now.
fn once(split: &mut SplitTable, request: &Request, is_over: &dyn Fn() -> bool) -> PreviewResult<Answer> {
    let columns = split.columns().to_vec();
    let all: Vec<usize> = (0..columns.len()).collect();
    let mut found = match &request.question {
        Question::Describe => Answer::default(),
        Question::Rows { offset, length } => {
            let mut cutter = Cutter::new(request.answer_bytes_max);
            rows(split, *offset, (*length).min(PAGE_ROWS_MAX), &all, &mut cutter, is_over)?;
            Answer { rows: cutter.finish()?, ..Answer::default() }
        }
        Question::Search { query, offset, length } => {
            let search = Search::new(query, split.columns())?;
            let page = Page { offset: *offset, length: (*length).min(PAGE_ROWS_MAX) };
            found_rows(split, &Looking::Words(search), None, page, request, is_over)?
        }
        Question::Filter { condition, order_by, offset, length } => {
            let looking = match condition.trim() {
                "" => Looking::All,
                condition => Looking::Condition(Predicate::parse(condition)?.with_labels(split.columns())),
            };
            let order = (!order_by.trim().is_empty()).then(|| OrderBy::parse(order_by)).transpose()?;
            let page = Page { offset: *offset, length: (*length).min(PAGE_ROWS_MAX) };
            found_rows(split, &looking, order.as_ref(), page, request, is_over)?
        }
        Question::Statistics => statistics(split, is_over)?,
        Question::Cell { row, column } => cell(split, *row, column)?,
    };
    if let Question::Describe | Question::Rows { .. } = request.question {
        let (rows, is_whole) = split.count(is_over)?;
        let last = found.rows.last().map_or(0, |row| row.row + 1);
        (found.rows_total, found.is_partial) = (rows.max(last), !is_whole);
        found.rows_seen = found.rows_total;
    }
    found.columns = columns;
    Ok(found)
}

#[derive(Clone, Copy)]
struct Page {
    offset: u64,
    length: u64,
}

/// Reads rows into a cutter.
fn rows(
    split: &mut SplitTable,
    offset: u64,
    length: u64,
    columns: &[usize],
    cutter: &mut Cutter,
    is_over: &dyn Fn() -> bool,
) -> PreviewResult<()> {
    let described: Vec<Column> = columns.iter().map(|&column| split.columns()[column].clone()).collect();
    let described: Vec<&Column> = described.iter().collect();
    split.read(offset, length, columns, is_over, &mut |first, batch| {
        for row in 0..batch.rows() {
            cutter.add(first + row as u64, batch.row(row, &described)?);
        }
        Ok(Flow::On)
    })?;
    Ok(())
}

/// Which rows are looked for.
enum Looking {
    All,
    Condition(Predicate),
    Words(Search),
}

impl Looking {
    /// Returns the places of the columns that are looked at.
    fn places(&self, columns: &[Column]) -> PreviewResult<Vec<usize>> {
        match self {
            Looking::All => Ok(Vec::new()),
            Looking::Words(search) => Ok(search.places.clone()),
            Looking::Condition(predicate) => predicate.columns().iter().map(|name| place(columns, name)).collect(),
        }
    }

    /// Returns which rows of a batch are wanted.
    fn wanted(&self, batch: &Batch) -> Vec<bool> {
        match self {
            Looking::All => vec![true; batch.rows()],
            Looking::Words(search) => search.wanted(batch),
            Looking::Condition(predicate) => {
                // Cells do not outlive the call that shows them, so what is compared is kept.
                let mut columns: Vec<Vec<Kept>> = vec![Vec::with_capacity(batch.rows()); predicate.columns().len()];
                for (place, kept) in columns.iter_mut().enumerate() {
                    batch.visit(place, &mut |_, cell| kept.push(Kept::of(cell)));
                }
                let fits = |row: usize| {
                    let cells: Vec<Cell<'_>> = columns.iter().map(|column| column[row].cell()).collect();
                    predicate.holds(&cells)
                };
                (0..batch.rows()).map(fits).collect()
            }
        }
    }
}

fn place(columns: &[Column], name: &str) -> PreviewResult<usize> {
    let found = columns.iter().position(|column| column.name == name);
    found.ok_or_else(|| PreviewError::question(format!("there is no column {name:?}")))
}

/// A cell that is its own.
#[derive(Debug, Clone, PartialEq)]
enum Kept {
    Plain(Cell<'static>),
    Text(String),
}

impl Kept {
    fn of(cell: Cell<'_>) -> Kept {
        match cell {
            Cell::Text(text) => Kept::Text(text.to_owned()),
            Cell::Null => Kept::Plain(Cell::Null),
            Cell::Bool(is) => Kept::Plain(Cell::Bool(is)),
            Cell::Int(number) => Kept::Plain(Cell::Int(number)),
            Cell::Float(number) => Kept::Plain(Cell::Float(number)),
            Cell::Time(micros) => Kept::Plain(Cell::Time(micros)),
            Cell::List(length) => Kept::Plain(Cell::List(length)),
            Cell::Bytes(_) | Cell::Other => Kept::Plain(Cell::Other),
        }
    }

    fn cell(&self) -> Cell<'_> {
        match self {
            Kept::Plain(cell) => *cell,
            Kept::Text(text) => Cell::Text(text),
        }
    }
}

/// Where a row stands in an order: nothing last, numbers by size, text by its letters.
#[derive(Debug, Clone, PartialEq)]
struct Rank {
    key: Kept,
    is_descending: bool,
    row: u64,
}

impl Eq for Rank {}

impl Ord for Rank {
    fn cmp(&self, other: &Rank) -> std::cmp::Ordering {
        use std::cmp::Ordering;
        let number = |cell: Cell<'_>| match cell {
            Cell::Int(number) => Some(number as f64),
            Cell::Time(number) => Some(number as f64),
            Cell::Float(number) => Some(number),
            Cell::Bool(is) => Some(f64::from(u8::from(is))),
            Cell::List(length) => Some(length as f64),
            _ => None,
        };
        let by_key = match (self.key.cell(), other.key.cell()) {
            (Cell::Null, Cell::Null) => Ordering::Equal,
            (Cell::Null, _) => return Ordering::Greater,
            (_, Cell::Null) => return Ordering::Less,
            (Cell::Int(one), Cell::Int(two)) => one.cmp(&two),
            (Cell::Text(one), Cell::Text(two)) => one.cmp(two),
            (one, two) => number(one).unwrap_or(f64::INFINITY).total_cmp(&number(two).unwrap_or(f64::INFINITY)),
        };
        let by_key = if self.is_descending { by_key.reverse() } else { by_key };
        by_key.then(self.row.cmp(&other.row))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Rank) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Finds rows and reads a page of them.
fn found_rows(
    split: &mut SplitTable,
    looking: &Looking,
    order: Option<&OrderBy>,
    page: Page,
    request: &Request,
    is_over: &dyn Fn() -> bool,
) -> PreviewResult<Answer> {
    let mut places = looking.places(split.columns())?;
    let looked_at = places.len();
    if let Some(order) = order {
        places.push(place(split.columns(), &order.column)?);
    }
    if let Looking::Condition(predicate) = looking {
        let bounds = predicate.bounds();
        split.prune(bounds.iter().map(|(name, low, high)| ((*name).to_owned(), *low, *high)).collect());
    }
    let end = page.offset.saturating_add(page.length);
    let ranked_max = usize::try_from(end).unwrap_or(usize::MAX).min(ORDERED_ROWS_MAX);
    let (mut total, mut numbers, mut ranks) = (0u64, Vec::new(), BinaryHeap::new());
    let mut rows_seen = 0;
    let is_whole = split.read(0, u64::MAX, &places, is_over, &mut |first, batch| {
        rows_seen = first + batch.rows() as u64;
        let wanted = looking.wanted(&batch);
        let mut keys = Vec::new();
        if order.is_some() {
            batch.visit(looked_at, &mut |_, cell| keys.push(Kept::of(cell)));
        }
        for (at, _) in wanted.iter().enumerate().filter(|(_, is)| **is) {
            let row = first + at as u64;
            match order {
                None if total >= page.offset && total < end => numbers.push(row),
                None => {}
                Some(order) => {
                    ranks.push(Rank { key: keys[at].clone(), is_descending: order.is_descending, row });
                    // The page ends at most there; what comes after it is not needed.
                    if ranks.len() > ranked_max {
                        ranks.pop();
                    }
                }
            }
            total += 1;
        }
        Ok(Flow::On)
    })?;
    split.prune(Vec::new());
    if order.is_some() {
        if end > ORDERED_ROWS_MAX as u64 {
            return Err(PreviewError::too_large(format!("an order shows the first {ORDERED_ROWS_MAX} rows")));
        }
        let skip = usize::try_from(page.offset).unwrap_or(usize::MAX);
        numbers = ranks.into_sorted_vec().into_iter().skip(skip).map(|rank| rank.row).collect();
    }
    let rows = read_numbers(split, &numbers, request)?;
    Ok(Answer { rows, rows_total: total, is_partial: !is_whole, rows_seen, ..Answer::default() })
}

/// Reads the rows with these numbers, and puts them into the order of the numbers.
fn read_numbers(split: &mut SplitTable, numbers: &[u64], request: &Request) -> PreviewResult<Vec<Row>> {
    let all: Vec<usize> = (0..split.columns().len()).collect();
    let described = split.columns().to_vec();
    let described: Vec<&Column> = described.iter().collect();
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let mut cutter = Cutter::new(request.answer_bytes_max);
    let mut at = 0;
    while at < sorted.len() {
        let mut last = at;
        while last + 1 < sorted.len() && sorted[last + 1] - sorted[last] <= GAP_ROWS {
            last += 1;
        }
        let run = &sorted[at..=last];
        split.read(run[0], run[run.len() - 1] - run[0] + 1, &all, &|| false, &mut |first, batch| {
            for row in 0..batch.rows() {
                if run.binary_search(&(first + row as u64)).is_ok() {
                    cutter.add(first + row as u64, batch.row(row, &described)?);
                }
            }
            Ok(Flow::On)
        })?;
        at = last + 1;
    }
    let mut rows = cutter.finish()?;
    rows.sort_by_key(|row| numbers.iter().position(|number| *number == row.row));
    Ok(rows)
}

/// Words that a row must hold, whatever their case.
struct Search {
    words: Vec<String>,
    finders: Vec<memchr::memmem::Finder<'static>>,
    is_ascii: bool,
    places: Vec<usize>,
}

impl Search {
    fn new(query: &str, columns: &[Column]) -> PreviewResult<Search> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(PreviewError::question(format!("the words together are longer than {QUERY_BYTES_MAX} bytes")));
        }
        let words: Vec<String> = query.to_lowercase().split_whitespace().take(WORDS_MAX).map(str::to_owned).collect();
        if words.is_empty() {
            return Err(PreviewError::question("give words to search for"));
        }
        let holds_text = |column: &Column| {
            matches!(column.dtype(), Some("string" | "large_string" | "string_view")) && column.kind() == Some("Value")
        };
        let places: Vec<usize> = (0..columns.len()).filter(|&at| holds_text(&columns[at])).collect();
        if places.is_empty() {
            return Err(PreviewError::question("no column holds text"));
        }
        let finders = words.iter().map(|word| memchr::memmem::Finder::new(word).into_owned()).collect();
        Ok(Search { is_ascii: words.iter().all(|word| word.is_ascii()), finders, words, places })
    }

    fn wanted(&self, batch: &Batch) -> Vec<bool> {
        // One bit for each word that the row has shown so far.
        let mut seen = vec![0u32; batch.rows()];
        let mut folded = Vec::new();
        for column in 0..self.places.len() {
            batch.visit(column, &mut |row, cell| {
                let Cell::Text(text) = cell else { return };
                if self.is_ascii {
                    folded.clear();
                    folded.extend_from_slice(text.as_bytes());
                    folded.make_ascii_lowercase();
                    for (word, finder) in self.finders.iter().enumerate() {
                        seen[row] |= u32::from(finder.find(&folded).is_some()) << word;
                    }
                } else {
                    let text = text.to_lowercase();
                    for (word, wanted) in self.words.iter().enumerate() {
                        seen[row] |= u32::from(text.contains(wanted.as_str())) << word;
                    }
                }
            });
        }
        let all = (1u32 << self.words.len()) - 1;
        seen.into_iter().map(|seen| seen == all).collect()
    }
}

fn statistics(split: &mut SplitTable, is_over: &dyn Fn() -> bool) -> PreviewResult<Answer> {
    let mut figures = Figures::new(split.columns());
    let places = figures.places.clone();
    let is_whole = split.read(0, u64::MAX, &places, is_over, &mut |_, batch| {
        figures.add(&batch);
        Ok(Flow::On)
    })?;
    let (rows_total, statistics) = figures.finish();
    Ok(Answer { statistics, rows_total, is_partial: !is_whole, rows_seen: rows_total, ..Answer::default() })
}

fn cell(split: &mut SplitTable, row: u64, column: &str) -> PreviewResult<Answer> {
    let place = place(split.columns(), column)?;
    let mut found: Option<Vec<u8>> = None;
    split.read(row, 1, &[place], &|| false, &mut |_, batch| {
        match &batch {
            Batch::Arrow(batch) if batch.num_rows() > 0 => {
                found = arrow_cell::bytes(batch.column(0).as_ref(), 0).map(<[u8]>::to_vec);
            }
            _ => {}
        }
        if found.is_none() {
            batch.visit(0, &mut |_, cell| {
                if let Cell::Text(text) = cell {
                    found = Some(text.as_bytes().to_vec());
                }
            });
        }
        Ok(Flow::On)
    })?;
    let bytes = found.ok_or_else(|| PreviewError::question("there are no bytes in that cell"))?;
    if bytes.len() > CELL_BYTES_MAX {
        return Err(PreviewError::too_large(format!("the cell has more than {} MiB", CELL_BYTES_MAX >> 20)));
    }
    Ok(Answer { cell: Some(STANDARD.encode(bytes)), statistics: Value::Null, ..Answer::default() })
}
