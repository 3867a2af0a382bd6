//! `.gitattributes`: which paths are large files.
//!
//! Of git's attributes only `filter` matters here: the last line whose pattern matches and which
//! speaks of `filter` decides. Macros (`[attr]`) are passed over. Only the file at the root of a
//! repository is asked, as clients expect.

use std::fmt::Write as _;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// What a new repository holds as `.gitattributes`: the extensions and names that are large files.
pub const DEFAULT_GITATTRIBUTES: &str = "\
*.7z filter=lfs diff=lfs merge=lfs -text
*.arrow filter=lfs diff=lfs merge=lfs -text
*.bin filter=lfs diff=lfs merge=lfs -text
*.bz2 filter=lfs diff=lfs merge=lfs -text
*.ckpt filter=lfs diff=lfs merge=lfs -text
*.ftz filter=lfs diff=lfs merge=lfs -text
*.gz filter=lfs diff=lfs merge=lfs -text
*.h5 filter=lfs diff=lfs merge=lfs -text
*.joblib filter=lfs diff=lfs merge=lfs -text
*.lfs.* filter=lfs diff=lfs merge=lfs -text
*.mlmodel filter=lfs diff=lfs merge=lfs -text
*.model filter=lfs diff=lfs merge=lfs -text
*.msgpack filter=lfs diff=lfs merge=lfs -text
*.npy filter=lfs diff=lfs merge=lfs -text
*.npz filter=lfs diff=lfs merge=lfs -text
*.onnx filter=lfs diff=lfs merge=lfs -text
*.ot filter=lfs diff=lfs merge=lfs -text
*.parquet filter=lfs diff=lfs merge=lfs -text
*.pb filter=lfs diff=lfs merge=lfs -text
*.pickle filter=lfs diff=lfs merge=lfs -text
*.pkl filter=lfs diff=lfs merge=lfs -text
*.pt filter=lfs diff=lfs merge=lfs -text
*.pth filter=lfs diff=lfs merge=lfs -text
*.rar filter=lfs diff=lfs merge=lfs -text
*.safetensors filter=lfs diff=lfs merge=lfs -text
saved_model/**/* filter=lfs diff=lfs merge=lfs -text
*.tar.* filter=lfs diff=lfs merge=lfs -text
*.tar filter=lfs diff=lfs merge=lfs -text
*.tflite filter=lfs diff=lfs merge=lfs -text
*.tgz filter=lfs diff=lfs merge=lfs -text
*.wasm filter=lfs diff=lfs merge=lfs -text
*.xz filter=lfs diff=lfs merge=lfs -text
*.zip filter=lfs diff=lfs merge=lfs -text
*.zst filter=lfs diff=lfs merge=lfs -text
*tfevents* filter=lfs diff=lfs merge=lfs -text
";

/// What a new dataset repository holds after [`DEFAULT_GITATTRIBUTES`]: media files.
pub const DATASET_GITATTRIBUTES: &str = "\
# Audio files - uncompressed
*.pcm filter=lfs diff=lfs merge=lfs -text
*.sam filter=lfs diff=lfs merge=lfs -text
*.raw filter=lfs diff=lfs merge=lfs -text
# Audio files - compressed
*.aac filter=lfs diff=lfs merge=lfs -text
*.flac filter=lfs diff=lfs merge=lfs -text
*.mp3 filter=lfs diff=lfs merge=lfs -text
*.ogg filter=lfs diff=lfs merge=lfs -text
*.wav filter=lfs diff=lfs merge=lfs -text
# Image files - uncompressed
*.bmp filter=lfs diff=lfs merge=lfs -text
*.gif filter=lfs diff=lfs merge=lfs -text
*.png filter=lfs diff=lfs merge=lfs -text
*.tiff filter=lfs diff=lfs merge=lfs -text
# Image files - compressed
*.jpg filter=lfs diff=lfs merge=lfs -text
*.jpeg filter=lfs diff=lfs merge=lfs -text
*.webp filter=lfs diff=lfs merge=lfs -text
# Video files - compressed
*.mp4 filter=lfs diff=lfs merge=lfs -text
*.webm filter=lfs diff=lfs merge=lfs -text
";

