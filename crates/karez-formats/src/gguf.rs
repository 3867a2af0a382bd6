//! The start of a GGUF file: key-value metadata and the list of tensors.
//!
//! Only the front of the file is given, so the list may be cut off: what was read until then is
//! returned all the same. Nothing is allocated on the word of a count.

use std::collections::BTreeMap;

/// How much of the front of a file is worth reading, in bytes: tokenizers take up to about 10 MB.
pub const FRONT_BYTES_MAX: u64 = 32 << 20;
/// Most metadata entries and most dimensions.
const ENTRIES_MAX: u64 = 65_536;
const DIMENSIONS_MAX: u32 = 8;
/// Most tensors that are kept; the largest models have some thousand.
pub const TENSORS_MAX: usize = 2_000;
/// Bytes that a tensor takes in the list at least: the length of its name, its dimensions, kind and place.
const TENSOR_BYTES_MIN: u64 = 24;
/// Longest name of a tensor that is kept, in bytes (ggml, `GGML_MAX_NAME`: 64).
const NAME_BYTES_MAX: usize = 256;
/// Longest key, and longest text that is kept; longer ones are passed over.
const KEY_BYTES_MAX: u64 = 65_535;
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Arrays in arrays, beyond which a file is refused.
const ARRAY_DEPTH_MAX: u32 = 4;

/// What a GGUF file says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Gguf {
    /// Version of the format.
    pub version: u32,
    /// How many tensors the file says that it has.
    pub tensor_count: u64,
    /// Numbers and texts by key. Arrays are left out, but for their length.
    pub metadata: BTreeMap<String, GgufValue>,
    /// How many numbers all tensors have; `None` when their list is cut off.
    pub parameters: Option<u64>,
    /// The first tensors, in the order of the file, at most [`TENSORS_MAX`].
    pub tensors: Vec<GgufTensor>,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufTensor {
    /// Its name.
    pub name: String,
    /// Its lengths, the one that changes fastest first, as the file has them.
    pub shape: Vec<u64>,
    /// How its numbers are stored, by the number of `ggml_type`.
    pub kind: u32,
}

impl GgufTensor {
    /// Returns the name of how its numbers are stored, such as `Q4_K` (ggml, `ggml_type`).
    pub fn kind_name(&self) -> Option<&'static str> {
        Some(match self.kind {
            0 => "F32",
            1 => "F16",
            2 => "Q4_0",
            3 => "Q4_1",
            6 => "Q5_0",
            7 => "Q5_1",
            8 => "Q8_0",
            9 => "Q8_1",
            10 => "Q2_K",
            11 => "Q3_K",
            12 => "Q4_K",
            13 => "Q5_K",
            14 => "Q6_K",
            15 => "Q8_K",
            16 => "IQ2_XXS",
            17 => "IQ2_XS",
            18 => "IQ3_XXS",
            19 => "IQ1_S",
            20 => "IQ4_NL",
            21 => "IQ3_S",
            22 => "IQ2_S",
            23 => "IQ4_XS",
            24 => "I8",
            25 => "I16",
            26 => "I32",
            27 => "I64",
            28 => "F64",
            29 => "IQ1_M",
            30 => "BF16",
            34 => "TQ1_0",
            35 => "TQ2_0",
            39 => "MXFP4",
            _ => return None,
        })
    }
}

/// One metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum GgufValue {
    /// A whole number that is not negative.
    Unsigned(u64),
    /// A negative whole number.
    Signed(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// A text.
    Text(String),
    /// An array, of which only the length is kept.
    Array {
        /// How many elements it has.
        length: u64,
    },
}

/// Why bytes are not the front of a GGUF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GgufError {
    /// The file does not begin with `GGUF`.
    #[error("the file does not begin with GGUF")]
    Magic,
    /// A version of the format that we do not read; also any big-endian file.
    #[error("version {0} of GGUF is not supported")]
    Version(u32),
    /// A count, length or type that no honest file has.
    #[error("malformed: {0}")]
    Malformed(&'static str),
}

/// Why reading stops: the front is used up, or the file is wrong.
enum Stop {
    End,
    Error(GgufError),
}

type Read<T> = Result<T, Stop>;

fn malformed<T>(what: &'static str) -> Read<T> {
    Err(Stop::Error(GgufError::Malformed(what)))
}

impl Gguf {
    /// Reads the front of a file.
    ///
    /// # Errors
    /// When the bytes are something else or no honest file has them. Bytes that end early are no
    /// error.
    pub fn parse(front: &[u8]) -> Result<Gguf, GgufError> {
        Gguf::parse_file(front, u64::MAX)
    }

