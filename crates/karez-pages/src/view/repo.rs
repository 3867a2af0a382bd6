//! The page of a repository, of a folder in it, and of its branches and tags.

use karez_types::{RepoAddress, RepoKind, Timestamp};
use maud::{Markup, html};

use super::access::AccessStanding;
use super::collection::{Social, social};
use super::commits::CommitLine;
use super::form::Doors;
use super::list::{RepoRow, id, kind_key, rows};
use crate::address::{encode_part, file_url, repo_url};
use crate::layout::{Frame, data_block};
use crate::locale::{Key, Locale, key};

/// Where a mirror comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// What the operator calls the remote.
    pub remote: String,
    /// What it is called over there.
    pub repo: String,
    /// When it was first taken.
    pub held_since: Timestamp,
    /// When the origin last said that it is as it is here.
    pub checked: Timestamp,
    /// How it was verified, in the node's word.
    pub verified_by: String,
    /// When the origin withdrew it.
    pub withdrawn: Option<Timestamp>,
}

/// What stands at the top of every page about a repository.
#[derive(Debug, Clone)]
pub struct RepoHead {
    /// Where it is.
    pub address: RepoAddress,
    /// Whether only some may see it.
    pub is_private: bool,
    /// Whether one must ask for access where it comes from.
    pub is_gated: bool,
    /// Where it comes from, if its history is made elsewhere.
    pub origin: Option<Origin>,
    /// The revision that is shown.
    pub revision: String,
}

/// A file or folder.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Path from the root.
    pub path: String,
    /// Length of a file; nothing for folders.
    pub file_bytes: Option<u64>,
    /// SHA-256 of a large file.
    pub sha256: Option<String>,
    /// Whether its bytes are on this node.
    pub is_here: bool,
}

/// What it costs to have all of it.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    /// How many files.
    pub files: u64,
    /// Their length together.
    pub bytes: u64,
    /// What of that is not on this node and would come over its line.
    pub far_bytes: u64,
    /// Whether all files were counted; otherwise there are more.
    pub is_whole: bool,
}

/// A card, rendered.
#[derive(Debug, Clone)]
pub struct CardView {
    /// The HTML, sanitised.
    pub html: Markup,
    /// Its language, when its author says one.
    pub language: Option<String>,
    /// Whether there is more than is shown.
    pub is_cut: bool,
}

/// Something that another repository is to this one.
#[derive(Debug, Clone)]
pub struct Link {
    /// What is shown.
    pub id: String,
    /// Where it is.
    pub url: String,
}

/// Words to type into a tool.
#[derive(Debug, Clone)]
pub struct Snippet {
    /// Name of the tool.
    pub tool: &'static str,
    /// What to type.
    pub text: String,
}

/// The page of a repository.
#[derive(Debug, Clone)]
pub struct RepoPage {
    /// The top.
    pub head: RepoHead,
    /// The newest commit.
    pub last: Option<CommitLine>,
    /// The root folder.
    pub entries: Vec<Entry>,
    /// Whether the folder has more.
    pub has_more: bool,
    /// What it costs to have all of it.
    pub totals: Option<Totals>,
    /// The card.
    pub card: Option<CardView>,
    /// Its licence, with where it is explained.
    pub license: Option<(String, Option<String>)>,
    /// Its languages, as codes.
    pub languages: Vec<String>,
    /// Task of a model.
    pub task: Option<String>,
    /// Library that loads a model.
    pub library: Option<String>,
    /// How many numbers the weights of a model have.
    pub parameters: Option<u64>,
    /// Free tags.
    pub tags: Vec<String>,
    /// Where all is that the card says, when not all of it is shown.
    pub facts_more: Option<String>,
    /// What a model was made from.
    pub base_models: Vec<Link>,
    /// What it was trained on, or what a space uses.
    pub datasets: Vec<Link>,
    /// Models that say that they were made from this one, or trained on it.
    pub derived: Vec<RepoRow>,
    /// Where the list of those goes on.
    pub derived_more: Option<String>,
    /// When it was created, and last changed.
    pub dates: (Timestamp, Timestamp),
    /// How often files were downloaded.
    pub downloads: u64,
    /// How many people like it.
    pub likes: u64,
    /// Where the newest commit stands in the node's log.
    pub log_index: Option<u64>,
    /// How to use it.
    pub snippets: Vec<Snippet>,
    /// What the reader may do with it.
    pub doors: Doors,
    /// What the reader may do as anybody with an account may: like it, and put it into a collection.
    pub social: Option<Social>,
    /// How the reader stands to the files, when they may not read them.
    pub access: Option<AccessStanding>,
    /// What search engines read of it: JSON-LD of schema.org. Nothing for what not everybody may see.
    pub data: Option<String>,
}

