//! Which file a tag means.

use crate::tree::TreeItem;
use crate::{HubError, HubResult};

/// What `latest` means, best first: what most people run.
const PREFERRED: &[&str] = &["Q4_K_M", "Q4_K_S", "Q4_0", "Q5_K_M", "Q8_0", "F16", "BF16"];

/// Tells whether a file is a GGUF file.
pub(super) fn is_gguf(item: &TreeItem) -> bool {
    item.path.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("gguf"))
}

/// Tells whether a GGUF file turns images into tokens, for another that is the model.
pub(super) fn is_projector(item: &TreeItem) -> bool {
    file_name(item).to_ascii_lowercase().contains("mmproj")
}

fn file_name(item: &TreeItem) -> &str {
    item.path.rsplit('/').next().unwrap_or(&item.path)
}

/// Chooses among the models of a repository.
pub(super) fn choose<'a>(models: &'a [TreeItem], tag: &str) -> HubResult<&'a TreeItem> {
    let by_tag = |tag: &str| {
        models.iter().find(|item| is_named(item, tag)).or_else(|| models.iter().find(|item| names(item, tag)))
    };
    let chosen = match by_tag(tag) {
        None if tag == "latest" => PREFERRED.iter().find_map(|tag| by_tag(tag)).or(models.first()),
        chosen => chosen,
    };
    let Some(chosen) = chosen else {
        return Err(HubError::Missing(match models {
            [] => "this repository has no GGUF file for Ollama to run".to_owned(),
            _ => format!(
                "no GGUF file here is named by the tag {}; use a quantisation such as Q4_K_M",
                tag.escape_debug()
            ),
        }));
    };
    if is_part(file_name(chosen)) {
        return Err(HubError::Invalid(format!(
            "{} is one part of several, which Ollama does not take; merge them with `llama-gguf-split --merge`",
            chosen.path
        )));
    }
    Ok(chosen)
}

/// Tells whether a tag is the name of a file, with or without its ending.
fn is_named(item: &TreeItem, tag: &str) -> bool {
    let stem = |name: &str| name.to_ascii_lowercase().trim_end_matches(".gguf").to_owned();
    stem(file_name(item)) == stem(tag) || stem(&item.path) == stem(tag)
}

/// Tells whether a tag is a word of a path: `Q4_K` is none of `model-Q4_K_M.gguf`.
fn names(item: &TreeItem, tag: &str) -> bool {
    let (path, tag) = (item.path.to_ascii_lowercase(), tag.to_ascii_lowercase());
    let is_inside = |c: char| c.is_alphanumeric() || c == '_';
    !tag.is_empty()
        && path
            .match_indices(&tag)
            .any(|(at, _)| !path[..at].ends_with(is_inside) && !path[at + tag.len()..].starts_with(is_inside))
}

/// Tells whether a name ends in `-00001-of-00003.gguf` with more than one part.
fn is_part(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let Some((rest, total)) = lower.trim_end_matches(".gguf").rsplit_once("-of-") else { return false };
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = rest.rsplit('-').next().unwrap_or("");
    is_number(number) && is_number(total) && total.trim_start_matches('0') != "1"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::TreeKind;
    use karez_types::GitOid;

    fn items(paths: &[&str]) -> Vec<TreeItem> {
        let item = |path: &&str| TreeItem {
            path: (*path).to_owned(),
            oid: GitOid([0; 20]),
            kind: TreeKind::Small { file_bytes: 1 },
            last_commit: None,
        };
        paths.iter().map(item).collect()
    }

    #[test]
    fn tags_are_names_or_words_of_names() {
        let models = items(&["m-F16.gguf", "m-Q4_K_M.gguf", "m.q4_k.gguf", "sub/other-Q8_0.GGUF"]);
        for (tag, path) in [
            ("latest", "m-Q4_K_M.gguf"),
            ("q4_k_m", "m-Q4_K_M.gguf"),
            ("Q4_K", "m.q4_k.gguf"),
            ("f16", "m-F16.gguf"),
            ("other-Q8_0.gguf", "sub/other-Q8_0.GGUF"),
            ("sub/other-q8_0", "sub/other-Q8_0.GGUF"),
        ] {
            assert_eq!(choose(&models, tag).unwrap().path, path, "{tag}");
        }
        for tag in ["Q4", "x", "", "K_M"] {
            assert!(choose(&models, tag).is_err(), "{tag}");
        }
        assert_eq!(choose(&items(&["only.gguf"]), "latest").unwrap().path, "only.gguf");
        assert!(choose(&[], "latest").is_err());
    }

    #[test]
    fn parts_are_refused() {
        assert!(choose(&items(&["m-Q4_0-00001-of-00003.gguf"]), "Q4_0").is_err());
        assert!(choose(&items(&["m-Q4_0-00001-of-00001.gguf"]), "Q4_0").is_ok());
    }
}
