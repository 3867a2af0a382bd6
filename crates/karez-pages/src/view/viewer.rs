//! What a dataset holds: its rows as a table, found by words or conditions, and figures of its columns as charts
//! with a table beside them.

use maud::{Markup, html};

use super::list::id;
use super::repo::{RepoHead, head};
use crate::address::{encode_part, repo_url};
use crate::layout::Frame;
use crate::locale::{Locale, key};

/// A column of the table.
#[derive(Debug, Clone)]
pub struct DataColumn {
    /// Its name.
    pub name: String,
    /// Its type, as people read it.
    pub kind: String,
}

/// A cell of the table.
#[derive(Debug, Clone)]
pub struct DataCell {
    /// Its text.
    pub text: String,
    /// Whether there is more of it.
    pub is_cut: bool,
    /// Where its picture or sound is.
    pub link: Option<String>,
}

/// A bar of a chart.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What it stands for: a value, or the least and the most.
    pub name: String,
    /// How many rows.
    pub rows: u64,
}

/// Figures of a column.
#[derive(Debug, Clone)]
pub struct ColumnFigures {
    /// The column.
    pub name: String,
    /// The kind of figures.
    pub kind: String,
    /// Rows that hold nothing there.
    pub missing: u64,
    /// Least, most, mean, median and deviation, where there are such.
    pub measures: Option<[String; 5]>,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// What is shown of a split.
#[derive(Debug, Clone)]
pub enum DataShown {
    /// Rows.
    Rows {
        /// The columns that are shown.
        columns: Vec<DataColumn>,
        /// How many columns there are beyond those.
        columns_more: u64,
        /// Number and cells of each row.
        rows: Vec<(u64, Vec<DataCell>)>,
    },
    /// Figures of columns.
    Figures(Vec<ColumnFigures>),
    /// There is nothing.
    Nothing,
    /// It cannot be shown: why, and more of that in English.
    Refused(WhyNot, String),
}

/// Why data cannot be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNot {
    /// The file is damaged.
    Damaged,
    /// It asks for too much.
    TooLarge,
    /// The words or the condition do not fit it.
    Question,
    /// Such files are not shown, or not in this way.
    Unsupported,
    /// Its bytes are not to be had now.
    Unreadable,
}

/// What is odd about a file whose rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataNote {
    /// Some bytes are not UTF-8.
    NotUtf8,
    /// It is UTF-16.
    Utf16,
    /// This row has more values than there are columns.
    Ragged(u64),
}

/// The page.
#[derive(Debug, Clone)]
pub struct ViewerPage {
    /// The top.
    pub head: RepoHead,
    /// All configurations.
    pub configs: Vec<String>,
    /// All splits of the one that is shown.
    pub splits: Vec<String>,
    /// What is shown.
    pub config: String,
    /// The split.
    pub split: String,
    /// Words that rows must hold.
    pub words: String,
    /// A condition that rows must fulfil.
    pub condition: String,
    /// The first row that is shown, of those found.
    pub offset: u64,
    /// How many there are.
    pub rows_total: u64,
    /// Whether not all rows were looked at.
    pub is_partial: bool,
    /// How many are on a page.
    pub page_rows: u64,
    /// What is odd about files, by their path.
    pub notes: Vec<(String, DataNote)>,
    /// Whether the card names data files of which there are none.
    pub has_unmatched: bool,
    /// The rows or figures.
    pub shown: DataShown,
}

/// Returns the form that chooses what is shown.
fn form(l: &Locale, page: &ViewerPage) -> Markup {
    let choice = |name: &str, label, all: &[String], chosen: &str| {
        html! {
            div {
                label for=(name) { (l.t(label)) }
                select id=(name) name=(name) {
                    @for one in all { option value=(one) selected[one == chosen] { (crate::shown(one)) } }
                }
            }
        }
    };
    html! {
        form action=(format!("{}/viewer", repo_url(&page.head.address))) method="get" {
            @if page.configs.len() > 1 { (choice("config", key::CONFIGURATION, &page.configs, &page.config)) }
            @else { input type="hidden" name="config" value=(page.config); }
            @if page.splits.len() > 1 { (choice("split", key::SPLIT, &page.splits, &page.split)) }
            div {
                label for="words" { (l.t(key::WORDS_IN_ROWS)) }
                input #words type="search" name="words" value=(page.words) maxlength="200" dir="auto";
            }
            div {
                label for="where" { (l.t(key::CONDITION)) }
                input #where type="text" name="where" value=(page.condition) maxlength="900" dir="ltr" placeholder="\"column\" > 3";
            }
            button type="submit" { (l.t(key::SHOW)) }
        }
    }
}

