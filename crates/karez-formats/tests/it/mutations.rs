//! Sound inputs with some bytes changed: the hostile corpus that needs no collecting.

use karez_formats::commit_ndjson::{CommitBody, CommitBodyError, CommitParser, CommitProblem, Operation};
use karez_formats::git::upload_pack::{v0, v2};
use karez_formats::git::{encode_commit, encode_tag, encode_tree, parse_commit, parse_tag, parse_tree};
use karez_types::Limits;
use proptest::prelude::*;

const COMMIT: &[u8] =
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent ce013625030ba8dba906f756967f9e9ca394464a\n\
author A U <a@b> 1700000000 +0530\ncommitter C <c@d> 1700000000 -0000\ngpgsig -----BEGIN\n x\n -----END\n\nmessage\n";
const TAG: &[u8] =
    b"object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v1\ntagger A <a@b> 5 +0000\n\nm\n";
const TREE: &[u8] = b"100644 a.txt\0aaaaaaaaaaaaaaaaaaaa40000 b\0bbbbbbbbbbbbbbbbbbbb100755 c\0cccccccccccccccccccc";
const FETCH: &[u8] =
    b"0011command=fetch0001000dthin-pack0032want 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n000cdeepen 10009done\n0000";
const BODY: &[u8] = br#"{"key":"header","value":{"summary":"s","description":"d","parentCommit":"4b825dc642cb6eb9a060e54bf8d69288fbee4904"}}
{"key":"file","value":{"content":"aGVsbG8=","path":"a.txt","encoding":"base64"}}
{"value":{"path":"b","algo":"sha256","oid":"4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393","size":5},"key":"lfsFile"}

{"key":"deletedFile","value":{"path":"x/y"}}
{"key":"deletedFolder","value":{"path":"d/"}}"#;

