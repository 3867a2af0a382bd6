//! Ids, trees, commits, tags and packs against git itself.

use karez_formats::git::{
    Commit, GitKind, PackWriter, Signature, Tag, TreeEntry, TreeMode, encode_commit, encode_tag, encode_tree,
    object_id, parse_commit, parse_tag, parse_tree,
};
use karez_types::GitOid;

use crate::git_program::GitRepo;

fn signature() -> Signature {
    Signature {
        name: "Ada Łovelace".into(),
        email: "ada@example.org".into(),
        unix_secs: 1_700_000_000,
        offset_minutes: -210,
    }
}

/// A small history: two commits, folders, all modes, and a tag. In an order that git may read.
fn history() -> Vec<(GitKind, Vec<u8>)> {
    let mut objects = Vec::new();
    let mut add = |kind, content: Vec<u8>| {
        let oid = object_id(kind, &content);
        objects.push((kind, content));
        oid
    };
    let entry = |mode, name: &str, oid| TreeEntry { mode, name: name.to_owned(), oid };
    let empty = add(GitKind::Blob, Vec::new());
    let large = add(
        GitKind::Blob,
        (0..3_000_000u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()).collect(),
    );
    let link = add(GitKind::Blob, b"a.txt".to_vec());
    let inner = add(GitKind::Tree, encode_tree(&[entry(TreeMode::File, "ä.bin", large)]).unwrap());
    let first = add(
        GitKind::Tree,
        encode_tree(&[
            entry(TreeMode::Folder, "a", inner),
            entry(TreeMode::File, "a.txt", empty),
            entry(TreeMode::Executable, "a-run", empty),
            entry(TreeMode::Symlink, "z", link),
            entry(TreeMode::File, ".gitattributes", empty),
        ])
        .unwrap(),
    );
    let second = add(GitKind::Tree, encode_tree(&[entry(TreeMode::Folder, "only", inner)]).unwrap());
    let commit = |tree, parents, message: &str| {
        encode_commit(&Commit {
            tree,
            parents,
            author: signature(),
            committer: signature(),
            extra_headers: Vec::new(),
            message: message.to_owned(),
        })
    };
    let parent = add(GitKind::Commit, commit(first, Vec::new(), "initial commit"));
    let child = add(GitKind::Commit, commit(second, vec![parent], "Second\n\nWith a body.\n"));
    let tag = Tag {
        target: child,
        target_kind: GitKind::Commit,
        name: "v1".into(),
        tagger: Some(signature()),
        message: "one\n".into(),
    };
    add(GitKind::Tag, encode_tag(&tag));
    objects
}

fn pack(objects: &[(GitKind, Vec<u8>)]) -> (Vec<u8>, GitOid) {
    let mut bytes = Vec::new();
    let mut writer = PackWriter::new(objects.len() as u32, &mut bytes);
    for (kind, content) in objects {
        writer.object(*kind, content, &mut bytes);
    }
    let checksum = writer.finish(&mut bytes);
    (bytes, checksum)
}

#[test]
fn ids_equal_those_of_git() {
    let git = GitRepo::new();
    for (kind, content) in history() {
        // Without --literally git also checks the format.
        let printed = git.run(&["hash-object", "-w", "-t", kind.as_str(), "--stdin"], &content);
        assert_eq!(printed.trim(), object_id(kind, &content).to_string());
    }
    assert_eq!(git.run(&["fsck", "--strict", "--no-dangling"], b""), "");
}

#[test]
fn packs_are_indexed_and_pass_fsck() {
    let git = GitRepo::new();
    let objects = history();
    let (bytes, checksum) = pack(&objects);
    let printed = git.run(&["index-pack", "--stdin", "--strict", "--fsck-objects"], &bytes);
    assert_eq!(printed.split_whitespace().last(), Some(checksum.to_string().as_str()));
    let (tag_kind, tag) = objects.last().unwrap();
    git.run(&["update-ref", "refs/tags/v1", &object_id(*tag_kind, tag).to_string()], b"");
    assert_eq!(git.run(&["fsck", "--strict", "--full"], b""), "");
    assert_eq!(git.run(&["log", "--format=%an %ae %at %s", "v1"], b"").lines().count(), 2);
    assert!(git.run(&["show", "-s", "--format=%ai", "v1^{commit}"], b"").ends_with("-0330\n"));
    for (kind, content) in &objects {
        let read = git.run(&["cat-file", "-s", &object_id(*kind, content).to_string()], b"");
        assert_eq!(read.trim().parse(), Ok(content.len()));
    }
    let (empty, _) = pack(&[]);
    git.run(&["index-pack", "--stdin"], &empty);
}