/// Returns the top of a page about a repository: its name, its parts, and what to know before all else.
pub(crate) fn head(l: &Locale, head: &RepoHead, here: Option<Key>) -> Markup {
    let address = &head.address;
    let at = encode_part(&head.revision);
    let url = repo_url(address);
    let mut parts = vec![
        (key::TAB_CARD, url.clone()),
        (key::TAB_FILES, format!("{url}/tree/{at}")),
        (key::TAB_COMMITS, format!("{url}/commits/{at}")),
        (key::TAB_REFS, format!("{url}/refs")),
        (key::TAB_DISCUSSIONS, format!("{url}/discussions")),
    ];
    if address.kind == RepoKind::Dataset {
        parts.insert(1, (key::TAB_DATA, format!("{url}/viewer")));
    }
    html! {
        p.crumbs {
            a href=(format!("/{}", address.kind.plural())) { (l.t(kind_key(address.kind))) } " / "
            a href=(format!("/{}", address.owner)) { (id(address.owner.as_str())) }
        }
        h1 { a href=(url) { (id(&address.id())) }
            @if head.is_private { " " span.tag { (l.t(key::PRIVATE)) } }
            @if head.is_gated { " " span.tag { (l.t(key::GATED)) } }
        }
        @if let Some(at) = head.origin.as_ref().and_then(|origin| origin.withdrawn) {
            p.warn { (l.fill(key::WITHDRAWN, &[("date", l.date(at))])) }
        }
        nav aria-label=(l.plain(key::NAV_REPO)) {
            @for (name, url) in &parts {
                a href=(url) aria-current=[(here == Some(*name)).then_some("page")] { (l.t(*name)) }
            }
        }
    }
}

/// Returns the table of a folder.
pub(crate) fn entries(l: &Locale, repo: &RepoHead, entries: &[Entry], parent: Option<&str>) -> Markup {
    let (address, at) = (&repo.address, repo.revision.as_str());
    html! {
        table {
            thead { tr { th scope="col" { (l.t(key::NAME)) } th scope="col" { (l.t(key::SIZE)) } th.far scope="col" { "SHA-256" } } }
            tbody {
                @if let Some(parent) = parent {
                    tr { td { a href=(file_url(address, "tree", at, parent)) { (l.t(key::UP)) } } td {} td.far {} }
                }
                @for entry in entries {
                    @let name = entry.path.rsplit('/').next().unwrap_or_default();
                    tr {
                        @match entry.file_bytes {
                            None => { td { a href=(file_url(address, "tree", at, &entry.path)) { (id(&format!("{name}/"))) } } td {} }
                            Some(bytes) => {
                                td { a href=(file_url(address, "blob", at, &entry.path)) { (id(name)) } }
                                td { (l.bytes(bytes)) @if !entry.is_here { " " span.soft { (l.t(key::NOT_HERE)) } } }
                            }
                        }
                        td.far { @if let Some(sha256) = &entry.sha256 { code dir="ltr" title=(sha256) { (sha256.get(..12).unwrap_or(sha256)) "…" } } }
                    }
                }
            }
        }
    }
}

fn links(l: &Locale, name: Key, links: &[Link]) -> Markup {
    html! {
        @if !links.is_empty() {
            dt { (l.t(name)) }
            dd { @for (n, link) in links.iter().enumerate() { @if n > 0 { ", " } a href=(link.url) { (id(&link.id)) } } }
        }
    }
}