/// Longest text that is looked at, in bytes, and most lines: patterns are compiled together.
const TEXT_BYTES_MAX: usize = 1 << 20;
const LINES_MAX: usize = 10_000;
/// Git ignores longer lines of `.gitattributes`.
const LINE_BYTES_MAX: usize = 2_048;

/// The rules of one `.gitattributes`.
#[derive(Debug, Clone)]
pub struct Attributes {
    rules: Gitignore,
}

impl Attributes {
    /// Returns the rules in this text. Lines that git would pass over match nothing; what lies
    /// beyond the limits is passed over.
    pub fn parse(text: &str) -> Attributes {
        let mut builder = GitignoreBuilder::new("");
        let lines = cut(text, TEXT_BYTES_MAX).lines().filter(|line| line.len() <= LINE_BYTES_MAX);
        for (pattern, is_lfs) in lines.take(LINES_MAX).filter_map(parse_line) {
            // The glob crate's "ignored" stands for LFS here, its "included again" for not LFS.
            let glob = glob_of_pattern(&pattern);
            let hides_mark = glob.starts_with(['#', '!']);
            let line = format!("{}{}{glob}", if is_lfs { "" } else { "!" }, if hides_mark { "\\" } else { "" });
            // A pattern that does not compile is left out.
            let _ = builder.add_line(None, &line);
        }
        Attributes { rules: builder.build().unwrap_or_else(|_| Gitignore::empty()) }
    }

    /// Tells whether the file at this path belongs into LFS.
    pub fn is_lfs(&self, path: &str) -> bool {
        let path = path.trim_start_matches('/');
        !path.is_empty() && self.rules.matched(path, false).is_ignore()
    }
}

/// Returns the pattern of a line and whether it asks for LFS; `None` when the line does not speak
/// of `filter` or is none.
fn parse_line(line: &str) -> Option<(String, bool)> {
    let line = line.trim_start_matches([' ', '\t', '\u{FEFF}']);
    let (pattern, attributes) = if let Some(quoted) = line.strip_prefix('"') {
        unquote(quoted)?
    } else {
        let end = line.find([' ', '\t']).unwrap_or(line.len());
        (line[..end].to_owned(), &line[end..])
    };
    // Git forbids negative patterns here; `[attr]` defines a macro.
    if pattern.is_empty()
        || (pattern.starts_with(['#', '!']) && !line.starts_with('"'))
        || pattern.starts_with("[attr]")
    {
        return None;
    }
    let filter = |word| match word {
        "filter=lfs" => Some(true),
        "filter" | "-filter" | "!filter" => Some(false),
        other => other.starts_with("filter=").then_some(false),
    };
    let is_lfs = attributes.split_ascii_whitespace().filter_map(filter).next_back()?;
    Some((pattern, is_lfs))
}

/// Reads a C-style quoted text after its opening quote; returns it and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => break,
            b'\\' => {
                let (&escape, after) = rest.split_first()?;
                rest = after;
                bytes.push(match escape {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    b'"' | b'\\' => escape,
                    b'0'..=b'3' => {
                        let (digits, after) = rest.split_at_checked(2)?;
                        rest = after;
                        let digit = |byte: u8| matches!(byte, b'0'..=b'7').then(|| byte - b'0');
                        (escape - b'0') << 6 | digit(digits[0])? << 3 | digit(digits[1])?
                    }
                    _ => return None,
                });
            }
            _ => bytes.push(byte),
        }
    }
    let after = &text[text.len() - rest.len()..];
    Some((String::from_utf8(bytes).ok()?, after))
}

