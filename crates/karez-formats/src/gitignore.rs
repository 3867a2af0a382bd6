//! `.gitignore`: which paths a client means to leave out.

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::attributes::glob_of_pattern;

/// Longest text that is looked at, in bytes, and most lines: patterns are compiled together.
const TEXT_BYTES_MAX: usize = 256 << 10;
const LINES_MAX: usize = 4_096;

/// The rules of one `.gitignore`.
#[derive(Debug, Clone)]
pub struct Ignore {
    rules: Gitignore,
}

impl Ignore {
    /// Returns the rules in this text. Lines that are no valid pattern match nothing, as in git;
    /// what lies beyond the limits is passed over.
    pub fn parse(text: &str) -> Ignore {
        let text = crate::attributes::cut(text, TEXT_BYTES_MAX);
        let mut builder = GitignoreBuilder::new("");
        for line in text.lines().take(LINES_MAX) {
            // A line that does not compile is left out.
            let _ = builder.add_line(None, &glob_of_pattern(line));
        }
        Ignore { rules: builder.build().unwrap_or_else(|_| Gitignore::empty()) }
    }

    /// Tells whether the path, or a folder that it lies in, is ignored.
    pub fn ignores(&self, path: &str, is_folder: bool) -> bool {
        let path = path.trim_start_matches('/');
        !path.is_empty() && self.rules.matched_path_or_any_parents(path, is_folder).is_ignore()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_rules_hold() {
        let rules = Ignore::parse("# notes\n*.pyc\n/build/\nlogs/*.txt\n!logs/keep.txt\n\\#odd\n");
        for path in ["a.pyc", "x/y/a.pyc", "build/a", "build/x/y", "logs/a.txt", "#odd"] {
            assert!(rules.ignores(path, false), "{path}");
        }
        for path in ["a.py", "x/build/a", "logs/keep.txt", "logs/x/a.txt", "notes", "", "/"] {
            assert!(!rules.ignores(path, false), "{path}");
        }
    }

    #[test]
    fn hostile_text_is_bounded() {
        let rules = Ignore::parse(&"a*b*c*d*e*f*g\n".repeat(100_000));
        assert!(rules.ignores("abcdefg", false));
        for text in [
            "[",
            "[z-a]",
            "{",
            "{a,",
            "\\",
            "!",
            "/",
            "**",
            "[[:nope:]]",
            "\u{0}",
            &"{".repeat(1000),
            &"*".repeat(10_000),
        ] {
            let _ = Ignore::parse(text).ignores("a/b", false);
        }
        let _ = Ignore::parse("x").ignores(&"a/".repeat(2000), true);
    }
}
