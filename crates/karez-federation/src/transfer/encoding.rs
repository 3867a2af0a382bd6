//! The form in which a range travels. Today: as it is stored.
//!
//! An encoding turns what was received into the wire bytes of the layout, exactly; hashes are checked
//! on those. Entropy-coded weights and deltas are further implementations, asked for by name.

use bytes::Bytes;
use karez_types::ByteRange;

use super::{Piece, SourceError};

/// Name of the encoding that changes nothing.
pub const STORED: &str = "stored";

/// A form that bytes can travel in.
pub trait Encoding: Send + Sync {
    /// The name that is asked for.
    fn name(&self) -> &'static str;

    /// Returns a decoder for one answer: `bytes` of a piece, counted from where the piece begins.
    fn decoder(&self, piece: &Piece, bytes: ByteRange) -> Box<dyn Decoder>;
}

/// Decodes one answer.
pub trait Decoder: Send {
    /// Takes received bytes and appends the wire bytes that they complete to `out`.
    ///
    /// # Errors
    /// [`SourceError::Wrong`] when they cannot be decoded, or decode to more than was asked for.
    fn push(&mut self, received: &Bytes, out: &mut Vec<Bytes>) -> Result<(), SourceError>;
}

/// The bytes as they are stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stored;

impl Encoding for Stored {
    fn name(&self) -> &'static str {
        STORED
    }

    fn decoder(&self, _piece: &Piece, bytes: ByteRange) -> Box<dyn Decoder> {
        Box::new(AsIs { rest_bytes: bytes.byte_count() })
    }
}

struct AsIs {
    rest_bytes: u64,
}

impl Decoder for AsIs {
    fn push(&mut self, received: &Bytes, out: &mut Vec<Bytes>) -> Result<(), SourceError> {
        let count = received.len() as u64;
        if count > self.rest_bytes {
            return Err(SourceError::Wrong("sends more bytes than it was asked for".to_owned()));
        }
        self.rest_bytes -= count;
        if count > 0 {
            out.push(received.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use karez_types::XorbHash;

    use super::*;
    use crate::transfer::Place;

    #[test]
    fn more_than_was_asked_for_is_a_lie() {
        let piece = Piece { at: 0, bytes: 10, place: Place::Xorb { xorb: XorbHash([1; 32]), start: 5 } };
        let mut decoder = Stored.decoder(&piece, ByteRange { start: 2, end: 6 });
        let mut out = Vec::new();
        decoder.push(&Bytes::from_static(b"abc"), &mut out).unwrap();
        decoder.push(&Bytes::new(), &mut out).unwrap();
        assert_eq!(out, [Bytes::from_static(b"abc")]);
        assert!(matches!(decoder.push(&Bytes::from_static(b"de"), &mut out), Err(SourceError::Wrong(_))));
    }
}
