//! The reference implementation (crates xet-core-structures and xet-data 1.8.0) as an oracle: the same
//! bytes in, the same chunks, hashes, xorbs and shards out, each side reading what the other wrote.
//!
//! `KAREZ_GOLDEN=write cargo test --test xet golden` writes the golden vectors of karez-formats anew.

#[path = "../../../crates/karez-formats/tests/it/generated.rs"]
mod generated;

use std::io::Cursor;
use std::time::Duration;

use karez_formats::xet::{
    Chunk, Chunker, DedupAnswer, Shard, ShardFile, ShardLimits, ShardTerm, ShardXorb, XorbBuilder, XorbVerifier,
    chunk_hash, decode_chunks, encode_dedup_answer, file_hash, range_hash, xorb_hash,
};
use karez_types::{ChunkHash, FileHash, RangeHash, Sha256, XorbHash};
use xet_core_structures::merklehash::{self, MerkleHash};
use xet_core_structures::metadata_shard::MDBShardInfo;
use xet_core_structures::metadata_shard::chunk_verification::range_hash_from_chunks;
use xet_core_structures::metadata_shard::file_structs::{
    FileDataSequenceEntry, FileDataSequenceHeader, FileMetadataExt, FileVerificationEntry, MDBFileInfo,
};
use xet_core_structures::metadata_shard::shard_in_memory::MDBInMemoryShard;
use xet_core_structures::metadata_shard::xorb_structs::{MDBXorbInfo, XorbChunkSequenceEntry, XorbChunkSequenceHeader};
use xet_core_structures::xorb_object::{
    CompressionScheme, RawXorbData, SerializedXorbObject, XorbObject, reconstruct_xorb_with_footer,
};

type TheirChunk = xet_core_structures::xorb_object::Chunk;

fn their_chunks(data: &[u8]) -> Vec<TheirChunk> {
    xet_data::deduplication::Chunker::default().next_block(data, true)
}

/// Our chunks, with the bytes arriving in parts of an odd length.
fn our_chunks(data: &[u8]) -> Vec<(Chunk, Vec<u8>)> {
    let mut chunks = Vec::new();
    let mut chunker = Chunker::new();
    let mut take = |raw: &[u8]| {
        chunks.push((Chunk { hash: chunk_hash(raw), raw_bytes: raw.len() as u32 }, raw.to_vec()));
    };
    data.chunks(100_003).for_each(|part| chunker.push(part, &mut take));
    chunker.finish(&mut take);
    chunks
}

fn theirs(hash: [u8; 32]) -> MerkleHash {
    MerkleHash::from(hash)
}

fn hash_and_bytes(chunks: &[TheirChunk]) -> Vec<(MerkleHash, u64)> {
    chunks.iter().map(|chunk| (chunk.hash, chunk.data.len() as u64)).collect()
}

fn their_xorb(chunks: &[TheirChunk], scheme: CompressionScheme, with_footer: bool) -> SerializedXorbObject {
    let raw = RawXorbData::from_chunks(chunks, vec![0]);
    SerializedXorbObject::from_xorb_with_compression(raw, scheme, with_footer, 16).unwrap()
}

#[test]
fn chunks_and_hashes_are_theirs() {
    for (name, data) in generated::files() {
        let (ours, expected) = (our_chunks(&data), their_chunks(&data));
        assert_eq!(ours.len(), expected.len(), "{name}");
        for ((chunk, raw), their) in ours.iter().zip(&expected) {
            assert_eq!(raw.len(), their.data.len(), "{name}");
            assert_eq!(chunk.hash.to_string(), their.hash.hex(), "{name}");
        }
        let ours: Vec<Chunk> = ours.iter().map(|(chunk, _)| *chunk).collect();
        let expected = hash_and_bytes(&expected);
        assert_eq!(xorb_hash(&ours).to_string(), merklehash::xorb_hash(&expected).hex(), "{name}");
        assert_eq!(file_hash(&ours).to_string(), merklehash::file_hash(&expected).hex(), "{name}");
        let hashes: Vec<MerkleHash> = expected.iter().map(|(hash, _)| *hash).collect();
        let range = range_hash(ours.iter().map(|chunk| &chunk.hash));
        assert_eq!(range.to_string(), range_hash_from_chunks(&hashes).hex(), "{name}");
    }
}

