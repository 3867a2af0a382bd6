//! Files that are the same on every machine, made from a formula. The golden vectors name them; the
//! oracle in `tests/upstream` includes this file, so it uses the standard library only.

/// SplitMix64.
pub struct Words(pub u64);

impl Words {
    /// Returns the next word.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}

/// Bytes without any structure.
pub fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut words = Words(seed);
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| words.next().to_le_bytes()).collect();
    bytes.truncate(len);
    bytes
}

/// Weights in bfloat16: sums of uniform numbers, nearly normal.
pub fn bf16(seed: u64, len: usize) -> Vec<u8> {
    let mut words = Words(seed);
    let mut weight = || {
        let word = words.next();
        let sum: i64 = (0..4).map(|part| ((word >> (16 * part)) & 0xFFFF) as i64 - 0x8000).sum();
        ((sum as f32 / 3.0e6).to_bits() >> 16) as u16
    };
    (0..len / 2).flat_map(|_| weight().to_le_bytes()).collect()
}

/// Lines of JSON.
pub fn text(seed: u64, len: usize) -> Vec<u8> {
    let mut words = Words(seed);
    let mut bytes = Vec::with_capacity(len + 128);
    while bytes.len() < len {
        let word = words.next();
        let line = format!("{{\"id\":{},\"kind\":\"k{}\",\"score\":{}}}\n", word >> 40, word % 7, word % 1000);
        bytes.extend_from_slice(line.as_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The files that the golden vectors are about.
pub fn files() -> Vec<(&'static str, Vec<u8>)> {
    let long = random(7, 12_000_000);
    let mut edited = long.clone();
    edited.splice(3_000_000..3_000_000, text(8, 1000));
    edited[9_000_000..9_010_000].fill(0x55);
    vec![
        ("empty", Vec::new()),
        ("one byte", vec![0]),
        ("8191 random bytes", random(1, 8191)),
        ("8192 random bytes", random(2, 8192)),
        ("8193 random bytes", random(3, 8193)),
        ("131072 zeros", vec![0; 131_072]),
        ("131073 zeros", vec![0; 131_073]),
        ("4000000 zeros", vec![0; 4_000_000]),
        ("1000003 random bytes", random(4, 1_000_003)),
        ("2000000 bytes of bf16", bf16(5, 2_000_000)),
        ("2000000 bytes of text", text(6, 2_000_000)),
        ("12000000 random bytes", long),
        ("12000000 random bytes, edited", edited),
    ]
}