/// Turns git's pattern into the glob crate's: braces are plain characters in git, and classes such
/// as `[[:space:]]`, which git-lfs writes for a space, are unknown to the crate.
pub(crate) fn glob_of_pattern(pattern: &str) -> String {
    let mut glob = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let class = if c == '[' { expand_class(rest) } else { None };
        if let Some((class, after)) = class {
            glob.push_str(&class);
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if matches!(c, '{' | '}') {
            glob.push('\\');
        }
        glob.push(c);
        if c == '\\' {
            let escaped = rest.chars().next();
            glob.extend(escaped);
            rest = &rest[escaped.map_or(0, char::len_utf8)..];
        }
    }
    glob
}

/// Reads a class such as `[a-c[:digit:]]`; returns it without named classes, and what follows.
fn expand_class(text: &str) -> Option<(String, &str)> {
    let mut class = String::from("[");
    let mut rest = text.strip_prefix('[')?;
    if let Some(after) = rest.strip_prefix(['!', '^']) {
        class.push('!');
        rest = after;
    }
    let mut is_first = true;
    loop {
        if let Some(named) = rest.strip_prefix("[:") {
            let (name, after) = named.split_once(":]")?;
            class.push_str(class_members(name)?);
            rest = after;
        } else {
            let c = rest.chars().next()?;
            rest = &rest[c.len_utf8()..];
            class.push(c);
            if c == ']' && !is_first {
                return Some((class, rest));
            }
        }
        is_first = false;
    }
}

fn class_members(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => "A-Za-z0-9",
        "alpha" => "A-Za-z",
        "blank" => " \t",
        "digit" => "0-9",
        "lower" => "a-z",
        "space" => " \t\u{B}\u{C}\r\n",
        "upper" => "A-Z",
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    })
}

/// Returns text up to this many bytes, cut after a whole line.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = text.as_bytes()[..bytes_max].iter().rposition(|&byte| byte == b'\n').map_or(0, |position| position + 1);
    &text[..end]
}

/// Longest pattern that [`escape_pattern`] writes: with the attributes it stays under git's limit.
const ESCAPED_BYTES_MAX: usize = 1_900;

/// Returns the pattern that matches this path, as `git lfs track --filename` would write it. A path
/// at the root is anchored with `/`, so that it does not catch files of that name elsewhere.
///
/// For a path too long for a line of `.gitattributes` the pattern is its name alone.
pub fn escape_pattern(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len() + 8);
    if !path.contains('/') {
        pattern.push('/');
    }
    for c in path.chars() {
        match c {
            ' ' => pattern.push_str("[[:space:]]"),
            '*' | '?' | '[' | ']' | '\\' => {
                let _ = write!(pattern, "\\{c}");
            }
            '#' | '!' | '"' if pattern.is_empty() => {
                let _ = write!(pattern, "[{c}]");
            }
            _ => pattern.push(c),
        }
    }
    // Alone at the start these would be read as a comment, a negation, a quotation or a macro.
    if let Some(rest) = pattern.strip_prefix("[!]") {
        pattern = format!("\\!{rest}");
    }
    if pattern.len() <= ESCAPED_BYTES_MAX {
        return pattern;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    name.chars().map(|c| if c == ' ' || "*?[]\\#!\"".contains(c) { '?' } else { c }).collect()
}

