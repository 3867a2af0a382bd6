//! Printing for people and for programs.

use std::io::Write;

use serde_json::Value;

/// Prints text and a line end. A reader that went away (`karez config | head`) is no error.
pub fn lines(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints JSON for programs, or the sentence for people.
pub fn either(as_json: bool, json: &Value, sentence: &str) {
    if as_json { lines(&format!("{json:#}")) } else { lines(sentence) }
}

/// Prints rows as JSON, or as columns under a heading; with the sentence when there are none.
pub fn table(as_json: bool, json: &Value, heading: &[&str], rows: &[Vec<String>], when_empty: &str) {
    if as_json {
        return lines(&format!("{json:#}"));
    }
    if rows.is_empty() {
        return lines(when_empty);
    }
    let heading: Vec<String> = heading.iter().map(|&word| word.to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&heading).chain(rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    for row in all {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        lines(cells.join("  ").trim_end());
    }
}
