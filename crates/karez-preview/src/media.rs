//! Pictures and sounds by their headers: how large, how long. Nothing is decoded.

use std::io;

use serde_json::{Value, json};

use crate::error::PreviewResult;
use crate::folder::{Folder, FolderRows, folder_name};
use crate::source::Source;
use crate::table::{Batch, Column, Ended, Flow, Table, Visit};

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Media {
    /// A picture.
    Picture {
        /// Type as in `Content-Type`.
        kind: &'static str,
        /// Points across.
        width: u32,
        /// Points down.
        height: u32,
    },
    /// A sound.
    Sound {
        /// Type as in `Content-Type`.
        kind: &'static str,
        /// Samples in a second.
        rate_hz: u32,
        /// Length in seconds, where the header or the end of the file says so.
        secs: Option<f64>,
    },
}

impl Media {
    /// Returns the type as in `Content-Type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Media::Picture { kind, .. } | Media::Sound { kind, .. } => kind,
        }
    }

    /// Returns the number that statistics count: points across, or seconds.
    pub fn measure(&self) -> Option<f64> {
        match self {
            Media::Picture { width, .. } => Some(f64::from(*width)),
            Media::Sound { secs, .. } => *secs,
        }
    }

    /// Returns it as the cell of a table.
    pub fn to_json(self) -> Value {
        match self {
            Media::Picture { kind, width, height } => json!({ "type": kind, "width": width, "height": height }),
            Media::Sound { kind, rate_hz, secs } => {
                json!({ "type": kind, "sampling_rate": rate_hz, "duration": secs })
            }
        }
    }
}

/// Bytes of the front that are looked at. A JPEG with a preview of itself inside says its size behind that.
const FRONT_BYTES: usize = 256 << 10;
/// Bytes of the end of an Ogg file: its last page says how long it is.
const TAIL_BYTES: u64 = 64 << 10;

/// Reads the header of a picture or sound; nothing when it is neither.
///
/// # Errors
/// When the bytes cannot be had.
pub fn header(source: &Source) -> io::Result<Option<Media>> {
    let short = source.front(0, 64 << 10)?;
    if short.starts_with(b"OggS") {
        let tail = source.file_bytes().saturating_sub(TAIL_BYTES);
        return Ok(ogg(&short, &source.front(tail, TAIL_BYTES as usize)?));
    }
    let found = of_front(&short, source.file_bytes());
    if found.is_none() && short.starts_with(&[0xff, 0xd8]) {
        return Ok(jpeg(&source.front(0, FRONT_BYTES)?));
    }
    Ok(found)
}

/// Reads the header of a picture or sound that is in memory.
pub fn of_bytes(bytes: &[u8]) -> Option<Media> {
    match bytes.starts_with(b"OggS") {
        true => ogg(bytes, &bytes[bytes.len().saturating_sub(TAIL_BYTES as usize)..]),
        false => of_front(bytes, bytes.len() as u64),
    }
}

fn of_front(front: &[u8], file_bytes: u64) -> Option<Media> {
    png(front)
        .or_else(|| gif(front))
        .or_else(|| jpeg(front))
        .or_else(|| webp(front))
        .or_else(|| bmp(front))
        .or_else(|| wav(front))
        .or_else(|| flac(front))
        .or_else(|| mp3(front, file_bytes))
}

