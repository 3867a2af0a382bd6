use bytes::Bytes;
use karez_types::{Timestamp, XorbHash};
use proptest::prelude::*;

use super::*;
use crate::transfer::{Piece, Place};

const HERE: Boot = Boot(7);
const OTHER: Boot = Boot(8);
const A: SourceTag = SourceTag(11);
const B: SourceTag = SourceTag(12);
const NOW: Timestamp = Timestamp(1_795_478_400_000);

fn layout(pieces: &[(u8, u64, u64)]) -> Layout {
    let mut layout = Layout::default();
    for (xorb, start, bytes) in pieces {
        let place = Place::Xorb { xorb: XorbHash([*xorb; 32]), start: *start };
        layout.pieces.push(Piece { at: layout.wire_bytes, bytes: *bytes, place });
        layout.wire_bytes += bytes;
    }
    layout
}

fn range(start: u64, end: u64) -> ByteRange {
    ByteRange { start, end }
}

fn bytes(seed: u8, count: usize) -> Vec<Bytes> {
    vec![Bytes::from(vec![seed; count])]
}

fn open(folder: &Path, layout: &Layout, boot: Boot) -> Journal {
    Journal::open(folder, layout, &Recipe::Plain, boot, NOW).unwrap()
}

fn read(journal: &Journal, start: u64, end: u64) -> Vec<u8> {
    let mut buffer = Vec::new();
    journal.read(range(start, end), &mut buffer).unwrap();
    buffer
}

#[test]
fn the_death_of_the_program_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(&[(1, 0, 1000)]);
    let journal = open(folder.path(), &layout, HERE);
    journal.write(100, &bytes(1, 50), A).unwrap();
    journal.write(150, &bytes(2, 50), B).unwrap();
    drop(journal);
    let journal = open(folder.path(), &layout, HERE);
    assert!(journal.has(range(100, 200)) && journal.have_bytes() == 100);
    assert_eq!(read(&journal, 140, 160), [[1; 10], [2; 10]].concat());
    assert_eq!(journal.received_from(range(0, 1000)), [(range(100, 150), A), (range(150, 200), B)]);
}

#[test]
fn after_the_death_of_the_machine_only_what_was_synced_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(&[(1, 0, 1000)]);
    let journal = open(folder.path(), &layout, HERE);
    journal.write(0, &bytes(1, 100), A).unwrap();
    journal.mark_verified(range(0, 60));
    journal.sync().unwrap();
    journal.write(100, &bytes(1, 100), A).unwrap();
    journal.mark_verified(range(60, 120));
    drop(journal);
    let journal = open(folder.path(), &layout, OTHER);
    assert_eq!(journal.have().iter().collect::<Vec<_>>(), [range(0, 100)]);
    assert!(journal.is_verified(range(0, 60)) && !journal.is_verified(range(60, 61)));
    journal.write(500, &bytes(3, 10), B).unwrap();
    drop(journal);
    // The first machine again: what the second left unsynced is not believed either.
    let journal = open(folder.path(), &layout, HERE);
    assert_eq!(journal.have().iter().collect::<Vec<_>>(), [range(0, 100)]);
}

#[test]
fn a_torn_record_is_dropped_and_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(&[(1, 0, 1000)]);
    let journal = open(folder.path(), &layout, HERE);
    journal.write(0, &bytes(1, 10), A).unwrap();
    journal.write(20, &bytes(1, 10), A).unwrap();
    drop(journal);
    let path = folder.path().join("extents.1");
    let whole = fs::read(&path).unwrap();
    for cut in 1..40 {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let journal = open(folder.path(), &layout, HERE);
        assert_eq!(journal.have().iter().collect::<Vec<_>>(), [range(0, 10)], "{cut}");
        drop(journal);
    }
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&path, flipped).unwrap();
    let journal = open(folder.path(), &layout, HERE);
    assert_eq!(journal.have_bytes(), 10);
    journal.write(30, &bytes(1, 10), B).unwrap();
    drop(journal);
    assert_eq!(open(folder.path(), &layout, HERE).have_bytes(), 20);
}

#[test]
fn what_is_here_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(&[(1, 0, 1000)]);
    let journal = open(folder.path(), &layout, HERE);
    journal.write(10, &bytes(1, 10), A).unwrap();
    let fresh = journal.write(5, &[Bytes::from(vec![2; 8]), Bytes::from(vec![2; 12])], B).unwrap();
    assert_eq!(fresh, [range(5, 10), range(20, 25)]);
    assert_eq!(read(&journal, 5, 25), [vec![2; 5], vec![1; 10], vec![2; 5]].concat());
    journal.lose(range(8, 12)).unwrap();
    assert_eq!(journal.write(8, &bytes(3, 4), B).unwrap(), [range(8, 12)]);
    drop(journal);
    let journal = open(folder.path(), &layout, OTHER);
    assert!(!journal.has(range(8, 12)) && journal.has(range(12, 25)), "lost, and come again but not synced");
}