/// Returns the address of this page from another row on, or with figures.
fn address(page: &ViewerPage, more: &[(&str, &str)]) -> String {
    let mut url = format!("{}/viewer?", repo_url(&page.head.address));
    let kept = [("config", &page.config), ("split", &page.split), ("words", &page.words), ("where", &page.condition)];
    let kept = kept.iter().map(|(name, value)| (*name, value.as_str())).filter(|(_, value)| !value.is_empty());
    let pairs: Vec<String> =
        kept.chain(more.iter().copied()).map(|(name, value)| format!("{name}={}", encode_part(value))).collect();
    url.push_str(&pairs.join("&"));
    url
}

/// Returns the form that goes to a row, by its number.
fn jump(l: &Locale, page: &ViewerPage) -> Markup {
    let kept = [("config", &page.config), ("split", &page.split), ("words", &page.words), ("where", &page.condition)];
    html! {
        form.row action=(format!("{}/viewer", repo_url(&page.head.address))) method="get" {
            @for (name, value) in kept { @if !value.is_empty() { input type="hidden" name=(name) value=(value); } }
            label for="offset" { (l.t(key::GO_TO_ROW)) }
            " "
            input #offset type="number" name="offset" min="0" value=(page.offset) required;
            " "
            button type="submit" { (l.t(key::SHOW)) }
        }
    }
}

/// Returns what is said where there are no rows: there are none, or they end before.
fn no_rows(l: &Locale, page: &ViewerPage) -> Markup {
    let is_behind = page.offset > 0 && page.rows_total > 0;
    let last = page.rows_total.saturating_sub(1) / page.page_rows.max(1) * page.page_rows;
    html! {
        @if is_behind {
            p { (l.t(key::ROWS_END_BEFORE)) " " a href=(address(page, &[("offset", &last.to_string())])) { (l.t(key::LAST_ROWS)) } }
        } @else { p { (l.t(key::NO_ROWS)) } }
    }
}

fn note(l: &Locale, path: &str, note: DataNote) -> Markup {
    let file = || id(path);
    match note {
        DataNote::NotUtf8 => l.fill(key::NOTE_NOT_UTF8, &[("file", file())]),
        DataNote::Utf16 => l.fill(key::NOTE_UTF16, &[("file", file())]),
        DataNote::Ragged(row) => l.fill(key::NOTE_RAGGED, &[("file", file()), ("row", html! { (l.number(row)) })]),
    }
}

fn why(l: &Locale, why: WhyNot) -> Markup {
    l.t(match why {
        WhyNot::Damaged => key::WHY_DAMAGED,
        WhyNot::TooLarge => key::WHY_TOO_LARGE,
        WhyNot::Question => key::WHY_QUESTION,
        WhyNot::Unsupported => key::WHY_UNSUPPORTED,
        WhyNot::Unreadable => key::WHY_UNREADABLE,
    })
}

fn rows(l: &Locale, page: &ViewerPage, columns: &[DataColumn], rows: &[(u64, Vec<DataCell>)]) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label=(l.plain(key::ROWS_SHOWN_AS_TABLE)) {
            table {
                thead { tr {
                    th scope="col" { (l.t(key::ROW)) }
                    @for column in columns { th scope="col" { (id(&column.name)) br; span.soft { (id(&column.kind)) } } }
                } }
                tbody {
                    @for (number, cells) in rows {
                        tr {
                            th scope="row" { (l.number(*number)) }
                            @for cell in cells {
                                td dir="auto" {
                                    @match &cell.link {
                                        Some(link) => a href=(link) { (crate::shown(&cell.text)) },
                                        None => (crate::shown(&cell.text)),
                                    }
                                    @if cell.is_cut { span.soft { "…" } }
                                }
                            }
                        }
                    }
                }
            }
        }
        @let last = page.offset + rows.len() as u64;
        nav aria-label=(l.plain(key::NAV_PAGES)) {
            @if page.offset > 0 {
                a rel="prev" href=(address(page, &[("offset", &page.offset.saturating_sub(page.page_rows).to_string())])) { (l.t(key::PREVIOUS_PAGE)) }
            }
            @if last < page.rows_total {
                a rel="next" href=(address(page, &[("offset", &last.to_string())])) { (l.t(key::NEXT_PAGE)) }
            }
        }
    }
}

