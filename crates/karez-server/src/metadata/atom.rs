//! Atom feeds of searches: what last changed of it comes first.

use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use karez_hub::{Actor, OrderBy, SearchOrder, SearchQuery};
use karez_types::Timestamp;

use super::xml::{element, escaped};
use crate::AppState;
use crate::changing::changing_packed;
use crate::error::ApiResult;

const CONTENT: HeaderValue = HeaderValue::from_static("application/atom+xml; charset=utf-8");
/// Readers ask again and again; what they have is good for five minutes.
const KEEP: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// Repositories in one feed.
const ENTRIES: usize = 50;

/// Answers a search as a feed. It shows what everybody may see, whoever asks: readers share their feeds.
/// `page` is the address of the same search as a page, `own` that of the feed.
pub(crate) async fn feed(
    state: &AppState,
    asked: &HeaderMap,
    query: &SearchQuery,
    base: &str,
    page: &str,
    own: &str,
) -> ApiResult<Response> {
    let query = SearchQuery {
        order: SearchOrder::Descending(OrderBy::Modified),
        page_hits: ENTRIES,
        facet_values: 0,
        ..query.clone()
    };
    let found = state.hub.search(&Actor::Anonymous, &query, None).await?;
    let repos = found.items.into_iter().map(|info| info.repo).collect();
    let described = state.hub.described(repos).await?;
    let words = crate::log::node_words(state);
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n");
    let title = format!("{}{}", title_of(&query), words.name);
    element(&mut out, "title", &title);
    element(&mut out, "id", &format!("{base}{page}"));
    let updated = described.iter().map(|one| one.repo.modified).max().unwrap_or(Timestamp(0));
    element(&mut out, "updated", &updated.to_string());
    for (rel, url) in [("self", own), ("alternate", page)] {
        out.push_str(&format!("<link rel=\"{rel}\" href=\"{}\"/>\n", escaped(&format!("{base}{url}"))));
    }
    out.push_str(&format!("<author><name>{}</name></author>\n", escaped(&words.name)));
    for one in &described {
        let url = format!("{base}/{}", one.repo.address().url_path());
        out.push_str("<entry>\n");
        let id = one.repo.address().id();
        let is_named = one.title.eq_ignore_ascii_case(one.repo.name.as_str());
        element(&mut out, "title", &if is_named { id } else { format!("{} · {id}", one.title) });
        element(&mut out, "id", &url);
        out.push_str(&format!("<link rel=\"alternate\" href=\"{}\"/>\n", escaped(&url)));
        element(&mut out, "published", &one.repo.created.to_string());
        element(&mut out, "updated", &one.repo.modified.to_string());
        out.push_str(&format!("<author><name>{}</name></author>\n", escaped(one.repo.owner.name.as_str())));
        out.push_str(&format!("<category term=\"{}\"/>\n", one.repo.kind.as_str()));
        for tag in super::described::keywords(&one.repo) {
            out.push_str(&format!("<category term=\"{}\"/>\n", escaped(tag)));
        }
        element(&mut out, "summary", if one.summary.is_empty() { &one.title } else { &one.summary });
        out.push_str("</entry>\n");
    }
    out.push_str("</feed>\n");
    Ok(changing_packed(asked, out.into(), CONTENT, KEEP))
}

/// Returns what a feed is of, so that a reader of several can tell them apart.
fn title_of(query: &SearchQuery) -> String {
    let kinds = query.kinds.iter().map(|kind| kind.plural().to_owned());
    let words = Some(query.text.clone()).filter(|text| !text.is_empty());
    let owner = query.owner.iter().map(|owner| format!("author: {owner}"));
    let tags = query.tags.iter().map(|tag| format!("filter: {tag}"));
    let facets = query.facets.iter().map(|(facet, value)| format!("{}: {value}", facet.as_str()));
    kinds.chain(words).chain(owner).chain(tags).chain(facets).map(|part| format!("{part} · ")).collect()
}
