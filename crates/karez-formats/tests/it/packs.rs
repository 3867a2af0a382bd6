//! Packs that others made: git's own with deltas, and those of enemies.

use std::collections::BTreeSet;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use karez_formats::git::{GitKind, PackError, PackLimits, PackReader, PackWriter, PackedObject, object_id};
use karez_types::GitOid;
use proptest::prelude::*;
use sha1::{Digest, Sha1};

use crate::git_program::GitRepo;

fn nothing(_: GitOid) -> Option<(GitKind, Vec<u8>)> {
    None
}

fn read_in_parts(pack: &[u8], part_bytes: usize, limits: PackLimits) -> Result<Vec<PackedObject>, PackError> {
    let mut reader = PackReader::new(limits);
    for part in pack.chunks(part_bytes) {
        reader.push(part)?;
    }
    reader.finish(&mut nothing)
}

fn read(pack: &[u8]) -> Result<Vec<PackedObject>, PackError> {
    read_in_parts(pack, pack.len().max(1), PackLimits::default())
}

/// A repository with a long text that changes a little from commit to commit.
pub fn repo_with_deltas(commits: usize) -> GitRepo {
    let repo = GitRepo::new();
    let mut lines: Vec<String> = (0..2_000).map(|number| format!("line {number} {}", number * 7919 % 1009)).collect();
    for commit in 0..commits {
        lines[commit * 37 % 2_000] = format!("changed by {commit}");
        std::fs::write(repo.path().join("text.txt"), lines.join("\n")).unwrap();
        std::fs::write(repo.path().join(format!("{commit}.txt")), format!("{commit}")).unwrap();
        repo.run(&["add", "."], b"");
        let person = ["-c", "user.name=a", "-c", "user.email=a@b"];
        repo.run(&[&person[..], &["commit", "--quiet", "-m", &format!("commit {commit}")]].concat(), b"");
    }
    repo
}

/// Ids of all objects, as git lists them.
fn all_ids(repo: &GitRepo) -> BTreeSet<String> {
    let listed = repo.run(&["cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)"], b"");
    listed.lines().map(str::to_owned).collect()
}

fn ids(objects: &[PackedObject]) -> BTreeSet<String> {
    objects.iter().map(|object| format!("{} {}", object.kind, object.oid)).collect()
}

#[test]
fn packs_of_git_are_read_with_their_deltas() {
    let repo = repo_with_deltas(40);
    let expected = all_ids(&repo);
    for args in [
        &["pack-objects", "--all", "--stdout", "--no-reuse-delta", "--window=50", "--depth=50"][..],
        &["pack-objects", "--all", "--stdout", "--no-reuse-delta", "--delta-base-offset", "--depth=50"],
        &["pack-objects", "--all", "--stdout", "--window=0"],
    ] {
        let pack = repo.bytes(args, b"");
        for part_bytes in [pack.len(), 4_096, 7] {
            let objects = read_in_parts(&pack, part_bytes, PackLimits::default()).unwrap();
            assert_eq!(ids(&objects), expected, "{args:?} {part_bytes}");
        }
    }
    // Deltas save most of the long text: the packs do have them.
    let (with, without) = (
        repo.bytes(&["pack-objects", "--all", "--stdout", "--delta-base-offset"], b"").len(),
        repo.bytes(&["pack-objects", "--all", "--stdout", "--window=0"], b"").len(),
    );
    assert!(with * 4 < without, "{with} {without}");
}

