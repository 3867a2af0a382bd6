//! The page of what a dataset holds.

use axum::extract::State;
use axum::response::Response;
use karez_hub::{Answer, Column, HubError, NoteKind, Question, Trouble};
use karez_pages::{
    Bar, ColumnFigures, DATA_CELL_CHARS_MAX, DATA_COLUMNS_MAX, DATA_ROWS, DataCell, DataColumn, DataNote, DataShown,
    ViewerPage, WhyNot, encode_part, file_url, viewer_page,
};
use karez_types::{RepoKind, Revision};
use serde_json::Value;

use super::answer::page;
use super::asked::{Asked, PageTarget};
use super::repo::head;
use crate::AppState;
use crate::error::ApiResult;
use crate::viewer::Asker;

/// Columns whose figures are shown.
const FIGURES_MAX: usize = 40;
/// Bars of labels that are shown, the most frequent ones.
const BARS_MAX: usize = 30;

pub(super) async fn viewer(
    State(state): State<AppState>,
    asked: Asked,
    Asker(asker): Asker,
    PageTarget(address): PageTarget,
) -> ApiResult<Response> {
    if address.kind != RepoKind::Dataset {
        // Authorised first: what is not seen is missing, whatever its kind.
        state.hub.revision_open(&asked.caller, &address, &Revision::main()).await?;
        return Err(HubError::Missing("only datasets have data to show".to_owned()).into());
    }
    let (repo, _) = match state.hub.revision_open(&asked.caller, &address, &Revision::main()).await {
        Err(HubError::RevisionMissing { .. }) => {
            let repo = state.hub.repo_open(&asked.caller, &address, karez_hub::Right::Read).await?;
            let made = empty(head(&state, &repo, "main").await?);
            return Ok(page(&asked, viewer_page(&asked.frame, &made)));
        }
        other => other?,
    };
    let view = state.hub.preview_dataset(&asked.caller, &address, &Revision::main()).await?;
    let mut made = empty(head(&state, &repo, "main").await?);
    let wanted = asked.value("config");
    let config = match wanted {
        "" => view.usual(),
        name => Some(view.config(name)?),
    };
    let Some(config) = config else {
        made.has_unmatched = view.layout.has_unmatched;
        return Ok(page(&asked, viewer_page(&asked.frame, &made)));
    };
    let wanted = asked.value("split");
    let split = match config.splits.iter().find(|one| one.name == wanted) {
        Some(split) => split,
        // Another configuration may lack the split that the form still names.
        None if wanted.is_empty()
            || view.layout.configs.iter().any(|config| view.split(&config.name, wanted).is_ok()) =>
        {
            &config.splits[0]
        }
        None => view.split(&config.name, wanted)?.1,
    };
    made.configs = view.layout.configs.iter().map(|config| config.name.clone()).collect();
    made.splits = config.splits.iter().map(|split| split.name.clone()).collect();
    (made.config, made.split) = (config.name.clone(), split.name.clone());
    (made.words, made.condition) = (asked.value("words").trim().to_owned(), asked.value("where").trim().to_owned());
    made.offset = asked.value("offset").parse().unwrap_or(0);
    let is_figures = asked.value("show") == "statistics";
    let question = if is_figures {
        Question::Statistics
    } else if !made.condition.is_empty() {
        let (condition, order_by) = (made.condition.clone(), String::new());
        Question::Filter { condition, order_by, offset: made.offset, length: DATA_ROWS }
    } else if !made.words.is_empty() {
        Question::Search { query: made.words.clone(), offset: made.offset, length: DATA_ROWS }
    } else {
        Question::Rows { offset: made.offset, length: DATA_ROWS }
    };
    made.shown = match state.hub.preview_ask(&asked.caller, &asker, &view, &config.name, &split.name, question).await {
        Ok(found) => {
            (made.rows_total, made.is_partial) = (found.rows_total, found.is_partial);
            made.notes = found.notes.iter().map(|note| (note.path.clone(), note_shown(note.kind))).collect();
            if is_figures { figures(&found) } else { rows(&made, &view, &found) }
        }
        Err(HubError::Preview(error)) => DataShown::Refused(why_not(error.trouble), error.words),
        Err(error) => return Err(error.into()),
    };
    Ok(page(&asked, viewer_page(&asked.frame, &made)))
}