#[test]
fn trees_of_every_size_are_theirs() {
    let mut words = generated::Words(99);
    let chunks: Vec<Chunk> = (0..2_500)
        .map(|_| {
            // Few distinct chunks make long runs, where groups end at their greatest length.
            let word = words.next() % 40;
            Chunk { hash: chunk_hash(&word.to_le_bytes()), raw_bytes: 1 + (word * 3_000) as u32 }
        })
        .collect();
    let expected: Vec<(MerkleHash, u64)> =
        chunks.iter().map(|chunk| (theirs(chunk.hash.0), u64::from(chunk.raw_bytes))).collect();
    for count in (0..300).chain([1000, 2500]) {
        let root = merklehash::xorb_hash(&expected[..count]);
        assert_eq!(xorb_hash(&chunks[..count]).to_string(), root.hex(), "{count} chunks");
    }
}

#[test]
fn their_xorbs_verify_and_decode_here() {
    use CompressionScheme::{Auto, ByteGrouping4LZ4, LZ4, None};
    for (name, data) in generated::files().into_iter().filter(|(_, data)| !data.is_empty()) {
        let chunks = their_chunks(&data);
        for scheme in [None, LZ4, ByteGrouping4LZ4, Auto] {
            let xorb = their_xorb(&chunks, scheme, false);
            let expected = XorbHash::from_slice(xorb.hash.as_bytes()).unwrap();
            let mut verifier = XorbVerifier::new(64 << 20, 8192);
            xorb.serialized_data.chunks(65_537).for_each(|part| verifier.push(part).unwrap());
            let index = verifier.finish(expected).unwrap();
            assert_eq!(index.chunk_count() as usize, chunks.len(), "{name} {scheme}");
            let mut raw = Vec::new();
            decode_chunks(&xorb.serialized_data, &mut raw).unwrap();
            assert!(raw == data, "{name} {scheme}");
        }
        let with_footer = their_xorb(&chunks, Auto, true).serialized_data;
        let mut verifier = XorbVerifier::new(64 << 20, 8192);
        assert!(verifier.push(&with_footer).is_err(), "a footer is refused with a clear word");
    }
}

#[test]
fn our_xorbs_validate_and_decode_there() {
    for (name, data) in generated::files().into_iter().filter(|(_, data)| !data.is_empty()) {
        let mut builder = XorbBuilder::new();
        our_chunks(&data).iter().for_each(|(chunk, raw)| builder.push(raw, chunk.hash));
        let built = builder.finish();
        let mut with_footer = Vec::new();
        let (_, hash) = reconstruct_xorb_with_footer(&mut with_footer, &built.bytes).unwrap();
        assert_eq!(hash.hex(), built.hash.to_string(), "{name}");
        let xorb = XorbObject::validate_xorb_object(&mut Cursor::new(&with_footer), &hash).unwrap().expect(name);
        assert!(xorb.get_all_bytes(&mut Cursor::new(&with_footer)).unwrap() == data, "{name}");
        let ends: Vec<u32> = built.index.chunks.iter().map(|chunk| chunk.end_bytes).collect();
        assert_eq!(xorb.info.chunk_boundary_offsets, ends, "{name}");
    }
}

/// One file over two xorbs, in both worlds.
struct Sample {
    ours: Shard,
    their: MDBInMemoryShard,
    sha256: Sha256,
}