fn facts(l: &Locale, page: &RepoPage) -> Markup {
    let kind = page.head.address.kind;
    html! {
        dl {
            @if let Some((license, url)) = &page.license {
                dt { (l.t(key::LICENSE)) }
                dd { @match url { Some(url) => a href=(url) rel="nofollow noopener ugc" { (id(license)) }, None => (id(license)) } }
            } @else {
                dt { (l.t(key::LICENSE)) } dd { (l.t(key::LICENSE_MISSING)) }
            }
            @if !page.languages.is_empty() {
                dt { (l.t(key::LANGUAGES)) }
                dd { @for (n, code) in page.languages.iter().enumerate() { @if n > 0 { ", " } (id(code)) } }
            }
            @if let Some(task) = &page.task { dt { (l.t(key::TASK)) } dd { (id(task)) } }
            @if let Some(library) = &page.library { dt { (l.t(key::LIBRARY)) } dd { (id(library)) } }
            @if let Some(parameters) = page.parameters { dt { (l.t(key::PARAMETERS)) } dd { (l.number(parameters)) } }
            (links(l, key::BASE_MODELS, &page.base_models))
            (links(l, key::DATASETS_USED, &page.datasets))
            @if let Some(totals) = page.totals {
                dt { (l.t(key::COST)) }
                dd {
                    @if !totals.is_whole { (l.t(key::AT_LEAST)) " " }
                    (l.bytes(totals.bytes)) " · "
                    @if !totals.is_whole { (l.t(key::AT_LEAST)) " " }
                    (l.count(key::FILES, totals.files))
                    @if !totals.is_whole { br; (l.fill(key::COUNTED_FIRST, &[("n", html! { (l.number(totals.files)) })])) }
                    @if totals.far_bytes > 0 {
                        br; (l.fill(key::COST_FAR, &[("bytes", l.bytes(totals.far_bytes))]))
                    } @else { br; (l.t(key::COST_HERE)) }
                }
            }
            dt { (l.t(key::PROVENANCE)) }
            dd {
                @match &page.head.origin {
                    None => (l.t(key::MADE_HERE)),
                    Some(origin) => {
                        (l.fill(key::MIRROR_OF, &[("repo", id(&origin.repo)), ("remote", id(&origin.remote))])) " "
                        (l.fill(key::HELD_SINCE, &[("date", l.date(origin.held_since))])) " "
                        (l.fill(key::CHECKED_ON, &[("date", l.date(origin.checked))]))
                    }
                }
            }
            dt { (l.t(key::VERIFICATION)) }
            dd {
                (l.t(key::VERIFIED_FILES))
                @if let Some(origin) = &page.head.origin {
                    " " (l.fill(key::VERIFIED_BY, &[("how", html! { bdi lang="en" dir="ltr" { (origin.verified_by) } })]))
                }
                @if let Some(index) = page.log_index { " " (l.fill(key::IN_LOG, &[("index", html! { (l.number(index)) })])) }
                @if page.log_index.is_none() && page.head.origin.is_none() {
                    " " (l.t(if page.head.is_private { key::LOG_PRIVATE } else { key::LOG_SOON }))
                }
            }
            dt { (l.t(key::CREATED)) } dd { (l.date(page.dates.0)) }
            dt { (l.t(key::UPDATED)) } dd { (l.date(page.dates.1)) " · " (l.count(key::DOWNLOADS, page.downloads)) @if page.likes > 0 { " · " (l.count(key::LIKES, page.likes)) } }
        }
        @if !page.tags.is_empty() {
            ul.tags aria-label=(l.plain(key::TAGS)) {
                @for tag in &page.tags { li { a href=(format!("/{}?filter={}", kind.plural(), encode_part(tag))) { (id(tag)) } } }
            }
        }
        @if let Some(more) = &page.facts_more { p { a href=(more) { (l.t(key::ALL_OF_THEM)) } } }
    }
}

