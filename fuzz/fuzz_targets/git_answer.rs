//! Any bytes as what a git server sends: never a panic, the same result however the bytes arrive, and every
//! object of a pack has the id of its content.
#![no_main]

use karez_formats::git::fetch_client::{Capabilities, FetchReader, RefsReader};
use karez_formats::git::{PackError, PackLimits, PackReader, PackedObject, object_id};
use libfuzzer_sys::fuzz_target;
use sha1::{Digest, Sha1};

const LIMITS: PackLimits =
    PackLimits { objects_max: 1_000, object_bytes_max: 1 << 20, total_bytes_max: 4 << 20, delta_depth_max: 50 };

fn unpack(pack: &[u8], part_bytes: usize) -> Result<Vec<PackedObject>, PackError> {
    let mut reader = PackReader::new(LIMITS);
    for part in pack.chunks(part_bytes) {
        reader.push(part)?;
    }
    reader.finish(&mut |_| None)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&part, rest)) = bytes.split_first() else { return };
    let part_bytes = usize::from(part) + 1;
    // With a right checksum, or nothing would get far.
    let mut pack = rest.to_vec();
    let checksum: [u8; 20] = Sha1::digest(&pack).into();
    pack.extend_from_slice(&checksum);
    // Which of two mistakes is found first may depend on how the bytes arrive.
    let whole = unpack(&pack, pack.len()).ok();
    assert_eq!(whole, unpack(&pack, part_bytes).ok());
    for object in whole.unwrap_or_default() {
        assert_eq!(object_id(object.kind, &object.content), object.oid);
    }
    let _ = Capabilities::parse(rest);
    let mut refs = RefsReader::new(100);
    let _ = rest.chunks(part_bytes).try_for_each(|part| refs.push(part));
    let mut answer = FetchReader::new(100);
    let _ = rest.chunks(part_bytes).try_for_each(|part| answer.push(part, &mut |_| ()));
});
