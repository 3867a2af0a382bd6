//! Files that nobody should have written: an error in plain words or an answer, in bounded memory, and no panic.
//! What needs a limit of the process is tested through the program itself (crates/karez/tests/it/preview.rs).

use std::io::Write as _;

use karez_preview::{Format, Question, Trouble};
use proptest::prelude::*;

use crate::{ask, rows};

const GOOD: &[u8] = include_bytes!("golden/snappy-1.parquet");

fn questions() -> [Question; 4] {
    [
        rows(0, 100),
        rows(300, 2),
        Question::Statistics,
        Question::Filter { condition: "n > 3".into(), order_by: "n".into(), offset: 0, length: 3 },
    ]
}

#[test]
fn parquet_that_lies_about_itself() {
    let footer = |length: u32, end: &[u8; 4]| [b"PAR1".as_slice(), &[0; 64], &length.to_le_bytes(), end].concat();
    for bytes in [
        b"".to_vec(),
        b"PAR1PAR1".to_vec(),
        footer(64, b"PAR1"),
        footer(u32::MAX, b"PAR1"),
        footer(u32::MAX >> 7, b"PAR1"),
        footer(10, b"PARE"),
        GOOD[..GOOD.len() - 1].to_vec(),
        GOOD[100..].to_vec(),
    ] {
        for question in questions() {
            let error = ask(Format::Parquet, &[("a.parquet", &bytes)], question).unwrap_err();
            assert!(matches!(error.trouble, Trouble::Malformed | Trouble::TooLarge), "{error:?}");
        }
    }
}

#[test]
fn a_bomb_stops_at_its_bound() {
    // A megabyte that unpacks to a gigabyte, without the end of a line: one row, cut.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..256 {
        bomb.write_all(&vec![b'a'; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let found = ask(Format::Text, &[("a.txt.gz", &bomb)], rows(0, 1)).unwrap();
    assert_eq!((found.rows.len(), found.rows[0].cut.as_slice()), (1, &[0][..]));
    let found = ask(Format::Csv, &[("a.csv.gz", &bomb)], rows(0, 1)).unwrap();
    assert!(found.rows.is_empty(), "the bomb is the name of a column");
    let error = ask(Format::Json, &[("a.json.gz", &bomb)], rows(0, 1)).unwrap_err();
    assert_eq!(error.trouble, Trouble::TooLarge);
}

#[test]
fn cells_of_a_hundred_megabytes_are_cut() {
    let mut csv = b"a,b\n1,\"".to_vec();
    csv.resize(csv.len() + (100 << 20), b'x');
    csv.extend_from_slice(b"\"\n2,y\n");
    let found = ask(Format::Csv, &[("a.csv", &csv)], rows(0, 10)).unwrap();
    assert_eq!((found.rows_total, found.rows[0].cut.as_slice()), (2, &[1][..]));
    assert_eq!(found.rows[1].cells, [2.into(), serde_json::Value::from("y")]);
    assert!(found.rows[0].cells[1].as_str().unwrap().len() <= 1 << 20);
}

#[test]
fn ten_thousand_columns_are_shown_and_more_are_refused() {
    let header: Vec<String> = (0..10_000).map(|n| format!("c{n}")).collect();
    let line: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    let csv = format!("{}\n{}\n", header.join(","), line.join(","));
    let found = ask(Format::Csv, &[("a.csv", csv.as_bytes())], rows(0, 1)).unwrap();
    assert_eq!((found.columns.len(), &found.rows[0].cells[9_999]), (10_000, &9_999.into()));
    let found = ask(Format::Csv, &[("a.csv", csv.as_bytes())], Question::Statistics).unwrap();
    assert_eq!(found.statistics.as_array().unwrap().len(), 256);
    let wider = format!("{}\n", vec!["x"; 30_000].join(","));
    let error = ask(Format::Csv, &[("a.csv", wider.as_bytes())], rows(0, 1)).unwrap_err();
    assert_eq!(error.trouble, Trouble::TooLarge);
    let object: Vec<String> = (0..30_000).map(|n| format!("\"c{n}\":1")).collect();
    let json = format!("{{{}}}", object.join(","));
    let error = ask(Format::Json, &[("a.json", json.as_bytes())], rows(0, 1)).unwrap_err();
    assert_eq!(error.trouble, Trouble::TooLarge);
}

#[test]
fn json_that_goes_deep_or_nowhere() {
    for text in [
        "[".repeat(1 << 20),
        "{\"a\":".repeat(100_000),
        "]".repeat(1 << 20),
        "\"".to_owned(),
        "{\"a\" 1}".to_owned(),
        "[1 2".to_owned(),
        String::new(),
        "{\"a\": 1e999}".to_owned(),
        format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100)),
    ] {
        for question in questions() {
            // Either is fine; what counts is that there is an end.
            let _ = ask(Format::Json, &[("a.json", text.as_bytes())], question);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A byte of an honest file changed: an error or an answer. A panic of the library would end this test.
    #[test]
    fn parquet_with_a_wrong_byte(at in 0..GOOD.len(), byte in any::<u8>(), which in 0..4usize) {
        let mut bytes = GOOD.to_vec();
        bytes[at] = byte;
        let question = questions()[which].clone();
        // The child catches what the library does not (`worker::serve`); what must hold here is that there is an end.
        let _ = std::panic::catch_unwind(|| ask(Format::Parquet, &[("a.parquet", &bytes)], question));
    }

    #[test]
    fn any_bytes_of_any_format(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[\"{}\\[\\],:a1\\\\ \n]{0,80}", which in 0..4usize) {
        for (format, name) in [
            (Format::Csv, "a.csv"), (Format::Tsv, "a.tsv"), (Format::Json, "a.json"), (Format::Text, "a.txt"),
            (Format::Images, "a.png"), (Format::Sounds, "a.mp3"), (Format::Csv, "a.csv.gz"), (Format::Json, "a.json.zst"),
            (Format::Text, "a.txt.bz2"), (Format::Text, "a.txt.xz"), (Format::Parquet, "a.parquet"),
        ] {
            for content in [bytes.as_slice(), text.as_bytes()] {
                let _ = ask(format, &[(name, content)], questions()[which].clone());
                let of_folder = [("metadata.jsonl", content), ("a.png", content)];
                let _ = ask(Format::Images, &of_folder, questions()[which].clone());
            }
        }
    }

    /// Heads of media with anything behind them.
    #[test]
    fn any_head_of_media(head in 0..10usize, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let heads: [&[u8]; 10] = [
            b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8", b"RIFF\0\0\0\0WEBPVP8X", b"RIFF\0\0\0\0WAVEfmt ", b"fLaC", b"ID3", b"\xff\xfb",
            b"OggS", b"BM",
        ];
        karez_preview::media_of_bytes(&[heads[head], &bytes].concat());
    }
}