#[test]
fn a_thin_pack_stands_on_what_is_here() {
    let repo = repo_with_deltas(10);
    let range = b"HEAD\n^HEAD~1\n";
    let thin = repo.bytes(&["pack-objects", "--revs", "--thin", "--stdout", "--no-reuse-delta"], range);
    let error = read(&thin).unwrap_err();
    assert!(matches!(error, PackError::BaseMissing(_)), "{error}");
    let mut reader = PackReader::new(PackLimits::default());
    reader.push(&thin).unwrap();
    let mut asked = Vec::new();
    let objects = reader
        .finish(&mut |oid| {
            asked.push(oid);
            let kind = repo.run(&["cat-file", "-t", &oid.to_string()], b"").trim().parse::<GitKind>().unwrap();
            Some((kind, repo.bytes(&["cat-file", kind.as_str(), &oid.to_string()], b"")))
        })
        .unwrap();
    assert!(!asked.is_empty());
    let whole = repo.bytes(&["pack-objects", "--revs", "--stdout"], range);
    assert_eq!(ids(&objects), ids(&read(&whole).unwrap()), "what it stands on is not part of it");
    // Another object than was asked for is no base.
    let mut reader = PackReader::new(PackLimits::default());
    reader.push(&thin).unwrap();
    assert!(reader.finish(&mut |_| Some((GitKind::Blob, b"other".to_vec()))).is_err());
}

#[test]
fn what_we_write_is_read() {
    let mut pack = Vec::new();
    let contents: [(GitKind, &[u8]); 3] = [(GitKind::Blob, b""), (GitKind::Blob, &[7; 100_000]), (GitKind::Tree, b"")];
    let mut writer = PackWriter::new(3, &mut pack);
    for (kind, content) in contents {
        writer.object(kind, content, &mut pack);
    }
    writer.finish(&mut pack);
    for part_bytes in [1, 3, pack.len()] {
        let objects = read_in_parts(&pack, part_bytes, PackLimits::default()).unwrap();
        let found: Vec<(GitKind, &[u8])> = objects.iter().map(|object| (object.kind, &object.content[..])).collect();
        assert_eq!(found, contents);
    }
    for cut in 0..pack.len() {
        assert_eq!(read(&pack[..cut]), Err(PackError::Truncated), "{cut}");
    }
    let mut longer = pack.clone();
    longer.push(0);
    assert!(read(&longer).unwrap_err().to_string().contains("after its checksum"));
    for at in [pack.len() - 1, pack.len() - 20] {
        let mut changed = pack.clone();
        changed[at] ^= 1;
        assert_eq!(read(&changed), Err(PackError::Checksum));
    }
    let mut empty = Vec::new();
    PackWriter::new(0, &mut empty).finish(&mut empty);
    assert_eq!(read(&empty), Ok(Vec::new()));
}

// ---- packs of enemies --------------------------------------------------------------------------

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(9));
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Kind and length of an entry.
fn entry_header(number: u8, mut bytes: u64) -> Vec<u8> {
    let mut header = vec![number << 4 | (bytes & 15) as u8];
    bytes >>= 4;
    while bytes > 0 {
        *header.last_mut().unwrap() |= 0x80;
        header.push((bytes & 0x7F) as u8);
        bytes >>= 7;
    }
    header
}

fn blob(content: &[u8]) -> Vec<u8> {
    [entry_header(3, content.len() as u64), zlib(content)].concat()
}

/// A delta of the object with this id.
fn ref_delta(base: GitOid, delta: &[u8]) -> Vec<u8> {
    [entry_header(7, delta.len() as u64), base.as_bytes().to_vec(), zlib(delta)].concat()
}

/// A delta of the entry this far back (below 128 bytes).
fn ofs_delta(back: u8, delta: &[u8]) -> Vec<u8> {
    assert!(back < 128);
    [entry_header(6, delta.len() as u64), vec![back], zlib(delta)].concat()
}

/// A delta that appends to a base of fewer than 128 bytes.
fn appending(base_bytes: u8, new: &[u8]) -> Vec<u8> {
    let result = base_bytes + new.len() as u8;
    assert!(result < 128);
    [&[base_bytes, result, 0x90, base_bytes, new.len() as u8][..], new].concat()
}

fn pack_of(count: u32, entries: &[Vec<u8>]) -> Vec<u8> {
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend_from_slice(&count.to_be_bytes());
    entries.iter().for_each(|entry| pack.extend_from_slice(entry));
    let checksum: [u8; 20] = Sha1::digest(&pack).into();
    pack.extend_from_slice(&checksum);
    pack
}

