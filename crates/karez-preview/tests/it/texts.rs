//! CSV, JSON and plain text, packed or not.

use std::io::Write as _;

use karez_preview::{Format, Note, NoteKind, Question, ReaderOptions};
use serde_json::{Value, json};

use crate::{ask, ask_again, ask_with, filter, numbers, rows};

const CSV: &str = "\u{feff}id,name,score,ok,,id\r\n1,\"a, \"\"b\"\"\",0.5,True,x,9\r\n2,\"two\nlines\",NA,False,,9\r\n\r\n3,,2,True,y\r\n";

#[test]
fn csv_is_read_as_pandas_reads_it() {
    let found = ask(Format::Csv, &[("a.csv", CSV.as_bytes())], rows(0, 10)).unwrap();
    let columns: Vec<(&str, &str)> =
        found.columns.iter().map(|column| (column.name.as_str(), column.dtype().unwrap())).collect();
    assert_eq!(
        columns,
        [
            ("id", "int64"),
            ("name", "string"),
            ("score", "float64"),
            ("ok", "bool"),
            ("Unnamed: 4", "string"),
            ("id.1", "float64")
        ]
    );
    let cells: Vec<&[Value]> = found.rows.iter().map(|row| row.cells.as_slice()).collect();
    assert_eq!(json!(cells[0]), json!([1, "a, \"b\"", 0.5, true, "x", 9.0]));
    assert_eq!(json!(cells[1]), json!([2, "two\nlines", null, false, null, 9.0]));
    assert_eq!(json!(cells[2]), json!([3, null, 2.0, true, "y", null]));
    assert_eq!((found.rows_total, found.is_partial), (3, false));
    let found = ask(Format::Tsv, &[("a.tsv", b"a\tb\n1\tx,y\n")], rows(0, 10)).unwrap();
    assert_eq!(json!(found.rows[0].cells), json!([1, "x,y"]));
}

#[test]
fn json_is_lines_or_one_array() {
    let lines = b"{\"b\": 1, \"a\": [1, 2.5]}\n\n{\"a\": null, \"b\": 2, \"c\": {\"x\": \"]}\\\"\"}}\n";
    let array = b" [ {\"b\": 1, \"a\": [1, 2.5]},{\"a\": null, \"b\": 2, \"c\": {\"x\": \"]}\\\"\"}} ]\n";
    for (name, bytes) in [("a.jsonl", &lines[..]), ("a.json", &array[..])] {
        let found = ask(Format::Json, &[(name, bytes)], rows(0, 10)).unwrap();
        let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["b", "a", "c"], "{name}: in the order of the file");
        assert_eq!(
            found.columns[1].feature,
            json!({ "feature": { "dtype": "float64", "_type": "Value" }, "_type": "List" })
        );
        assert_eq!(found.columns[2].feature, json!({ "x": { "dtype": "string", "_type": "Value" } }));
        assert_eq!(json!(found.rows[1].cells), json!([2, null, { "x": "]}\"" }]));
        assert_eq!(found.rows_total, 2);
    }
    let found = ask(Format::Json, &[("a.jsonl", b"{\"a\": 1}\n{\"a\": \"x\"}\n{\"a\": [1]}")], rows(2, 1)).unwrap();
    assert_eq!((&found.columns[0].feature, &found.rows[0].cells[0]), (&json!({ "_type": "Json" }), &json!([1])));
    let found = ask(Format::Json, &[("a.json", b"[1, 2, null, \"x\"]")], rows(0, 9)).unwrap();
    assert_eq!(found.rows_total, 4);
}

#[test]
fn text_has_a_row_for_each_line() {
    let found = ask(Format::Text, &[("a.txt", "one\r\n\nthree".as_bytes())], rows(0, 9)).unwrap();
    let lines: Vec<&Value> = found.rows.iter().map(|row| &row.cells[0]).collect();
    assert_eq!(lines, ["one", "", "three"]);
}

#[test]
fn packed_files_are_read_from_their_front() {
    let plain: String = (0..50_000).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(plain.as_bytes(), 1).unwrap();
    for (name, bytes) in [("a.jsonl.gz", &gzip), ("a.jsonl.zst", &zstd)] {
        let found = ask(Format::Json, &[(name, bytes)], rows(49_990, 3)).unwrap();
        assert_eq!((numbers(&found), found.rows_total), (vec![49_990, 49_991, 49_992], 50_000), "{name}");
        assert!(found.hints[0].1.marks.is_empty(), "{name}: no byte of it is the start of a row");
    }
}

