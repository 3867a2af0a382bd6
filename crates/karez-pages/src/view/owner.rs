//! A person or an organisation, and what they have here.

use karez_types::{OwnerName, RepoKind};
use maud::html;

use super::collection::{CollectionRow, collection_rows};
use super::list::{RepoRow, id, kind_key, rows};
use crate::layout::Frame;
use crate::locale::key;

/// The page of an owner.
#[derive(Debug, Clone)]
pub struct OwnerPage {
    /// The name.
    pub name: OwnerName,
    /// The full name, if there is one.
    pub fullname: String,
    /// Whether it is an organisation.
    pub is_organization: bool,
    /// Members of an organisation, or organisations of a person.
    pub related: Vec<OwnerName>,
    /// Collections that they put together.
    pub collections: Vec<CollectionRow>,
    /// What they have, the newest of each kind first; and whether there is more of it.
    pub repos: Vec<(RepoKind, Vec<RepoRow>, bool)>,
}

/// Renders the page of an owner.
pub fn owner(frame: &Frame, page: &OwnerPage) -> String {
    let l = frame.locale;
    let related = if page.is_organization { key::MEMBERS } else { key::ORGANIZATIONS };
    let body = html! {
        p.crumbs.soft { (l.t(if page.is_organization { key::ORGANIZATION } else { key::PERSON })) }
        h1 { (id(page.name.as_str())) @if !page.fullname.is_empty() && page.fullname != page.name.as_str() { " · " bdi { (crate::shown(&page.fullname)) } } }
        @if !page.related.is_empty() {
            h2 { (l.t(related)) }
            ul.tags { @for name in &page.related { li { a href=(format!("/{name}")) { (id(name.as_str())) } } } }
        }
        @if !page.collections.is_empty() {
            h2 { a href=(format!("/collections?owner={}", page.name)) { (l.t(key::COLLECTIONS)) } }
            (collection_rows(l, &page.collections))
        }
        @if page.repos.iter().all(|(_, rows, _)| rows.is_empty()) { p { (l.t(key::NOTHING_YET)) } }
        @for (kind, list, has_more) in page.repos.iter().filter(|(_, rows, _)| !rows.is_empty()) {
            h2 { (l.t(kind_key(*kind))) }
            (rows(l, list))
            @if *has_more { p { a href=(format!("/{}?author={}", kind.plural(), page.name)) { (l.t(key::ALL_OF_THEM)) } } }
        }
    };
    frame.page(page.name.as_str(), &body)
}
