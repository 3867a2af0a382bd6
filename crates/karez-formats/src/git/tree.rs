//! Folders.
//!
//! A tree is a list of `mode SP name NUL oid`, sorted as if the names of folders ended in `/`.
//! Names are UTF-8 here: a repository path is text on every surface of the node.

use std::cmp::Ordering;

use karez_types::GitOid;

use super::{GitError, GitKind};

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TreeMode {
    /// An ordinary file, `100644`.
    File,
    /// A file that may be run, `100755`.
    Executable,
    /// A symbolic link, `120000`; its blob holds the target.
    Symlink,
    /// A folder, `40000`.
    Folder,
    /// A commit of another repository, `160000`.
    Submodule,
}

impl TreeMode {
    /// Returns the mode as trees hold it, without a leading zero.
    pub fn as_str(self) -> &'static str {
        match self {
            TreeMode::File => "100644",
            TreeMode::Executable => "100755",
            TreeMode::Symlink => "120000",
            TreeMode::Folder => "40000",
            TreeMode::Submodule => "160000",
        }
    }

    fn from_bytes(digits: &[u8]) -> Option<TreeMode> {
        match digits {
            // Some tools before 2010 wrote 100664 for a file; git still reads it as one.
            b"100644" | b"100664" => Some(TreeMode::File),
            b"100755" => Some(TreeMode::Executable),
            b"120000" => Some(TreeMode::Symlink),
            b"40000" => Some(TreeMode::Folder),
            b"160000" => Some(TreeMode::Submodule),
            _ => None,
        }
    }

    /// Tells whether the entry's object is a blob of this repository.
    pub fn is_blob(self) -> bool {
        matches!(self, TreeMode::File | TreeMode::Executable | TreeMode::Symlink)
    }
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TreeEntry {
    /// File, folder or other.
    pub mode: TreeMode,
    /// Name within the folder.
    pub name: String,
    /// The blob, tree or commit.
    pub oid: GitOid,
}

/// Orders entries as git does: folders as if their names ended in `/`.
fn order(a: (&[u8], bool), b: (&[u8], bool)) -> Ordering {
    let common = a.0.len().min(b.0.len());
    let next = |(name, is_folder): (&[u8], bool)| match name.get(common) {
        Some(&byte) => byte,
        None if is_folder => b'/',
        None => 0,
    };
    a.0[..common].cmp(&b.0[..common]).then_with(|| next(a).cmp(&next(b)))
}

impl TreeEntry {
    fn key(&self) -> (&[u8], bool) {
        (self.name.as_bytes(), self.mode == TreeMode::Folder)
    }
}

/// Tells whether some file system would open this name as `.git` (git's `fsck.c`, `hasDotgit`):
/// NTFS drops trailing dots and spaces, knows streams and the short name; HFS+ drops joiners.
fn is_git_folder(name: &str) -> bool {
    let ntfs = |stem: &str| {
        let rest = name.get(..stem.len()).filter(|head| head.eq_ignore_ascii_case(stem)).map(|_| &name[stem.len()..]);
        rest.is_some_and(|rest| matches!(rest.trim_start_matches([' ', '.']).bytes().next(), None | Some(b':')))
    };
    let dropped = |c: &char| matches!(c, '\u{200C}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{206A}'..='\u{206F}' | '\u{FEFF}');
    let hfs = || name.chars().filter(|c| !dropped(c)).flat_map(char::to_lowercase).eq(".git".chars());
    ntfs(".git") || ntfs("git~1") || (!name.is_ascii() && hfs())
}

fn check_name(name: &str) -> Result<(), GitError> {
    let bad = name.is_empty() || matches!(name, "." | "..") || name.contains(['/', '\0']) || is_git_folder(name);
    if bad { Err(GitError::Name(name.escape_debug().take(120).collect())) } else { Ok(()) }
}

/// Returns the name that occurs twice in sorted entries. A file and a folder of one name may lie
/// apart (`a`, `a.b`, `a/`), so each folder is looked up as a file.
fn find_duplicate<E: std::borrow::Borrow<TreeEntry>>(entries: &[E]) -> Option<&str> {
    let same_neighbours = entries.windows(2).find(|pair| pair[0].borrow().name == pair[1].borrow().name);
    let as_file = |folder: &&E| {
        let name = folder.borrow().name.as_bytes();
        entries.binary_search_by(|other| order(other.borrow().key(), (name, false))).is_ok()
    };
    let hidden = || entries.iter().filter(|entry| entry.borrow().mode == TreeMode::Folder).find(as_file);
    same_neighbours.map(|pair| &pair[0]).or_else(hidden).map(|entry| entry.borrow().name.as_str())
}

/// Returns the entries of a tree, in the order of the tree.
///
/// # Errors
/// When the bytes break the format, a mode is unknown, a name could not or should not exist on a
/// disk, or the entries are not sorted and distinct.
pub fn parse_tree(content: &[u8]) -> Result<Vec<TreeEntry>, GitError> {
    let malformed = |what| GitError::malformed(GitKind::Tree, what);
    let mut entries: Vec<TreeEntry> = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        // The longest mode has six digits.
        let space = rest.iter().take(7).position(|&byte| byte == b' ').ok_or(malformed("an entry has no mode"))?;
        let mode = TreeMode::from_bytes(&rest[..space]).ok_or(malformed("an entry has an unknown mode"))?;
        rest = &rest[space + 1..];
        let end = rest.iter().position(|&byte| byte == 0).ok_or(malformed("a name does not end"))?;
        let name = std::str::from_utf8(&rest[..end]).map_err(|_| malformed("a name is not UTF-8"))?;
        check_name(name)?;
        rest = &rest[end + 1..];
        let oid = rest.get(..GitOid::LEN).and_then(GitOid::from_slice).ok_or(malformed("the last id is cut off"))?;
        rest = &rest[GitOid::LEN..];
        let entry = TreeEntry { mode, name: name.to_owned(), oid };
        if entries.last().is_some_and(|last| order(last.key(), entry.key()) == Ordering::Greater) {
            return Err(malformed("the entries are not sorted"));
        }
        entries.push(entry);
    }
    match find_duplicate(&entries) {
        Some(name) => Err(GitError::Duplicate(name.to_owned())),
        None => Ok(entries),
    }
}