#[test]
fn what_is_remembered_saves_the_way() {
    let plain: String = (0..200_000).map(|n| format!("{n},\"value {n}\"\n")).collect();
    let plain = format!("n,v\n{plain}");
    let file = [("a.csv", plain.as_bytes())];
    let first = ask(Format::Csv, &file, rows(199_000, 2)).unwrap();
    assert_eq!((first.rows_total, first.rows[1].cells[0].clone()), (200_000, 199_001.into()));
    let hint = &first.hints[0].1;
    assert!(hint.rows == Some(200_000) && hint.marks.len() > 10, "{hint:?}");
    let again = ask_again(Format::Csv, &file, rows(150_000, 2), &first.hints).unwrap();
    assert_eq!((again.rows[0].cells.clone(), again.hints.len()), (vec![150_000.into(), "value 150000".into()], 0));
    // A mark is the start of a row, so what stands before it is not read: it may be anything.
    let before = hint.marks.iter().rfind(|(row, _)| *row <= 150_000).unwrap().1;
    let mut spoiled = plain.clone().into_bytes();
    let from = usize::try_from(before).unwrap() - 5_000;
    spoiled[from..from + 4_000].fill(b'"');
    let again = ask_again(Format::Csv, &[("a.csv", &spoiled)], rows(150_000, 1), &first.hints).unwrap();
    assert_eq!(again.rows[0].cells[0], 150_000);
}

#[test]
fn texts_are_searched_filtered_and_counted() {
    let file = [("a.csv", CSV.as_bytes())];
    let found = ask(Format::Csv, &file, filter("score > 0 AND ok", "id DESC")).unwrap();
    assert_eq!((found.rows_total, numbers(&found)), (2, vec![2, 0]));
    let found = ask(Format::Csv, &file, Question::Search { query: "LINES".into(), offset: 0, length: 9 }).unwrap();
    assert_eq!(numbers(&found), [1]);
    let found = ask(Format::Csv, &file, Question::Statistics).unwrap();
    assert_eq!(found.statistics[2]["column_statistics"]["nan_count"], 1);
    assert_eq!(found.statistics[3]["column_statistics"]["frequencies"], json!({ "True": 2, "False": 1 }));
}

#[test]
fn folders_of_pictures_have_labels() {
    let (one, two) = (png(4), png(9));
    let files = [("x/cat/a.png", &one[..]), ("x/dog/b.png", &two[..]), ("x/dog/c.jpg", &b"not a picture"[..])];
    let found = ask(Format::Images, &files, rows(0, 9)).unwrap();
    assert_eq!(found.columns[1].feature, json!({ "names": ["cat", "dog"], "_type": "ClassLabel" }));
    assert_eq!(found.rows[1].cells[0], json!({ "type": "image/png", "width": 9, "height": 7, "path": "x/dog/b.png" }));
    assert_eq!(json!(found.rows[2].cells), json!([{ "path": "x/dog/c.jpg" }, 1]));
    let found = ask(Format::Images, &files, Question::Statistics).unwrap();
    assert_eq!(found.statistics[0]["column_statistics"]["nan_count"], 1);
    assert_eq!(found.statistics[0]["column_statistics"]["max"], 9);
}

/// Returns the head of a picture of 7 points down.
fn png(width: u8) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0".to_vec();
    bytes.extend([width, 0, 0, 0, 7, 8, 2, 0, 0, 0]);
    bytes
}

