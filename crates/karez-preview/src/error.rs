//! Why a preview could not be made, in words for the person who looks at it.

use serde::{Deserialize, Serialize};

/// What kind of trouble it is; callers answer each in their own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// The file is not what its name says, or is damaged.
    Malformed,
    /// The file asks for more than a preview may use.
    TooLarge,
    /// The question does not fit the data: no such column, a condition that cannot be read.
    Question,
    /// Nothing can be shown of this kind of file.
    Unsupported,
    /// The bytes could not be read from where they are.
    Unreadable,
}

/// Why there is no preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{words}")]
pub struct PreviewError {
    /// What kind of trouble.
    pub trouble: Trouble,
    /// What to tell the person.
    pub words: String,
    /// Whether every question about these files meets it.
    pub is_of_all: bool,
}

/// Result of everything that reads.
pub type PreviewResult<T> = Result<T, PreviewError>;

impl PreviewError {
    /// Returns an error about a file that is not what it seems.
    pub fn malformed(words: impl Into<String>) -> PreviewError {
        PreviewError { trouble: Trouble::Malformed, words: words.into(), is_of_all: false }
    }

    /// Returns an error about something beyond a bound.
    pub fn too_large(words: impl Into<String>) -> PreviewError {
        PreviewError { trouble: Trouble::TooLarge, words: words.into(), is_of_all: false }
    }

    /// Returns an error about a question.
    pub fn question(words: impl Into<String>) -> PreviewError {
        PreviewError { trouble: Trouble::Question, words: words.into(), is_of_all: false }
    }

    /// Returns an error about a file that has no preview.
    pub fn unsupported(words: impl Into<String>) -> PreviewError {
        PreviewError { trouble: Trouble::Unsupported, words: words.into(), is_of_all: false }
    }
}

/// Reading failed: what the file led to, or the pipe to whoever has the bytes.
impl From<std::io::Error> for PreviewError {
    fn from(error: std::io::Error) -> PreviewError {
        use std::io::ErrorKind as K;
        let trouble = match error.kind() {
            K::InvalidData | K::InvalidInput | K::UnexpectedEof => Trouble::Malformed,
            K::OutOfMemory => Trouble::TooLarge,
            _ => Trouble::Unreadable,
        };
        let words = match trouble {
            Trouble::Unreadable => format!("the file could not be read: {error}"),
            _ => format!("the file is damaged, or is not what its name says: {error}"),
        };
        PreviewError { trouble, words: clipped(&words), is_of_all: false }
    }
}

impl From<parquet::errors::ParquetError> for PreviewError {
    fn from(error: parquet::errors::ParquetError) -> PreviewError {
        PreviewError::malformed(clipped(&format!("this is not a Parquet file that can be read: {error}")))
    }
}

impl From<arrow_schema::ArrowError> for PreviewError {
    fn from(error: arrow_schema::ArrowError) -> PreviewError {
        PreviewError::malformed(clipped(&format!("this is not a Parquet file that can be read: {error}")))
    }
}

/// Most bytes of the words of a library that are passed on: they may quote the file.
const WORDS_BYTES_MAX: usize = 300;

fn clipped(words: &str) -> String {
    let end = (0..=WORDS_BYTES_MAX.min(words.len())).rev().find(|&at| words.is_char_boundary(at)).unwrap_or(0);
    words[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
