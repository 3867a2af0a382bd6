//! Parquet as `datasets` and pyarrow write it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use karez_preview::{FileBrief, Format, Hint, Question, ReadAt, ReaderOptions, Request, Source, answer};
use serde_json::{Value, json};

use crate::{ask, filter, numbers, rows};

const DATASETS: &[u8] = include_bytes!("golden/datasets.parquet");
const CODECS: [(&str, &[u8]); 12] = [
    ("none-1", include_bytes!("golden/none-1.parquet")),
    ("none-2", include_bytes!("golden/none-2.parquet")),
    ("snappy-1", include_bytes!("golden/snappy-1.parquet")),
    ("snappy-2", include_bytes!("golden/snappy-2.parquet")),
    ("gzip-1", include_bytes!("golden/gzip-1.parquet")),
    ("gzip-2", include_bytes!("golden/gzip-2.parquet")),
    ("brotli-1", include_bytes!("golden/brotli-1.parquet")),
    ("brotli-2", include_bytes!("golden/brotli-2.parquet")),
    ("zstd-1", include_bytes!("golden/zstd-1.parquet")),
    ("zstd-2", include_bytes!("golden/zstd-2.parquet")),
    ("lz4-1", include_bytes!("golden/lz4-1.parquet")),
    ("lz4-2", include_bytes!("golden/lz4-2.parquet")),
];

#[test]
fn rows_and_features_are_those_that_datasets_wrote() {
    let golden: Value = serde_json::from_str(include_str!("golden/datasets.json")).unwrap();
    for (number, wanted) in golden["rows"].as_object().unwrap() {
        let number: u64 = number.parse().unwrap();
        let found = ask(Format::Parquet, &[("a.parquet", DATASETS)], rows(number, 1)).unwrap();
        assert_eq!((found.rows_total, found.is_partial, numbers(&found)), (1_000, false, vec![number]));
        for (column, cell) in found.columns.iter().zip(&found.rows[0].cells) {
            assert_eq!(column.feature, golden["features"][&column.name], "{}", column.name);
            match column.name.as_str() {
                "image" => assert_eq!(*cell, json!({ "type": "image/png", "width": 3 + number % 5, "height": 2 })),
                name => assert_eq!(*cell, wanted[name], "{name} of row {number}"),
            }
        }
    }
}

#[test]
fn every_codec_and_page_version_is_read_at_any_row() {
    for (name, bytes) in CODECS {
        for offset in [0, 1, 255, 259, 260, 261, 499] {
            let found = ask(Format::Parquet, &[("a.parquet", bytes)], rows(offset, 3)).unwrap();
            let wanted: Vec<u64> = (offset..(offset + 3).min(500)).collect();
            assert_eq!(numbers(&found), wanted, "{name}");
            for row in &found.rows {
                let n = row.row;
                let number = if n % 7 == 0 { Value::Null } else { n.into() };
                assert_eq!(row.cells[0], number, "{name}");
                assert_eq!(row.cells[1], format!("s{}", n % 5), "{name}");
                assert_eq!(row.cells[3], json!([[n], [n, n + 1]]), "{name}");
            }
        }
        let found = ask(Format::Parquet, &[("a.parquet", bytes)], rows(59, 1)).unwrap();
        assert_eq!(found.rows[0].cells[2], "2000-02-29", "{name}");
        assert_eq!(found.rows[0].cells[4], "Ozs7", "{name}");
    }
}

#[test]
fn files_of_a_split_are_one_table() {
    let files = [("a.parquet", CODECS[0].1), ("b.parquet", CODECS[5].1)];
    let found = ask(Format::Parquet, &files, rows(498, 4)).unwrap();
    assert_eq!((found.rows_total, numbers(&found)), (1_000, vec![498, 499, 500, 501]));
    assert_eq!(found.rows[2].cells[3], json!([[0], [0, 1]]));
    assert_eq!(found.hints.len(), 2);
    let found = ask(Format::Parquet, &files, rows(1_000, 4)).unwrap();
    assert_eq!(found.rows, []);
}