#[test]
fn metadata_names_the_pictures() {
    let one = png(4);
    let csv = "n,file_name,depth_file_name,note\n1,b.png,x/a.png,good\n2,,x/none.png,\n3,./x/../b.png,x/a.png,fine\n";
    let files = [("d/metadata.csv", csv.as_bytes()), ("d/b.png", &one[..]), ("d/x/a.png", &png(9))];
    let found = ask(Format::Images, &files, rows(0, 9)).unwrap();
    let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!((names, found.rows_total), (vec!["n", "image", "depth", "note"], 3));
    assert_eq!(found.columns[2].feature, json!({ "_type": "Image" }));
    let picture = |path: &str, width: u8| json!({ "type": "image/png", "width": width, "height": 7, "path": path });
    assert_eq!(json!(found.rows[0].cells), json!([1, picture("d/b.png", 4), picture("d/x/a.png", 9), "good"]));
    // What is not named is nothing, and what is not there is a name.
    assert_eq!(json!(found.rows[1].cells), json!([2, null, { "path": "d/x/none.png" }, null]));
    assert_eq!(found.rows[2].cells[1], picture("d/b.png", 4));
    let found = ask(Format::Images, &files, filter("n > 1 AND note = 'fine'", "")).unwrap();
    assert_eq!(numbers(&found), [2]);
    let found = ask(Format::Images, &files, Question::Statistics).unwrap();
    assert_eq!((&found.statistics[2]["column_statistics"]["max"], found.rows_total), (&json!(9), 3));

    let lines = br#"{"pages": 2, "file_names": ["b.png", "none.png"], "inner": {"scan_file_name": "b.png", "k": 1}}"#;
    let files = [("metadata.jsonl", &lines[..]), ("b.png", &one[..])];
    let found = ask(Format::Images, &files, rows(0, 9)).unwrap();
    assert_eq!(found.columns[1].feature, json!({ "feature": { "_type": "Image" }, "_type": "List" }));
    let inner = json!({ "scan": { "_type": "Image" }, "k": { "dtype": "int64", "_type": "Value" } });
    assert_eq!((found.columns[1].name.as_str(), &found.columns[2].feature), ("images", &inner));
    assert_eq!(found.rows[0].cells[1], json!([picture("b.png", 4), { "path": "none.png" }]));
    assert_eq!(found.rows[0].cells[2], json!({ "scan": picture("b.png", 4), "k": 1 }));
}

#[test]
fn metadata_that_leads_elsewhere_or_names_nothing_is_refused() {
    let refused = |csv: &str| ask(Format::Images, &[("metadata.csv", csv.as_bytes()), ("b.png", &png(4))], rows(0, 9));
    for csv in ["file_name\n../b.png\n", "file_name\n/etc/passwd\n", "file_name\nfile://b.png\n"] {
        assert!(refused(csv).unwrap_err().words.contains("leads out of its folder"), "{csv}");
    }
    assert!(refused("file_name\n7\n").unwrap_err().words.contains("has no column"), "a number names no file");
    assert!(refused("name\nb.png\n").unwrap_err().words.contains("has no column"));
}

/// Heads of one second of sound at 16 kHz, written down by hand from the definitions of the formats.
#[test]
fn sounds_say_how_long_they_are() {
    let mut wav =
        b"RIFF\x24\x7d\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\x7d\0\0".to_vec();
    wav.extend([0; 100]);
    let mut flac = b"fLaC\x80\0\0\x22\x10\0\x10\0\0\0\x0b\0\0\x0b\x03\xe8\0\xf0".to_vec();
    flac.extend([0, 0, 0x3e, 0x80]);
    flac.extend([0; 32]);
    let files = [("a.wav", &wav[..]), ("b.flac", &flac[..])];
    let found = ask(Format::Sounds, &files, rows(0, 9)).unwrap();
    let shown = |row: usize| (&found.rows[row].cells[0]["sampling_rate"], &found.rows[row].cells[0]["duration"]);
    assert_eq!(shown(0), (&json!(16_000), &json!(1.0)));
    assert_eq!(shown(1), (&json!(16_000), &json!(1.0)));
}

/// Returns a CSV of two columns, `id` and `v`, whose rows are long enough that the first are not all that is looked at.
fn long_csv(rows: u64, late: u64, value: impl Fn(u64) -> String) -> Vec<u8> {
    let pad = "x".repeat(2_000);
    let line = |row: u64| format!("{row},{},{pad}\n", if row == late { "late".to_owned() } else { value(row) });
    format!("id,v,pad\n{}", (0..rows).map(line).collect::<String>()).into_bytes()
}

