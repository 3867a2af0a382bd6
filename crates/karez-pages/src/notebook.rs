//! Notebooks as static pages: text of cells as cards are rendered, code as it stands, and what it printed.
//!
//! Nothing of a notebook runs. HTML that a cell printed passes the same list as a card. Pictures inside the file
//! are named and left out: a page travels over poor lines, and the policy takes pictures from the node alone.

use maud::{Markup, html};
use serde_json::Value;

use crate::card::{CardPlace, render};
use crate::locale::{Locale, key};

/// Cells, and outputs of one cell, that are shown.
const CELLS_MAX: usize = 500;
const OUTPUTS_MAX: usize = 50;

/// A cell of a notebook.
#[derive(Debug, Clone)]
pub enum NotebookCell {
    /// Text, rendered.
    Text(Markup),
    /// Code.
    Code(String),
    /// What code printed.
    Printed(String),
    /// A table or other HTML that code made, sanitised.
    Made(Markup),
    /// A picture that is left out, with its length in bytes.
    Picture(u64),
}

/// Reads a notebook (nbformat 4, or 3 with its worksheets), up to so many bytes of what it shows; nothing when it is none. The second value
/// says whether there is more.
pub fn read(text: &str, place: CardPlace<'_>, bytes_max: usize) -> Option<(Vec<NotebookCell>, bool)> {
    let notebook: Value = serde_json::from_str(text).ok()?;
    let sheets = notebook.get("worksheets").and_then(Value::as_array);
    let cells: Vec<&Value> = match (notebook.get("cells").and_then(Value::as_array), sheets) {
        (Some(cells), _) => cells.iter().collect(),
        (None, Some(sheets)) => sheets.iter().filter_map(|sheet| sheet.get("cells")?.as_array()).flatten().collect(),
        (None, None) => return None,
    };
    let mut reader = Reader { place, left_bytes: bytes_max, found: Vec::new(), is_cut: cells.len() > CELLS_MAX };
    for cell in cells.into_iter().take(CELLS_MAX) {
        let source = joined(cell.get("source").or_else(|| cell.get("input")));
        match cell.get("cell_type").and_then(Value::as_str) {
            Some("markdown") => reader.text(&source),
            // Only format 3 has these.
            Some("heading") => {
                let level = cell.get("level").and_then(Value::as_u64).unwrap_or(1).clamp(1, 6);
                reader.text(&format!("{} {source}", "#".repeat(usize::try_from(level).unwrap_or(1))));
            }
            Some("code") => {
                reader.plain(source, NotebookCell::Code);
                let outputs = cell.get("outputs").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                outputs.iter().take(OUTPUTS_MAX).for_each(|output| reader.output(output));
            }
            _ => reader.plain(source, NotebookCell::Printed),
        }
    }
    Some((reader.found, reader.is_cut))
}

struct Reader<'a> {
    place: CardPlace<'a>,
    left_bytes: usize,
    found: Vec<NotebookCell>,
    is_cut: bool,
}

impl Reader<'_> {
    /// Returns the start of a text that there is still room for.
    fn room<'t>(&mut self, text: &'t str) -> &'t str {
        let (start, is_cut) = crate::cut_text(text, self.left_bytes);
        self.is_cut |= is_cut;
        self.left_bytes -= start.len();
        start
    }

    fn plain(&mut self, text: String, cell: fn(String) -> NotebookCell) {
        let start = self.room(&text).to_owned();
        if !start.is_empty() {
            self.found.push(cell(start));
        }
    }

    fn text(&mut self, text: &str) {
        let start = self.room(text);
        if !start.is_empty() {
            self.found.push(NotebookCell::Text(render(start, self.place)));
        }
    }

    fn output(&mut self, output: &Value) {
        let old = || {
            // Format 3 has the kinds beside one another, by shorter names.
            let kinds = [("png", "image/png"), ("jpeg", "image/jpeg"), ("svg", "image/svg+xml"), ("html", "text/html")];
            let (old, new) = kinds.iter().find(|(old, _)| output.get(old).is_some())?;
            Some(serde_json::json!({ *new: output.get(old), "text/plain": output.get("text") }))
        };
        let data = output.get("data").cloned().or_else(old);
        let Some(data) = &data else {
            let lines = output.get("traceback").or_else(|| output.get("text"));
            return self.plain(without_colours(&joined(lines)), NotebookCell::Printed);
        };
        let picture = ["image/png", "image/jpeg", "image/svg+xml"].iter().find_map(|kind| data.get(kind));
        if let Some(picture) = picture {
            let length = joined(Some(picture)).len() as u64;
            self.found.push(NotebookCell::Picture(length / 4 * 3));
        } else if let Some(made) = data.get("text/html") {
            let made = joined(Some(made));
            // Cut HTML means something else, so it is there whole or as its text.
            if made.len() <= self.left_bytes {
                self.left_bytes -= made.len();
                self.found.push(NotebookCell::Made(render(&made, self.place)));
            } else {
                self.plain(joined(data.get("text/plain")), NotebookCell::Printed);
            }
        } else {
            self.plain(joined(data.get("text/plain")), NotebookCell::Printed);
        }
    }
}