#[test]
fn conditions_words_and_orders_find_rows() {
    let file = [("a.parquet", DATASETS)];
    let found = ask(Format::Parquet, &file, filter("id >= 990 AND label = 1", "")).unwrap();
    assert_eq!((found.rows_total, numbers(&found)), (5, vec![991, 993, 995, 997, 999]));
    let found = ask(Format::Parquet, &file, filter("text IS NULL", "\"id\" DESC")).unwrap();
    assert_eq!((found.rows_total, numbers(&found)), (100, vec![993, 983, 973, 963, 953]));
    let found = ask(Format::Parquet, &file, filter("", "score desc")).unwrap();
    assert_eq!(numbers(&found), [999, 998, 997, 996, 995]);
    let found = ask(Format::Parquet, &file, filter("\"when\" < '2020-01-01 02:00:00'", "")).unwrap();
    assert_eq!(numbers(&found), [0, 1]);
    let search = |query: &str| Question::Search { query: query.to_owned(), offset: 1, length: 2 };
    let found = ask(Format::Parquet, &file, search("ZEILE 99")).unwrap();
    assert_eq!((found.rows_total, numbers(&found)), (18, vec![199, 299]));
    let found = ask(Format::Parquet, &file, search("чАй ቡና 茶")).unwrap();
    assert_eq!((found.rows_total, numbers(&found)), (900, vec![1, 2]));
    for question in [filter("nothing = 1", ""), filter("", "nothing"), search(" ")] {
        assert!(ask(Format::Parquet, &file, question).is_err());
    }
}

#[test]
fn statistics_are_of_all_rows() {
    let found = ask(Format::Parquet, &[("a.parquet", DATASETS)], Question::Statistics).unwrap();
    let figures = |name: &str| {
        let all = found.statistics.as_array().unwrap();
        all.iter().find(|one| one["column_name"] == name).unwrap_or_else(|| panic!("{name}"))
    };
    assert_eq!(figures("id")["column_statistics"]["mean"], 499.5);
    assert_eq!(figures("label")["column_statistics"]["frequencies"], json!({ "no": 500, "yes": 500 }));
    assert_eq!(figures("text")["column_statistics"]["nan_count"], 100);
    assert_eq!(figures("tags")["column_type"], "list");
    assert_eq!(figures("when")["column_statistics"]["min"], "2020-01-01 00:00:00");
    assert_eq!(figures("image")["column_statistics"]["max"], 7);
    assert_eq!(found.rows_total, 1_000);
}

#[test]
fn a_cell_is_given_out_alone() {
    let cell = Question::Cell { row: 4, column: "image".to_owned() };
    let found = ask(Format::Parquet, &[("a.parquet", DATASETS)], cell).unwrap();
    // "\x89PNG" in base64.
    assert!(found.cell.unwrap().starts_with("iVBORw0K"));
}

/// Counts the bytes that are asked for.
struct Counting(Bytes, Arc<AtomicU64>);

impl ReadAt for Counting {
    fn file_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, start: u64, length_bytes: usize) -> std::io::Result<Bytes> {
        self.1.fetch_add(length_bytes as u64, Ordering::Relaxed);
        self.0.read_at(start, length_bytes)
    }
}

/// Writes a file of some megabytes that do not compress.
fn large() -> Vec<u8> {
    use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    let mut state = 7u64;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{:016x}", state)
    };
    let texts: Vec<String> = (0..40_000).map(|_| (0..32).map(|_| noise()).collect()).collect();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..40_000));
    let texts: ArrayRef = Arc::new(StringArray::from(texts));
    let batch = RecordBatch::try_from_iter([("id", ids), ("text", texts)]).unwrap();
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(Some(10_000))
        .build();
    let mut file = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

#[test]
fn a_page_takes_a_small_part_of_the_file() {
    let file = Bytes::from(large());
    assert!(file.len() > 15 << 20, "{}", file.len());
    for (question, share) in
        [(rows(0, 20), 8), (rows(25_000, 20), 8), (rows(39_999, 1), 8), (filter("id = 31000", ""), 2)]
    {
        let read = Arc::new(AtomicU64::new(0));
        let brief =
            FileBrief { path: "a.parquet".into(), file_bytes: file.len() as u64, is_far: false, hint: Hint::default() };
        let request = Request {
            question: question.clone(),
            format: Format::Parquet,
            options: ReaderOptions::default(),
            files: vec![brief],
            folder: None,
            soft_millis: 0,
            answer_bytes_max: 1 << 20,
        };
        let source = Source::new(Counting(file.clone(), Arc::clone(&read)));
        let found = answer(&request, vec![source], &|| false).unwrap();
        assert!(!found.rows.is_empty() && found.rows[0].cells[0] == found.rows[0].row);
        let read = read.load(Ordering::Relaxed);
        assert!(read < file.len() as u64 / share, "{question:?} read {read} of {} bytes", file.len());
    }
}

#[test]
fn labels_are_named_in_conditions() {
    let file = [("a.parquet", DATASETS)];
    let by_name = ask(Format::Parquet, &file, filter("label = 'yes'", "")).unwrap();
    let by_number = ask(Format::Parquet, &file, filter("label = 1", "")).unwrap();
    assert!(by_name.rows_total > 0 && by_name.rows_total < 1_000);
    assert_eq!(by_name, by_number);
    let others = ask(Format::Parquet, &file, filter("NOT label IN ('yes')", "")).unwrap();
    assert!(others.rows_total > 0 && others.rows_total + by_name.rows_total <= 1_000);
}