#[test]
fn another_layout_keeps_what_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let old = layout(&[(1, 100, 100), (2, 0, 50)]);
    let journal = open(folder.path(), &old, HERE);
    journal.write(0, &bytes(1, 80), A).unwrap();
    journal.write(100, &bytes(2, 50), B).unwrap();
    journal.mark_verified(range(0, 50));
    journal.ban(B, NOW).unwrap();
    drop(journal);
    let new = layout(&[(2, 10, 100), (3, 0, 10), (1, 0, 300)]);
    let journal = open(folder.path(), &new, HERE);
    assert_eq!(journal.have().iter().collect::<Vec<_>>(), [range(0, 40), range(210, 290)]);
    assert_eq!(read(&journal, 210, 290), vec![1; 80]);
    assert_eq!(journal.received_from(range(0, 400)), [(range(0, 40), B), (range(210, 290), A)]);
    assert!(journal.is_banned(B) && journal.unverified().len() == 2);
    let names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name == "wire.1" || name == "extents.1"), "{names:?}");
}

#[test]
fn an_old_ban_ends_with_what_nobody_verified() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(&[(1, 0, 300)]);
    let journal = open(folder.path(), &layout, HERE);
    journal.write(0, &bytes(1, 100), A).unwrap();
    journal.write(100, &bytes(2, 100), B).unwrap();
    journal.mark_verified(range(100, 130));
    journal.sync().unwrap();
    journal.ban(B, NOW).unwrap();
    drop(journal);
    let open = |now| Journal::open(folder.path(), &layout, &Recipe::Plain, HERE, now).unwrap();
    assert!(open(NOW.plus_secs(3_599)).is_banned(B) && open(NOW.plus_secs(-10)).is_banned(B));
    assert!(open(NOW).have().contains(range(0, 200)));
    let journal = open(NOW.plus_secs(3_600));
    assert!(!journal.is_banned(B));
    assert_eq!(journal.have().iter().collect::<Vec<_>>(), [range(0, 130)]);
    // The clock stood in another year when it was banned.
    journal.ban(A, NOW.plus_secs(86_400 * 3_650)).unwrap();
    drop(journal);
    assert!(!open(NOW).is_banned(A));
}

#[test]
fn another_recipe_over_the_same_layout_verifies_again() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(&[(1, 0, 100)]);
    let journal = open(folder.path(), &layout, HERE);
    journal.write(0, &bytes(1, 100), A).unwrap();
    journal.mark_verified(range(0, 100));
    journal.sync().unwrap();
    drop(journal);
    let recipe = Recipe::Reconstructed { hash: karez_types::FileHash([1; 32]), terms: Vec::new() };
    let journal = Journal::open(folder.path(), &layout, &recipe, HERE, NOW).unwrap();
    assert!(journal.has(range(0, 100)) && !journal.is_verified(range(0, 1)));
    drop(journal);
    assert!(!open(folder.path(), &layout, HERE).is_verified(range(0, 1)));
}

#[test]
fn records_do_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(&[(1, 0, 1 << 20)]);
    let journal = open(folder.path(), &layout, HERE);
    for at in 0..60_000 {
        journal.write(at, &bytes(1, 1), A).unwrap();
    }
    assert!(fs::metadata(folder.path().join("extents.1")).unwrap().len() <= RECORDS_BYTES_MAX + 40);
    drop(journal);
    assert_eq!(open(folder.path(), &layout, HERE).have_bytes(), 60_000);
}

#[test]
fn a_closed_journal_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(&[(1, 0, 100)]);
    let journal = open(folder.path(), &layout, HERE);
    journal.close();
    assert!(journal.write(0, &bytes(1, 1), A).is_err() && journal.sync().is_err());
    journal.remove().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

proptest! {
    // Each case waits for the disk several times.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn damaged_files_never_panic(plan in prop::collection::vec(any::<u8>(), 0..200), at: usize, bit in 0..8u8) {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(&[(1, 0, 100)]);
        let journal = open(folder.path(), &layout, HERE);
        journal.write(0, &bytes(1, 50), A).unwrap();
        journal.mark_verified(range(0, 50));
        journal.sync().unwrap();
        drop(journal);
        let path = folder.path().join("extents.1");
        let mut records = fs::read(&path).unwrap();
        let at = at % records.len();
        records[at] ^= 1 << bit;
        fs::write(&path, records).unwrap();
        let journal = open(folder.path(), &layout, HERE);
        prop_assert!(journal.have_bytes() == 0 || journal.have_bytes() == 50);
        drop(journal);
        fs::write(folder.path().join("plan"), plan).unwrap();
        prop_assert_eq!(open(folder.path(), &layout, HERE).have_bytes(), 0);
    }
}
