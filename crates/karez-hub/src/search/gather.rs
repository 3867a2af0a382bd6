//! What the index is told of a repository: its row, its card, the text of its README, names of its files.

use std::collections::HashMap;

use karez_catalog::{Keep, Repo};
use karez_formats::card::body;
use karez_search::{NAMES_MAX, Reader, SearchDoc, TEXT_BYTES_MAX, language_code};
use karez_types::{GitOid, RepoId, RepoKind, Visibility};
use serde_json::Value;

use crate::mirror::RepoOrigin;
use crate::{Hub, HubError, HubResult, Sibling, SiblingDetail};

/// Longest README that is read, in bytes; of it, the beginning is searched.
pub(crate) const README_BYTES_MAX: u64 = 1 << 20;
/// Longest summary, in characters.
const SUMMARY_CHARS_MAX: usize = 400;

/// How tags of listings name what has a facet of its own.
const PREFIXED: [&str; 10] = [
    "language:",
    "license:",
    "task_categories:",
    "task_ids:",
    "size_categories:",
    "sdg:",
    "campaign:",
    "region:",
    "arxiv:",
    "base_model:",
];

impl Hub {
    /// Describes repositories for the index.
    pub(super) async fn search_docs(&self, repos: Vec<Repo>) -> HubResult<Vec<SearchDoc>> {
        let ids: Vec<RepoId> = repos.iter().map(|repo| repo.id).collect();
        let mut cards: HashMap<RepoId, Value> = self.catalog.repo_cards(&ids).await?.into_iter().collect();
        let mut origins = self.origins(repos.iter()).await?;
        let mut docs = Vec::with_capacity(repos.len());
        for repo in repos {
            let card = cards.remove(&repo.id).unwrap_or_default();
            let (readme, files) = match repo.head {
                Some(head) => self.search_texts(head, repo.id).await?,
                None => (String::new(), Vec::new()),
            };
            let origin = origins.remove(&repo.id);
            docs.push(doc_of(&repo, &card, body(&readme), &files, origin.as_ref()));
        }
        Ok(docs)
    }

    /// Reads README and names of files of a commit. Damaged objects leave a repository without texts, and are
    /// for `karez fsck` to tell of: one of them must not keep all others from being found.
    async fn search_texts(&self, head: GitOid, repo: RepoId) -> HubResult<(String, Vec<Sibling>)> {
        let read = async {
            let readme = self.small_file(head, "README.md", README_BYTES_MAX).await?;
            let files = self.siblings_at_most(head, SiblingDetail::Blob, NAMES_MAX).await?;
            let readme = readme.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            Ok((readme.unwrap_or_default(), files))
        };
        match read.await {
            Err(error @ (HubError::Damaged(_) | HubError::Missing(_))) => {
                tracing::warn!(repo.id = %repo, %error, "the texts of a repository cannot be searched");
                Ok((String::new(), Vec::new()))
            }
            other => other,
        }
    }
}

fn doc_of(repo: &Repo, card: &Value, text: &str, files: &[Sibling], origin: Option<&RepoOrigin>) -> SearchDoc {
    let mut tasks: Vec<String> = repo.pipeline_tag.iter().cloned().collect();
    tasks.extend(tagged(repo, "task_categories:"));
    let languages = texts(&card["language"]).filter_map(language_code);
    SearchDoc {
        readers: readers(repo),
        title: title_of(card, text),
        summary: summary_of(card, text),
        body: text.chars().take(TEXT_BYTES_MAX).collect(),
        files: files.iter().map(|file| file.path.clone()).collect(),
        columns: columns(&card["dataset_info"]),
        free_tags: free_tags(repo),
        tags: repo.tags.clone(),
        tasks,
        licences: tagged(repo, "license:").collect(),
        languages: languages.collect(),
        size: size(repo, files),
        library: repo.library_name.clone().or_else(|| repo.sdk.clone()),
        sdgs: tagged(repo, "sdg:")
            .filter_map(|goal| goal.parse().ok().filter(|goal| (1..=17).contains(goal)))
            .collect(),
        campaigns: tagged(repo, "campaign:").collect(),
        origin: origin.map(|origin| origin.remote.clone()),
        is_held: origin.is_none_or(|origin| origin.mirror.keep == Keep::Whole),
        is_gated: repo.gated != "false",
        created: repo.created,
        modified: repo.modified,
        downloads: repo.downloads,
        likes: repo.likes,
        trend: repo.trend.0,
        ..SearchDoc::new(repo.id, repo.kind, repo.owner.name.as_str(), repo.name.as_str())
    }
}

