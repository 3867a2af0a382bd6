//! Our reading of `.gitattributes` and `.gitignore` against git's.

use karez_formats::attributes::{Attributes, DATASET_GITATTRIBUTES, DEFAULT_GITATTRIBUTES, lfs_line};
use karez_formats::gitignore::Ignore;

use crate::git_program::GitRepo;

const PATHS: &[&str] = &[
    "a",
    "a.bin",
    "d/a.bin",
    "d/e/a.bin",
    "a b.bin",
    "d/a b.bin",
    "x[1].bin",
    "#a",
    "!a",
    "\"a",
    "a{b,c}",
    "ab",
    "ac",
    "saved_model/v",
    "saved_model/x/v",
    "x/saved_model/v",
    "README.md",
    "1x",
    "d/1x",
    "é.txt",
    "a*c",
    "abc",
    "dir/x",
    "dir/sub/x",
    "build",
    "build/x",
    "x/build/y",
    "logs/a.txt",
    "logs/b/a.txt",
    "logs/keep.txt",
    "-x",
    "a\\b",
    "tfevents",
    "x.tfevents.1",
    "a]b",
    "a^b",
    "z/y/a.z",
    "y/a.z",
];

const ATTRIBUTES: &[&str] = &[
    "*.bin filter=lfs\nd/*.bin -filter\n",
    "a[[:space:]]b.bin filter=lfs\n[[:digit:]]* filter=lfs\n[!a]b filter=lfs\n",
    "\"a b.bin\" filter=lfs\n\"\\303\\251.txt\" filter=lfs\n\"#a\" filter=lfs\n",
    "a{b,c} filter=lfs\na\\*c filter=lfs\na?c -filter\n",
    "**/y/*.z filter=lfs\n/a filter=lfs\ndir filter=lfs\ndir/ filter=lfs\n",
    "dir/** filter=lfs\nsaved_model/**/* filter=lfs diff=lfs\n",
    "* filter=lfs\n*.txt !filter\n*.md filter=other\n[attr]x filter=lfs\n",
    "!a filter=lfs\n\\!a filter=lfs\n\\#a filter=lfs\n  *.md\tfilter=lfs  -text \n",
    "x\\[1\\].bin filter=lfs\na] filter=lfs\n[ filter=lfs\na[]]b filter=lfs\na[^x]b filter=lfs\n",
];

const IGNORES: &[&str] = &[
    "*.bin\n!d/a.bin\n",
    "# c\n/build\nlogs/*.txt\n!logs/keep.txt\n",
    "build/\ndir/sub\n",
    "\\#a\n\\!a\na\\ b.bin\n[[:digit:]]x\n",
    "a{b,c}\n**/y/\n*.txt  \n",
    "*\n!*.md\n!*/\n",
];

#[test]
fn attributes_are_read_as_git_reads_them() {
    let git = GitRepo::new();
    let own_lines: Vec<String> = PATHS.iter().map(|path| lfs_line(path)).collect();
    let defaults = [DEFAULT_GITATTRIBUTES, DATASET_GITATTRIBUTES];
    for text in ATTRIBUTES.iter().copied().chain(defaults).chain(own_lines.iter().map(String::as_str)) {
        std::fs::write(git.path().join(".gitattributes"), text).unwrap();
        let rules = Attributes::parse(text);
        let input: String = PATHS.iter().map(|path| format!("{path}\0")).collect();
        let printed = git.run(&["check-attr", "--stdin", "-z", "filter"], input.as_bytes());
        let mut fields = printed.split('\0');
        while let (Some(path), Some(_), Some(value)) = (fields.next(), fields.next(), fields.next()) {
            assert_eq!(rules.is_lfs(path), value == "lfs", "{path:?} in {text:?}: git says {value}");
        }
    }
}

#[test]
fn ignore_rules_are_read_as_git_reads_them() {
    let git = GitRepo::new();
    for text in IGNORES {
        std::fs::write(git.path().join(".gitignore"), text).unwrap();
        let rules = Ignore::parse(text);
        let input: String = PATHS.iter().map(|path| format!("{path}\0")).collect();
        let (_, printed, _) = git.try_run(&["check-ignore", "--no-index", "--stdin", "-z"], input.as_bytes());
        let ignored: Vec<&str> = printed.split('\0').collect();
        for path in PATHS {
            assert_eq!(rules.ignores(path, false), ignored.contains(path), "{path:?} in {text:?}");
        }
    }
}