#[test]
fn trees_equal_those_of_mktree() {
    let git = GitRepo::new();
    let blob = git.run(&["hash-object", "-w", "--stdin"], b"x");
    let oid: GitOid = blob.trim().parse().unwrap();
    let folder = encode_tree(&[TreeEntry { mode: TreeMode::File, name: "x".into(), oid }]).unwrap();
    git.run(&["hash-object", "-w", "-t", "tree", "--stdin"], &folder);
    let folder = object_id(GitKind::Tree, &folder);
    // Names around the place where `/` sorts.
    let names = ["a", "a b", "a-", "a.", "a/", "a0", "aa", "A", "_", "é", "日", "a!"];
    let entries: Vec<TreeEntry> = names
        .iter()
        .map(|name| match name.strip_suffix('/') {
            Some(name) => TreeEntry { mode: TreeMode::Folder, name: format!("{name}f"), oid: folder },
            None => TreeEntry { mode: TreeMode::File, name: (*name).to_owned(), oid },
        })
        .chain([TreeEntry { mode: TreeMode::Folder, name: "a+".into(), oid: folder }])
        .collect();
    let lines: String = entries
        .iter()
        .rev()
        .map(|entry| {
            let kind = if entry.mode == TreeMode::Folder { "tree" } else { "blob" };
            format!("{} {kind} {}\t{}\0", entry.mode.as_str(), entry.oid, entry.name)
        })
        .collect();
    let made = git.run(&["mktree", "-z"], lines.as_bytes());
    assert_eq!(made.trim(), object_id(GitKind::Tree, &encode_tree(&entries).unwrap()).to_string());
}

#[test]
fn what_git_makes_is_parsed_and_encoded_the_same() {
    let git = GitRepo::new();
    for args in [
        vec!["config", "user.name", "Grace  <Hopper>"],
        vec!["config", "user.email", "grace@example.org"],
        vec!["commit", "--quiet", "--allow-empty", "-m", "first"],
        vec!["commit", "--quiet", "--allow-empty", "-m", "second", "--date", "1112911993 +0545"],
        vec!["tag", "-a", "v1", "-m", "tagged"],
        vec!["checkout", "--quiet", "-b", "side", "HEAD~1"],
        vec!["commit", "--quiet", "--allow-empty", "-m", "third"],
        vec!["merge", "--quiet", "--no-ff", "-m", "merged", "main"],
    ] {
        git.run(&args, b"");
    }
    let mut commits = 0;
    for line in git.run(&["cat-file", "--batch-all-objects", "--batch-check"], b"").lines() {
        let mut words = line.split(' ');
        let (oid, kind) = (words.next().unwrap(), words.next().unwrap());
        let content = git.run(&["cat-file", kind, oid], b"");
        let encoded = match kind.parse().unwrap() {
            GitKind::Commit => {
                commits += 1;
                encode_commit(&parse_commit(content.as_bytes()).unwrap())
            }
            GitKind::Tag => encode_tag(&parse_tag(content.as_bytes()).unwrap()),
            GitKind::Tree => encode_tree(&parse_tree(content.as_bytes()).unwrap()).unwrap(),
            GitKind::Blob => content.into_bytes(),
        };
        assert_eq!(object_id(kind.parse().unwrap(), &encoded).to_string(), oid, "{line}");
    }
    assert_eq!(commits, 4);
}

/// What git's own check calls wrong, our parser refuses too.
#[test]
fn trees_that_fsck_refuses_are_refused() {
    let git = GitRepo::new();
    let blob = git.run(&["hash-object", "-w", "--stdin"], b"x");
    let oid: GitOid = blob.trim().parse().unwrap();
    let entry = |mode: &str, name: &str| [mode.as_bytes(), b" ", name.as_bytes(), b"\0", oid.as_bytes()].concat();
    let hostile = [
        entry("100644", ".git"),
        entry("100644", ".GiT"),
        entry("100644", "git~1"),
        entry("100644", ".git. "),
        entry("100644", ".g\u{200C}it"),
        entry("100644", ".."),
        entry("100644", "."),
        entry("100644", ""),
        entry("100644", "a/b"),
        entry("0100644", "a"),
        [entry("100644", "b"), entry("100644", "a")].concat(),
        [entry("100644", "a"), entry("100644", "a")].concat(),
        [entry("100644", "a"), entry("100644", "a.b"), entry("40000", "a")].concat(),
    ];
    for content in hostile {
        let oid = git.run(&["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], &content);
        let (_, stdout, stderr) = git.try_run(&["fsck", "--strict", "--no-dangling", oid.trim()], b"");
        assert!(format!("{stdout}{stderr}").contains("error"), "git lets {:?} pass", String::from_utf8_lossy(&content));
        assert!(parse_tree(&content).is_err(), "{:?}", String::from_utf8_lossy(&content));
    }
}
