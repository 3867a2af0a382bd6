//! Texts that are not UTF-8: what a card says, or what the first bytes of UTF-16 say by themselves.

use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_16BE, UTF_16LE};

use crate::error::{PreviewError, PreviewResult};
use crate::format::Packing;
use crate::source::Source;
use crate::unpack::unpacked;

/// Bytes that are turned at once. One becomes three at most.
const PART_BYTES: usize = 64 << 10;

/// Returns an encoding by a name that Python knows it by; nothing for those that are not known here.
pub fn of_name(name: &str) -> Option<&'static Encoding> {
    let name = name.trim().to_ascii_lowercase().replace(['_', ' '], "-");
    let label = match name.as_str() {
        "utf-8-sig" | "u8" | "utf" => "utf-8",
        "latin-1" | "l1" | "iso8859-1" | "8859" | "cp819" | "iso-8859-1-1987" => "latin1",
        "utf-16-le" => "utf-16le",
        "utf-16-be" => "utf-16be",
        "cp932" | "ms932" | "sjis" | "s-jis" => "shift_jis",
        "cp936" | "gb2312" | "euccn" => "gbk",
        "cp949" | "euckr" => "euc-kr",
        "cp950" => "big5",
        "eucjp" | "ujis" => "euc-jp",
        "mac-roman" | "macroman" => "macintosh",
        other => other,
    };
    Encoding::for_label(label.as_bytes()).or_else(|| Encoding::for_label(label.replace('-', "_").as_bytes()))
}

/// Where a text comes from, and how its bytes become UTF-8.
#[derive(Clone)]
pub struct Origin {
    source: Source,
    packing: Packing,
    encoding: Option<&'static Encoding>,
    /// Whether it is UTF-16 by its first bytes, and nobody said so.
    pub is_utf16: bool,
}

impl Origin {
    /// Returns the text of a file. The name is that of its encoding, if somebody said it.
    ///
    /// # Errors
    /// When the file cannot be read, or the name is not known.
    pub fn open(source: &Source, packing: Packing, name: Option<&str>) -> PreviewResult<Origin> {
        let unknown = || PreviewError::unsupported("the card names an encoding that is not known here");
        let said = name.map(|name| of_name(name).ok_or_else(unknown)).transpose()?;
        let mut origin = Origin { source: source.clone(), packing, encoding: said, is_utf16: false };
        if origin.encoding == Some(encoding_rs::UTF_8) {
            origin.encoding = None;
        }
        if said.is_none() {
            let mut mark = [0; 2];
            let mut reader = unpacked(source, packing)?;
            if source.file_bytes() >= 2 && reader.read_exact(&mut mark).is_ok() {
                origin.encoding = match mark {
                    [0xff, 0xfe] => Some(UTF_16LE),
                    [0xfe, 0xff] => Some(UTF_16BE),
                    _ => None,
                };
                origin.is_utf16 = origin.encoding.is_some();
            }
        }
        Ok(origin)
    }

    /// Tells whether a byte of the text is a byte of the file, so that reading can begin anywhere.
    pub fn is_plain(&self) -> bool {
        self.packing == Packing::Plain && self.encoding.is_none()
    }

    /// Returns the length of the file, in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.source.file_bytes()
    }

    /// Returns the text from its front.
    ///
    /// # Errors
    /// When the packing's own header is wrong.
    pub fn reader(&self) -> io::Result<Box<dyn Read>> {
        let reader = unpacked(&self.source, self.packing)?;
        Ok(match self.encoding {
            None => reader,
            Some(encoding) => Box::new(Decoded {
                reader,
                decoder: encoding.new_decoder(),
                raw: Vec::new(),
                text: Vec::new(),
                used: 0,
                is_over: false,
            }),
        })
    }

    /// Returns the text from a byte on. Only where [`Origin::is_plain`].
    pub fn reader_at(&self, place: u64) -> Box<dyn Read> {
        Box::new(self.source.reader(place))
    }
}

struct Decoded {
    reader: Box<dyn Read>,
    decoder: Decoder,
    /// Bytes that are not turned yet.
    raw: Vec<u8>,
    text: Vec<u8>,
    used: usize,
    is_over: bool,
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.used == self.text.len() && !self.is_over {
            self.raw.resize(PART_BYTES, 0);
            let count = loop {
                match self.reader.read(&mut self.raw) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            self.is_over = count == 0;
            let room = self.decoder.max_utf8_buffer_length(count).unwrap_or(PART_BYTES * 4);
            self.text.resize(room, 0);
            let (result, _, written, _) = self.decoder.decode_to_utf8(&self.raw[..count], &mut self.text, self.is_over);
            debug_assert_eq!(result, CoderResult::InputEmpty, "the room is the most that it may need");
            self.text.truncate(written);
            self.used = 0;
        }
        let count = buffer.len().min(self.text.len() - self.used);
        buffer[..count].copy_from_slice(&self.text[self.used..self.used + count]);
        self.used += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], name: Option<&str>) -> (String, bool) {
        let source = Source::new(bytes::Bytes::copy_from_slice(bytes));
        let origin = Origin::open(&source, Packing::Plain, name).unwrap();
        let mut text = String::new();
        origin.reader().unwrap().read_to_string(&mut text).unwrap();
        (text, origin.is_utf16)
    }

    #[test]
    fn encodings_are_turned_to_text() {
        let utf16: Vec<u8> = "\u{feff}id,ወባ\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&utf16, None), ("id,ወባ\n".to_owned(), true));
        assert_eq!(read(&utf16, Some("utf-16")), ("id,ወባ\n".to_owned(), false));
        assert_eq!(read(b"caf\xe9", Some("latin-1")).0, "café");
        assert_eq!(read(b"\xcf\xf0\xe8", Some("cp1251")).0, "При");
        assert_eq!(read(b"plain", None).0, "plain");
        let long: Vec<u8> = "é".repeat(100_000).encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(read(&long, Some("utf_16_be")).0.chars().count(), 100_000);
        for name in ["ISO-8859-1", "utf8", "utf_8_sig", "shift_jis", "cp932", "gb18030", "big5", "euc_kr", "koi8-r"] {
            assert!(of_name(name).is_some(), "{name}");
        }
        assert!(of_name("klingon").is_none());
    }
}
