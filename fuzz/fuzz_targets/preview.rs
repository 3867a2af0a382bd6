//! Any bytes as a file that a preview reads: never a panic of our readers, an answer or an error in bounded time, and the
//! same one the second time. The first byte says what the file is, the second what is asked.
#![no_main]

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Once;

use bytes::Bytes;
use karez_formats::gguf::Gguf;
use karez_formats::safetensors;
use karez_preview::{
    DataFile, FileBrief, Format, Hint, Outcome, Question, ReaderOptions, Request, Source, Split, answer, folder,
    media_of_bytes,
};
use libfuzzer_sys::fuzz_target;

/// Longer files are more of the same.
const FILE_BYTES_MAX: usize = 64 << 10;
/// How often a reader may ask whether its time is over before it is: bombs end there.
const LOOKS_MAX: u32 = 200;
const ANSWER_BYTES_MAX: usize = 64 << 10;
const KINDS: [(Format, &str); 13] = [
    (Format::Csv, "a.csv"),
    (Format::Tsv, "a.tsv"),
    (Format::Json, "a.json"),
    (Format::Text, "a.txt"),
    (Format::Csv, "a.csv.gz"),
    (Format::Json, "a.jsonl.zst"),
    (Format::Text, "a.txt.bz2"),
    (Format::Text, "a.txt.xz"),
    (Format::Images, "a.png"),
    (Format::Sounds, "a.mp3"),
    (Format::Images, "metadata.csv"),
    (Format::Images, "metadata.jsonl"),
    (Format::Parquet, "a.parquet"),
];

fn question(asked: u8) -> Question {
    let (offset, length) = (u64::from(asked >> 3), 5);
    match asked & 7 {
        0 => Question::Describe,
        1 => Question::Statistics,
        2 => Question::Search { query: "a".to_owned(), offset, length },
        3 => Question::Filter {
            condition: "a > 1 OR b IS NULL".to_owned(),
            order_by: "a DESC".to_owned(),
            offset,
            length,
        },
        4 => Question::Cell { row: offset, column: "a".to_owned() },
        _ => Question::Rows { offset, length },
    }
}

fn ask(format: Format, path: &str, file: &Bytes, question: Question) -> Outcome {
    let files = vec![DataFile { path: path.to_owned(), file_bytes: file.len() as u64 }];
    let brief = FileBrief { path: path.to_owned(), file_bytes: file.len() as u64, is_far: false, hint: Hint::default() };
    let mut splits = [Split { name: "train".to_owned(), files, folder: None }];
    if let Format::Images | Format::Sounds = format {
        folder::arrange(&mut splits);
    }
    let folder = splits[0].folder.clone();
    let request = Request {
        question,
        format,
        options: ReaderOptions::default(),
        files: vec![brief],
        folder,
        soft_millis: 0,
        answer_bytes_max: ANSWER_BYTES_MAX,
    };
    let looks = Cell::new(0);
    let is_over = || {
        looks.set(looks.get() + 1);
        looks.get() > LOOKS_MAX
    };
    answer(&request, vec![Source::new(file.clone())], &is_over)
}

fuzz_target!(|bytes: &[u8]| {
    let [kind, asked, file @ ..] = bytes else { return };
    if file.len() > FILE_BYTES_MAX {
        return;
    }
    match usize::from(*kind) % (KINDS.len() + 2) {
        13 => {
            if let Ok(header) = safetensors::parse_header(file) {
                header.data_bytes();
                header.parameters_by_dtype();
            }
        }
        14 => {
            if let Ok(found) = Gguf::parse(file) {
                found.architecture();
                found.quantisation();
            }
        }
        // The library panics on some footers, and pages ask for any memory: the child is for that. What holds here is
        // that opening a file ends.
        12 => {
            static QUIET: Once = Once::new();
            QUIET.call_once(|| set_hook(Box::new(|_| {})));
            let file = Bytes::copy_from_slice(file);
            let _ = catch_unwind(AssertUnwindSafe(|| ask(Format::Parquet, "a.parquet", &file, Question::Describe)));
        }
        kind => {
            let (format, path) = KINDS[kind];
            let copy = Bytes::copy_from_slice(file);
            let found = ask(format, path, &copy, question(*asked));
            assert_eq!(found, ask(format, path, &copy, question(*asked)));
            if let Ok(found) = found {
                let cells: usize = found.rows.iter().map(|row| row.cells.len()).sum();
                assert!(found.rows.len() <= 5 && cells == found.rows.len() * found.columns.len());
            }
            media_of_bytes(file);
        }
    }
});