    /// Reads the front of a file of a known length, in bytes: counts and lengths that it has no room for are refused.
    ///
    /// # Errors
    /// As [`Gguf::parse`].
    pub fn parse_file(front: &[u8], file_bytes: u64) -> Result<Gguf, GgufError> {
        let mut reader = Reader { rest: front, file_bytes };
        let mut gguf =
            Gguf { version: 0, tensor_count: 0, metadata: BTreeMap::new(), parameters: None, tensors: Vec::new() };
        match reader.file(&mut gguf) {
            Ok(()) => Ok(gguf),
            // Without the fixed part there is nothing to say.
            Err(Stop::End) if gguf.version == 0 => Err(GgufError::Magic),
            Err(Stop::End) => Ok(gguf),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// Returns a text of the metadata.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key)? {
            GgufValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a whole number of the metadata, or the length of an array.
    pub fn number(&self, key: &str) -> Option<u64> {
        match *self.metadata.get(key)? {
            GgufValue::Unsigned(number) | GgufValue::Array { length: number } => Some(number),
            _ => None,
        }
    }

    /// Returns the architecture, such as `llama`.
    pub fn architecture(&self) -> Option<&str> {
        self.text("general.architecture")
    }

    /// Returns the number of tokens that the model attends to.
    pub fn context_length(&self) -> Option<u64> {
        self.number(&format!("{}.context_length", self.architecture()?))
    }

    /// Returns the chat template.
    pub fn chat_template(&self) -> Option<&str> {
        self.text("tokenizer.chat_template")
    }

    /// Returns the name of the quantisation, such as `Q4_K_M` (llama.cpp, `llama_ftype`).
    pub fn quantisation(&self) -> Option<&'static str> {
        Some(match self.number("general.file_type")? {
            0 => "F32",
            1 => "F16",
            2 => "Q4_0",
            3 => "Q4_1",
            7 => "Q8_0",
            8 => "Q5_0",
            9 => "Q5_1",
            10 => "Q2_K",
            11 => "Q3_K_S",
            12 => "Q3_K_M",
            13 => "Q3_K_L",
            14 => "Q4_K_S",
            15 => "Q4_K_M",
            16 => "Q5_K_S",
            17 => "Q5_K_M",
            18 => "Q6_K",
            19 => "IQ2_XXS",
            20 => "IQ2_XS",
            21 => "Q2_K_S",
            22 => "IQ3_XS",
            23 => "IQ3_XXS",
            24 => "IQ1_S",
            25 => "IQ4_NL",
            26 => "IQ3_S",
            27 => "IQ3_M",
            28 => "IQ2_S",
            29 => "IQ2_M",
            30 => "IQ4_XS",
            31 => "IQ1_M",
            32 => "BF16",
            36 => "TQ1_0",
            37 => "TQ2_0",
            38 => "MXFP4",
            _ => return None,
        })
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    file_bytes: u64,
}

impl<'a> Reader<'a> {
    fn file(&mut self, gguf: &mut Gguf) -> Read<()> {
        if self.take(4)? != b"GGUF" {
            return Err(Stop::Error(GgufError::Magic));
        }
        let version = self.u32()?;
        if !matches!(version, 2 | 3) {
            return Err(Stop::Error(GgufError::Version(version)));
        }
        let tensor_count = self.u64()?;
        let entry_count = self.u64()?;
        if entry_count > ENTRIES_MAX {
            return malformed("too many metadata entries");
        }
        self.has_room(tensor_count, TENSOR_BYTES_MIN, "it has no room for so many tensors")?;
        (gguf.version, gguf.tensor_count) = (version, tensor_count);
        for _ in 0..entry_count {
            let key_bytes = self.u64()?;
            if key_bytes > KEY_BYTES_MAX {
                return malformed("a key is too long");
            }
            let key = String::from_utf8_lossy(self.take(key_bytes)?).into_owned();
            let value_type = self.u32()?;
            if let Some(value) = self.value(value_type, 0)? {
                gguf.metadata.insert(key, value);
            }
        }
        gguf.parameters = Some(self.tensors(tensor_count, &mut gguf.tensors)?);
        Ok(())
    }

    /// Adds up the tensors, and keeps the first; each takes bytes of the front, so a false count ends the reading.
    fn tensors(&mut self, tensor_count: u64, kept: &mut Vec<GgufTensor>) -> Read<u64> {
        let mut parameters = 0u64;
        for _ in 0..tensor_count {
            let name_bytes = self.u64()?;
            let name = self.take(name_bytes)?;
            let dimensions = self.u32()?;
            if dimensions > DIMENSIONS_MAX {
                return malformed("a tensor has too many dimensions");
            }
            let shape = (0..dimensions).map(|_| self.u64()).collect::<Read<Vec<_>>>()?;
            let count = shape.iter().fold(1u64, |count, length| count.saturating_mul(*length));
            parameters = parameters.saturating_add(count);
            let kind = self.u32()?;
            // Where its bytes begin.
            self.u64()?;
            if kept.len() < TENSORS_MAX {
                let name = String::from_utf8_lossy(&name[..name.len().min(NAME_BYTES_MAX)]).into_owned();
                kept.push(GgufTensor { name, shape, kind });
            }
        }
        Ok(parameters)
    }

    fn value(&mut self, value_type: u32, depth: u32) -> Read<Option<GgufValue>> {
        let signed = |number: i64| u64::try_from(number).map_or(GgufValue::Signed(number), GgufValue::Unsigned);
        Ok(Some(match value_type {
            0 => GgufValue::Unsigned(self.array::<1>()?[0].into()),
            1 => signed(i8::from_le_bytes(self.array()?).into()),
            2 => GgufValue::Unsigned(u16::from_le_bytes(self.array()?).into()),
            3 => signed(i16::from_le_bytes(self.array()?).into()),
            4 => GgufValue::Unsigned(self.u32()?.into()),
            5 => signed(i32::from_le_bytes(self.array()?).into()),
            6 => GgufValue::Float(f32::from_le_bytes(self.array()?).into()),
            7 => GgufValue::Bool(self.array::<1>()?[0] != 0),
            8 => {
                let text_bytes = self.u64()?;
                let text = self.take(text_bytes)?;
                if text.len() > TEXT_BYTES_MAX {
                    return Ok(None);
                }
                GgufValue::Text(String::from_utf8_lossy(text).into_owned())
            }
            9 => GgufValue::Array { length: self.skip_array(depth)? },
            10 => GgufValue::Unsigned(self.u64()?),
            11 => signed(i64::from_le_bytes(self.array()?)),
            12 => GgufValue::Float(f64::from_le_bytes(self.array()?)),
            _ => return malformed("a metadata value has an unknown type"),
        }))
    }

    fn skip_array(&mut self, depth: u32) -> Read<u64> {
        if depth >= ARRAY_DEPTH_MAX {
            return malformed("arrays are nested too deep");
        }
        let element_type = self.u32()?;
        let length = self.u64()?;
        let element_bytes: u64 = match element_type {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 | 9 => 0,
            _ => return malformed("an array has an unknown type"),
        };
        // A text is at least its length, an array its type and length.
        let least_bytes = if element_type == 9 { 12 } else { element_bytes.max(if element_type == 8 { 8 } else { 1 }) };
        self.has_room(length, least_bytes, "it has no room for so long an array")?;
        if element_bytes > 0 {
            self.take(length.saturating_mul(element_bytes))?;
            return Ok(length);
        }
        for _ in 0..length {
            if element_type == 8 {
                let text_bytes = self.u64()?;
                self.take(text_bytes)?;
            } else {
                self.skip_array(depth + 1)?;
            }
        }
        Ok(length)
    }

    /// Refuses a count of things that the whole file is too short for.
    fn has_room(&self, count: u64, least_bytes: u64, what: &'static str) -> Read<()> {
        if count.saturating_mul(least_bytes) > self.file_bytes { malformed(what) } else { Ok(()) }
    }

    fn take(&mut self, count: u64) -> Read<&'a [u8]> {
        self.has_room(count, 1, "something in it is longer than the file")?;
        let count = usize::try_from(count).map_err(|_| Stop::End)?;
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Stop::End)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Stop::End)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Read<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
    }

    fn entry(key: &str, value_type: u32, value: &[u8]) -> Vec<u8> {
        [text(key), value_type.to_le_bytes().to_vec(), value.to_vec()].concat()
    }

    fn file(tensors: u64, entries: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend(tensors.to_le_bytes());
        bytes.extend((entries.len() as u64).to_le_bytes());
        bytes.extend(entries.concat());
        bytes
    }

    fn tensor(name: &str, shape: &[u64]) -> Vec<u8> {
        let mut bytes = text(name);
        bytes.extend((shape.len() as u32).to_le_bytes());
        bytes.extend(shape.iter().flat_map(|length| length.to_le_bytes()));
        bytes.extend([0; 12]);
        bytes
    }

    fn sample() -> Vec<u8> {
        let tokens = [&8u32.to_le_bytes()[..], &2u64.to_le_bytes(), &text("<s>"), &text("</s>")].concat();
        let mut bytes = file(
            2,
            &[
                entry("general.architecture", 8, &text("llama")),
                entry("general.file_type", 4, &15u32.to_le_bytes()),
                entry("llama.context_length", 10, &4096u64.to_le_bytes()),
                entry("tokenizer.ggml.tokens", 9, &tokens),
                entry("tokenizer.chat_template", 8, &text("{{ x }}")),
                entry("a.negative", 5, &(-5i32).to_le_bytes()),
            ],
        );
        bytes.extend(tensor("a", &[10, 20]));
        bytes.extend(tensor("b", &[7]));
        bytes
    }

    #[test]
    fn reads_what_a_model_says_of_itself() {
        let gguf = Gguf::parse(&sample()).unwrap();
        assert_eq!(
            (gguf.architecture(), gguf.quantisation(), gguf.context_length()),
            (Some("llama"), Some("Q4_K_M"), Some(4096))
        );
        assert_eq!((gguf.chat_template(), gguf.number("tokenizer.ggml.tokens")), (Some("{{ x }}"), Some(2)));
        assert_eq!((gguf.parameters, gguf.tensor_count), (Some(207), 2));
        assert_eq!(gguf.metadata["a.negative"], GgufValue::Signed(-5));
        let tensors = [("a", vec![10, 20]), ("b", vec![7])].map(|(name, shape)| GgufTensor {
            name: name.to_owned(),
            shape,
            kind: 0,
        });
        assert_eq!(gguf.tensors, tensors);
        assert_eq!(
            (gguf.tensors[0].kind_name(), GgufTensor { kind: 99, ..tensors[0].clone() }.kind_name()),
            (Some("F32"), None)
        );
    }

    #[test]
    fn a_front_that_ends_early_gives_what_there_is() {
        let whole = sample();
        for end in 24..whole.len() {
            let gguf = Gguf::parse(&whole[..end]).unwrap();
            assert_eq!(gguf.parameters, None, "{end}");
        }
        for end in 0..8 {
            assert!(Gguf::parse(&whole[..end]).is_err());
        }
    }

    #[test]
    fn hostile_files_are_refused_or_end() {
        let nested =
            |depth: usize| entry("a", 9, &[&9u32.to_le_bytes()[..], &1u64.to_le_bytes()].concat().repeat(depth));
        assert!(Gguf::parse(&file(0, &[nested(100_000)])).is_err());
        let many = [file(3_000, &[]), tensor(&"x".repeat(1_000), &[1]).repeat(3_000)].concat();
        let many = Gguf::parse(&many).unwrap();
        assert_eq!((many.tensors.len(), many.tensors[0].name.len(), many.parameters), (TENSORS_MAX, 256, Some(3_000)));
        assert!(Gguf::parse(&file(0, &[entry("a", 99, b"")])).is_err());
        assert_eq!(Gguf::parse(&file(u64::MAX, &[])).unwrap().parameters, None);
        assert_eq!(
            Gguf::parse(&[file(1, &[]), tensor("a", &[u64::MAX, u64::MAX])].concat()).unwrap().parameters,
            Some(u64::MAX)
        );
        let endless = entry("a", 9, &[&4u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat());
        assert!(Gguf::parse(&file(0, &[endless])).unwrap().metadata.is_empty());
        assert_eq!(Gguf::parse(b"GGUF\0\0\0\x03aaaaaaaaaaaaaaaa"), Err(GgufError::Version(0x0300_0000)));
        assert_eq!(Gguf::parse(b"PK\x03\x04 and more"), Err(GgufError::Magic));
    }

    #[test]
    fn what_the_file_has_no_room_for_is_refused() {
        let whole = sample();
        let file_bytes = whole.len() as u64;
        assert_eq!(Gguf::parse_file(&whole, file_bytes).unwrap(), Gguf::parse(&whole).unwrap());
        assert_eq!(Gguf::parse_file(&whole[..100], file_bytes).unwrap().tensor_count, 2, "cut off, and honest");
        let array = |kind: u32| entry("a", 9, &[&kind.to_le_bytes()[..], &(1u64 << 60).to_le_bytes()].concat());
        let long_key = [file(0, &[]), (1u64 << 40).to_le_bytes().to_vec()].concat();
        for lie in [file(1 << 60, &[]), file(0, &[array(8)]), file(0, &[array(4)]), file(0, &[array(9)])] {
            assert!(matches!(Gguf::parse_file(&lie, lie.len() as u64), Err(GgufError::Malformed(_))));
        }
        assert!(Gguf::parse_file(&long_key, long_key.len() as u64).is_ok(), "no entry is read");
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(mut tail in proptest::collection::vec(any::<u8>(), 0..200), entries in 0u64..4) {
            let mut bytes = b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
            bytes.extend(entries.to_le_bytes());
            bytes.append(&mut tail);
            let _ = Gguf::parse(&bytes);
        }
    }
}