fn sample() -> Sample {
    let chunks = their_chunks(&generated::random(77, 3_000_000));
    let (first, second) = chunks.split_at(chunks.len() / 2);
    let sha256: Sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".parse().unwrap();
    let mut ours = Shard::default();
    let mut their = MDBInMemoryShard::default();
    let (mut terms, mut segments, mut verification) = (Vec::new(), Vec::new(), Vec::new());
    for part in [first, second] {
        let raw = RawXorbData::from_chunks(part, vec![0]);
        let bytes: usize = part.iter().map(|chunk| chunk.data.len()).sum();
        let hashes: Vec<MerkleHash> = part.iter().map(|chunk| chunk.hash).collect();
        let range = range_hash_from_chunks(&hashes);
        segments.push(FileDataSequenceEntry::new(raw.hash(), bytes, 0, part.len()));
        verification.push(FileVerificationEntry::new(range));
        their.add_xorb_block(raw.xorb_info.clone()).unwrap();
        terms.push(ShardTerm {
            xorb: XorbHash::from_slice(raw.hash().as_bytes()).unwrap(),
            chunk_start: 0,
            chunk_end: part.len() as u32,
            raw_bytes: bytes as u32,
            range_hash: RangeHash::from_slice(range.as_bytes()),
        });
        ours.xorbs.push(ShardXorb {
            hash: XorbHash::from_slice(raw.hash().as_bytes()).unwrap(),
            chunks: part
                .iter()
                .map(|chunk| Chunk {
                    hash: ChunkHash::from_slice(chunk.hash.as_bytes()).unwrap(),
                    raw_bytes: chunk.data.len() as u32,
                })
                .collect(),
        });
    }
    // Their map keeps xorbs in the order of their hashes.
    ours.xorbs.sort_by_key(|xorb| theirs(xorb.hash.0));
    let hash = merklehash::file_hash(&hash_and_bytes(&chunks));
    let metadata_ext = Some(FileMetadataExt::new(MerkleHash::from_hex(&sha256.to_string()).unwrap()));
    let metadata = FileDataSequenceHeader::new(hash, 2usize, true, true);
    their.add_file_reconstruction_info(MDBFileInfo { metadata, segments, verification, metadata_ext }).unwrap();
    ours.files.push(ShardFile { hash: FileHash::from_slice(hash.as_bytes()).unwrap(), sha256: Some(sha256), terms });
    Sample { ours, their, sha256 }
}

#[test]
fn shards_are_read_on_both_sides() {
    let Sample { ours, their, sha256 } = sample();
    // With lookup tables and footer.
    let bytes = their.to_bytes().unwrap();
    assert_eq!(Shard::parse(&bytes, &ShardLimits::default()).unwrap(), ours);
    // As uploaded: cut before the tables, and the header says that there is no footer.
    let info = MDBShardInfo::load_from_reader(&mut Cursor::new(&bytes)).unwrap();
    let mut upload = bytes[..info.metadata.file_lookup_offset as usize].to_vec();
    upload[40..48].fill(0);
    assert_eq!(Shard::parse(&upload, &ShardLimits::default()).unwrap(), ours);
    assert_eq!(ours.encode(), upload, "even the bytes are the same");

    let read = MDBInMemoryShard::from_reader(&mut Cursor::new(ours.encode())).unwrap();
    assert_eq!(read.file_content, their.file_content);
    assert_eq!(read.xorb_content, their.xorb_content);
    let file = read.file_content.values().next().unwrap();
    assert_eq!(file.metadata_ext.as_ref().unwrap().sha256.hex(), sha256.to_string());
}

