//! The page of a repository.

use axum::extract::State;
use axum::response::Response;
use karez_formats::card::body;
use karez_formats::gzip;
use karez_hub::{Actor, Repo, RepoField, RepoInfo, SiblingDetail, TreeItem, TreeKind, TreeQuery};
use karez_pages::{
    CARD_PREVIEW_BYTES_MAX, CARD_PREVIEW_PACKED_BYTES_MAX, CardPlace, CardView, Entry, FACT_BYTES_MAX, Link, Origin,
    ROOT_ITEMS, ROOT_NAMES_BYTES_MAX, RepoHead, RepoPage, Totals, card, cut_text, encode_part, file_url, fitting,
    repo_page, repo_url,
};
use karez_types::{ByteRange, RepoAddress, RepoKind, Revision, Visibility};
use serde_json::Value;

use super::answer::{page, with_cookie};
use super::asked::{Asked, PageTarget};
use super::lists::{Looking, clip, find, row};
use super::snippets::snippets;
use crate::AppState;
use crate::error::ApiResult;

/// Files and folders that are counted for what a repository costs; beyond, the page says "at least", and of what.
const COUNTED_FILES_MAX: usize = 10_000;
/// Files and folders that are asked for at once.
const COUNTED_AT_ONCE: u64 = 2_000;
/// Things of one sort among the facts that are looked at: languages, bases.
const FACTS_MAX: usize = 1_000;
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

/// Keeps as many facts of one sort as the page shows; tells whether that left any out.
fn keep_fitting<T>(facts: &mut Vec<T>, text: impl Fn(&T) -> &str) -> bool {
    let fits = fitting(facts.iter().map(text), FACT_BYTES_MAX);
    let is_cut = fits < facts.len();
    facts.truncate(fits);
    is_cut
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

/// Lists the files and folders of the main branch; tells whether these are all.
async fn counted(state: &AppState, caller: &Actor, address: &RepoAddress) -> ApiResult<(Vec<TreeItem>, bool)> {
    let mut query = TreeQuery { recursive: true, limit: Some(COUNTED_AT_ONCE), ..TreeQuery::default() };
    let mut items = Vec::new();
    loop {
        let found = state.hub.tree_list(caller, address, &Revision::main(), &query).await?;
        items.extend(found.items);
        match found.next {
            None => return Ok((items, true)),
            Some(_) if items.len() >= COUNTED_FILES_MAX => return Ok((items, false)),
            Some(next) => query.after = Some(next.parse().map_err(karez_hub::HubError::from)?),
        }
    }
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
    let text = body(&readme);
    let bounds = (CARD_PREVIEW_BYTES_MAX, CARD_PREVIEW_PACKED_BYTES_MAX);
    let (html, shown_bytes) = rendered_within(text, bounds, repo_url(&address), "main".to_owned(), String::new()).await;
    let is_cut = shown_bytes < text.len();
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

/// Renders the beginning of a text that is at most so long, and packed weighs at most so much; returns also how many
/// bytes of the text that are.
pub(super) async fn rendered_within(
    text: &str,
    (bytes_max, packed_bytes_max): (usize, usize),
    repo_url: String,
    revision: String,
    folder: String,
) -> (karez_pages::Markup, usize) {
    let mut start = cut_at_paragraph(text, bytes_max);
    loop {
        let html = rendered(start.to_owned(), repo_url.clone(), revision.clone(), folder.clone()).await;
        let packed_bytes = gzip::pack(html.0.as_bytes()).len();
        if packed_bytes <= packed_bytes_max || start.len() <= SHOWN_BYTES_MIN {
            return (html, start.len());
        }
        // A little less than what would fit if it all weighed the same, so that this ends soon.
        let fits = start.len().saturating_mul(packed_bytes_max) / packed_bytes * 15 / 16;
        start = cut_at_paragraph(text, fits.max(SHOWN_BYTES_MIN));
    }
}

/// Bytes of a text that are shown whatever they weigh.
const SHOWN_BYTES_MIN: usize = 512;

/// Returns the start of a text that fits, cut between two paragraphs when that loses less than half of it.
fn cut_at_paragraph(text: &str, bytes_max: usize) -> &str {
    let (start, is_cut) = cut_text(text, bytes_max);
    // One line, or a first one that is short before a very long one.
    let start = if start.len() < bytes_max / 2 { floor_text(text, bytes_max) } else { start };
    match start.rfind("\n\n") {
        Some(at) if is_cut && at >= start.len() / 2 => &start[..at + 2],
        _ => start,
    }
}

/// Returns the longest start of a text that fits.
fn floor_text(text: &str, bytes_max: usize) -> &str {
    &text[..(0..=bytes_max.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)]
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
        let shown = fitting(root.items.iter().map(|item| item.path.as_str()), ROOT_NAMES_BYTES_MAX);
        entries = root.items.iter().take(shown).map(entry).collect();
        has_more = root.next.is_some() || shown < root.items.len();
        let is_whole;
        (files, is_whole) = counted(&state, caller, &address).await?;
        sums = Some(totals(&files, is_whole));
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
    let mut data = described.and_then(|described| crate::metadata::json_ld(&described, &asked.base));
    for name in ["keywords", "inLanguage"] {
        if let Some(list) = data.as_mut().and_then(|data| data.get_mut(name)?.as_array_mut()) {
            list.truncate(fitting(list.iter().filter_map(Value::as_str), FACT_BYTES_MAX));
        }
    }
    let mut base_models = links(card, "base_model", RepoKind::Model);
    base_models.extend(links(card, "models", RepoKind::Model));
    let mut datasets = links(card, "datasets", RepoKind::Dataset);
    let mut tags: Vec<String> = info.repo.tags.iter().filter(is_free).map(|tag| clip(tag)).collect();
    let mut shown_languages = languages.clone();
    let cut = [
        keep_fitting(&mut base_models, |link| &link.id),
        keep_fitting(&mut datasets, |link| &link.id),
        keep_fitting(&mut tags, |tag| tag),
        keep_fitting(&mut shown_languages, |language| language),
    ];
    let facts_more =
        cut.contains(&true).then(|| format!("{}?plain=1", file_url(&address, "blob", "main", "README.md")));
    let made = RepoPage {
        head: head_of(&info.repo, info.origin.as_ref(), "main"),
        last,
        entries,
        has_more,
        totals: sums,
        card: view,
        license: license(card),
        tags,
        languages: shown_languages,
        facts_more,
        task,
        library,
        parameters: info.safetensors.as_ref().map(|counts| counts.total()),
        base_models,
        datasets,
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