#[test]
fn deltas_may_come_before_their_base() {
    let base = object_id(GitKind::Blob, b"base");
    let second = object_id(GitKind::Blob, b"base+1");
    // A delta of a delta of what comes last; the first two wait.
    let first = ref_delta(second, &appending(6, b"+2"));
    let back = first.len() as u8;
    let pack = pack_of(
        4,
        &[first, ofs_delta(back, &appending(8, b"+3")), ref_delta(base, &appending(4, b"+1")), blob(b"base")],
    );
    for part_bytes in [1, pack.len()] {
        let objects = read_in_parts(&pack, part_bytes, PackLimits::default()).unwrap();
        let mut contents: Vec<String> =
            objects.iter().map(|object| String::from_utf8(object.content.clone()).unwrap()).collect();
        contents.sort();
        assert_eq!(contents, ["base", "base+1", "base+1+2", "base+1+2+3"]);
        assert!(objects.iter().all(|object| object_id(object.kind, &object.content) == object.oid));
    }
}

#[test]
fn lies_are_refused() {
    let base = object_id(GitKind::Blob, b"base");
    let with_magic = |magic: &[u8]| {
        let mut pack = pack_of(0, &[]);
        pack[..magic.len()].copy_from_slice(magic);
        pack
    };
    let one = |entry: Vec<u8>| pack_of(1, &[entry]);
    let circle = [object_id(GitKind::Blob, b"x"), object_id(GitKind::Blob, b"y")];
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"nonsense, and long enough to be one".to_vec(), "PACK"),
        (with_magic(b"PACK\0\0\0\x09"), "version"),
        (pack_of(u32::MAX, &[]), "objects over"),
        (pack_of(2, &[blob(b"a")]), "malformed pack"),
        (pack_of(0, &[blob(b"a")]), "checksum"),
        (one([entry_header(0, 1), zlib(b"a")].concat()), "no known kind"),
        (one([entry_header(5, 1), zlib(b"a")].concat()), "no known kind"),
        (one([entry_header(3, 2), zlib(b"a")].concat()), "shorter than it says"),
        (one([entry_header(3, 1), zlib(b"abc")].concat()), "longer than it says"),
        (one([entry_header(3, 1 << 40), zlib(b"a")].concat()), "an object over"),
        (one(vec![0xBF; 40]), "bounds"),
        (one([entry_header(3, 4), b"this is not zlib at all".to_vec()].concat()), "compressed"),
        (one(ofs_delta(0, &appending(4, b"x"))), "not an entry"),
        (one(ofs_delta(100, &appending(4, b"x"))), "not an entry"),
        (pack_of(2, &[blob(b"base"), ofs_delta(3, &appending(4, b"x"))]), "not an entry"),
        (one(ref_delta(base, &appending(4, b"x"))), "neither in it nor here"),
        (
            pack_of(2, &[ref_delta(circle[1], &appending(1, b"x")), ref_delta(circle[0], &appending(1, b"y"))]),
            "neither in it nor here",
        ),
        (pack_of(2, &[blob(b"base"), ref_delta(base, &appending(5, b"x"))]), "another length"),
        (pack_of(2, &[blob(b"base"), ref_delta(base, b"\x04\x05\x91\x02\x04")]), "outside"),
        (pack_of(2, &[blob(b"base"), ref_delta(base, b"\x04\xFF\xFF\xFF\xFF\x7F\x90\x04")]), "an object over"),
        (pack_of(2, &[blob(b"base"), ref_delta(base, b"")]), "cut off"),
    ];
    for (pack, words) in cases {
        for part_bytes in [pack.len(), 5] {
            let error = read_in_parts(&pack, part_bytes, PackLimits::default()).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}

#[test]
fn bounds_hold() {
    let usual = PackLimits::default();
    let bomb = blob(&vec![0; 10 << 20]);
    assert!(bomb.len() < 20_000);
    let small = PackLimits { object_bytes_max: 1 << 20, ..usual };
    let error = read_in_parts(&pack_of(1, std::slice::from_ref(&bomb)), 1 << 20, small).unwrap_err();
    assert_eq!(error, PackError::TooLarge { what: "an object", limit: 1 << 20 });
    let total = PackLimits { total_bytes_max: 25 << 20, ..usual };
    let error = read_in_parts(&pack_of(3, &vec![bomb.clone(); 3]), 1 << 20, total).unwrap_err();
    assert_eq!(error, PackError::TooLarge { what: "all objects", limit: 25 << 20 });
    // Deltas that make much of little count as what they make: ten times 10 MiB of one copy.
    let base = object_id(GitKind::Blob, &vec![0; 10 << 20]);
    let length = [0x80, 0x80, 0x80, 0x05];
    let steps: Vec<u8> = (0..160u32).flat_map(|step| [0x84, (step & 0xFF) as u8]).collect();
    let mut entries = vec![bomb];
    for number in 0..10u8 {
        // Each makes an object of its own: the last step is a byte of its own.
        let mut delta = [&length[..], &[0x81, 0x80, 0x80, 0x05], &steps].concat();
        delta.extend_from_slice(&[1, number]);
        entries.push(ref_delta(base, &delta));
    }
    let error = read_in_parts(&pack_of(11, &entries), 1 << 20, PackLimits { total_bytes_max: 50 << 20, ..usual });
    assert_eq!(error, Err(PackError::TooLarge { what: "all objects", limit: 50 << 20 }));
    let count = PackLimits { objects_max: 2, ..usual };
    let three = pack_of(3, &[blob(b"a"), blob(b"b"), blob(b"c")]);
    assert_eq!(read_in_parts(&three, 1 << 20, count), Err(PackError::TooLarge { what: "objects", limit: 2 }));
    // A tower of deltas, built upwards and downwards.
    let mut content = b"base".to_vec();
    let (mut up, mut bases) = (vec![blob(&content)], Vec::new());
    for _ in 0..100 {
        bases.push((object_id(GitKind::Blob, &content), appending(content.len() as u8, b"x")));
        content.push(b'x');
    }
    up.extend(bases.iter().map(|(oid, delta)| ref_delta(*oid, delta)));
    let down: Vec<Vec<u8>> = up.iter().rev().cloned().collect();
    for tower in [up, down] {
        let pack = pack_of(101, &tower);
        assert_eq!(read(&pack).unwrap().len(), 101);
        let error = read_in_parts(&pack, 1 << 20, PackLimits { delta_depth_max: 99, ..usual }).unwrap_err();
        assert_eq!(error, PackError::TooLarge { what: "deltas upon deltas", limit: 99 });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn changed_packs_never_break_the_reader(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        part_bytes in 1usize..40,
    ) {
        let base = object_id(GitKind::Blob, b"base");
        let sound = [
            ref_delta(base, &appending(4, b"+1")),
            blob(b"base"),
            ofs_delta(blob(b"base").len() as u8, &appending(4, b"+2")),
        ];
        let mut pack = pack_of(3, &sound);
        pack.truncate(pack.len() - 20);
        for (at, byte) in changes {
            let at = at.index(pack.len());
            pack[at] = byte;
        }
        let checksum: [u8; 20] = Sha1::digest(&pack).into();
        pack.extend_from_slice(&checksum);
        let limits = PackLimits { object_bytes_max: 1 << 16, total_bytes_max: 1 << 18, ..PackLimits::default() };
        // Which of two mistakes is found first may depend on how the bytes arrive.
        let whole = read_in_parts(&pack, pack.len(), limits).ok();
        prop_assert_eq!(&whole, &read_in_parts(&pack, part_bytes, limits).ok());
        for object in whole.unwrap_or_default() {
            prop_assert_eq!(object_id(object.kind, &object.content), object.oid);
        }
    }
}
