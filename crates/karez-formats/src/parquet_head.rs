//! The columns of a Parquet file, from its footer (Apache Parquet, `parquet.thrift`, in Thrift's compact protocol).
//!
//! Only the beginning of the footer is needed, where the schema stands; nothing here unpacks data. Names are
//! those of the first level: what lies within a list or a structure is one column.

use crate::table_head::{COLUMNS_MAX, ColumnKind};

/// The last bytes of a file: length of the footer in four bytes, and [`MAGIC`].
pub const PARQUET_END_BYTES: u64 = 8;
/// Bytes of a footer that are worth reading for its schema: of two hundred columns with long names.
pub const PARQUET_SCHEMA_BYTES_MAX: u64 = 64 << 10;
const MAGIC: &[u8; 4] = b"PAR1";
/// How deep structures that mean nothing here are followed.
const DEPTH_MAX: usize = 16;
/// Elements of a schema that are passed over, with all that lies in columns.
const ELEMENTS_MAX: usize = 100_000;

/// Returns the length of the footer, from the last eight bytes of a file; nothing when it is no Parquet file.
pub fn parquet_footer_bytes(end: &[u8]) -> Option<u64> {
    let (length, magic) = end.split_first_chunk::<4>()?;
    (magic == MAGIC).then(|| u64::from(u32::from_le_bytes(*length)))
}

/// Returns the columns in the beginning of a footer; nothing when it is damaged, has no rows, or more than
/// [`COLUMNS_MAX`] columns.
pub fn parquet_columns(footer: &[u8]) -> Option<Vec<(String, ColumnKind)>> {
    let mut reader = Compact { bytes: footer };
    let (mut columns, mut field) = (None, 0);
    loop {
        let (number, kind) = reader.field(field)?;
        field = number;
        match (number, kind) {
            (2, LIST) => columns = Some(schema(&mut reader)?),
            (3, I64) => return columns.filter(|_| reader.integer().is_some_and(|rows| rows > 0)),
            (_, STOP) => return None,
            _ => reader.skip(kind, 0)?,
        }
    }
}

const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I8: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

struct Compact<'a> {
    bytes: &'a [u8],
}

impl<'a> Compact<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.unsigned()?).ok()?;
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(text)
    }

    /// Returns number and kind of the next field of a structure.
    fn field(&mut self, before: i64) -> Option<(i64, u8)> {
        let head = self.byte()?;
        let kind = head & 0x0F;
        let number = match head >> 4 {
            _ if kind == STOP => 0,
            0 => self.integer()?,
            step => before.checked_add(i64::from(step))?,
        };
        Some((number, kind))
    }

    /// Returns how many elements a list has, and their kind.
    fn list(&mut self) -> Option<(usize, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.unsigned()?).ok()?,
            count => usize::from(count),
        };
        Some((count, head & 0x0F))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match kind {
            TRUE | FALSE => {}
            I8 => drop(self.byte()?),
            I16 | I32 | I64 => drop(self.unsigned()?),
            DOUBLE => self.bytes = self.bytes.get(8..)?,
            BINARY => drop(self.binary()?),
            LIST | SET => {
                let (count, kind) = self.list()?;
                for _ in 0..count {
                    self.skip(in_collection(kind), depth + 1)?;
                }
            }
            MAP => {
                let count = self.unsigned()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                for _ in 0..count {
                    self.skip(in_collection(kinds >> 4), depth + 1)?;
                    self.skip(in_collection(kinds & 0x0F), depth + 1)?;
                }
            }
            STRUCT => {
                let mut field = 0;
                loop {
                    let (number, kind) = self.field(field)?;
                    if kind == STOP {
                        return Some(());
                    }
                    field = number;
                    self.skip(kind, depth + 1)?;
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// A boolean in a list or map takes a byte; as a field it takes none. So every element costs one of the input.
fn in_collection(kind: u8) -> u8 {
    if matches!(kind, TRUE | FALSE) { I8 } else { kind }
}

/// An element of a schema: a column, a part of one, or the root.
#[derive(Default)]
struct Element<'a> {
    name: &'a [u8],
    physical: Option<i64>,
    repetition: Option<i64>,
    children: i64,
    converted: Option<i64>,
    /// The member of the union `LogicalType`.
    logical: Option<i64>,
}

fn schema(reader: &mut Compact<'_>) -> Option<Vec<(String, ColumnKind)>> {
    let (count, kind) = reader.list()?;
    if kind != STRUCT || count == 0 || count > ELEMENTS_MAX {
        return None;
    }
    let mut left = count - 1;
    let mut wanted = element(reader)?.children;
    let mut columns = Vec::new();
    while wanted > 0 {
        wanted -= 1;
        let column = element(reader)?;
        // What lies within the column.
        let mut within = column.children.max(0);
        left = left.checked_sub(1)?;
        while within > 0 {
            left = left.checked_sub(1)?;
            within = within.checked_add(element(reader)?.children.max(0))? - 1;
        }
        if columns.len() == COLUMNS_MAX {
            return None;
        }
        columns.push((std::str::from_utf8(column.name).ok()?.to_owned(), column.kind()));
    }
    // What is left belongs to nothing.
    for _ in 0..left {
        element(reader)?;
    }
    Some(columns)
}

fn element<'a>(reader: &mut Compact<'a>) -> Option<Element<'a>> {
    let (mut made, mut field) = (Element::default(), 0);
    loop {
        let (number, kind) = reader.field(field)?;
        field = number;
        match (number, kind) {
            (_, STOP) => return Some(made),
            (1, I32) => made.physical = Some(reader.integer()?),
            (3, I32) => made.repetition = Some(reader.integer()?),
            (4, BINARY) => made.name = reader.binary()?,
            (5, I32) => made.children = reader.integer()?,
            (6, I32) => made.converted = Some(reader.integer()?),
            (10, STRUCT) => {
                let (member, kind) = reader.field(0)?;
                if kind != STOP {
                    made.logical = Some(member);
                    reader.skip(kind, 0)?;
                    // The end of the union.
                    reader.skip(STRUCT, 0)?;
                }
            }
            _ => reader.skip(kind, 0)?,
        }
    }
}

