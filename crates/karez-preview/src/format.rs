//! What a file is, by its name: the formats that can be shown, and how they are packed.

use serde::{Deserialize, Serialize};

/// How rows are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Values separated by commas.
    Csv,
    /// Values separated by tabs.
    Tsv,
    /// JSON: one value a line, one after another, or one array of them.
    Json,
    /// Plain text: a row for each line.
    Text,
    /// A folder of pictures.
    Images,
    /// A folder of sounds.
    Sounds,
}

impl Format {
    /// Tells whether types are guessed from values, since the file does not say them.
    pub fn is_guessed(self) -> bool {
        matches!(self, Format::Csv | Format::Tsv | Format::Json)
    }

    /// Returns the name of the part of the `datasets` library that loads it.
    pub fn builder(self) -> &'static str {
        match self {
            Format::Parquet => "parquet",
            Format::Csv | Format::Tsv => "csv",
            Format::Json => "json",
            Format::Text => "text",
            Format::Images => "imagefolder",
            Format::Sounds => "audiofolder",
        }
    }
}

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

/// Endings and their formats. Extensions of pictures and sounds are those that browsers and common tools know.
const ENDINGS: [(&str, Format); 27] = [
    ("parquet", Format::Parquet),
    ("geoparquet", Format::Parquet),
    ("gpq", Format::Parquet),
    ("csv", Format::Csv),
    ("tsv", Format::Tsv),
    ("json", Format::Json),
    ("jsonl", Format::Json),
    ("ndjson", Format::Json),
    ("txt", Format::Text),
    ("png", Format::Images),
    ("jpg", Format::Images),
    ("jpeg", Format::Images),
    ("gif", Format::Images),
    ("webp", Format::Images),
    ("bmp", Format::Images),
    ("tif", Format::Images),
    ("tiff", Format::Images),
    ("avif", Format::Images),
    ("jp2", Format::Images),
    ("wav", Format::Sounds),
    ("mp3", Format::Sounds),
    ("flac", Format::Sounds),
    ("ogg", Format::Sounds),
    ("opus", Format::Sounds),
    ("m4a", Format::Sounds),
    ("aiff", Format::Sounds),
    ("aac", Format::Sounds),
];

/// Returns the format that an ending stands for.
pub fn format_of_ending(ending: &str) -> Option<Format> {
    let ending = ending.to_ascii_lowercase();
    ENDINGS.iter().find(|(name, _)| *name == ending).map(|(_, format)| *format)
}

/// Returns the endings of a path's name, from left to right: `tar`, `gz`.
pub(crate) fn endings(path: &str) -> impl Iterator<Item = &str> {
    path.rsplit('/').next().unwrap_or_default().split('.').skip(1)
}

/// Returns how a file is packed, by the last ending of its name.
pub fn packing_of(path: &str) -> Packing {
    match endings(path).last().map(str::to_ascii_lowercase).as_deref() {
        Some("gz" | "gzip") => Packing::Gzip,
        Some("zst" | "zstd") => Packing::Zstd,
        Some("bz2") => Packing::Bzip2,
        Some("xz") => Packing::Xz,
        _ => Packing::Plain,
    }
}