/// Some sound bytes with up to eight of them changed, doubled or left out.
fn mutated(sound: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let change = (0..sound.len(), any::<u8>(), 0..3u8);
    proptest::collection::vec(change, 0..8).prop_map(move |changes| {
        let mut bytes = sound.to_vec();
        for (at, byte, how) in changes {
            let at = at % bytes.len();
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, bytes[at]),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

fn parse(bytes: &[u8], part_bytes: usize, limits: &Limits) -> Result<CommitBody, CommitBodyError> {
    let mut parser = CommitParser::new(limits);
    for part in bytes.chunks(part_bytes) {
        parser.push(part)?;
    }
    parser.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn objects_are_encoded_as_they_were_parsed(commit in mutated(COMMIT), tag in mutated(TAG), tree in mutated(TREE)) {
        if let Ok(entries) = parse_tree(&tree) {
            prop_assert_eq!(parse_tree(&encode_tree(&entries).unwrap()).unwrap(), entries);
        }
        if let Ok(parsed) = parse_commit(&commit) {
            let once = parse_commit(&encode_commit(&parsed)).unwrap();
            prop_assert_eq!((once.tree, &once.parents), (parsed.tree, &parsed.parents));
            prop_assert_eq!(encode_commit(&once), encode_commit(&parsed));
        }
        if let Ok(parsed) = parse_tag(&tag) {
            prop_assert_eq!(parse_tag(&encode_tag(&parsed)).unwrap().target, parsed.target);
        }
    }

    #[test]
    fn bodies_mean_the_same_however_they_arrive(body in mutated(BODY), part_bytes in 1usize..100) {
        let limits = Limits::default();
        prop_assert_eq!(parse(&body, body.len().max(1), &limits), parse(&body, part_bytes, &limits));
    }

    #[test]
    fn requests_get_an_answer(request in mutated(FETCH)) {
        let _ = v0::parse(&request, 100);
        let _ = v2::parse(&request, 100);
    }
}

#[test]
fn a_sound_body_is_read() {
    let body = parse(BODY, 10, &Limits::default()).unwrap();
    assert_eq!((body.summary.as_str(), body.description.as_str(), body.parent.is_some()), ("s", "d", true));
    let shown: Vec<String> = body
        .operations
        .iter()
        .map(|operation| match operation {
            Operation::File { path, content } => format!("{path} {}", String::from_utf8_lossy(content)),
            Operation::LfsFile { path, file_bytes, .. } => format!("{path} {file_bytes:?}"),
            Operation::DeleteFile { path } => format!("- {path}"),
            Operation::DeleteFolder { path } => format!("-- {path}"),
        })
        .collect();
    assert_eq!(shown, ["a.txt hello", "b Some(5)", "- x/y", "-- d"]);
}

#[test]
fn a_bad_line_is_named_and_explained() {
    let header = r#"{"key":"header","value":{"summary":"s"}}"#;
    let file = |path: &str, content: &str| {
        format!(r#"{{"key":"file","value":{{"content":"{content}","path":"{path}","encoding":"base64"}}}}"#)
    };
    let lfs = |fields: &str| format!(r#"{{"key":"lfsFile","value":{{"path":"a",{fields}}}}}"#);
    let cases = [
        (String::new(), 2, "begins with"),
        (file("a", "aGk="), 1, "begins with"),
        ("nonsense".to_owned(), 1, "not a JSON object"),
        (r#"{"key":"header"}"#.to_owned(), 1, "missing field `value`"),
        (r#"{"key":"header","value":{}}"#.to_owned(), 1, "`summary`"),
        (r#"{"key":"header","value":{"summary":"s","parentCommit":"main"}}"#.to_owned(), 1, "parentCommit"),
        (format!("{header}\n{header}"), 2, "one `header`"),
        (format!("{header}\n\n{}", file("../a", "aGk=")), 3, "`..`"),
        (format!("{header}\n{}", file("/a", "aGk=")), 2, "leading `/`"),
        (format!("{header}\n{}", file("a\\\\b", "aGk=")), 2, "backslash"),
        (format!("{header}\n{}", file(&"a/".repeat(2100), "aGk=")), 2, "too long"),
        (format!("{header}\n{}", file("a", "a*k=")), 2, "base64"),
        (format!("{header}\n{}", file("a", &"A".repeat(4000))), 2, "may have 1000 bytes"),
        (format!("{header}\n{}", r#"{"key":"file","value":{"path":"a","encoding":"base64"}}"#), 2, "`content`"),
        (
            format!("{header}\n{}", r#"{"key":"file","value":{"path":"a","content":"x","encoding":"hex"}}"#),
            2,
            "`encoding`",
        ),
        (format!("{header}\n{}", r#"{"key":"copyFile","value":{"path":"a"}}"#), 2, "`copyFile` is unknown"),
        (format!("{header}\n{}", lfs(r#""algo":"md5","oid":"x""#)), 2, "sha256"),
        (format!("{header}\n{}", lfs(r#""algo":"sha256","oid":"x""#)), 2, "64 hexadecimal"),
        (format!("{header}\n{}", lfs(r#""algo":"sha256""#)), 2, "`oid`"),
        (format!("{header}\n{}", r#"{"key":"deletedFile","value":{}}"#), 2, "`path`"),
        (format!("{header}\n{}", "[".repeat(50_000)), 2, "not a JSON object"),
        (format!("{header}\n{}", format!("{}\n", file("a", "")).repeat(6)), 7, "at most 5 operations"),
        (format!(r#"{{"key":"header","value":{{"summary":"{}"}}}}"#, "s".repeat(66_000)), 1, "shorten"),
        (format!("{header}\n{}", " ".repeat(2_000_000)), 2, "1000 bytes"),
    ];
    let limits = Limits { commit_operations_max: 5, commit_inline_file_bytes_max: 1000, ..Limits::default() };
    for (body, line, words) in cases {
        for part_bytes in [usize::MAX, 1000] {
            let error = parse(body.as_bytes(), part_bytes.min(body.len().max(1)), &limits).unwrap_err();
            assert!(error.line == line && error.to_string().contains(words), "{body:.120}: {error}");
        }
    }
    let small = Limits { commit_body_bytes_max: 10, ..Limits::default() };
    let error = parse(header.as_bytes(), 5, &small).unwrap_err();
    assert_eq!(error.problem, CommitProblem::BodyTooLarge { bytes_max: 10 });
    assert!(error.problem.is_too_large());
}

#[test]
fn files_can_be_taken_while_the_rest_arrives() {
    let mut parser = CommitParser::new(&Limits::default());
    let mut taken = Vec::new();
    for part in BODY.chunks(50) {
        parser.push(part).unwrap();
        taken.extend(parser.take_operations());
    }
    let rest = parser.finish().unwrap().operations;
    assert_eq!((taken.len(), rest.len()), (3, 1));
}
