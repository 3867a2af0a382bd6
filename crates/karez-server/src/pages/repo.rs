//! The page of a repository.

use axum::extract::State;
use axum::response::Response;
use karez_formats::card::body;
use karez_hub::{Actor, Repo, RepoField, RepoInfo, SiblingDetail, TreeItem, TreeKind, TreeQuery};
use karez_pages::{
    CARD_PREVIEW_BYTES_MAX, CardPlace, CardView, Entry, Link, Origin, ROOT_ITEMS, RepoHead, RepoPage, Totals, card,
    cut_text, encode_part, repo_page, repo_url,
};
use karez_types::{ByteRange, RepoAddress, RepoKind, Revision, Visibility};
use serde_json::Value;

use super::answer::{page, with_cookie};
use super::asked::{Asked, PageTarget};
use super::lists::{Looking, clip, find, row};
use super::snippets::snippets;
use crate::AppState;
use crate::error::ApiResult;

/// Files that are counted for what a repository costs; beyond, the page says "at least".
const COUNTED_FILES_MAX: u64 = 2_000;
/// Things of one sort among the facts: languages, tags, bases.
const FACTS_MAX: usize = 30;
/// Repositories made from this one that its page lists.
const DERIVED_ITEMS: u64 = 5;

/// Returns the top of every page about a repository.
pub(super) async fn head(state: &AppState, repo: &Repo, revision: &str) -> ApiResult<RepoHead> {
    let origin = state.hub.origins(std::iter::once(repo)).await?.remove(&repo.id);
    Ok(head_of(repo, origin.as_ref(), revision))
}

fn head_of(repo: &Repo, origin: Option<&karez_hub::RepoOrigin>, revision: &str) -> RepoHead {
    RepoHead {
        address: repo.address(),
        is_private: repo.visibility == Visibility::Private,
        is_gated: repo.gated != "false",
        origin: origin.map(|origin| Origin {
            remote: origin.remote.clone(),
            repo: origin.mirror.remote_repo.id(),
            held_since: origin.mirror.held_since,
            checked: origin.mirror.checked,
            verified_by: origin.mirror.verified_by.clone(),
            withdrawn: origin.mirror.withdrawn,
        }),
        revision: revision.to_owned(),
    }
}

/// Returns a file or folder as pages show it.
pub(super) fn entry(item: &TreeItem) -> Entry {
    let (file_bytes, sha256, is_here) = match item.kind {
        TreeKind::Folder => (None, None, true),
        TreeKind::Small { file_bytes } => (Some(file_bytes), None, true),
        TreeKind::Large(large) => (Some(large.file_bytes), Some(large.sha256.to_string()), large.hash.is_some()),
    };
    Entry { path: item.path.clone(), file_bytes, sha256, is_here }
}

/// Returns the text or texts of a value of a card.
fn texts(card: Option<&Value>, key: &str) -> Vec<String> {
    let value = card.and_then(|card| card.get(key));
    let list = match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    list.iter()
        .filter_map(Value::as_str)
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .take(FACTS_MAX)
        .map(clip)
        .collect()
}

/// Tells whether a text can be said to a browser as a language: `sw`, `zh-Hant`.
fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_word = |part: &str| matches!(part.len(), 1..=8) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    parts.next().is_some_and(|main| matches!(main.len(), 2 | 3) && main.bytes().all(|byte| byte.is_ascii_lowercase()))
        && parts.all(is_word)
}

/// Returns links to the repositories that a card names; what is no address is left out.
fn links(card: Option<&Value>, key: &str, kind: RepoKind) -> Vec<Link> {
    let link = |id: String| {
        let address = RepoAddress::parse(kind, &id).ok()?;
        Some(Link { id: address.id(), url: repo_url(&address) })
    };
    texts(card, key).into_iter().filter_map(link).collect()
}

