//! Pkt-lines: four hexadecimal digits of length, then the bytes.

/// Longest payload of one pkt-line (git's `LARGE_PACKET_DATA_MAX`).
pub(super) const DATA_BYTES_MAX: usize = 65_516;
/// Longest payload of one side-band pkt-line: one byte names the band.
pub const SIDE_BAND_DATA_BYTES_MAX: usize = DATA_BYTES_MAX - 1;

/// One pkt-line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pkt<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// `0000`, the end of a message.
    Flush,
    /// `0001`, the end of a section.
    Delimiter,
    /// `0002`, the end of a stateless response.
    ResponseEnd,
}

/// Why bytes are not pkt-lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PktError {
    /// The length is not four hexadecimal digits, or is 3.
    #[error("a pkt-line does not begin with a valid length")]
    Length,
    /// The bytes end within a line.
    #[error("the last pkt-line is cut off")]
    Truncated,
}

/// Reads pkt-lines out of a whole request.
#[derive(Debug, Clone)]
pub struct PktReader<'a> {
    rest: &'a [u8],
}

impl<'a> PktReader<'a> {
    /// Returns a reader over these bytes.
    pub fn new(bytes: &'a [u8]) -> PktReader<'a> {
        PktReader { rest: bytes }
    }

    fn read(&mut self) -> Result<Pkt<'a>, PktError> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(PktError::Truncated)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(PktError::Length);
        let mut line_bytes = 0;
        for &byte in digits {
            line_bytes = line_bytes * 16 + digit(byte)? as usize;
        }
        let data_bytes = match line_bytes {
            0..=2 => 0,
            3 => return Err(PktError::Length),
            _ => line_bytes - 4,
        };
        let (data, rest) = rest.split_at_checked(data_bytes).ok_or(PktError::Truncated)?;
        self.rest = rest;
        Ok(match line_bytes {
            0 => Pkt::Flush,
            1 => Pkt::Delimiter,
            2 => Pkt::ResponseEnd,
            _ => Pkt::Data(data),
        })
    }
}

impl<'a> Iterator for PktReader<'a> {
    type Item = Result<Pkt<'a>, PktError>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let result = self.read();
        if result.is_err() {
            self.rest = &[];
        }
        Some(result)
    }
}

/// Appends one line.
///
/// # Panics
/// When the data is longer than a pkt-line holds.
pub fn write_line(data: &[u8], out: &mut Vec<u8>) {
    assert!(data.len() <= DATA_BYTES_MAX, "a pkt-line holds at most 65,516 bytes");
    out.extend_from_slice(format!("{:04x}", data.len() + 4).as_bytes());
    out.extend_from_slice(data);
}

/// Appends the end of a message.
pub fn write_flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// Appends the end of a section.
pub fn write_delimiter(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0001");
}

/// What a side-band line carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SideBand {
    /// Bytes of the pack.
    Pack,
    /// Words for the person at the other end.
    Progress,
    /// Words before giving up.
    Error,
}

/// Appends data on a band, in as many lines as it takes.
pub fn write_side_band(band: SideBand, data: &[u8], out: &mut Vec<u8>) {
    let number = match band {
        SideBand::Pack => 1,
        SideBand::Progress => 2,
        SideBand::Error => 3,
    };
    for piece in data.chunks(SIDE_BAND_DATA_BYTES_MAX) {
        out.extend_from_slice(format!("{:04x}", piece.len() + 5).as_bytes());
        out.push(number);
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_and_marks_are_told_apart() {
        let mut bytes = Vec::new();
        write_line(b"want x\n", &mut bytes);
        write_line(b"", &mut bytes);
        write_delimiter(&mut bytes);
        write_flush(&mut bytes);
        bytes.extend_from_slice(b"0002");
        let lines: Result<Vec<_>, _> = PktReader::new(&bytes).collect();
        assert_eq!(
            lines.unwrap(),
            [Pkt::Data(b"want x\n"), Pkt::Data(b""), Pkt::Delimiter, Pkt::Flush, Pkt::ResponseEnd]
        );
    }

    #[test]
    fn malformed_lines_end_the_reading() {
        for (bytes, error) in [
            ("0003", PktError::Length),
            ("zzzz", PktError::Length),
            ("00", PktError::Truncated),
            ("0006a", PktError::Truncated),
        ] {
            let results: Vec<_> = PktReader::new(bytes.as_bytes()).collect();
            assert_eq!(results, [Err(error)], "{bytes}");
        }
    }

    #[test]
    fn long_data_takes_several_side_band_lines() {
        let mut bytes = Vec::new();
        write_side_band(SideBand::Pack, &vec![b'x'; SIDE_BAND_DATA_BYTES_MAX + 1], &mut bytes);
        let lengths: Vec<usize> = PktReader::new(&bytes)
            .map(|pkt| match pkt {
                Ok(Pkt::Data(data)) => data.len(),
                _ => 0,
            })
            .collect();
        assert_eq!(lengths, [65_516, 2]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(PktReader::new(&bytes).count() <= bytes.len());
        }
    }
}
