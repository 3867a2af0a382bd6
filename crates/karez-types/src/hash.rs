//! Hashes as distinct types, with the text form that each protocol uses.

use std::fmt;
use std::str::FromStr;

/// A text that should have been a hash was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected_digits} lower-case hexadecimal digits")]
pub struct HashError {
    /// How many digits the hash has.
    pub expected_digits: usize,
}

fn decode_hex<const N: usize>(text: &str) -> Result<[u8; N], HashError> {
    let error = HashError { expected_digits: N * 2 };
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return Err(error);
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        match (value(pair[0]), value(pair[1])) {
            (Some(high), Some(low)) => *byte = high << 4 | low,
            _ => return Err(error),
        }
    }
    Ok(bytes)
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0u8; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    f.write_str(std::str::from_utf8(&text[..bytes.len() * 2]).expect("hexadecimal digits are ASCII"))
}

/// Reverses each group of eight bytes: the Xet text form prints little-endian 64-bit words.
fn reverse_groups(mut bytes: [u8; 32]) -> [u8; 32] {
    for group in bytes.chunks_exact_mut(8) {
        group.reverse();
    }
    bytes
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident, $len:literal, $to_text:expr, $from_text:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length of the hash in bytes.
            pub const LEN: usize = $len;

            /// Returns the raw bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Returns the hash made of these raw bytes, or `None` when the length is wrong.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let to_text: fn([u8; $len]) -> [u8; $len] = $to_text;
                write_hex(f, &to_text(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = HashError;
            fn from_str(text: &str) -> Result<Self, HashError> {
                let from_text: fn([u8; $len]) -> [u8; $len] = $from_text;
                decode_hex(text).map(|bytes| Self(from_text(bytes)))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hash_type!(
    /// SHA-1 id of a git object, as `git hash-object` prints it.
    GitOid, 20, |bytes| bytes, |bytes| bytes
);
hash_type!(
    /// SHA-256 of a whole file: the id that LFS, commits and ETags use.
    Sha256, 32, |bytes| bytes, |bytes| bytes
);
hash_type!(
    /// Keyed BLAKE3 of one chunk. Text form: each 8-byte group as a little-endian word (Xet spec).
    ChunkHash, 32, reverse_groups, reverse_groups
);
hash_type!(
    /// Merkle root over the chunks of a xorb. Text form as [`ChunkHash`].
    XorbHash, 32, reverse_groups, reverse_groups
);
hash_type!(
    /// Xet id of a file: the salted Merkle root over its chunks. Text form as [`ChunkHash`].
    FileHash, 32, reverse_groups, reverse_groups
);
hash_type!(
    /// Verification hash of one term: keyed BLAKE3 over its chunk hashes. Text form as [`ChunkHash`].
    RangeHash, 32, reverse_groups, reverse_groups
);

impl ChunkHash {
    /// Tells whether a chunk with this hash may be asked for in global deduplication by its value
    /// alone: last little-endian word divisible by 1024 (Xet spec, "Global deduplication").
    pub fn is_dedup_key(&self) -> bool {
        let word = u64::from_le_bytes(self.0[24..].try_into().expect("eight bytes"));
        word % 1024 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_ids_print_plain_and_xet_ids_print_words() {
        let mut bytes = [0u8; 32];
        for (position, byte) in bytes.iter_mut().enumerate() {
            *byte = position as u8;
        }
        assert!(Sha256(bytes).to_string().starts_with("0001020304050607"));
        assert!(XorbHash(bytes).to_string().starts_with("0706050403020100"));
        let text = XorbHash(bytes).to_string();
        assert_eq!(text.parse::<XorbHash>().unwrap(), XorbHash(bytes));
    }

    #[test]
    fn wrong_text_is_refused() {
        for text in ["", "abc", &"g".repeat(40), &"a".repeat(41), "é"] {
            assert!(text.parse::<GitOid>().is_err(), "{text}");
        }
    }
}