#[test]
fn a_client_deduplicates_from_our_answer() {
    let Sample { ours, .. } = sample();
    let key = [0x5A; 32];
    let answer = encode_dedup_answer(&ours.xorbs, &key, 2_000_000_000, 1_900_000_000);
    let mut reader = Cursor::new(&answer);
    let info = MDBShardInfo::load_from_reader(&mut reader).unwrap();
    assert_eq!(info.chunk_hmac_key(), Some(theirs(key)));
    assert_eq!(info.metadata.shard_key_expiry, 2_000_000_000);
    assert_eq!(info.metadata.shard_creation_timestamp, 1_900_000_000);
    let expected: u64 = ours.xorbs.iter().flat_map(|xorb| &xorb.chunks).map(|chunk| u64::from(chunk.raw_bytes)).sum();
    assert_eq!(info.metadata.stored_bytes, expected);

    // The client's chunk index: every chunk is found under its key, and runs match to their end.
    let entries = info.read_all_truncated_hashes(&mut reader).unwrap();
    assert_eq!(entries.len(), ours.xorbs.iter().map(|xorb| xorb.chunks.len()).sum::<usize>());
    for xorb in &ours.xorbs {
        let queries: Vec<MerkleHash> = xorb.chunks.iter().map(|chunk| theirs(chunk.hash.0)).collect();
        for start in [0, 1, queries.len() - 1] {
            let word = info.keyed_chunk_hash(queries[start])[0];
            let (_, (xorb_at, chunk_at)) =
                entries.iter().find(|(found, _)| *found == word).expect("the chunk is there");
            let (count, entry) = info
                .chunk_hash_dedup_query_direct(&mut reader, &queries[start..], *xorb_at, *chunk_at)
                .unwrap()
                .expect("the run matches");
            assert_eq!((count, entry.xorb_hash), (queries.len() - start, theirs(xorb.hash.0)));
            assert_eq!(entry.chunk_index_start as usize, start);
        }
    }
}

#[test]
fn we_read_the_answers_of_their_servers() {
    let Sample { ours, their, .. } = sample();
    let bytes = their.to_bytes().unwrap();
    let info = MDBShardInfo::load_from_reader(&mut Cursor::new(&bytes)).unwrap();
    let key = [0xA5; 32];
    for with_tables in [false, true] {
        let mut answer = Vec::new();
        let valid_for = Duration::from_secs(3600);
        let mut reader = Cursor::new(&bytes);
        info.export_as_keyed_shard(&mut reader, &mut answer, theirs(key), valid_for, false, with_tables, with_tables)
            .unwrap();
        let read = DedupAnswer::parse(&answer, &ShardLimits::default()).unwrap();
        assert_eq!(read.key, key);
        let again = encode_dedup_answer(&ours.xorbs, &key, read.expires_secs, read.created_secs);
        assert_eq!(DedupAnswer::parse(&again, &ShardLimits::default()).unwrap().xorbs, read.xorbs);
    }
}

#[test]
fn a_xorb_record_has_their_layout() {
    let chunk = Chunk { hash: chunk_hash(b"abc"), raw_bytes: 3 };
    let ours = Shard { files: vec![], xorbs: vec![ShardXorb { hash: xorb_hash(&[chunk]), chunks: vec![chunk] }] };
    let their = MDBXorbInfo {
        metadata: XorbChunkSequenceHeader::new(theirs(xorb_hash(&[chunk]).0), 1usize, 3usize),
        chunks: vec![XorbChunkSequenceEntry::new(theirs(chunk.hash.0), 3usize, 0usize)],
    };
    let mut bytes = Vec::new();
    their.serialize(&mut bytes).unwrap();
    assert_eq!(ours.encode()[96..192], bytes);
}

#[test]
fn golden_vectors_are_what_they_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/karez-formats/tests/golden/xet.json");
    let files: Vec<serde_json::Value> = generated::files()
        .iter()
        .map(|(name, data)| {
            let chunks = their_chunks(data);
            let pairs = hash_and_bytes(&chunks);
            let hashes: Vec<MerkleHash> = chunks.iter().map(|chunk| chunk.hash).collect();
            serde_json::json!({
                "name": name,
                "bytes": data.len(),
                "chunk_bytes": chunks.iter().map(|chunk| chunk.data.len()).collect::<Vec<usize>>(),
                "last_chunk": chunks.last().map(|chunk| chunk.hash.hex()),
                "xorb": merklehash::xorb_hash(&pairs).hex(),
                "file": merklehash::file_hash(&pairs).hex(),
                "range": range_hash_from_chunks(&hashes).hex(),
            })
        })
        .collect();
    let golden = serde_json::json!({
        "source": "computed by xet-core-structures 1.8.0 and xet-data 1.8.0 from the files of tests/it/generated.rs",
        "files": files,
    });
    if std::env::var("KAREZ_GOLDEN").as_deref() == Ok("write") {
        std::fs::write(path, format!("{golden:#}\n")).unwrap();
    }
    let stored: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(stored, golden);
}
