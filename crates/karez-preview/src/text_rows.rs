//! Plain text: a row for each line.

use serde_json::Value;

use crate::error::PreviewResult;
use crate::records::{Feed, Records};
use crate::table::{Column, Hint};

/// Bytes of a line that are kept.
const LINE_BYTES_MAX: usize = 8 << 20;

/// The lines of a text.
pub struct TextRows {
    columns: Vec<Column>,
}

impl Default for TextRows {
    fn default() -> TextRows {
        TextRows { columns: vec![Column::value("text", "string")] }
    }
}

impl Records for TextRows {
    fn next(&mut self, feed: &mut Feed, _: u64, hint: &mut Hint) -> PreviewResult<Option<Vec<Value>>> {
        let mut line = Vec::new();
        let mut is_any = false;
        loop {
            let window = feed.peek()?;
            if window.is_empty() {
                break;
            }
            is_any = true;
            let end = memchr::memchr(b'\n', window);
            let part = &window[..end.unwrap_or(window.len())];
            let room = LINE_BYTES_MAX.saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            let taken = part.len() + usize::from(end.is_some());
            feed.take(taken);
            if end.is_some() {
                break;
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let line = match String::from_utf8(line) {
            Ok(line) => line,
            Err(error) => {
                hint.is_not_utf8 = true;
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            }
        };
        Ok(is_any.then(|| vec![line.into()]))
    }

    fn restart(&mut self, _is_front: bool) {}

    fn columns(&self) -> &[Column] {
        &self.columns
    }
}
