//! The header of a safetensors file: eight bytes of length, then JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

/// Longest header that is read, in bytes. The format allows 100 MB; the largest honest ones (tens
/// of thousands of tensors) have under 10 MB.
pub const HEADER_BYTES_MAX: u64 = 25 << 20;
/// Most tensors in one file.
const TENSORS_MAX: usize = 200_000;

/// What a safetensors file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafetensorsHeader {
    /// Free text about the file, such as `format`: `pt`.
    pub metadata: BTreeMap<String, String>,
    /// The tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Tensor {
    /// Type of a number, such as `BF16`.
    pub dtype: String,
    /// Length of each dimension; none for a single number.
    pub shape: Vec<u64>,
    /// First byte and one past the last, counted from the end of the header.
    pub data_offsets: (u64, u64),
}

/// Why bytes are not the start of a safetensors file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SafetensorsError {
    /// Fewer bytes than the header has.
    #[error("the header has {header_bytes} bytes, of which {given_bytes} are here")]
    Truncated {
        /// Length of prefix and header together.
        header_bytes: u64,
        /// What was given.
        given_bytes: u64,
    },
    /// The header says that it is longer than we read.
    #[error("the header has {header_bytes} bytes; at most {HEADER_BYTES_MAX} are read")]
    TooLong {
        /// The length it claims.
        header_bytes: u64,
    },
    /// The header is not JSON of the right shape.
    #[error("the header is malformed: {0}")]
    Malformed(String),
    /// A tensor's type, shape and place do not agree.
    #[error("the tensor `{name}` is malformed: {what}")]
    Tensor {
        /// Which tensor.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// Returns how many bytes from the start of a file [`parse_header`] needs, given its first eight.
///
/// # Errors
/// When there are fewer than eight, or the header is too long.
pub fn header_end(first_bytes: &[u8]) -> Result<u64, SafetensorsError> {
    let Some(prefix) = first_bytes.first_chunk::<8>() else {
        return Err(SafetensorsError::Truncated { header_bytes: 8, given_bytes: first_bytes.len() as u64 });
    };
    match u64::from_le_bytes(*prefix) {
        header_bytes if header_bytes > HEADER_BYTES_MAX => Err(SafetensorsError::TooLong { header_bytes }),
        header_bytes => Ok(header_bytes + 8),
    }
}

/// Returns the header at the start of these bytes, which may go on into the data.
///
/// # Errors
/// When the header is cut off, too long or malformed, or a tensor contradicts itself.
pub fn parse_header(first_bytes: &[u8]) -> Result<SafetensorsHeader, SafetensorsError> {
    let end = header_end(first_bytes)?;
    let given_bytes = first_bytes.len() as u64;
    let json = usize::try_from(end).ok().and_then(|end| first_bytes.get(8..end));
    let json = json.ok_or(SafetensorsError::Truncated { header_bytes: end, given_bytes })?;
    let header: SafetensorsHeader =
        serde_json::from_slice(json).map_err(|error| SafetensorsError::Malformed(error.to_string()))?;
    for (name, tensor) in &header.tensors {
        tensor.check().map_err(|what| SafetensorsError::Tensor { name: name.chars().take(200).collect(), what })?;
    }
    Ok(header)
}

impl SafetensorsHeader {
    /// Returns how many numbers of each type there are.
    pub fn parameters_by_dtype(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for tensor in self.tensors.values() {
            let count: &mut u64 = counts.entry(tensor.dtype.clone()).or_default();
            *count = count.saturating_add(tensor.parameters().unwrap_or(0));
        }
        counts
    }

    /// Returns how many bytes of data follow the header.
    pub fn data_bytes(&self) -> u64 {
        self.tensors.values().map(|tensor| tensor.data_offsets.1).max().unwrap_or(0)
    }
}

impl Tensor {
    /// Returns how many numbers the tensor has; `None` when they are more than 64 bits count.
    pub fn parameters(&self) -> Option<u64> {
        self.shape.iter().try_fold(1u64, |product, &length| product.checked_mul(length))
    }

    fn check(&self) -> Result<(), &'static str> {
        let parameters = self.parameters().ok_or("its shape is too large")?;
        let (start, end) = self.data_offsets;
        let data_bytes = end.checked_sub(start).ok_or("its data ends before it starts")?;
        // A type newer than this list is taken at its word.
        let Some(bits) = dtype_bits(&self.dtype) else { return Ok(()) };
        let expected = parameters.checked_mul(bits).ok_or("its shape is too large")?.div_ceil(8);
        if expected == data_bytes { Ok(()) } else { Err("its shape and its length do not agree") }
    }
}

fn dtype_bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E4M3" | "F8_E5M2" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

impl<'de> Deserialize<'de> for SafetensorsHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = SafetensorsHeader;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut header = SafetensorsHeader { metadata: BTreeMap::new(), tensors: BTreeMap::new() };
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        header.metadata = map.next_value::<Option<_>>()?.unwrap_or_default();
                    } else if header.tensors.len() >= TENSORS_MAX {
                        return Err(A::Error::custom("too many tensors"));
                    } else if header.tensors.insert(name, map.next_value()?).is_some() {
                        return Err(A::Error::custom("two tensors have the same name"));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(HeaderVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(json: &str) -> Vec<u8> {
        [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &[0; 64]].concat()
    }

    #[test]
    fn counts_parameters_by_type() {
        let json = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
            "b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"c":{"dtype":"F32","shape":[],"data_offsets":[32,36]},"d":{"dtype":"NEW","shape":[2],"data_offsets":[36,37]}}"#;
        let header = parse_header(&file(json)).unwrap();
        assert_eq!(header.metadata["format"], "pt");
        let counts: Vec<(String, u64)> = header.parameters_by_dtype().into_iter().collect();
        assert_eq!(counts, [("BF16".into(), 4), ("F32".into(), 7), ("NEW".into(), 2)]);
        assert_eq!(header.data_bytes(), 37);
        assert_eq!(header_end(&file(json)).unwrap(), json.len() as u64 + 8);
    }

    #[test]
    fn hostile_headers_are_refused() {
        for json in [
            "",
            "[]",
            "{",
            "null",
            r#"{"a":1}"#,
            r#"{"a":{"dtype":"F32","shape":[1]}}"#,
            r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,5]}}"#,
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#,
            r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
            &"[".repeat(100_000),
        ] {
            assert!(parse_header(&file(json)).is_err(), "{json:.80}");
        }
        assert!(matches!(parse_header(&u64::MAX.to_le_bytes()), Err(SafetensorsError::TooLong { .. })));
        assert!(matches!(parse_header(&[9, 0, 0, 0, 0, 0, 0, 0, b'{']), Err(SafetensorsError::Truncated { .. })));
        assert!(matches!(parse_header(b"short"), Err(SafetensorsError::Truncated { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(json in "[\\[\\]{}\":,a-z0-9]{0,80}") {
            let _ = parse_header(&file(&json));
        }
    }
}