/// Returns text that a notebook writes as one string or as a list of lines.
fn joined(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(lines)) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

/// Returns text without the marks that colour it on a terminal.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain
}

pub(crate) fn notebook(l: &Locale, cells: &[NotebookCell]) -> Markup {
    html! {
        @for cell in cells {
            @match cell {
                NotebookCell::Text(text) | NotebookCell::Made(text) => div.card dir="auto" { (text) },
                NotebookCell::Code(text) => pre dir="ltr" { code { (crate::locale::shown_lines(text)) } },
                NotebookCell::Printed(text) => pre.printed dir="auto" { samp { (crate::locale::shown_lines(text)) } },
                NotebookCell::Picture(bytes) => p.soft { (l.fill(key::PICTURE_LEFT_OUT, &[("bytes", l.bytes(*bytes))])) },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PLACE: CardPlace<'_> = CardPlace { repo_url: "/o/n", revision: "main", folder: "" };

    #[test]
    fn notebooks_of_format_3_are_shown() {
        let book = json!({ "nbformat": 3, "worksheets": [{ "cells": [
            { "cell_type": "heading", "level": 2, "source": "Title" },
            { "cell_type": "code", "input": ["print(6*7)"], "outputs": [
                { "output_type": "stream", "text": "42\n" },
                { "output_type": "pyout", "html": "<b>x</b><script>alert(1)</script>", "text": "x" },
                { "output_type": "display_data", "png": "AAAA", "text": "<Figure>" },
            ] },
        ] }] });
        let (cells, is_cut) = read(&book.to_string(), PLACE, 10_000).unwrap();
        assert!(!is_cut);
        let [text, code, printed, made, picture] = &cells[..] else { panic!("{cells:?}") };
        assert!(matches!(text, NotebookCell::Text(text) if text.0.contains("Title</h")), "{text:?}");
        assert!(matches!(code, NotebookCell::Code(code) if code == "print(6*7)"), "{code:?}");
        assert!(matches!(printed, NotebookCell::Printed(text) if text == "42\n"), "{printed:?}");
        assert!(
            matches!(made, NotebookCell::Made(made) if made.0.contains("<b>x</b>") && !made.0.contains("alert")),
            "{made:?}"
        );
        assert!(matches!(picture, NotebookCell::Picture(3)), "{picture:?}");
    }

    #[test]
    fn cells_are_shown_and_nothing_runs() {
        let book = json!({ "nbformat": 4, "cells": [
            { "cell_type": "markdown", "source": ["# Title\n", "<script>alert(1)</script>text"] },
            { "cell_type": "code", "source": "print(1)", "outputs": [
                { "output_type": "stream", "text": ["1\n"] },
                { "output_type": "error", "traceback": ["\u{1b}[0;31mTypeError\u{1b}[0m: <b>"] },
                { "output_type": "display_data", "data": { "image/png": "AAAA" } },
                { "output_type": "execute_result", "data": { "text/html": ["<table><tr><td onclick=x()>7</td></tr></table>"], "text/plain": "7" } },
            ] },
            { "cell_type": "raw", "source": "raw" },
            7,
        ]});
        let (cells, is_cut) = read(&book.to_string(), PLACE, 10_000).unwrap();
        assert!(!is_cut && cells.len() == 7, "{cells:?}");
        let shown = notebook(Locale::english(), &cells).0;
        for part in ["Title", "print(1)", "TypeError: &lt;b&gt;", "<td>7</td>", ">raw<", "3 B"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("alert") && !shown.contains("onclick"), "{shown}");
        let (cells, is_cut) = read(&book.to_string(), PLACE, 12).unwrap();
        assert!(is_cut && cells.len() <= 3, "{cells:?}");
    }

    #[test]
    fn what_is_no_notebook_is_none() {
        for text in ["", "{}", "[]", "{\"cells\": 3}", "{\"cells\": [", &"[".repeat(100_000)] {
            assert!(read(text, PLACE, 1_000).is_none());
        }
    }
}
