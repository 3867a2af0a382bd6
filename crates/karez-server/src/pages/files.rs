//! Folders and files.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use karez_formats::card::body;
use karez_formats::gguf::{Gguf, GgufTensor, GgufValue};
use karez_hub::{Repo, Resolved, TreeQuery, WeightsHeader};
use karez_pages::{
    CARD_BYTES_MAX, CardPlace, CardView, FileContent, FilePage, NOTEBOOK_BYTES_MAX, NotebookCell, PAGE_ITEMS,
    TEXT_BYTES_MAX, TensorRow, TreePage, WEIGHTS_ROWS_MAX, Weights, cut_text, encode_part, file_page, notebook,
    repo_url, tree_page,
};
use karez_types::{ByteRange, RepoAddress};

use super::answer::page;
use super::asked::{Asked, PageTarget};
use super::repo::{entry, head, rendered};
use crate::AppState;
use crate::error::ApiResult;
use crate::extract::Params;

/// A picture beyond this is downloaded rather than shown, in bytes: pages travel over poor lines.
const PICTURE_BYTES_MAX: u64 = 200_000;
/// Endings of pictures that browsers draw and that hold no script.
const PICTURES: [&str; 5] = ["png", "jpg", "jpeg", "gif", "webp"];

pub(super) async fn tree(
    State(state): State<AppState>,
    asked: Asked,
    PageTarget(address): PageTarget,
    params: Params,
) -> ApiResult<Response> {
    let revision = params.revision()?;
    let folder = params.text("path").trim_end_matches('/');
    let after = asked.value("after");
    let query = TreeQuery {
        folder: (!folder.is_empty()).then(|| folder.parse()).transpose()?,
        limit: Some(PAGE_ITEMS),
        after: (!after.is_empty()).then(|| after.parse()).transpose()?,
        ..TreeQuery::default()
    };
    let found = state.hub.tree_list(&asked.caller, &address, &revision, &query).await?;
    let made = TreePage {
        head: head(&state, &found.repo, revision.as_str()).await?,
        folder: folder.to_owned(),
        entries: found.items.iter().map(entry).collect(),
        next: found.next,
    };
    Ok(page(&asked, tree_page(&asked.frame, &made)))
}

pub(super) async fn file(
    State(state): State<AppState>,
    asked: Asked,
    PageTarget(address): PageTarget,
    params: Params,
) -> ApiResult<Response> {
    let (revision, path) = (params.revision()?, params.path()?);
    let (repo, file) = state.hub.file_resolve(&asked.caller, &address, &revision, &path).await?;
    let is_plain = !asked.value("plain").is_empty();
    let made = FilePage {
        head: head(&state, &repo, revision.as_str()).await?,
        path: path.to_string(),
        file_bytes: file.file_bytes,
        sha256: file.large.map(|large| large.sha256.to_string()),
        is_here: file.large.is_none_or(|large| large.hash.is_some()),
        content: content(&state, &repo, revision.as_str(), &file, is_plain).await?,
    };
    Ok(page(&asked, file_page(&asked.frame, &made)))
}

async fn content(
    state: &AppState,
    repo: &Repo,
    revision: &str,
    file: &Resolved,
    is_plain: bool,
) -> ApiResult<FileContent> {
    let ending =
        file.path.file_name().rsplit_once('.').map_or(String::new(), |(_, ending)| ending.to_ascii_lowercase());
    if PICTURES.contains(&ending.as_str()) && file.file_bytes <= PICTURE_BYTES_MAX {
        return Ok(FileContent::Picture);
    }
    let address = &repo.address();
    if !is_plain && let Some(header) = state.hub.weights_header(repo, file).await? {
        return Ok(weights(&header).map_or(FileContent::Unreadable, FileContent::Weights));
    }
    if ending == "ipynb" && !is_plain && file.large.is_none() && file.file_bytes <= NOTEBOOK_FILE_BYTES_MAX {
        let whole = state.hub.small_file_read(file, ByteRange { start: 0, end: file.file_bytes }).await?;
        if let Some((cells, is_cut)) = notebook_of(whole, address, revision, file).await {
            return Ok(FileContent::Notebook { cells, is_cut });
        }
    }
    if file.large.is_some() {
        return Ok(FileContent::Large);
    }
    let is_card = ending == "md" && !is_plain;
    let bytes_max = if is_card { CARD_BYTES_MAX } else { TEXT_BYTES_MAX } as u64;
    let bytes = state.hub.small_file_read(file, ByteRange { start: 0, end: file.file_bytes.min(bytes_max) }).await?;
    let Some(text) = as_text(&bytes) else { return Ok(FileContent::Bytes) };
    let is_cut = file.file_bytes > text.len() as u64;
    if !is_card {
        // Whole lines, unless there is only one.
        let (text, _) = if is_cut { cut_text(text, text.len().saturating_sub(1)) } else { (text, false) };
        return Ok(FileContent::Text { text: text.to_owned(), is_cut });
    }
    let folder = file.path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
    let html = rendered(body(text).to_owned(), repo_url(address), revision.to_owned(), folder.to_owned()).await;
    Ok(FileContent::Card(CardView { html, language: None, is_cut }))
}