fn empty(head: karez_pages::RepoHead) -> ViewerPage {
    ViewerPage {
        head,
        configs: Vec::new(),
        splits: Vec::new(),
        config: String::new(),
        split: String::new(),
        words: String::new(),
        condition: String::new(),
        offset: 0,
        rows_total: 0,
        is_partial: false,
        page_rows: DATA_ROWS,
        notes: Vec::new(),
        has_unmatched: false,
        shown: DataShown::Nothing,
    }
}

fn why_not(trouble: Trouble) -> WhyNot {
    match trouble {
        Trouble::Malformed => WhyNot::Damaged,
        Trouble::TooLarge => WhyNot::TooLarge,
        Trouble::Question => WhyNot::Question,
        Trouble::Unsupported => WhyNot::Unsupported,
        Trouble::Unreadable => WhyNot::Unreadable,
    }
}

fn note_shown(kind: NoteKind) -> DataNote {
    match kind {
        NoteKind::NotUtf8 => DataNote::NotUtf8,
        NoteKind::Utf16 => DataNote::Utf16,
        NoteKind::Ragged { row } => DataNote::Ragged(row),
    }
}

fn rows(made: &ViewerPage, view: &karez_hub::DataView, found: &Answer) -> DataShown {
    let columns = found.columns.iter().take(DATA_COLUMNS_MAX);
    let shown = columns.map(|column| DataColumn { name: clip(&column.name).0, kind: kind(column) }).collect();
    let address = view.repo.address();
    let cells = |row: &karez_hub::Row| {
        let cell = |(at, (column, value)): (usize, (&Column, &Value))| {
            let (text, is_cut) = clip(&cell_shown(column, value));
            let link =
                (column.is_media() && value.is_object()).then(|| match value.get("path").and_then(Value::as_str) {
                    Some(path) => file_url(&address, "resolve", &view.commit.to_string(), path),
                    None => format!(
                        "/datasets-server/assets?dataset={}&config={}&split={}&row={}&column={}&revision={}",
                        encode_part(&address.id()),
                        encode_part(&made.config),
                        encode_part(&made.split),
                        row.row,
                        encode_part(&column.name),
                        view.commit,
                    ),
                });
            DataCell { text, is_cut: is_cut || row.cut.contains(&at), link }
        };
        let pairs = found.columns.iter().zip(&row.cells).take(DATA_COLUMNS_MAX);
        (row.row, pairs.enumerate().map(cell).collect())
    };
    DataShown::Rows {
        columns: shown,
        columns_more: found.columns.len().saturating_sub(DATA_COLUMNS_MAX) as u64,
        rows: found.rows.iter().map(cells).collect(),
    }
}

/// Returns the start of a text that a cell of a page has room for, and whether that is not all.
fn clip(text: &str) -> (String, bool) {
    match text.char_indices().nth(DATA_CELL_CHARS_MAX) {
        Some((end, _)) => (text[..end].to_owned(), true),
        None => (text.to_owned(), false),
    }
}

/// Returns a type in a few words.
fn kind(column: &Column) -> String {
    match (column.kind(), column.dtype()) {
        (Some("Value") | None, Some(dtype)) => clip(dtype).0,
        (Some(kind), _) => clip(kind).0,
        (None, None) => "{…}".to_owned(),
    }
}

/// Returns a cell as a person reads it in a table: text as it is, labels by name, pictures and sounds by their measures.
fn cell_shown(column: &Column, cell: &Value) -> String {
    if column.is_media() && cell.is_object() {
        let number = |name: &str| cell.get(name).filter(|value| !value.is_null()).map(ToString::to_string);
        let name = cell.get("path").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        let measure = match (number("width"), number("height"), cell.get("duration").and_then(Value::as_f64)) {
            (Some(width), Some(height), _) => format!("{width} × {height}"),
            (_, _, Some(secs)) => format!("{secs:.1} s"),
            _ => "?".to_owned(),
        };
        return [name.unwrap_or_default(), &measure].join(" ").trim().to_owned();
    }
    let label = || {
        let names = column.feature.get("names")?.as_array()?;
        names.get(usize::try_from(cell.as_u64()?).ok()?)?.as_str()
    };
    match cell {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        _ => label().map_or_else(|| cell.to_string(), str::to_owned),
    }
}