#[test]
fn a_late_value_widens_the_type_of_every_answer() {
    let csv = long_csv(4_000, 3_500, |row| row.to_string());
    let file = [("a.csv", &csv[..])];
    let found = ask(Format::Csv, &file, rows(3_499, 2)).unwrap();
    assert_eq!(found.columns[1].dtype(), Some("string"));
    assert_eq!((&found.rows[0].cells[1], &found.rows[1].cells[1]), (&json!("3499"), &json!("late")));
    assert_eq!((found.rows_total, found.is_partial, found.are_types_sure), (4_000, false, true));
    // Remembered, the first rows are read by the same types.
    let again = ask_again(Format::Csv, &file, rows(0, 1), &found.hints).unwrap();
    assert_eq!((again.columns, &again.rows[0].cells[1]), (found.columns, &json!("0")));
    let found = ask(Format::Csv, &file, Question::Statistics).unwrap();
    let figures = &found.statistics[1];
    assert_eq!(
        (&figures["column_type"], &figures["column_statistics"]["nan_count"]),
        (&json!("string_text"), &json!(0))
    );
    let found = ask(Format::Csv, &file, filter("v = 'late' OR v = '7'", "")).unwrap();
    assert_eq!((numbers(&found), &found.rows[0].cells[1]), (vec![7, 3_500], &json!("7")));
    let found = ask(Format::Csv, &file, Question::Search { query: "late".into(), offset: 0, length: 9 }).unwrap();
    assert_eq!(numbers(&found), [3_500]);

    let csv = long_csv(4_000, 9_999, |row| if row < 3_500 { String::new() } else { "abc".to_owned() });
    let found = ask(Format::Csv, &[("a.csv", &csv)], Question::Statistics).unwrap();
    assert_eq!(found.statistics[1]["column_statistics"]["nan_count"], 3_500);
    assert_eq!(found.statistics[1]["column_statistics"]["frequencies"], json!({ "abc": 500 }));
}

#[test]
fn files_of_a_split_have_the_types_of_all() {
    let files = [("a.csv", &b"n\n007\n"[..]), ("b.csv", &b"n\nA7\n"[..])];
    let found = ask(Format::Csv, &files, rows(0, 5)).unwrap();
    assert_eq!((found.columns[0].dtype(), &found.rows[0].cells[0]), (Some("string"), &json!("007")));
    let files = [("a.jsonl", &b"{\"a\": 1}\n"[..]), ("b.jsonl", &b"{\"b\": 2, \"a\": 1.5}\n"[..])];
    let found = ask(Format::Json, &files, rows(0, 5)).unwrap();
    let columns: Vec<_> = found.columns.iter().map(|column| (column.name.as_str(), column.dtype())).collect();
    assert_eq!(columns, [("a", Some("float64")), ("b", Some("int64"))]);
    assert_eq!((json!(found.rows[0].cells), json!(found.rows[1].cells)), (json!([1, null]), json!([1.5, 2])));
}

#[test]
fn late_keys_of_json_are_columns() {
    let pad = "x".repeat(2_000);
    let line = |row: u64| match row {
        3_500 => format!("{{\"id\": {row}, \"v\": 1.5, \"late\": \"here\", \"pad\": \"{pad}\"}}\n"),
        _ => format!("{{\"id\": {row}, \"v\": 1, \"pad\": \"{pad}\"}}\n"),
    };
    let json: String = (0..4_000).map(line).collect();
    let file = [("a.jsonl", json.as_bytes())];
    let found = ask(Format::Json, &file, rows(3_500, 1)).unwrap();
    let columns: Vec<_> = found.columns.iter().map(|column| (column.name.as_str(), column.dtype())).collect();
    assert_eq!(
        columns,
        [("id", Some("int64")), ("v", Some("float64")), ("pad", Some("string")), ("late", Some("string"))]
    );
    assert_eq!((&found.rows[0].cells[1], &found.rows[0].cells[3]), (&json!(1.5), &json!("here")));
    let found = ask(Format::Json, &file, Question::Statistics).unwrap();
    let of = |at: usize| &found.statistics[at]["column_statistics"];
    assert_eq!((&of(1)["max"], &of(1)["nan_count"], &of(3)["nan_count"]), (&json!(1.5), &json!(0), &json!(3_999)));
    let found = ask(Format::Json, &file, filter("late IS NOT NULL", "")).unwrap();
    assert_eq!(numbers(&found), [3_500]);
    let moments = b"{\"t\": \"2020-01-01\"}\n{\"t\": \"2020-01-02T00:00:00Z\"}\n";
    let found = ask(Format::Json, &[("a.jsonl", moments)], Question::Describe).unwrap();
    assert!(!found.are_types_sure, "the library makes moments of these");
}

