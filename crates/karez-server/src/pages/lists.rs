//! Lists of repositories.

use axum::extract::{Extension, State};
use axum::response::Response;
use karez_hub::{
    Actor, Described, Direction, Facet, FacetCounts, OrderBy, RepoInfo, RepoPage, RepoSearch, RepoSort, SearchOrder,
    SearchQuery, SearchResults, Way, label_name, language_code,
};
use karez_pages::{FacetValue, FacetView, LIST_ITEMS, ListPage, Locale, Looser, Narrowing, RepoRow, list_page};
use karez_types::{RepoKind, Visibility};

use super::answer::page;
use super::asked::Asked;
use crate::AppState;
use crate::error::ApiResult;

/// What somebody looks for.
#[derive(Debug, Clone, Default)]
pub(super) struct Looking {
    /// A tag that all must have.
    pub tag: String,
    /// The owner of all.
    pub author: String,
    /// `created` or `downloads`; otherwise the last changed come first.
    pub sort: String,
    /// How many on a page.
    pub items: u64,
}

/// Finds repositories of one kind for a page that shows a few of them.
pub(super) async fn find(state: &AppState, caller: &Actor, kind: RepoKind, looking: &Looking) -> ApiResult<RepoPage> {
    let given = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let search = RepoSearch {
        author: given(&looking.author),
        tags: given(&looking.tag).into_iter().collect(),
        sort: match looking.sort.as_str() {
            "created" => Some(RepoSort::Created),
            "downloads" => Some(RepoSort::Downloads),
            _ => Some(RepoSort::Modified),
        },
        direction: Direction::Descending,
        page_items: Some(looking.items),
        ..RepoSearch::all(kind)
    };
    Ok(state.hub.repo_list(caller, search).await?)
}

/// Returns a repository as lists show it.
pub(super) fn row(info: &RepoInfo) -> RepoRow {
    let repo = &info.repo;
    RepoRow {
        address: repo.address(),
        title: None,
        summary: String::new(),
        is_private: repo.visibility == Visibility::Private,
        is_gated: repo.gated != "false",
        task: repo.pipeline_tag.as_deref().map(clip),
        license: repo.tags.iter().find_map(|tag| tag.strip_prefix("license:")).map(clip),
        modified: info.modified,
        downloads: repo.downloads,
        likes: repo.likes,
        remote: info.origin.as_ref().map(|origin| origin.remote.clone()),
    }
}

/// Longest title and summary of a row, in characters.
const ROW_CHARS_MAX: usize = 160;

/// Returns repositories as lists show them, with what they are called and what they are.
pub(super) async fn rows(state: &AppState, infos: &[RepoInfo]) -> ApiResult<Vec<RepoRow>> {
    let described = state.hub.described(infos.iter().map(|info| info.repo.clone()).collect()).await?;
    let told = |(info, described): (&RepoInfo, Described)| {
        let name = info.repo.name.as_str();
        let cut = |text: &str| -> String {
            let mut cut: String = text.chars().take(ROW_CHARS_MAX).collect();
            if cut.len() < text.len() {
                cut.push('…');
            }
            cut
        };
        let title = Some(cut(&described.title)).filter(|title| !title.eq_ignore_ascii_case(name));
        RepoRow { title, summary: cut(&described.summary), ..row(info) }
    };
    Ok(infos.iter().zip(described).map(told).collect())
}

/// Longest word of a card that a page shows among its facts, in characters.
const WORD_CHARS_MAX: usize = 100;

/// Shortens what a card says in a word.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(WORD_CHARS_MAX).collect()
}

/// The value of `format` that asks for a feed instead of a page.
pub(super) const FEED: &str = "atom";

/// Tells a facet, or the tag and owner that lists always knew, from what else an address says.
fn is_narrowing(word: &str) -> bool {
    matches!(word, "filter" | "author") || Facet::from_word(word).is_some()
}

/// Returns what the address narrows a list to. Where the kind stands in the address, `type` says nothing.
fn narrowings(asked: &Asked, kind: Option<RepoKind>) -> Vec<Narrowing> {
    let given = asked.frame.query.iter().filter(|(word, value)| is_narrowing(word) && !value.trim().is_empty());
    given
        .filter(|(word, _)| kind.is_none() || word != Facet::Kind.as_str())
        .map(|(word, value)| Narrowing {
            word: word.clone(),
            value: value.clone(),
            name: value_name(word, value, asked.frame.locale),
        })
        .collect()
}