fn figures(found: &Answer) -> DataShown {
    let all = found.statistics.as_array().map_or(&[][..], Vec::as_slice);
    DataShown::Figures(all.iter().take(FIGURES_MAX).map(column_figures).collect())
}

fn column_figures(one: &Value) -> ColumnFigures {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let figures = &one["column_statistics"];
    let measures =
        ["min", "max", "mean", "median", "std"].map(|name| figures.get(name).filter(|value| !value.is_null()));
    let mut bars: Vec<Bar> = Vec::new();
    if let Some(frequencies) = figures.get("frequencies").and_then(Value::as_object) {
        bars.extend(
            frequencies.iter().map(|(name, rows)| Bar { name: clip(name).0, rows: rows.as_u64().unwrap_or(0) }),
        );
        bars.sort_by(|one, other| other.rows.cmp(&one.rows).then_with(|| one.name.cmp(&other.name)));
        bars.truncate(BARS_MAX);
    } else if let (Some(hist), Some(edges)) =
        (figures["histogram"]["hist"].as_array(), figures["histogram"]["bin_edges"].as_array())
    {
        let bar = |(rows, pair): (&Value, &[Value])| Bar {
            name: format!("{} – {}", text(&pair[0]), text(&pair[1])),
            rows: rows.as_u64().unwrap_or(0),
        };
        bars.extend(hist.iter().zip(edges.windows(2)).map(bar));
    }
    let measures =
        measures.iter().all(Option::is_some).then(|| measures.map(|value| value.map(text).unwrap_or_default()));
    ColumnFigures {
        name: clip(&text(&one["column_name"])).0,
        kind: text(&one["column_type"]),
        missing: figures["nan_count"].as_u64().unwrap_or(0),
        measures,
        bars,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_are_shown_as_people_read_them() {
        let column = |feature: Value| Column { name: "x".into(), feature };
        let plain = column(json!({ "dtype": "int64", "_type": "Value" }));
        assert_eq!(cell_shown(&plain, &json!([1, "a"])), "[1,\"a\"]");
        assert_eq!(cell_shown(&plain, &Value::Null), "");
        let label = column(json!({ "names": ["no", "yes"], "_type": "ClassLabel" }));
        assert_eq!((cell_shown(&label, &json!(1)), cell_shown(&label, &json!(7))), ("yes".into(), "7".into()));
        let image = column(json!({ "_type": "Image" }));
        assert_eq!(cell_shown(&image, &json!({ "width": 3, "height": 4, "path": "a/b.png" })), "b.png 3 × 4");
        assert_eq!(cell_shown(&image, &json!({})), "?");
        assert_eq!(
            (kind(&image), kind(&plain), kind(&column(json!({ "a": {} })))),
            ("Image".into(), "int64".into(), "{…}".into())
        );
    }

    #[test]
    fn figures_of_all_kinds_have_bars() {
        let figures = column_figures(&json!({ "column_name": "n", "column_type": "int", "column_statistics": {
            "nan_count": 2, "min": 1, "max": 5, "mean": 2.5, "median": 2, "std": 1.0,
            "histogram": { "hist": [3, 4], "bin_edges": [1, 3, 5] } } }));
        assert_eq!((figures.missing, figures.bars[1].name.as_str(), figures.bars[1].rows), (2, "3 – 5", 4));
        assert_eq!(figures.measures.unwrap()[1], "5");
        let figures =
            column_figures(&json!({ "column_name": "t", "column_type": "string_label", "column_statistics": {
            "nan_count": 0, "frequencies": { "a": 1, "b": 9 } } }));
        assert_eq!((figures.bars[0].name.as_str(), figures.measures), ("b", None));
        assert!(column_figures(&json!({ "column_name": "x", "column_type": "int", "column_statistics": { "min": null, "histogram": null } })).bars.is_empty());
    }
}
