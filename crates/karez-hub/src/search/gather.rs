//! What the index is told of a repository: its row, its card, the text of its README, names of its files.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use karez_catalog::Repo;
use karez_formats::card::body;
use karez_search::{Held, NAMES_MAX, Reader, SearchDoc, TEXT_BYTES_MAX, language_code};
use karez_types::{GitOid, RepoId, RepoKind, Sha256, Visibility};
use serde_json::Value;

use crate::mirror::RepoOrigin;
use crate::repo_info::SiblingBlob;
use crate::table_columns::TableFormat;
use crate::{Hub, HubError, HubResult, Sibling, SiblingDetail};

/// Longest README that is read, in bytes; of it, the beginning is searched.
pub(crate) const README_BYTES_MAX: u64 = 1 << 20;
/// Tables of one dataset whose columns are searched: each costs a read of its beginning or its end.
const TABLES_MAX: usize = 20;
/// Of those, how many are read at the same time.
const TABLES_AT_ONCE: usize = 8;
/// How long the columns of one dataset may take: it is to be found within a second.
const COLUMNS_WAIT: Duration = Duration::from_millis(500);
/// Files of a mirror that are looked at for how much of it is here.
const HELD_FILES_MAX: usize = 10_000;
/// Longest summary, in characters.
const SUMMARY_CHARS_MAX: usize = 400;

/// How tags of listings name what follows from fields of the card, and is no tag of its author.
const PREFIXED: [&str; 15] = [
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
    "dataset:",
    "annotations_creators:",
    "language_creators:",
    "multilinguality:",
    "source_datasets:",
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
            let mut doc = doc_of(&repo, &card, body(&readme), &files, origin.as_ref());
            doc.columns = distinct(self.search_columns(&repo, &files).await.into_iter().chain(doc.columns));
            doc.held = self.held(&repo, &files).await?;
            docs.push(doc);
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

impl Hub {
    /// Reads the names of columns of the tables of a dataset that are here. What cannot be read, or takes too long, is left
    /// out: the card is found without.
    async fn search_columns(&self, repo: &Repo, files: &[Sibling]) -> Vec<String> {
        if repo.kind != RepoKind::Dataset {
            return Vec::new();
        }
        let tables = files.iter().filter(|file| TableFormat::of_path(&file.path).is_some());
        let tables: Vec<(&str, SiblingBlob)> =
            tables.filter_map(|file| Some((file.path.as_str(), file.blob?))).take(TABLES_MAX).collect();
        let names = Mutex::new(Vec::new());
        let reading = stream::iter(tables).for_each_concurrent(TABLES_AT_ONCE, |(path, blob)| {
            let names = &names;
            async move {
                match self.column_names(repo.id, path, &blob).await {
                    Ok(read) => names.lock().unwrap_or_else(PoisonError::into_inner).extend(read),
                    Err(error) => tracing::debug!(repo.id = %repo.id, path, %error, "columns cannot be searched"),
                }
            }
        });
        if tokio::time::timeout(COLUMNS_WAIT, reading).await.is_err() {
            tracing::warn!(repo.id = %repo.id, "columns take too long to read; the repository is found without some");
        }
        names.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how much of a repository's large files it may serve now, of those of its newest commit.
    async fn held(&self, repo: &Repo, files: &[Sibling]) -> HubResult<Held> {
        let (Some(_), Some(head)) = (repo.mirror, repo.head) else {
            return Ok(if repo.mirror.is_some() { Held::Nothing } else { Held::Whole });
        };
        let all;
        let files = if files.len() < NAMES_MAX {
            files
        } else {
            all = self.siblings_at_most(head, SiblingDetail::Blob, HELD_FILES_MAX).await?;
            &all
        };
        let large = files.iter().filter_map(|file| file.blob?.pointer).map(|pointer| pointer.sha256);
        let large: HashSet<Sha256> = large.collect();
        let named: Vec<Sha256> = large.iter().copied().collect();
        let here = self.catalog.repo_files_among(repo.id, &named).await?.len();
        Ok(match here {
            here if here >= named.len() => Held::Whole,
            0 => Held::Nothing,
            _ => Held::Part,
        })
    }
}

/// Returns names in order, each once, as many as are searched.
fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(NAMES_MAX);
    names
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
        words: words(repo, card),
        free_tags: free_tags(repo, card),
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
fn free_tags(repo: &Repo, card: &Value) -> Vec<String> {
    let is_bare_language =
        |tag: &str| repo.kind == RepoKind::Model && texts(&card["language"]).any(|language| language == tag);
    let said = [repo.pipeline_tag.as_deref(), repo.library_name.as_deref(), repo.sdk.as_deref()];
    let is_free = |tag: &&String| {
        let prefixed = PREFIXED.iter().any(|prefix| tag.starts_with(prefix));
        !prefixed && !is_bare_language(tag) && !said.contains(&Some(tag.as_str()))
    };
    repo.tags.iter().filter(is_free).cloned().collect()
}

/// Returns what the card says in fields that have no other words: licences, library, size, goals, what it was made from.
fn words(repo: &Repo, card: &Value) -> Vec<String> {
    let prefixed = repo.tags.iter().filter(|tag| PREFIXED.iter().any(|prefix| tag.starts_with(prefix)));
    let prefixed = prefixed.filter(|tag| !tag.starts_with("region:")).flat_map(|tag| {
        match tag.split_once(':') {
            // A goal is typed with its prefix; of the rest the value is what people know.
            Some(("sdg", goal)) => vec![format!("sdg {goal}"), format!("sdg{goal}")],
            Some((_, value)) => vec![value.to_owned()],
            None => Vec::new(),
        }
    });
    let said = ["license_name", "library_name", "base_model", "sdk"].iter().flat_map(|key| texts(&card[*key]));
    let said = said.map(str::to_owned).chain(repo.library_name.clone());
    distinct(prefixed.chain(said))
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
    distinct(names.take(NAMES_MAX).map(str::to_owned))
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