/// Returns the licence, and where it is explained when the card says so.
fn license(card: Option<&Value>) -> Option<(String, Option<String>)> {
    let ids = texts(card, "license");
    let name = if ids == ["other"] { texts(card, "license_name").into_iter().next() } else { None };
    let link = texts(card, "license_link")
        .into_iter()
        .find(|link| link.starts_with("https://") || link.starts_with("http://"));
    (!ids.is_empty()).then(|| (name.unwrap_or_else(|| ids.join(", ")), link))
}

/// Sums what all files weigh, and what of it is not here.
fn totals(items: &[TreeItem], is_whole: bool) -> Totals {
    let mut totals = Totals { files: 0, bytes: 0, far_bytes: 0, is_whole };
    for item in items.iter().filter(|item| item.kind != TreeKind::Folder) {
        totals.files += 1;
        totals.bytes = totals.bytes.saturating_add(item.file_bytes());
        if matches!(item.kind, TreeKind::Large(large) if large.hash.is_none()) {
            totals.far_bytes = totals.far_bytes.saturating_add(item.file_bytes());
        }
    }
    totals
}

/// Renders a README of the root; nothing when there is none, or it is large.
async fn card_view(state: &AppState, caller: &Actor, info: &RepoInfo) -> ApiResult<Option<CardView>> {
    let address = info.repo.address();
    let Ok(file) = state.hub.card_resolve(caller, &address).await else {
        return Ok(None);
    };
    if file.large.is_some() {
        return Ok(None);
    }
    // The metadata stands before the text, and is bounded by itself.
    let end = file.file_bytes.min(CARD_PREVIEW_BYTES_MAX as u64 + karez_formats::card::FRONT_MATTER_BYTES_MAX as u64);
    let bytes = state.hub.small_file_read(&file, ByteRange { start: 0, end }).await?;
    let readme = String::from_utf8_lossy(&bytes);
    let (text, is_cut) = cut_text(body(&readme), CARD_PREVIEW_BYTES_MAX);
    let url = repo_url(&address);
    let html = rendered(text.to_owned(), url, "main".to_owned(), String::new()).await;
    let language = match &texts(info.card.as_ref(), "language")[..] {
        [one] if is_language(one) => Some(one.clone()),
        _ => None,
    };
    Ok(Some(CardView { html, language, is_cut: is_cut || end < file.file_bytes }))
}

/// Renders Markdown on a thread of its own kind: what strangers wrote may take a while.
pub(super) async fn rendered(text: String, repo_url: String, revision: String, folder: String) -> karez_pages::Markup {
    let work = move || {
        let revision = encode_part(&revision);
        card(&text, CardPlace { repo_url: &repo_url, revision: &revision, folder: &folder })
    };
    let made = tokio::task::spawn_blocking(work).await;
    // A parser that fails on some text must not take the page with it.
    made.unwrap_or_else(|error| {
        tracing::error!(%error, "a card could not be rendered");
        card("", CardPlace { repo_url: "", revision: "", folder: "" })
    })
}

