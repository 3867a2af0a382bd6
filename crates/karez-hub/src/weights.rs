//! What a file of weights says of itself, from its front: a few hundred kilobytes of a file of any length.
//!
//! The parsers are those of `karez-formats`, which bound themselves; so this needs no process of its own.

use karez_catalog::Repo;
use karez_formats::gguf::Gguf;
use karez_formats::safetensors::{SafetensorsHeader, header_end, parse_header};

use crate::resolve::Resolved;
use crate::{Hub, HubError, HubResult};

/// Read first: most headers of safetensors are shorter.
const FIRST_READ_BYTES: u64 = 64 << 10;
/// Longest header that is looked at for a page, in bytes: about forty thousand tensors.
const HEADER_BYTES_MAX: u64 = 4 << 20;
/// Front of a GGUF file that is looked at: what is said of the model stands before its vocabulary, usually.
const GGUF_FRONT_BYTES: u64 = 256 << 10;

/// The header of a file of weights.
#[derive(Debug, Clone, PartialEq)]
pub enum WeightsHeader {
    /// safetensors.
    Safetensors(SafetensorsHeader),
    /// GGUF.
    Gguf(Gguf),
}

impl Hub {
    /// Reads the header of a file that [`Hub::file_resolve`] has found for the caller; nothing when its name is not
    /// that of weights, it is not what its name says, or its bytes are not on this node.
    ///
    /// # Errors
    /// When its bytes are on this node and cannot be read.
    pub async fn weights_header(&self, repo: &Repo, file: &Resolved) -> HubResult<Option<WeightsHeader>> {
        let read = match file.path.as_str().rsplit_once('.').map(|(_, ending)| ending) {
            Some("safetensors") => self.safetensors_front(repo, file).await,
            Some("gguf") => {
                let front = self.part_read(None, repo, file, 0, file.file_bytes.min(GGUF_FRONT_BYTES)).await;
                front.map(|front| Gguf::parse(&front).ok().map(WeightsHeader::Gguf))
            }
            _ => Ok(None),
        };
        match read {
            // The bytes are elsewhere: to look at a page fetches none. It says so by itself.
            Err(HubError::EntryMissing { .. }) => Ok(None),
            other => other,
        }
    }

    async fn safetensors_front(&self, repo: &Repo, file: &Resolved) -> HubResult<Option<WeightsHeader>> {
        let first = self.part_read(None, repo, file, 0, file.file_bytes.min(FIRST_READ_BYTES)).await?;
        let Ok(end) = header_end(&first) else { return Ok(None) };
        if end > file.file_bytes || end > HEADER_BYTES_MAX {
            return Ok(None);
        }
        let front = if end <= first.len() as u64 { first } else { self.part_read(None, repo, file, 0, end).await? };
        Ok(parse_header(&front).ok().map(WeightsHeader::Safetensors))
    }
}