/// Returns a chart of bars, drawn as one path for each, with its name for who does not see it.
fn chart(l: &Locale, column: &ColumnFigures) -> Markup {
    const WIDTH: usize = 100;
    const HEIGHT: u64 = 40;
    let most = column.bars.iter().map(|bar| bar.rows).max().unwrap_or(0).max(1);
    let width = WIDTH as f64 / column.bars.len().max(1) as f64;
    let bar = |(at, bar): (usize, &Bar)| {
        let height = (bar.rows as f64 / most as f64 * HEIGHT as f64).max(if bar.rows > 0 { 0.5 } else { 0.0 });
        format!("M{:.2} {HEIGHT}h{:.2}v-{height:.2}h-{:.2}z", at as f64 * width, width * 0.9, width * 0.9)
    };
    let path: String = column.bars.iter().enumerate().map(bar).collect();
    let label = l.fill(key::CHART_OF, &[("column", html! { (crate::shown(&column.name)) })]).0;
    // A name is plain text: what marks its language has no place in it.
    let label: String = label
        .split('<')
        .enumerate()
        .map(|(at, part)| if at == 0 { part } else { part.split_once('>').map_or("", |(_, rest)| rest) })
        .collect();
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(maud::PreEscaped(label)) {
            path d=(path) fill="currentColor" {}
        }
    }
}

fn figures(l: &Locale, all: &[ColumnFigures]) -> Markup {
    html! {
        @for column in all {
            h3 { (id(&column.name)) " " span.soft { (id(&column.kind)) } }
            @if !column.bars.is_empty() { (chart(l, column)) }
            dl {
                dt { (l.t(key::MISSING_VALUES)) } dd { (l.number(column.missing)) }
                @if let Some(measures) = &column.measures {
                    @for (name, value) in [key::LEAST, key::MOST, key::MEAN, key::MEDIAN, key::DEVIATION].into_iter().zip(measures) {
                        dt { (l.t(name)) } dd { (id(value)) }
                    }
                }
            }
            @if !column.bars.is_empty() {
                details {
                    summary { (l.t(key::CHART_AS_TABLE)) }
                    table {
                        thead { tr { th scope="col" { (l.t(key::VALUES)) } th scope="col" { (l.t(key::ROWS)) } } }
                        tbody { @for bar in &column.bars { tr { td { (id(&bar.name)) } td { (l.number(bar.rows)) } } } }
                    }
                }
            }
        }
    }
}

/// Renders the page.
pub fn viewer(frame: &Frame, page: &ViewerPage) -> String {
    let l = frame.locale;
    let is_figures = matches!(page.shown, DataShown::Figures(_));
    let body = html! {
        (head(l, &page.head, Some(key::TAB_DATA)))
        @if !page.configs.is_empty() { (form(l, page)) }
        @if !page.configs.is_empty() && !matches!(page.shown, DataShown::Nothing | DataShown::Refused(..)) {
            p {
                (l.count(key::ROW_COUNT, page.rows_total))
                @if page.is_partial { " · " (l.t(key::ROWS_PARTIAL)) }
                " · "
                @if is_figures { a href=(address(page, &[])) { (l.t(key::ROWS)) } }
                @else { a href=(address(&ViewerPage { words: String::new(), condition: String::new(), ..page.clone() }, &[("show", "statistics")])) { (l.t(key::STATISTICS)) } }
            }
        }
        @for (path, odd) in &page.notes { p.warn { (note(l, path, *odd)) } }
        @match &page.shown {
            DataShown::Rows { columns, columns_more, rows: found } => {
                @if page.rows_total > page.page_rows || page.offset > 0 { (jump(l, page)) }
                @if found.is_empty() { (no_rows(l, page)) } @else { (rows(l, page, columns, found)) }
                @if *columns_more > 0 { p.soft { (l.t(key::MORE_NOT_SHOWN)) } }
            }
            DataShown::Figures(all) => (figures(l, all)),
            DataShown::Nothing if page.has_unmatched => p.warn { (l.t(key::DATA_FILES_UNMATCHED)) },
            DataShown::Nothing => p { (l.t(key::NO_DATA)) },
            DataShown::Refused(reason, words) => {
                p.warn { (l.t(key::NO_PREVIEW)) " " (why(l, *reason)) }
                p.soft { bdi lang="en" dir="ltr" { (crate::shown(words)) } }
            },
        }
    };
    frame.page(&format!("{} · {}", l.plain(key::TAB_DATA), page.head.address.id()), &body)
}
