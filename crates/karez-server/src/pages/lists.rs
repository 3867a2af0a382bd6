//! Lists of repositories.

use axum::extract::{Extension, State};
use axum::response::Response;
use karez_hub::{Actor, Direction, RepoInfo, RepoPage, RepoSearch, RepoSort};
use karez_pages::{LIST_ITEMS, ListPage, RepoRow, list_page};
use karez_types::{RepoKind, Visibility};

use super::answer::page;
use super::asked::Asked;
use crate::AppState;
use crate::error::ApiResult;

/// What somebody looks for.
#[derive(Debug, Clone, Default)]
pub(super) struct Looking {
    /// Words.
    pub words: String,
    /// A tag that all must have.
    pub tag: String,
    /// The owner of all.
    pub author: String,
    /// `modified`, `created` or `downloads`; otherwise what fits best, or is newest.
    pub sort: String,
    /// Where the page begins.
    pub cursor: String,
    /// How many on a page.
    pub items: u64,
}

/// Finds repositories: the one place that a better search is put into.
pub(super) async fn find(state: &AppState, caller: &Actor, kind: RepoKind, looking: &Looking) -> ApiResult<RepoPage> {
    let given = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let search = RepoSearch {
        search: given(&looking.words),
        author: given(&looking.author),
        tags: given(&looking.tag).into_iter().collect(),
        sort: match looking.sort.as_str() {
            "created" => Some(RepoSort::Created),
            "downloads" => Some(RepoSort::Downloads),
            // What fits the words best comes first, unless somebody asks for another order.
            "modified" => Some(RepoSort::Modified),
            _ if looking.words.trim().is_empty() => Some(RepoSort::Modified),
            _ => None,
        },
        direction: Direction::Descending,
        page_items: Some(looking.items),
        cursor: given(&looking.cursor),
        ..RepoSearch::all(kind)
    };
    Ok(state.hub.repo_list(caller, search).await?)
}

/// Returns a repository as lists show it.
pub(super) fn row(info: &RepoInfo) -> RepoRow {
    let repo = &info.repo;
    RepoRow {
        address: repo.address(),
        is_private: repo.visibility == Visibility::Private,
        is_gated: repo.gated != "false",
        task: repo.pipeline_tag.as_deref().map(clip),
        license: repo.tags.iter().find_map(|tag| tag.strip_prefix("license:")).map(clip),
        modified: info.modified,
        downloads: repo.downloads,
        remote: info.origin.as_ref().map(|origin| origin.remote.clone()),
    }
}

/// Longest word of a card that a page shows among its facts, in characters.
const WORD_CHARS_MAX: usize = 100;

/// Shortens what a card says in a word.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(WORD_CHARS_MAX).collect()
}

pub(super) async fn list(
    State(state): State<AppState>,
    Extension(kind): Extension<RepoKind>,
    asked: Asked,
) -> ApiResult<Response> {
    let text = |name: &str| asked.value(name).to_owned();
    let has_words = !asked.value("search").trim().is_empty();
    let sort = if asked.value("sort").is_empty() && !has_words { "modified".to_owned() } else { text("sort") };
    let looking = Looking {
        words: text("search"),
        tag: text("filter"),
        author: text("author"),
        sort,
        cursor: text("cursor"),
        items: LIST_ITEMS,
    };
    let found = find(&state, &asked.caller, kind, &looking).await?;
    let rows = found.items.iter().map(row).collect();
    let Looking { words, tag, sort, .. } = looking;
    Ok(page(&asked, list_page(&asked.frame, &ListPage { kind, search: words, tag, sort, rows, next: found.next })))
}
