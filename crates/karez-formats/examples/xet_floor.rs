//! Prints what the Xet formats cost: CPU seconds of one thread per gigabyte (1e9 bytes) of raw data.
//!
//! `cargo run --release -p karez-formats --example xet_floor [MEGABYTES]`. Each figure is the best of
//! several rounds of at least a fifth of a second; the data is generated, so that it needs no files
//! and is the same everywhere. "size" is the xorb's length as a part of the data's; "verify" is of the
//! xorb that our builder made, "bg4" of one as clients make it from weights, "decode" without hashing.

use std::hint::black_box;

use karez_formats::xet::{Chunk, Chunker, FileHasher, XorbBuilder, XorbVerifier, chunk_hash, decode_chunks};

const ROUNDS: usize = 4;
/// Some kernels count CPU time in ticks of 4 ms: a round has to be much longer.
const ROUND_CPU_SECS: f64 = 0.2;

fn main() {
    let megabytes = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(48);
    let columns = ["cut", "hash", "cut+hash", "build", "size", "verify", "bg4", "decode"];
    println!("{:<8}{}", "data", columns.map(|column| format!("{column:>10}")).concat());
    for (name, data) in [("random", random(megabytes)), ("bf16", bf16(megabytes)), ("text", text(megabytes))] {
        measure(name, &data);
    }
}

fn measure(name: &str, data: &[u8]) {
    let cut = best(data.len(), || {
        let mut chunker = Chunker::new();
        let mut count = 0;
        data.chunks(1 << 20).for_each(|part| chunker.push(part, &mut |_| count += 1));
        chunker.finish(&mut |_| count += 1);
        black_box(count);
    });
    let cut_and_hash = best(data.len(), || {
        let mut chunker = Chunker::new();
        let mut hasher = FileHasher::new();
        let mut take = |raw: &[u8]| hasher.push(Chunk { hash: chunk_hash(raw), raw_bytes: raw.len() as u32 });
        data.chunks(1 << 20).for_each(|part| chunker.push(part, &mut take));
        chunker.finish(&mut take);
        black_box(hasher.finish());
    });

    let mut chunks = Vec::new();
    let mut chunker = Chunker::new();
    let mut take = |raw: &[u8]| chunks.push((raw.to_vec(), chunk_hash(raw)));
    chunker.push(data, &mut take);
    chunker.finish(&mut take);
    let build_once = || {
        let mut builder = XorbBuilder::new();
        chunks.iter().for_each(|(raw, hash)| builder.push(raw, *hash));
        builder.finish()
    };
    let build = best(data.len(), || {
        // As the node does it: frames are handed on about every megabyte.
        let mut builder = XorbBuilder::new();
        for (position, (raw, hash)) in chunks.iter().enumerate() {
            builder.push(raw, *hash);
            if position % 16 == 15 {
                black_box(builder.take_bytes());
            }
        }
        black_box(builder.finish());
    });
    let hash = best(data.len(), || {
        for (raw, _) in &chunks {
            black_box(chunk_hash(raw));
        }
    });
    let built = build_once();
    let verify = best(data.len(), || {
        let mut verifier = XorbVerifier::new(64 << 20, 8192);
        built.bytes.chunks(64 << 10).for_each(|part| verifier.push(part).expect("the xorb is sound"));
        black_box(verifier.finish(built.hash).expect("the xorb is sound"));
    });
    let grouped = grouped_xorb(&chunks);
    let verify_grouped = best(data.len(), || {
        let mut verifier = XorbVerifier::new(64 << 20, 8192);
        grouped.chunks(64 << 10).for_each(|part| verifier.push(part).expect("the xorb is sound"));
        black_box(verifier.finish(built.hash).expect("the xorb is sound"));
    });
    let mut raw = Vec::new();
    let decode = best(data.len(), || {
        raw.clear();
        decode_chunks(&built.bytes, &mut raw).expect("the xorb is sound");
    });
    assert_eq!(raw, data);
    let size = built.bytes.len() as f64 / data.len() as f64;
    let figures = [cut, hash, cut_and_hash, build, size, verify, verify_grouped, decode];
    println!("{name:<8}{}", figures.map(|figure| format!("{figure:>10.3}")).concat());
}

/// Returns the least CPU seconds per 1e9 bytes.
fn best(bytes: usize, mut work: impl FnMut()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let start = thread_cpu_secs();
            let mut repeats = 0;
            loop {
                work();
                repeats += 1;
                let used = thread_cpu_secs() - start;
                if used > ROUND_CPU_SECS {
                    return used * 1e9 / (bytes * repeats) as f64;
                }
            }
        })
        .fold(f64::INFINITY, f64::min)
}

/// Reads this thread's CPU time in seconds, user and system.
fn thread_cpu_secs() -> f64 {
    // Nanoseconds on the CPU are the first number; no dependency and no `unsafe` needed.
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells each thread's CPU time");
    text.split(' ').next().and_then(|word| word.parse::<f64>().ok()).expect("the first word is a number") / 1e9
}

/// Writes the chunks as a client with byte grouping would: scheme 2, or 0 where that saves nothing.
fn grouped_xorb(chunks: &[(Vec<u8>, karez_types::ChunkHash)]) -> Vec<u8> {
    use std::io::Write;
    let mut out = Vec::new();
    for (raw, _) in chunks {
        let grouped: Vec<u8> = (0..4).flat_map(|plane| raw.iter().skip(plane).step_by(4).copied()).collect();
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(&grouped).expect("memory takes everything");
        let frame = encoder.finish().expect("memory takes everything");
        let (scheme, stored) = if frame.len() < raw.len() { (2u8, &frame) } else { (0, raw) };
        out.push(0);
        out.extend_from_slice(&(stored.len() as u32).to_le_bytes()[..3]);
        out.push(scheme);
        out.extend_from_slice(&(raw.len() as u32).to_le_bytes()[..3]);
        out.extend_from_slice(stored);
    }
    out
}

/// SplitMix64.
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}

fn random(megabytes: usize) -> Vec<u8> {
    let mut words = Words(1);
    (0..megabytes * 125_000).flat_map(|_| words.next().to_le_bytes()).collect()
}

/// Weights: sums of uniform numbers, which are nearly normal, cut to bfloat16.
fn bf16(megabytes: usize) -> Vec<u8> {
    let mut words = Words(2);
    let mut weight = || {
        let word = words.next();
        let sum: i64 = (0..4).map(|part| ((word >> (16 * part)) & 0xFFFF) as i64 - 0x8000).sum();
        ((sum as f32 / 3.0e6).to_bits() >> 16) as u16
    };
    (0..megabytes * 500_000).flat_map(|_| weight().to_le_bytes()).collect()
}

/// Lines of JSON with words drawn unevenly from a vocabulary.
fn text(megabytes: usize) -> Vec<u8> {
    let mut words = Words(3);
    let vocabulary: Vec<String> = (0..4096)
        .map(|_| {
            let word = words.next();
            (0..2 + word % 9).map(|n| char::from(b'a' + ((word >> (5 * n + 4)) % 26) as u8)).collect()
        })
        .collect();
    let mut out = Vec::with_capacity(megabytes * 1_000_000 + 1024);
    while out.len() < megabytes * 1_000_000 {
        out.extend_from_slice(format!("{{\"id\":{},\"text\":\"", words.next() % 1_000_000).as_bytes());
        for _ in 0..40 {
            let word = words.next();
            let rank = (word % 4096) * ((word >> 32) % 4096) / 4096;
            out.extend_from_slice(vocabulary[rank as usize].as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(b"\"}\n");
    }
    out.truncate(megabytes * 1_000_000);
    out
}