pub(super) async fn repo(
    State(state): State<AppState>,
    asked: Asked,
    PageTarget(address): PageTarget,
) -> ApiResult<Response> {
    let (hub, caller, main) = (&state.hub, &asked.caller, Revision::main());
    let fields: &[RepoField] = match address.kind {
        RepoKind::Model => &[RepoField::CardData, RepoField::Safetensors],
        _ => &[RepoField::CardData],
    };
    let info = hub.repo_info(caller, &address, None, fields, SiblingDetail::Name).await?;
    let address = info.repo.address();
    let (mut entries, mut has_more, mut sums, mut last, mut view, mut log_index) =
        (Vec::new(), false, None, None, None, None);
    let mut files = Vec::new();
    if info.commit.is_some() {
        let query = TreeQuery { limit: Some(ROOT_ITEMS), ..TreeQuery::default() };
        let root = hub.tree_list(caller, &address, &main, &query).await?;
        (entries, has_more) = (root.items.iter().map(entry).collect(), root.next.is_some());
        let all = TreeQuery { recursive: true, limit: Some(COUNTED_FILES_MAX), ..TreeQuery::default() };
        let all = hub.tree_list(caller, &address, &main, &all).await?;
        sums = Some(totals(&all.items, all.next.is_none()));
        files = all.items;
        last = hub.commit_list(caller, &address, &main, 0, Some(1)).await?.commits.first().map(super::commits::line);
        view = card_view(&state, caller, &info).await?;
        log_index = hub.log_place(caller, &address, &main).await.ok().map(|place| place.index);
    }
    let derived_tag = match address.kind {
        RepoKind::Dataset => Some(format!("dataset:{}", address.id())),
        RepoKind::Model => Some(format!("base_model:{}", address.id())),
        RepoKind::Space | RepoKind::Kernel => None,
    };
    let (mut derived, mut derived_more) = (Vec::new(), None);
    if let Some(tag) = derived_tag {
        let more = format!("/models?filter={}", encode_part(&tag));
        let found =
            find(&state, caller, RepoKind::Model, &Looking { tag, items: DERIVED_ITEMS, ..Looking::default() }).await?;
        derived = found.items.iter().map(row).collect();
        derived_more = found.next.map(|_| more);
    }
    let card = info.card.as_ref();
    let (task, library) = (info.repo.pipeline_tag.as_deref().map(clip), info.repo.library_name.as_deref().map(clip));
    let languages = texts(card, "language");
    let is_free = |tag: &&String| {
        !tag.contains(':')
            && !languages.contains(tag)
            && Some(tag.as_str()) != task.as_deref()
            && Some(tag.as_str()) != library.as_deref()
    };
    let described = hub.described(vec![info.repo.clone()]).await?.pop();
    let offered = super::social::offered(&state, &asked, &info.repo).await?;
    let data = described.and_then(|described| crate::metadata::json_ld(&described, &asked.base));
    let mut base_models = links(card, "base_model", RepoKind::Model);
    base_models.extend(links(card, "models", RepoKind::Model));
    let made = RepoPage {
        head: head_of(&info.repo, info.origin.as_ref(), "main"),
        last,
        entries,
        has_more,
        totals: sums,
        card: view,
        license: license(card),
        tags: info.repo.tags.iter().filter(is_free).take(FACTS_MAX).map(|tag| clip(tag)).collect(),
        languages,
        task,
        library,
        parameters: info.safetensors.as_ref().map(|counts| counts.total()),
        base_models,
        datasets: links(card, "datasets", RepoKind::Dataset),
        derived,
        derived_more,
        dates: (info.repo.created, info.modified),
        downloads: info.repo.downloads,
        likes: info.repo.likes,
        log_index,
        snippets: snippets(&asked.base, &address, &files, info.repo.library_name.as_deref()),
        doors: super::change::doors(caller, &info.repo),
        social: offered.social,
        access: offered.access,
        data: data.map(|data| data.to_string()),
    };
    // A browser may keep it, form and all, as it does for who is signed in otherwise: it is the largest of the pages.
    Ok(with_cookie(page(&asked, repo_page(&asked.frame, &made)), offered.cookie))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_card_names_repositories_or_nothing() {
        let card = json!({ "base_model": ["a/b", "not an address", "../../x", 7], "license": "other", "license_name": "x", "license_link": "javascript:alert(1)" });
        let found = links(Some(&card), "base_model", RepoKind::Model);
        assert_eq!(found.iter().map(|link| link.url.as_str()).collect::<Vec<_>>(), ["/a/b"]);
        assert_eq!(license(Some(&card)), Some(("x".to_owned(), None)));
        assert_eq!(license(None), None);
        assert!(is_language("sw") && is_language("zh-Hant") && !is_language("multilingual") && !is_language("\"x"));
    }
}