/// Returns what people call a repository: what its card says, or the first heading; empty when neither does.
pub(crate) fn title_of(card: &Value, text: &str) -> String {
    let said = ["pretty_name", "title"].iter().find_map(|key| card[*key].as_str());
    let heading = || text.lines().find_map(|line| line.strip_prefix("# ")).map(str::trim);
    said.or_else(heading).unwrap_or_default().to_owned()
}

/// Returns what a repository is in a sentence or two: what its card says, or the first paragraph.
pub(crate) fn summary_of(card: &Value, text: &str) -> String {
    let said = ["short_description", "description", "summary"].iter().find_map(|key| card[*key].as_str());
    said.map_or_else(|| first_paragraph(text), str::to_owned)
}

/// The rule of [`karez_catalog::Viewer::may_see`], as those whom it lets in.
fn readers(repo: &Repo) -> Vec<Reader> {
    match repo.mirror {
        Some(mirror) if mirror.is_hidden => Vec::new(),
        Some(mirror) if mirror.is_restricted => vec![Reader::granted(repo.id)],
        _ if repo.visibility == Visibility::Public => vec![Reader::EVERYBODY],
        _ => vec![Reader::account(repo.owner.id)],
    }
}

fn tagged<'a>(repo: &'a Repo, prefix: &'static str) -> impl Iterator<Item = String> + 'a {
    repo.tags.iter().filter_map(move |tag| tag.strip_prefix(prefix)).map(str::to_owned)
}

/// Returns the tags that say something of their own. Models carry languages, task and library as bare tags.
fn free_tags(repo: &Repo) -> Vec<String> {
    let is_bare_language = |tag: &str| repo.kind == RepoKind::Model && tag.len() == 2;
    let said = [repo.pipeline_tag.as_deref(), repo.library_name.as_deref(), repo.sdk.as_deref()];
    let is_free = |tag: &&String| {
        let prefixed = PREFIXED.iter().any(|prefix| tag.starts_with(prefix));
        !prefixed && !is_bare_language(tag) && !said.contains(&Some(tag.as_str()))
    };
    repo.tags.iter().filter(is_free).cloned().collect()
}

/// Returns how large a repository is: what a dataset says of its rows, or else the bytes of its files.
fn size(repo: &Repo, files: &[Sibling]) -> Option<String> {
    if let Some(said) = tagged(repo, "size_categories:").next() {
        return Some(said);
    }
    let bytes: u64 = files.iter().filter_map(|file| file.blob.as_ref()).map(|blob| blob.file_bytes()).sum();
    let word = match bytes {
        0 => return None,
        1..100_000_000 => "<100MB",
        100_000_000..1_000_000_000 => "100MB-1GB",
        1_000_000_000..10_000_000_000 => "1GB-10GB",
        10_000_000_000..100_000_000_000 => "10GB-100GB",
        _ => ">100GB",
    };
    Some(word.to_owned())
}

/// Returns the names of columns that a dataset card lists, for one configuration or for several.
fn columns(info: &Value) -> Vec<String> {
    let configurations = match info {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let features = configurations.iter().filter_map(|one| one["features"].as_array()).flatten();
    let names = features.filter_map(|feature| feature["name"].as_str());
    let mut names: Vec<String> = names.take(NAMES_MAX).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Returns the first lines of a README that are a sentence, not a heading, badge, list or table.
fn first_paragraph(text: &str) -> String {
    let is_prose = |line: &&str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with(['#', '!', '[', '<', '|', '-', '*', '>', '`', '='])
    };
    text.lines()
        .skip_while(|line| !is_prose(line))
        .take_while(is_prose)
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(SUMMARY_CHARS_MAX)
        .collect()
}

/// Returns the text or texts of a value that may be one or a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    list.iter().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_come_from_one_or_several_configurations() {
        let features = json!([{"name": "text", "dtype": "string"}, {"name": "label"}]);
        assert_eq!(columns(&json!({ "features": features })), ["label", "text"]);
        assert_eq!(
            columns(&json!([{ "features": features }, { "features": [{"name": "audio"}] }])),
            ["audio", "label", "text"]
        );
        for odd in [json!(null), json!("text"), json!({"features": "text"}), json!([{"features": [1, {"name": 2}]}])] {
            assert!(columns(&odd).is_empty(), "{odd}");
        }
    }

    #[test]
    fn the_first_sentence_is_the_summary() {
        let readme = "# Title\n\n[![badge](x)](y)\n\nLeaves of maize,\nby farmers.\n\nMore.";
        assert_eq!(first_paragraph(readme), "Leaves of maize, by farmers.");
        assert_eq!(first_paragraph("# Only a title"), "");
    }
}