/// Returns what a value is called in the reader's language.
fn value_name(word: &str, value: &str, locale: &Locale) -> Option<String> {
    // Tags are looked up as search does, without regard to case.
    let (property, value) =
        if word == Facet::Tag.as_str() { ("code", value.to_lowercase()) } else { (word, value.to_owned()) };
    label_name(property, &value, locale.code).map(str::to_owned)
}

/// Returns facets as pages show them. With one kind in the address, `type` has one value; what everything
/// that was found has in common narrows nothing.
fn facet_views(found: &SearchResults, kind: Option<RepoKind>, locale: &Locale) -> Vec<FacetView> {
    let view = |counts: &FacetCounts| {
        let word = counts.facet.as_str();
        let narrows = |count: u64| found.total != Some(count);
        let values = counts
            .values
            .iter()
            .filter(|(value, count)| narrows(*count) && value.chars().count() <= WORD_CHARS_MAX)
            .map(|(value, count)| FacetValue {
                value: value.clone(),
                name: value_name(word, value, locale),
                count: *count,
            })
            .collect();
        FacetView { word, values }
    };
    let counts = found.facets.iter().filter(|counts| kind.is_none() || counts.facet != Facet::Kind);
    counts.map(view).collect()
}

/// Values of each facet that are counted: there are seventeen development goals.
const FACET_VALUES: usize = 17;

/// Reads the address of a list as a search.
fn query_of(words: &str, sort: &str, kind: Option<RepoKind>, chosen: &[Narrowing]) -> SearchQuery {
    let facet = |one: &Narrowing| {
        let facet = Facet::from_word(&one.word)?;
        let code = language_code(&one.value).filter(|_| facet == Facet::Language);
        Some((facet, code.unwrap_or_else(|| one.value.trim().to_owned())))
    };
    let of = |word: &str| chosen.iter().filter(|one| one.word == word).map(|one| one.value.trim().to_owned()).collect();
    let mut owners: Vec<String> = of("author");
    SearchQuery {
        kinds: kind.into_iter().collect(),
        owner: owners.pop(),
        tags: of("filter"),
        facets: chosen.iter().filter_map(facet).collect(),
        order: match sort {
            "created" => SearchOrder::Descending(OrderBy::Created),
            "downloads" => SearchOrder::Descending(OrderBy::Downloads),
            "likes" => SearchOrder::Descending(OrderBy::Likes),
            "trending" => SearchOrder::Descending(OrderBy::Trending),
            // What fits the words best comes first, unless somebody asks for another order.
            "" if !words.is_empty() => SearchOrder::Relevance,
            _ => SearchOrder::Descending(OrderBy::Modified),
        },
        page_hits: usize::try_from(LIST_ITEMS).unwrap_or(usize::MAX),
        facet_values: FACET_VALUES,
        ..SearchQuery::of(words)
    }
}

pub(super) async fn list(
    State(state): State<AppState>,
    Extension(kind): Extension<RepoKind>,
    asked: Asked,
) -> ApiResult<Response> {
    found(&state, &asked, Some(kind)).await
}

/// Repositories of all kinds.
pub(super) async fn everything(State(state): State<AppState>, asked: Asked) -> ApiResult<Response> {
    found(&state, &asked, None).await
}

async fn found(state: &AppState, asked: &Asked, kind: Option<RepoKind>) -> ApiResult<Response> {
    let words = asked.value("search").trim();
    let sort = match asked.value("sort") {
        "" if words.is_empty() => "modified",
        sort => sort,
    };
    let chosen = narrowings(asked, kind);
    let query = query_of(words, sort, kind, &chosen);
    if asked.value("format") == FEED {
        let page = asked.frame.here_removing("format", FEED);
        let own = asked.frame.here_with("format", FEED);
        return crate::metadata::feed(state, &asked.headers, &query, &asked.base, &page, &own).await;
    }
    let cursor = Some(asked.value("cursor")).filter(|cursor| !cursor.is_empty());
    let found = state.hub.search(&asked.caller, &query, cursor).await?;
    let made = ListPage {
        kind,
        search: words.to_owned(),
        sort: sort.to_owned(),
        facets: facet_views(&found, kind, asked.frame.locale),
        chosen,
        total: found.total,
        missing: found.missing.iter().map(|word| clip(word)).collect(),
        looser: match found.way {
            Way::Words => None,
            Way::MostWords => Some(Looser::MostWords),
            Way::PartOfName => Some(Looser::PartOfName),
            Way::Typos => Some(Looser::Typos),
        },
        rows: rows(state, &found.items).await?,
        next: found.next,
    };
    Ok(page(asked, list_page(&asked.frame, &made)))
}
