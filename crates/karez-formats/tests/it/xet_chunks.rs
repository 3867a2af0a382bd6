//! Where chunks begin and end.

use karez_formats::xet::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNK_BYTES_TARGET, Chunker};
use proptest::prelude::*;

use crate::generated::{bf16, random, text};

fn chunks_of(parts: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut chunker = Chunker::new();
    let mut chunks = Vec::new();
    let mut take = |raw: &[u8]| chunks.push(raw.to_vec());
    parts.iter().for_each(|part| chunker.push(part, &mut take));
    chunker.finish(&mut take);
    chunks
}

/// Cuts data into parts of these lengths, over and over; 0 is allowed once in a while.
fn parts<'a>(data: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = data;
    let mut parts = Vec::new();
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (head, tail) = rest.split_at((*length).min(rest.len()));
        parts.push(head);
        rest = tail;
    }
    parts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn boundaries_do_not_depend_on_how_bytes_arrive(
        seed in any::<u64>(),
        len in 0usize..700_000,
        kind in 0..4,
        mut lengths in prop::collection::vec(prop_oneof![0usize..200, 8_000usize..8_400, 100_000usize..300_000], 1..8),
    ) {
        lengths.push(977);
        let data = match kind {
            0 => random(seed, len),
            1 => bf16(seed, len),
            2 => text(seed, len),
            _ => vec![seed as u8; len],
        };
        let whole = chunks_of(&[&data]);
        prop_assert_eq!(whole.concat(), data.clone());
        for chunk in &whole[..whole.len().saturating_sub(1)] {
            prop_assert!((CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(&chunk.len()));
        }
        if let Some(last) = whole.last() {
            prop_assert!((1..=CHUNK_BYTES_MAX).contains(&last.len()));
        }
        prop_assert!(chunks_of(&parts(&data, &lengths)) == whole);
    }
}

#[test]
fn one_byte_at_a_time_is_the_same() {
    let data = random(11, 400_000);
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert!(chunks_of(&bytes) == chunks_of(&[&data]));
}

#[test]
fn an_edit_changes_only_the_chunks_around_it() {
    let data = random(12, 6_000_000);
    let mut edited = data.clone();
    edited.splice(3_000_000..3_000_000, *b"something new");
    let (before, after) = (chunks_of(&[&data]), chunks_of(&[&edited]));
    let new = after.iter().filter(|chunk| !before.contains(chunk)).count();
    assert!(new <= 3, "{new} new chunks");
}

#[test]
fn the_mean_is_near_the_target() {
    // Minimum and maximum shift the mean of the geometric distribution only a little.
    let count = chunks_of(&[&random(13, 20_000_000)]).len();
    let mean = 20_000_000 / count;
    assert!((CHUNK_BYTES_TARGET * 8 / 10..CHUNK_BYTES_TARGET * 12 / 10).contains(&mean), "{mean}");
}

#[test]
fn a_chunker_can_be_used_for_the_next_file() {
    let data = random(14, 300_000);
    let mut chunker = Chunker::new();
    let mut count = [0, 0];
    for file in &mut count {
        chunker.push(&data, &mut |_| *file += 1);
        chunker.finish(&mut |_| *file += 1);
    }
    assert_eq!(count[0], count[1]);
    chunker.finish(&mut |_| panic!("an empty file has no chunks"));
}