impl Element<'_> {
    /// The enumerations `Type`, `ConvertedType` and `LogicalType` of `parquet.thrift`.
    fn kind(&self) -> ColumnKind {
        const REPEATED: i64 = 2;
        if self.children > 0 || self.repetition == Some(REPEATED) {
            return ColumnKind::Other;
        }
        match (self.physical, self.logical, self.converted) {
            (Some(0), ..) => ColumnKind::Boolean,
            (Some(1 | 2 | 6 | 7), Some(5), _) | (Some(1 | 2 | 6 | 7), None, Some(5)) => ColumnKind::Float,
            (Some(1), Some(6), _) | (Some(1), None, Some(6)) => ColumnKind::Date,
            (Some(2), Some(8), _) | (Some(2), None, Some(9 | 10)) | (Some(3), ..) => ColumnKind::DateTime,
            (Some(1 | 2), Some(10), _) | (Some(1 | 2), None, None | Some(11..=18)) => ColumnKind::Integer,
            (Some(4 | 5), ..) => ColumnKind::Float,
            (Some(6), Some(1 | 4), _) | (Some(6), None, Some(0 | 4)) => ColumnKind::Text,
            _ => ColumnKind::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The beginning of the footer that pyarrow 26 writes for a row of these columns.
    fn footer() -> Vec<u8> {
        let text = include_str!("../tests/golden/parquet_footer.hex");
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn columns_have_the_kinds_that_the_writer_meant() {
        let columns = parquet_columns(&footer()).unwrap();
        let seen: Vec<(&str, ColumnKind)> = columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        use ColumnKind::*;
        assert_eq!(
            seen,
            [
                ("t", Text),
                ("n", Integer),
                ("u", Integer),
                ("f", Float),
                ("b", Boolean),
                ("when", DateTime),
                ("day", Date),
                ("price", Float),
                ("raw", Other),
                ("list", Other),
                ("nest", Other)
            ]
        );
    }

    #[test]
    fn what_is_cut_or_no_footer_has_no_columns() {
        let footer = footer();
        let needed = (0..footer.len()).find(|&end| parquet_columns(&footer[..end]).is_some()).unwrap();
        assert!(parquet_columns(&footer[..needed - 1]).is_none());
        assert_eq!(parquet_columns(b""), None);
        assert_eq!(parquet_footer_bytes(b"\x05\x00\x00\x00PAR1"), Some(5));
        assert_eq!(parquet_footer_bytes(b"\x05\x00\x00\x00PARE"), None);
        // A list of 2^60 elements, and one that lies in itself without end.
        assert_eq!(parquet_columns(b"\x29\xFC\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x0F"), None);
        assert_eq!(parquet_columns(&[0x1C; 4096]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_columns_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Some(columns) = parquet_columns(&bytes) {
                prop_assert!(columns.len() <= COLUMNS_MAX);
            }
        }

        #[test]
        fn a_damaged_footer_is_read_without_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut footer = footer();
            let place = place.index(footer.len());
            footer[place] = byte;
            let _ = parquet_columns(&footer);
        }
    }
}