/// Returns the line that makes the file at this path a large file, with its newline.
pub fn lfs_line(path: &str) -> String {
    format!("{} filter=lfs diff=lfs merge=lfs -text\n", escape_pattern(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_knows_weights_from_text() {
        let rules = Attributes::parse(DEFAULT_GITATTRIBUTES);
        for path in [
            "model.safetensors",
            "a/b/x.bin",
            "saved_model/variables/v",
            "events.out.tfevents.1",
            "x.tar.gz",
            "a.lfs.b",
        ] {
            assert!(rules.is_lfs(path), "{path}");
        }
        for path in ["README.md", "config.json", "bin", "model.gguf", "x/saved_model/v", "image.png", ""] {
            assert!(!rules.is_lfs(path), "{path}");
        }
        let with_media = Attributes::parse(&format!("{DEFAULT_GITATTRIBUTES}{DATASET_GITATTRIBUTES}"));
        assert!(with_media.is_lfs("image.png") && with_media.is_lfs("x.parquet") && !with_media.is_lfs("x.csv"));
    }

    #[test]
    fn the_last_word_on_filter_wins() {
        let rules = Attributes::parse("*.bin filter=lfs\nsmall/*.bin -filter\n*.bin -text\nx.bin !filter filter=lfs\n");
        assert!(rules.is_lfs("a.bin") && !rules.is_lfs("small/a.bin") && rules.is_lfs("small/x.bin"));
        for text in [
            "*.bin filter=other",
            "*.bin filter",
            "#*.bin filter=lfs",
            "!*.bin filter=lfs",
            "[attr]x filter=lfs",
            "*.bin",
            "a.bin/ filter=lfs",
        ] {
            assert!(!Attributes::parse(text).is_lfs("a.bin"), "{text}");
        }
    }

    #[test]
    fn patterns_are_those_of_git() {
        for (text, path) in [
            ("\"a b.bin\" filter=lfs", "a b.bin"),
            ("\"a\\tb\\\"\\303\\251\" filter=lfs", "a\tb\"é"),
            ("a[[:space:]]b filter=lfs", "x/a b"),
            ("[[:digit:]]* filter=lfs", "1x"),
            ("a{b,c} filter=lfs", "a{b,c}"),
            ("  *.bin\tfilter=lfs  ", "x.bin"),
            ("\\#x filter=lfs", "#x"),
            ("/x filter=lfs", "x"),
            ("**/y/*.z filter=lfs", "a/b/y/c.z"),
            ("\"#x\" filter=lfs", "#x"),
            ("*.bin filter=lfs\r\n", "x.bin"),
        ] {
            assert!(Attributes::parse(text).is_lfs(path), "{text} {path}");
        }
        for (text, path) in [
            ("/x filter=lfs", "a/x"),
            ("a/*.z filter=lfs", "a/b/c.z"),
            ("dir filter=lfs", "dir/x"),
            ("a{b,c} filter=lfs", "ab"),
        ] {
            assert!(!Attributes::parse(text).is_lfs(path), "{text} {path}");
        }
    }

    #[test]
    fn hostile_text_is_bounded() {
        let _ = Attributes::parse(&"*a*b*c*d* filter=lfs\n".repeat(100_000)).is_lfs("abcd");
        for text in [
            "[",
            "\"",
            "\"\\",
            "\"\\777\" filter=lfs",
            "[[:",
            "{",
            "\\",
            "[!",
            "[]",
            "\u{0} filter=lfs",
            &"[a]".repeat(20_000),
        ] {
            let _ = Attributes::parse(&format!("{text} filter=lfs")).is_lfs("a/b");
        }
    }

    #[test]
    fn an_escaped_path_matches_itself_only() {
        for path in ["a.bin", "d/a b.bin", "x[1].bin", "#a", "!a", "\"a", "a*?", "{a}", "[attr]x", "d/é.bin", "a\\b"] {
            let rules = Attributes::parse(&lfs_line(path));
            assert!(rules.is_lfs(path), "{path} {}", lfs_line(path));
            assert!(!rules.is_lfs(&format!("z/{path}")) && !rules.is_lfs("other"), "{path}");
        }
        let long = format!("{}/{}", "a b/".repeat(200), "c d".repeat(60));
        let line = lfs_line(&long);
        assert!(line.len() < LINE_BYTES_MAX && Attributes::parse(&line).is_lfs(&long));
    }

    proptest! {
        #[test]
        fn any_path_is_matched_by_its_line(path in "[^\0-\u{1F}\u{7F}/\\\\]{1,20}(/[^\0-\u{1F}\u{7F}/\\\\]{1,20}){0,3}") {
            if path.parse::<karez_types::RepoPath>().is_ok() {
                prop_assert!(Attributes::parse(&lfs_line(&path)).is_lfs(&path), "{}", lfs_line(&path));
            }
        }

        #[test]
        fn any_text_is_parsed_without_panic(text in "\\PC{0,60}", path in "\\PC{0,30}") {
            let _ = Attributes::parse(&text).is_lfs(&path);
        }
    }
}
