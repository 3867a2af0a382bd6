//! Folders and files.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use karez_formats::card::{FRONT_MATTER_BYTES_MAX, body};
use karez_formats::gguf::{Gguf, GgufTensor, GgufValue};
use karez_hub::{Repo, Resolved, TreeQuery, WeightsHeader};
use karez_pages::{
    CardPlace, CardView, FileContent, FilePage, MARKDOWN_BYTES_MAX, MARKDOWN_PACKED_BYTES_MAX, NOTEBOOK_BYTES_MAX,
    NotebookCell, PAGE_ITEMS, PAGE_NAMES_BYTES_MAX, TEXT_BYTES_MAX, TensorRow, TreePage, WEIGHTS_ROWS_MAX, Weights,
    cut_text, encode_part, file_page, fitting, notebook, repo_url, tree_page,
};
use karez_types::{ByteRange, RepoAddress};

use super::answer::page;
use super::asked::{Asked, PageTarget};
use super::repo::{entry, head, rendered_within};
use crate::AppState;
use crate::error::{ApiError, ApiResult};
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
    let shown = fitting(found.items.iter().map(|item| item.path.as_str()), PAGE_NAMES_BYTES_MAX);
    let is_cut = shown < found.items.len();
    let made = TreePage {
        head: head(&state, &found.repo, revision.as_str()).await?,
        folder: folder.to_owned(),
        entries: found.items.iter().take(shown).map(entry).collect(),
        next: if is_cut { found.items.get(shown - 1).map(|item| item.path.clone()) } else { found.next },
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
    let from = match asked.value("from") {
        "" => 0,
        text => text.parse().map_err(|_| ApiError::invalid("from must be a whole number"))?,
    };
    let (content, next) = content(&state, &repo, revision.as_str(), &file, is_plain, from).await?;
    let made = FilePage {
        head: head(&state, &repo, revision.as_str()).await?,
        path: path.to_string(),
        file_bytes: file.file_bytes,
        sha256: file.large.map(|large| large.sha256.to_string()),
        is_here: file.large.is_none_or(|large| large.hash.is_some()),
        content,
        next,
    };
    Ok(page(&asked, file_page(&asked.frame, &made)))
}

async fn content(
    state: &AppState,
    repo: &Repo,
    revision: &str,
    file: &Resolved,
    is_plain: bool,
    from: u64,
) -> ApiResult<(FileContent, Option<u64>)> {
    let ending =
        file.path.file_name().rsplit_once('.').map_or(String::new(), |(_, ending)| ending.to_ascii_lowercase());
    if PICTURES.contains(&ending.as_str()) && file.file_bytes <= PICTURE_BYTES_MAX {
        return Ok((FileContent::Picture, None));
    }
    let address = &repo.address();
    if !is_plain && let Some(header) = state.hub.weights_header(repo, file).await? {
        return Ok((weights(&header).map_or(FileContent::Unreadable, FileContent::Weights), None));
    }
    if ending == "ipynb" && !is_plain && file.large.is_none() && file.file_bytes <= NOTEBOOK_FILE_BYTES_MAX {
        let whole = state.hub.small_file_read(file, ByteRange { start: 0, end: file.file_bytes }).await?;
        if let Some((cells, is_cut)) = notebook_of(whole, address, revision, file).await {
            return Ok((FileContent::Notebook { cells, is_cut }, None));
        }
    }
    if file.large.is_some() {
        return Ok((FileContent::Large, None));
    }
    if ending == "md" && !is_plain {
        return markdown(state, address, revision, file, from).await;
    }
    let end = file.file_bytes.min(TEXT_BYTES_MAX as u64);
    let bytes = state.hub.small_file_read(file, ByteRange { start: 0, end }).await?;
    let Some(text) = as_text(&bytes) else { return Ok((FileContent::Bytes, None)) };
    let is_cut = file.file_bytes > text.len() as u64;
    // Whole lines, unless there is only one.
    let (text, _) = if is_cut { cut_text(text, text.len().saturating_sub(1)) } else { (text, false) };
    Ok((FileContent::Text { text: text.to_owned(), is_cut }, None))
}

/// Renders a part of a text; tells also where the next one begins, if there is one. Metadata stands before the first.
async fn markdown(
    state: &AppState,
    address: &RepoAddress,
    revision: &str,
    file: &Resolved,
    from: u64,
) -> ApiResult<(FileContent, Option<u64>)> {
    let start = from.min(file.file_bytes);
    let metadata_bytes_max = if start == 0 { FRONT_MATTER_BYTES_MAX as u64 } else { 0 };
    let end = start.saturating_add(MARKDOWN_BYTES_MAX as u64 + metadata_bytes_max).min(file.file_bytes);
    let bytes = state.hub.small_file_read(file, ByteRange { start, end }).await?;
    // An address that somebody typed may begin within a letter.
    let torn = if start == 0 { 0 } else { bytes.iter().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count() };
    let Some(read) = bytes.get(torn..).and_then(as_text) else { return Ok((FileContent::Bytes, None)) };
    let text = if start == 0 { body(read) } else { read };
    let folder = file.path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
    let bounds = (MARKDOWN_BYTES_MAX, MARKDOWN_PACKED_BYTES_MAX);
    let (html, shown_bytes) =
        rendered_within(text, bounds, repo_url(address), revision.to_owned(), folder.to_owned()).await;
    let next = start + (torn + read.len() - text.len() + shown_bytes) as u64;
    let next = (shown_bytes > 0 && next < file.file_bytes).then_some(next);
    Ok((FileContent::Card(CardView { html, language: None, is_cut: next.is_some() }), next))
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