/// Returns the bytes of a tree that holds these entries, which may come in any order.
///
/// # Errors
/// When a name could not or should not exist on a disk, or occurs twice.
pub fn encode_tree(entries: &[TreeEntry]) -> Result<Vec<u8>, GitError> {
    let mut sorted: Vec<&TreeEntry> = entries.iter().collect();
    sorted.sort_by(|a, b| order(a.key(), b.key()));
    for entry in &sorted {
        check_name(&entry.name)?;
    }
    if let Some(name) = find_duplicate(&sorted) {
        return Err(GitError::Duplicate(name.to_owned()));
    }
    let mut content = Vec::with_capacity(sorted.iter().map(|entry| entry.name.len() + 28).sum());
    for entry in sorted {
        content.extend_from_slice(entry.mode.as_str().as_bytes());
        content.push(b' ');
        content.extend_from_slice(entry.name.as_bytes());
        content.push(0);
        content.extend_from_slice(entry.oid.as_bytes());
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(mode: TreeMode, name: &str) -> TreeEntry {
        TreeEntry { mode, name: name.to_owned(), oid: GitOid([7; 20]) }
    }

    #[test]
    fn folders_sort_as_if_they_ended_in_a_slash() {
        let entries = [
            entry(TreeMode::Folder, "a"),
            entry(TreeMode::File, "a.b"),
            entry(TreeMode::File, "a0"),
            entry(TreeMode::File, "B"),
        ];
        let parsed = parse_tree(&encode_tree(&entries).unwrap()).unwrap();
        let names: Vec<&str> = parsed.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["B", "a.b", "a", "a0"]);
    }

    #[test]
    fn hostile_names_are_refused() {
        let names = [
            "",
            ".",
            "..",
            "a/b",
            "a\0b",
            ".git",
            ".GIT",
            ".Git ",
            ".git.",
            ".git . .",
            "git~1",
            "GIT~1.",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
            ".g\u{200C}it",
            "\u{FEFF}.git",
        ];
        for name in names {
            assert!(encode_tree(&[entry(TreeMode::File, name)]).is_err(), "{name:?}");
        }
        for name in
            [".gitattributes", ".gitignore", ".github", "git", "git~2", ".git-x", "日本.txt", "a\u{200C}b", "..."]
        {
            assert!(encode_tree(&[entry(TreeMode::File, name)]).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn one_name_occurs_once_also_as_file_and_folder() {
        let twice = [entry(TreeMode::File, "a"), entry(TreeMode::File, "a.b"), entry(TreeMode::Folder, "a")];
        assert_eq!(encode_tree(&twice), Err(GitError::Duplicate("a".to_owned())));
        let mut bytes = encode_tree(&twice[..2]).unwrap();
        bytes.extend(encode_tree(&twice[2..]).unwrap());
        assert_eq!(parse_tree(&bytes), Err(GitError::Duplicate("a".to_owned())));
        let one = encode_tree(&twice[..1]).unwrap();
        assert_eq!(parse_tree(&[one.clone(), one].concat()), Err(GitError::Duplicate("a".to_owned())));
    }

    #[test]
    fn malformed_trees_are_refused() {
        let good = encode_tree(&[entry(TreeMode::File, "a"), entry(TreeMode::File, "b")]).unwrap();
        for cut in 1..good.len() {
            if cut != good.len() / 2 {
                assert!(parse_tree(&good[..cut]).is_err(), "{cut}");
            }
        }
        let (a, b) = good.split_at(good.len() / 2);
        assert!(parse_tree(&[b, a].concat()).is_err(), "unsorted");
        for mode in ["100600", "040000", "0", "", "1006444", "999999", "40001"] {
            let bytes = [mode.as_bytes(), b" a\0", &[0; 20]].concat();
            assert!(parse_tree(&bytes).is_err(), "{mode}");
        }
        assert!(parse_tree(&[b"100644 \xff\0".as_slice(), &[0; 20]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_tree(&bytes);
        }

        #[test]
        fn what_was_encoded_is_parsed(names in proptest::collection::btree_set("[a-z.]{1,4}", 0..20), folders in any::<u32>()) {
            let mode = |position: usize| if folders >> (position % 32) & 1 == 1 { TreeMode::Folder } else { TreeMode::File };
            let entries: Vec<_> = names.iter().filter(|name| check_name(name).is_ok())
                .enumerate().map(|(position, name)| entry(mode(position), name)).collect();
            let bytes = encode_tree(&entries).unwrap();
            let parsed = parse_tree(&bytes).unwrap();
            prop_assert_eq!(parsed.len(), entries.len());
            prop_assert_eq!(encode_tree(&parsed).unwrap(), bytes);
        }
    }
}
