//! Randomness as a parameter.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where unpredictable bytes come from.
pub trait Entropy: Send + Sync {
    /// Fills the buffer with bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system always provides random bytes");
    }
}

/// A generator for tests: the same seed gives the same bytes (SplitMix64).
#[derive(Debug)]
pub struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    /// Returns a generator that starts from this seed.
    pub fn new(seed: u64) -> SeededEntropy {
        SeededEntropy(AtomicU64::new(seed))
    }

    /// Returns the next word.
    pub fn next_u64(&self) -> u64 {
        let mut word = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
        word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for group in buffer.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            group.copy_from_slice(&word[..group.len()]);
        }
    }
}

/// Returns `count` letters and digits, each drawn evenly from the 62.
pub fn alphanumeric(entropy: &dyn Entropy, count: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(count);
    let mut buffer = [0u8; 64];
    while text.len() < count {
        entropy.fill(&mut buffer);
        // 248 = 4 x 62: larger bytes would favour the first letters.
        let letters = buffer.iter().filter(|&&byte| byte < 248);
        text.extend(letters.take(count - text.len()).map(|&byte| char::from(LETTERS[usize::from(byte % 62)])));
    }
    text
}
