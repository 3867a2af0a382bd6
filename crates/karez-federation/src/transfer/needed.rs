//! How many bytes a planned file would bring: what a transfer finds out when it begins, without beginning one.

use std::path::Path;

use karez_formats::file_map::FileMapHead;

use super::content::Content;
use super::run::held;
use super::sink::Sink;
use super::{FileWanted, Plan, Recipe, TransferError};

/// Returns the bytes of a planned file that are not stored where its mirror may use them, with its file map. What a
/// transfer that was cut has in its journal is not looked at. `folder` is for what is needed meanwhile.
///
/// # Errors
/// [`TransferError`] when the plan makes no sense or the hub fails.
pub async fn bytes_needed(
    sink: &dyn Sink,
    file: &FileWanted,
    plan: &Plan,
    folder: &Path,
) -> Result<u64, TransferError> {
    let (layout, recipe, file_bytes) = (plan.layout.clone(), plan.recipe.clone(), file.file_bytes);
    let chunks_path = folder.join(format!("{}.chunks", file.sha256));
    let read = move || Content::of(&layout, &recipe, file_bytes, &chunks_path);
    let failed = |error: &dyn std::fmt::Display| TransferError::Failed(error.to_string());
    let content = tokio::task::spawn_blocking(read).await.map_err(|error| failed(&error))?;
    let here = match content.map_err(|error| failed(&error))? {
        Content::Plain => 0,
        Content::Chunked(mut chunked) => held(sink, file, &mut chunked, None).await?.byte_count(),
    };
    let map_bytes = match &plan.recipe {
        Recipe::Mapped(map) => {
            let chunks = map.terms().iter().map(|term| u64::from(term.chunk_end.saturating_sub(term.chunk_start)));
            let head = FileMapHead {
                hash: map.file_hash(),
                sha256: file.sha256,
                file_bytes,
                term_count: u32::try_from(map.terms().len()).unwrap_or(u32::MAX),
                chunk_count: chunks.sum(),
            };
            head.map_bytes().unwrap_or(0)
        }
        Recipe::Reconstructed { .. } | Recipe::Plain => 0,
    };
    Ok(plan.layout.wire_bytes.saturating_sub(here).saturating_add(map_bytes))
}