fn be16(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn le16(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn png(front: &[u8]) -> Option<Media> {
    let is_png = front.starts_with(b"\x89PNG\r\n\x1a\n") && front.get(12..16)? == b"IHDR";
    is_png.then_some(())?;
    Some(Media::Picture { kind: "image/png", width: be32(front, 16)?, height: be32(front, 20)? })
}

fn gif(front: &[u8]) -> Option<Media> {
    (front.starts_with(b"GIF87a") || front.starts_with(b"GIF89a")).then_some(())?;
    Some(Media::Picture { kind: "image/gif", width: le16(front, 6)?, height: le16(front, 8)? })
}

fn bmp(front: &[u8]) -> Option<Media> {
    (front.starts_with(b"BM") && le32(front, 14)? >= 40).then_some(())?;
    let height = le32(front, 22)?.cast_signed().unsigned_abs();
    Some(Media::Picture { kind: "image/bmp", width: le32(front, 18)?, height })
}

fn webp(front: &[u8]) -> Option<Media> {
    (front.starts_with(b"RIFF") && front.get(8..12)? == b"WEBP").then_some(())?;
    let (width, height) = match front.get(12..16)? {
        b"VP8X" => {
            let three = |at: usize| Some(le16(front, at)? | u32::from(*front.get(at + 2)?) << 16);
            (three(24)? + 1, three(27)? + 1)
        }
        b"VP8L" => {
            let bits = le32(front, 21)?;
            ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
        }
        b"VP8 " => (le16(front, 26)? & 0x3fff, le16(front, 28)? & 0x3fff),
        _ => return None,
    };
    Some(Media::Picture { kind: "image/webp", width, height })
}

/// A JPEG is a row of marked parts; the one that begins a frame says its size.
fn jpeg(front: &[u8]) -> Option<Media> {
    front.starts_with(&[0xff, 0xd8]).then_some(())?;
    let mut at = 2;
    loop {
        while *front.get(at)? == 0xff && *front.get(at + 1)? == 0xff {
            at += 1;
        }
        (*front.get(at)? == 0xff).then_some(())?;
        match *front.get(at + 1)? {
            0xc4 | 0xc8 | 0xcc => {}
            0xc0..=0xcf => {
                return Some(Media::Picture {
                    kind: "image/jpeg",
                    width: be16(front, at + 7)?,
                    height: be16(front, at + 5)?,
                });
            }
            0xd9 | 0xda => return None,
            _ => {}
        }
        let length = be16(front, at + 2)? as usize;
        (length >= 2).then_some(())?;
        at += 2 + length;
    }
}

fn wav(front: &[u8]) -> Option<Media> {
    (front.starts_with(b"RIFF") && front.get(8..12)? == b"WAVE").then_some(())?;
    let (mut at, mut rate) = (12usize, None);
    loop {
        let length = le32(front, at + 4)?;
        match front.get(at..at + 4)? {
            b"fmt " => rate = Some((le32(front, at + 12)?, le32(front, at + 16)?)),
            b"data" => {
                let (rate_hz, bytes_a_sec) = rate?;
                let secs = (bytes_a_sec > 0).then(|| f64::from(length) / f64::from(bytes_a_sec));
                return Some(Media::Sound { kind: "audio/wav", rate_hz, secs });
            }
            _ => {}
        }
        at = at.checked_add(8)?.checked_add(length as usize)?.checked_add(length as usize & 1)?;
    }
}

fn flac(front: &[u8]) -> Option<Media> {
    (front.starts_with(b"fLaC") && front.get(4)? & 0x7f == 0).then_some(())?;
    // STREAMINFO: 20 bits of rate begin 10 bytes in; 36 bits of samples end 18 bytes in.
    let rate_hz = be32(front, 18)? >> 12;
    let samples = u64::from(be16(front, 20)? & 0xf) << 32 | u64::from(be32(front, 22)?);
    let secs = (rate_hz > 0 && samples > 0).then(|| samples as f64 / f64::from(rate_hz));
    (rate_hz > 0).then_some(Media::Sound { kind: "audio/flac", rate_hz, secs })
}

/// The first frame of an MP3, behind its tag, says rate and bits a second; a `Xing` head the number of frames.
fn mp3(front: &[u8], file_bytes: u64) -> Option<Media> {
    let mut at = 0usize;
    if front.starts_with(b"ID3") {
        let part = |at: usize| front.get(at).map(|byte| usize::from(byte & 0x7f));
        at = 10 + (part(6)? << 21 | part(7)? << 14 | part(8)? << 7 | part(9)?);
    }
    const RATES: [u32; 3] = [44_100, 48_000, 32_000];
    const BITS: [u32; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const BITS_V2: [u32; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let head = be32(front, at)?;
    let (version, layer) = (head >> 19 & 3, head >> 17 & 3);
    (head >> 21 == 0x7ff && layer == 1 && version != 1).then_some(())?;
    let (bits, rate) = (head >> 12 & 15, head >> 10 & 3);
    let is_v1 = version == 3;
    let kilobits = *(if is_v1 { BITS } else { BITS_V2 }).get(bits as usize)?;
    let rate_hz = RATES.get(rate as usize)?
        / match version {
            3 => 1,
            2 => 2,
            _ => 4,
        };
    let side = match (is_v1, head >> 6 & 3 == 3) {
        (true, false) => 32,
        (true, true) | (false, false) => 17,
        (false, true) => 9,
    };
    let samples_a_frame = if is_v1 { 1_152.0 } else { 576.0 };
    let xing = at + 4 + side;
    let has_frames = matches!(front.get(xing..xing + 4), Some(b"Xing" | b"Info")) && be32(front, xing + 4)? & 1 == 1;
    let secs = if has_frames {
        Some(f64::from(be32(front, xing + 8)?) * samples_a_frame / f64::from(rate_hz))
    } else if kilobits > 0 {
        Some(file_bytes.saturating_sub(at as u64) as f64 * 8.0 / f64::from(kilobits * 1_000))
    } else {
        None
    };
    Some(Media::Sound { kind: "audio/mpeg", rate_hz, secs })
}

fn ogg(front: &[u8], tail: &[u8]) -> Option<Media> {
    let body = 27 + usize::from(*front.get(26)?);
    let head = front.get(body..)?;
    let (rate_hz, granules_a_sec) = if head.starts_with(b"\x01vorbis") {
        let rate = le32(head, 12)?;
        (rate, rate)
    } else if head.starts_with(b"OpusHead") {
        (le32(head, 12)?, 48_000)
    } else {
        return None;
    };
    let last = memchr::memmem::rfind(tail, b"OggS");
    let granule = last.and_then(|at| Some(u64::from_le_bytes(tail.get(at + 6..at + 14)?.try_into().ok()?)));
    let secs = granule
        .filter(|granule| granules_a_sec > 0 && *granule != u64::MAX)
        .map(|granule| granule as f64 / f64::from(granules_a_sec));
    Some(Media::Sound { kind: "audio/ogg", rate_hz, secs })
}

/// Returns a picture or sound as the cell of a table: what its header says, and where it is.
///
/// # Errors
/// When the bytes cannot be had.
pub fn shown(source: &Source, path: String) -> io::Result<Value> {
    let mut cell = header(source)?.map_or_else(|| json!({}), Media::to_json);
    cell["path"] = path.into();
    Ok(cell)
}

/// A folder of pictures or sounds: a row for each file, with the name of its folder as label.
pub struct MediaFolder {
    files: Vec<(String, Source)>,
    labels: Vec<String>,
    is_labelled: bool,
    columns: Vec<Column>,
}

impl MediaFolder {
    /// Returns the table of these files.
    pub fn new(files: Vec<(String, Source)>, folder: &Folder, is_sound: bool) -> MediaFolder {
        let (name, kind) = if is_sound { ("audio", "Audio") } else { ("image", "Image") };
        let mut columns = vec![Column { name: name.to_owned(), feature: json!({ "_type": kind }) }];
        let labels = folder.labels.clone();
        if !labels.is_empty() {
            let feature = json!({ "names": labels, "_type": "ClassLabel" });
            columns.push(Column { name: "label".to_owned(), feature });
        }
        MediaFolder { files, labels, is_labelled: folder.rows == FolderRows::LabelledFiles, columns }
    }

    fn value(&self, file: usize, column: usize) -> PreviewResult<Value> {
        let (path, source) = &self.files[file];
        if column == 1 {
            let label = self.labels.iter().position(|known| known == folder_name(path));
            return Ok(label.filter(|_| self.is_labelled).into());
        }
        Ok(shown(source, path.clone())?)
    }
}

/// Files whose headers are read before the next look at the time.
const BATCH_FILES: u64 = 16;

impl Table for MediaFolder {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn rows_known(&self) -> Option<u64> {
        Some(self.files.len() as u64)
    }

    fn read(&mut self, from: u64, rows_max: u64, columns: &[usize], visit: Visit<'_>) -> PreviewResult<Ended> {
        let end = from.saturating_add(rows_max).min(self.files.len() as u64);
        let mut next = from.min(end);
        while next < end {
            let upto = end.min(next + BATCH_FILES);
            let mut rows = Vec::new();
            for file in next..upto {
                let file = usize::try_from(file).expect("there are so many files in memory");
                rows.push(columns.iter().map(|&column| self.value(file, column)).collect::<PreviewResult<_>>()?);
            }
            if visit(next, Batch::Rows(rows))? == Flow::Stop {
                return Ok(Ended::Stopped);
            }
            next = upto;
        }
        Ok(Ended::End)
    }
}
