//! Files as other programs write them, and files that nobody should have written.

mod hostile;
mod parquet;
mod texts;

use bytes::Bytes;
use karez_preview::{
    Answer, DataFile, FileBrief, Format, Hint, Outcome, Question, ReaderOptions, Request, Source, Split, answer,
};

/// Asks about files that are in memory.
fn ask(format: Format, files: &[(&str, &[u8])], question: Question) -> Outcome {
    ask_again(format, files, question, &[])
}

/// Asks with what is remembered of the files.
fn ask_again(format: Format, files: &[(&str, &[u8])], question: Question, hints: &[(usize, Hint)]) -> Outcome {
    ask_with(&ReaderOptions::default(), format, files, question, hints)
}

/// Asks with options of a card.
fn ask_with(
    options: &ReaderOptions,
    format: Format,
    files: &[(&str, &[u8])],
    question: Question,
    hints: &[(usize, Hint)],
) -> Outcome {
    let brief = |(number, (path, bytes)): (usize, &(&str, &[u8]))| FileBrief {
        path: (*path).to_owned(),
        file_bytes: bytes.len() as u64,
        is_far: false,
        hint: hints.iter().find(|(other, _)| *other == number).map(|(_, hint)| hint.clone()).unwrap_or_default(),
    };
    let of_folder = || {
        let file =
            |(path, bytes): &(&str, &[u8])| DataFile { path: (*path).to_owned(), file_bytes: bytes.len() as u64 };
        let mut splits = [Split { name: "train".to_owned(), files: files.iter().map(file).collect(), folder: None }];
        karez_preview::folder::arrange(&mut splits);
        splits[0].folder.clone()
    };
    let folder = if let Format::Images | Format::Sounds = format { of_folder() } else { None };
    let request = Request {
        question,
        format,
        options: options.clone(),
        files: files.iter().enumerate().map(brief).collect(),
        folder,
        soft_millis: 60_000,
        answer_bytes_max: 1 << 20,
    };
    let sources = files.iter().map(|(_, bytes)| Source::new(Bytes::copy_from_slice(bytes))).collect();
    answer(&request, sources, &|| false)
}

fn rows(offset: u64, length: u64) -> Question {
    Question::Rows { offset, length }
}

fn filter(condition: &str, order_by: &str) -> Question {
    Question::Filter { condition: condition.to_owned(), order_by: order_by.to_owned(), offset: 0, length: 5 }
}

/// Returns the numbers of the rows of an answer.
fn numbers(answer: &Answer) -> Vec<u64> {
    answer.rows.iter().map(|row| row.row).collect()
}