#[test]
fn numbers_of_any_size_have_exact_figures() {
    let csv = "n,f\n9223372036854775808,1e-8\n9223372036854775810,3e-8\n1,-1e300\n";
    let file = [("a.csv", csv.as_bytes())];
    let found = ask(Format::Csv, &file, rows(0, 3)).unwrap();
    assert_eq!((found.columns[0].dtype(), found.rows[0].cells[0].as_u64()), (Some("uint64"), Some(1 << 63)));
    let found = ask(Format::Csv, &file, filter("n > 9223372036854775800", "n DESC")).unwrap();
    assert_eq!(numbers(&found), [1, 0]);
    let found = ask(Format::Csv, &file, Question::Statistics).unwrap();
    let of = |at: usize| &found.statistics[at]["column_statistics"];
    assert_eq!(of(0)["max"].as_u64(), Some((1 << 63) + 2));
    assert_eq!((of(1)["min"].as_f64(), of(1)["max"].as_f64()), (Some(-1e300), Some(3e-8)));
    let close: String = (0..20u64).map(|n| format!("{}\n", (1u64 << 62) + n)).collect();
    let found = ask(Format::Csv, &[("a.csv", format!("n\n{close}").as_bytes())], Question::Statistics).unwrap();
    assert_eq!(found.statistics[0]["column_statistics"]["histogram"]["hist"], json!([2, 2, 2, 2, 2, 2, 2, 2, 2, 2]));
}

#[test]
fn cards_say_how_files_are_read() {
    let with = |format, config: Value, file: &[u8]| {
        let options = ReaderOptions::of(&config, format).unwrap();
        let found = ask_with(&options, format, &[("a.x", file)], rows(0, 9), &[]).unwrap();
        let names: Vec<String> = found.columns.iter().map(|column| column.name.clone()).collect();
        let cells: Vec<Vec<Value>> = found.rows.into_iter().map(|row| row.cells).collect();
        (json!(names), json!(cells))
    };
    let semicolons = with(Format::Csv, json!({ "sep": ";", "decimal": "," }), "id;näme;v\n1;a,b;0,5\n".as_bytes());
    assert_eq!(semicolons, (json!(["id", "näme", "v"]), json!([[1, "a,b", 0.5]])));
    let headless = with(Format::Csv, json!({ "header": null, "skiprows": 1 }), b"# a \"note\n1,2\n3,x\n");
    assert_eq!(headless, (json!(["0", "1"]), json!([[1, "2"], [3, "x"]])));
    let named = with(Format::Csv, json!({ "header": 0, "column_names": ["a", "b"] }), b"x,y\n1,2\n");
    assert_eq!(named, (json!(["a", "b"]), json!([[1, 2]])));
    let quoted = with(Format::Csv, json!({ "quotechar": "'", "na_values": "-" }), b"a,b\n'1,2',-\n");
    assert_eq!(quoted, (json!(["a", "b"]), json!([["1,2", null]])));
    let latin = with(Format::Csv, json!({ "encoding": "latin-1" }), b"a\ncaf\xe9\n");
    assert_eq!(latin, (json!(["a"]), json!([["café"]])));
    let field = br#" {"version": {"data": [9]}, "note": "a ] \" }", "data": [{"a": 1}, {"a": [2]} ], "more": [3]}"#;
    assert_eq!(with(Format::Json, json!({ "field": "data" }), field), (json!(["a"]), json!([[1], [[2]]])));
    let options = ReaderOptions::of(&json!({ "field": "none" }), Format::Json).unwrap();
    let error = ask_with(&options, Format::Json, &[("a.json", field)], rows(0, 9), &[]).unwrap_err();
    assert!(error.words.contains("no key \"none\""), "{error}");
}

#[test]
fn what_is_odd_about_a_file_is_said() {
    let note = |format, file: &[u8]| ask(format, &[("a.csv", file)], rows(0, 9)).unwrap().notes;
    let of = |kind| vec![Note { path: "a.csv".into(), kind }];
    assert_eq!(note(Format::Csv, b"a,b\n1,2\n"), []);
    assert_eq!(note(Format::Csv, b"a\ncaf\xe9\n"), of(NoteKind::NotUtf8));
    assert_eq!(note(Format::Text, b"caf\xe9\n"), of(NoteKind::NotUtf8));
    assert_eq!(note(Format::Csv, b"a,b\n1,2\n4,5,6\n"), of(NoteKind::Ragged { row: 1 }));
    let utf16: Vec<u8> = "\u{feff}id,v\n1,ወባ\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let found = ask(Format::Csv, &[("a.csv", &utf16)], rows(0, 9)).unwrap();
    assert_eq!((json!(found.rows[0].cells), found.notes), (json!([1, "ወባ"]), of(NoteKind::Utf16)));
    assert!(!found.are_types_sure, "the library does not read it");
}