/// A notebook beyond this is shown as any other file, in bytes: it is read whole.
const NOTEBOOK_FILE_BYTES_MAX: u64 = 4 << 20;

/// Reads a notebook, on a thread where that may take its time; nothing when it is none.
async fn notebook_of(
    whole: Bytes,
    address: &RepoAddress,
    revision: &str,
    file: &Resolved,
) -> Option<(Vec<NotebookCell>, bool)> {
    let (repo_url, revision) = (repo_url(address), encode_part(revision));
    let folder = file.path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let work = move || {
        let place = CardPlace { repo_url: &repo_url, revision: &revision, folder: &folder };
        notebook(std::str::from_utf8(&whole).ok()?, place, NOTEBOOK_BYTES_MAX)
    };
    // A parser that fails on some text must not take the page with it.
    tokio::task::spawn_blocking(work).await.ok().flatten()
}

/// Bytes of a value of a header that are shown.
const SAID_BYTES_MAX: usize = 200;

fn weights(header: &WeightsHeader) -> Option<Weights> {
    let cut = |text: &str| cut_text(text, SAID_BYTES_MAX).0.to_owned();
    Some(match header {
        WeightsHeader::Unreadable => return None,
        WeightsHeader::Safetensors(header) => Weights {
            parameters: Some(header.parameters_by_dtype().values().fold(0u64, |sum, count| sum.saturating_add(*count))),
            by_dtype: header.parameters_by_dtype().into_iter().take(WEIGHTS_ROWS_MAX).collect(),
            tensor_count: header.tensors.len() as u64,
            tensors: header
                .tensors
                .iter()
                .take(WEIGHTS_ROWS_MAX)
                .map(|(name, tensor)| TensorRow {
                    name: cut(name),
                    dtype: cut(&tensor.dtype),
                    shape: tensor.shape.iter().copied().take(8).collect(),
                })
                .collect(),
            said: header.metadata.iter().take(WEIGHTS_ROWS_MAX).map(|(name, value)| (cut(name), cut(value))).collect(),
            ..Weights::default()
        },
        WeightsHeader::Gguf(gguf) => Weights {
            parameters: gguf.parameters.or_else(|| gguf.number("general.parameter_count")),
            architecture: gguf.architecture().map(cut),
            context: gguf.context_length(),
            quantisation: gguf.quantisation().map(str::to_owned),
            tensor_count: gguf.tensor_count,
            by_dtype: kinds(gguf),
            tensors: gguf
                .tensors
                .iter()
                .take(WEIGHTS_ROWS_MAX)
                .map(|tensor| TensorRow { name: cut(&tensor.name), dtype: kind(tensor), shape: tensor.shape.clone() })
                .collect(),
            said: gguf
                .metadata
                .iter()
                .take(WEIGHTS_ROWS_MAX)
                .map(|(name, value)| {
                    let value = match value {
                        GgufValue::Unsigned(number) => number.to_string(),
                        GgufValue::Signed(number) => number.to_string(),
                        GgufValue::Float(number) => number.to_string(),
                        GgufValue::Bool(is) => is.to_string(),
                        GgufValue::Text(text) => cut(text),
                        GgufValue::Array { length } => format!("[{length}]"),
                    };
                    (cut(name), value)
                })
                .collect(),
        },
    })
}

/// Returns how a tensor's numbers are stored: a name, or the number of a kind that is not known here.
fn kind(tensor: &GgufTensor) -> String {
    tensor.kind_name().map_or_else(|| format!("#{}", tensor.kind), str::to_owned)
}

/// Returns how many numbers are stored in which way, if all tensors are known.
fn kinds(gguf: &Gguf) -> Vec<(String, u64)> {
    if gguf.tensors.len() as u64 != gguf.tensor_count {
        return Vec::new();
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for tensor in &gguf.tensors {
        let numbers = tensor.shape.iter().fold(1u64, |product, length| product.saturating_mul(*length));
        let count = counts.entry(kind(tensor)).or_default();
        *count = count.saturating_add(numbers);
    }
    counts.into_iter().take(WEIGHTS_ROWS_MAX).collect()
}

/// Returns bytes as text: UTF-8 without NUL, perhaps cut within a character at its end.
pub(super) fn as_text(bytes: &[u8]) -> Option<&str> {
    if bytes.contains(&0) {
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf8_without_nul() {
        assert_eq!(as_text("é".as_bytes()), Some("é"));
        assert_eq!(as_text(&"aé".as_bytes()[..2]), Some("a"), "cut within a character");
        assert_eq!(as_text(b"a\0b"), None);
        assert_eq!(as_text(b"\xff\xfea"), None);
    }
}
