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
/// Fronts of a GGUF file that are looked at, each when the one before ends within the list of tensors: that stands
/// behind the vocabulary, which has some megabytes.
const GGUF_FRONTS_BYTES: [u64; 3] = [256 << 10, 4 << 20, 16 << 20];
/// Shards of a model whose tensors are listed together, and tensors of all of them.
const SHARDS_MAX: usize = 256;
const TENSORS_MAX: usize = 200_000;
/// How the name of an index of shards ends.
const INDEX_ENDING: &str = ".safetensors.index.json";

/// The header of a file of weights.
#[derive(Debug, Clone, PartialEq)]
pub enum WeightsHeader {
    /// safetensors: of one file, or of all that an index names.
    Safetensors(SafetensorsHeader),
    /// GGUF.
    Gguf(Gguf),
    /// Its name is that of weights, and its header is none.
    Unreadable,
}

impl Hub {
    /// Reads the header of a file that [`Hub::file_resolve`] has found for the caller; nothing when its name is not
    /// that of weights or of an index of them, or its bytes are not on this node.
    ///
    /// # Errors
    /// When its bytes are on this node and cannot be read.
    pub async fn weights_header(&self, repo: &Repo, file: &Resolved) -> HubResult<Option<WeightsHeader>> {
        let path = file.path.as_str();
        let read = match path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("safetensors") => {
                let header = self.safetensors_front(repo, file).await;
                header.map(|header| Some(header.map_or(WeightsHeader::Unreadable, WeightsHeader::Safetensors)))
            }
            Some("gguf") => self.gguf_front(repo, file).await.map(Some),
            // An index that cannot be followed is shown as the text that it is.
            _ if path.ends_with(INDEX_ENDING) => {
                let shards = self.shards_front(repo, file).await;
                shards.map(|header| header.map(WeightsHeader::Safetensors))
            }
            _ => Ok(None),
        };
        match read {
            // The bytes are elsewhere: to look at a page fetches none. It says so by itself.
            Err(HubError::EntryMissing { .. }) => Ok(None),
            other => other,
        }
    }

    async fn gguf_front(&self, repo: &Repo, file: &Resolved) -> HubResult<WeightsHeader> {
        let mut found = WeightsHeader::Unreadable;
        for front_bytes in GGUF_FRONTS_BYTES {
            let front = self.part_read(None, repo, file, 0, file.file_bytes.min(front_bytes)).await?;
            let Ok(gguf) = Gguf::parse_file(&front, file.file_bytes) else { return Ok(WeightsHeader::Unreadable) };
            let is_all = gguf.parameters.is_some() || front_bytes >= file.file_bytes;
            found = WeightsHeader::Gguf(gguf);
            if is_all {
                break;
            }
        }
        Ok(found)
    }

    async fn safetensors_front(&self, repo: &Repo, file: &Resolved) -> HubResult<Option<SafetensorsHeader>> {
        let first = self.part_read(None, repo, file, 0, file.file_bytes.min(FIRST_READ_BYTES)).await?;
        let Ok(end) = header_end(&first) else { return Ok(None) };
        if end > file.file_bytes || end > HEADER_BYTES_MAX {
            return Ok(None);
        }
        let front = if end <= first.len() as u64 { first } else { self.part_read(None, repo, file, 0, end).await? };
        Ok(parse_header(&front).ok())
    }

    /// Reads the headers of all files that an index names; nothing when one is not here or is none.
    async fn shards_front(&self, repo: &Repo, index: &Resolved) -> HubResult<Option<SafetensorsHeader>> {
        let shards = match self.index_read(None, repo, index).await {
            Ok((_, shards)) if shards.len() <= SHARDS_MAX => shards,
            Ok(_) | Err(HubError::Invalid(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut all: Option<SafetensorsHeader> = None;
        for shard in shards {
            let file = self.resolve_at(index.commit, &shard).await?;
            let Some(header) = self.safetensors_front(repo, &file).await? else { return Ok(None) };
            match &mut all {
                None => all = Some(header),
                Some(all) => all.tensors.extend(header.tensors),
            }
            if all.as_ref().is_some_and(|all| all.tensors.len() > TENSORS_MAX) {
                return Ok(None);
            }
        }
        Ok(all)
    }
}