/// Renders the page of a repository.
pub fn repo(frame: &Frame, page: &RepoPage) -> String {
    let l = frame.locale;
    let address = &page.head.address;
    let tree = file_url(address, "tree", &page.head.revision, "");
    let body = html! {
        (head(l, &page.head, Some(key::TAB_CARD)))
        (super::form::doors(l, address, page.doors))
        @if let Some(offered) = &page.social { (social(l, address, offered)) }
        @if let Some(standing) = page.access {
            (super::access::ask(frame, address, standing, page.social.as_ref().map(|social| social.proof.as_str())))
        }
        (facts(l, page))
        @if !page.snippets.is_empty() {
            details { summary { (l.t(key::USE_IT)) }
                @for snippet in &page.snippets { h3 { (id(snippet.tool)) } pre dir="ltr" { code { (snippet.text) } } }
            }
        }
        @match &page.card {
            Some(card) => {
                div.card dir="auto" lang=[card.language.as_deref()] { (card.html) }
                @if card.is_cut { p { a href=(file_url(address, "blob", &page.head.revision, "README.md")) { (l.t(key::CARD_REST)) } } }
            }
            None => { p.soft { (l.t(key::NO_CARD)) } }
        }
        h2 { (l.t(key::TAB_FILES)) }
        @if let Some(last) = &page.last { (super::commits::line(l, address, last)) }
        @if page.entries.is_empty() { p { (l.t(key::NO_FILES)) } } @else { (entries(l, &page.head, &page.entries, None)) }
        @if page.has_more { p { a href=(tree) { (l.t(key::ALL_FILES)) } } }
        @if !page.derived.is_empty() {
            h2 { (l.t(key::DERIVED)) }
            (rows(l, &page.derived))
            @if let Some(more) = &page.derived_more { p { a href=(more) { (l.t(key::ALL_OF_THEM)) } } }
        }
    };
    let head = html! {
        @if let Some(data) = &page.data {
            (data_block(data))
            @if address.kind == RepoKind::Dataset {
                @for what in ["croissant", "dcat"] {
                    link rel="describedby" type="application/ld+json" href=(format!("/api{}/{what}", repo_url(address)));
                }
            }
        }
    };
    frame.page_with(&address.id(), &head, &body)
}

/// The page of a folder.
#[derive(Debug, Clone)]
pub struct TreePage {
    /// The top.
    pub head: RepoHead,
    /// The folder; empty for the root.
    pub folder: String,
    /// What is in it.
    pub entries: Vec<Entry>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// Returns the folders above a path as links, and the path's last part.
pub(crate) fn crumbs(head: &RepoHead, path: &str) -> Markup {
    let (address, at) = (&head.address, head.revision.as_str());
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    html! {
        p.crumbs dir="ltr" {
            a href=(file_url(address, "tree", at, "")) { (id(at)) }
            @for (n, part) in parts.iter().enumerate() {
                " / "
                @if n + 1 < parts.len() { a href=(file_url(address, "tree", at, &parts[..=n].join("/"))) { (id(part)) } } @else { (id(part)) }
            }
        }
    }
}

/// Renders the page of a folder.
pub fn tree(frame: &Frame, page: &TreePage) -> String {
    let l = frame.locale;
    let parent = (!page.folder.is_empty()).then(|| page.folder.rsplit_once('/').map_or("", |(parent, _)| parent));
    let body = html! {
        (head(l, &page.head, Some(key::TAB_FILES)))
        (crumbs(&page.head, &page.folder))
        (entries(l, &page.head, &page.entries, parent))
        @if let Some(next) = &page.next { p { a rel="next" href=(frame.here_with("after", next)) { (l.t(key::NEXT_PAGE)) } } }
    };
    frame.page(&format!("{} · {}", page.head.address.id(), l.plain(key::TAB_FILES)), &body)
}

/// The page of branches and tags.
#[derive(Debug, Clone)]
pub struct RefsPage {
    /// The top.
    pub head: RepoHead,
    /// Branches, each with its commit.
    pub branches: Vec<(String, String)>,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// Pull requests and converted copies, by full name.
    pub others: Vec<(String, String)>,
    /// Where the next page begins.
    pub next: Option<usize>,
}

/// Renders the page of branches and tags.
pub fn refs(frame: &Frame, page: &RefsPage) -> String {
    let l = frame.locale;
    let address = &page.head.address;
    let lists = [(key::BRANCHES, &page.branches), (key::TAGS, &page.tags), (key::OTHER_REFS, &page.others)];
    let body = html! {
        (head(l, &page.head, Some(key::TAB_REFS)))
        @for (name, list) in lists {
            @if !list.is_empty() {
                h2 { (l.t(name)) }
                ul.plain { @for (name, commit) in list {
                    li {
                        a href=(file_url(address, "tree", name, "")) { (id(name)) } " "
                        a href=(file_url(address, "commit", commit, "")) { code dir="ltr" { (commit.get(..9).unwrap_or(commit)) } }
                    }
                } }
            }
        }
        @if let Some(next) = page.next { p { a rel="next" href=(frame.here_with("from", &next.to_string())) { (l.t(key::NEXT_PAGE)) } } }
    };
    frame.page(&format!("{} · {}", address.id(), l.plain(key::TAB_REFS)), &body)
}
