//! Lists and search of repositories.

use karez_catalog::{Direction, Repo, RepoCursor, RepoQuery, RepoSort};
use karez_types::RepoKind;

use crate::{Actor, Hub, HubError, HubResult, Purpose, RepoField, RepoInfo, SiblingDetail};

/// Items on one page when more than rows of the catalog are asked for: each costs reads of its own.
const HEAVY_PAGE_ITEMS_MAX: u64 = 100;
/// Files on one page over all repositories; the page ends early with the repository that passes it.
const PAGE_FILES_MAX: usize = 50_000;
/// Tags in one query.
const TAGS_MAX: usize = 32;
/// Longest search text, in bytes.
const SEARCH_BYTES_MAX: usize = 512;

/// What somebody looks for.
#[derive(Debug, Clone)]
pub struct RepoSearch {
    /// Model, dataset, space or kernel.
    pub kind: RepoKind,
    /// Words that must all be found; without an index, in `owner/name`.
    pub search: Option<String>,
    /// Name of the owner.
    pub author: Option<String>,
    /// Tags that must all be there.
    pub tags: Vec<String>,
    /// Task of a model.
    pub pipeline_tag: Option<String>,
    /// Library that loads a model.
    pub library: Option<String>,
    /// Only gated repositories, or only the others.
    pub gated: Option<bool>,
    /// What to order by; unset, the best fit of the words comes first, or without words the newest change.
    pub sort: Option<RepoSort>,
    /// Which end of the order comes first.
    pub direction: Direction,
    /// Items on a page; the node's own bound when unset.
    pub page_items: Option<u64>,
    /// Where the page begins: what the page before gave out.
    pub cursor: Option<String>,
    /// What to tell of each.
    pub fields: Vec<RepoField>,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct RepoPage {
    /// The repositories.
    pub items: Vec<RepoInfo>,
    /// Where the next page begins; nothing after the last one.
    pub next: Option<String>,
}

impl Hub {
    /// Lists repositories that the caller may see.
    ///
    /// # Errors
    /// [`HubError::Invalid`] for a page of no items, a forged cursor or an absurd search.
    pub async fn repo_list(&self, actor: &Actor, search: RepoSearch) -> HubResult<RepoPage> {
        search.check()?;
        let is_heavy = search.fields.iter().any(|field| !RepoField::of_listing().contains(field));
        let items_max =
            self.limits.list_page_items_max.clamp(1, if is_heavy { HEAVY_PAGE_ITEMS_MAX } else { u64::MAX });
        let page_items = search.page_items.unwrap_or(items_max).min(items_max);
        if let Some(page) = self.repo_search(actor, &search, page_items).await? {
            return Ok(page);
        }
        let sort = search.sort.unwrap_or(RepoSort::Modified);
        let order = order_word(sort, search.direction);
        let after = search.cursor.as_deref().map(|cursor| self.cursor_open::<RepoCursor>(order, cursor)).transpose()?;
        let query = RepoQuery {
            search: search.search,
            owner: search.author,
            tags: search.tags,
            pipeline_tag: search.pipeline_tag,
            library_name: search.library,
            gated: search.gated,
            sort,
            direction: search.direction,
            // One more than the page holds tells whether there is a next one.
            limit: page_items + 1,
            after,
            ..RepoQuery::all(search.kind, self.viewer(actor), 0)
        };
        let mut repos = self.catalog.repo_list(&query).await?;
        let mut has_more = repos.len() as u64 > page_items;
        repos.truncate(usize::try_from(page_items).unwrap_or(usize::MAX));
        let listed = repos.len();
        let items = self.infos(repos, &search.fields).await?;
        has_more |= items.len() < listed;
        let last = items.last().filter(|_| has_more);
        let next = last.map(|info| self.cursor_seal(order, &RepoCursor::after(&info.repo, sort)));
        Ok(RepoPage { items, next })
    }

    /// Describes repositories in their order, as many as the files of a page allow.
    pub(crate) async fn infos(&self, repos: Vec<Repo>, fields: &[RepoField]) -> HubResult<Vec<RepoInfo>> {
        let mut items: Vec<RepoInfo> = Vec::with_capacity(repos.len());
        let mut files = 0;
        for repo in repos {
            if files >= PAGE_FILES_MAX {
                break;
            }
            let (head, modified) = (repo.head, repo.modified);
            let info = self.info_gather(repo, head, modified, fields, SiblingDetail::Name).await?;
            files += info.siblings.as_ref().map_or(0, Vec::len);
            items.push(info);
        }
        let mut origins = self.origins(items.iter().map(|info| &info.repo)).await?;
        for info in &mut items {
            info.origin = origins.remove(&info.repo.id);
        }
        Ok(items)
    }

    /// Writes a cursor of an order so that only this node can have written it.
    pub(crate) fn cursor_seal(&self, order: &str, cursor: &impl std::fmt::Display) -> String {
        self.signer.seal(Purpose::Cursor, format!("{order} {cursor}").as_bytes())
    }

    /// Reads a cursor of an order.
    ///
    /// # Errors
    /// [`HubError::Invalid`] when this node did not write it, or for another order.
    pub(crate) fn cursor_open<C: std::str::FromStr>(&self, order: &str, sealed: &str) -> HubResult<C> {
        let not_ours = || {
            HubError::Invalid(
                "the cursor is not one that this node gave out for this order; start again without it".into(),
            )
        };
        let message = self.signer.open(Purpose::Cursor, sealed).ok_or_else(not_ours)?;
        let message = String::from_utf8(message).map_err(|_| not_ours())?;
        let (of_order, cursor) = message.split_once(' ').ok_or_else(not_ours)?;
        if of_order != order {
            return Err(not_ours());
        }
        cursor.parse().map_err(|_| not_ours())
    }
}

impl RepoSearch {
    /// Returns a list of everything of a kind, newest change first.
    pub fn all(kind: RepoKind) -> RepoSearch {
        RepoSearch {
            kind,
            search: None,
            author: None,
            tags: Vec::new(),
            pipeline_tag: None,
            library: None,
            gated: None,
            sort: None,
            direction: Direction::Descending,
            page_items: None,
            cursor: None,
            fields: RepoField::of_listing(),
        }
    }

    fn check(&self) -> HubResult<()> {
        if self.page_items == Some(0) {
            return Err(HubError::Invalid("limit must be at least 1".to_owned()));
        }
        if self.tags.len() > TAGS_MAX {
            return Err(HubError::Invalid(format!("give at most {TAGS_MAX} filters")));
        }
        let texts = [&self.search, &self.author, &self.pipeline_tag, &self.library].into_iter().flatten();
        for text in texts.chain(&self.tags) {
            if text.len() > SEARCH_BYTES_MAX {
                return Err(HubError::Invalid(format!("give at most {SEARCH_BYTES_MAX} bytes of text to look for")));
            }
            // PostgreSQL cannot hold NUL in a text; nothing that is listed holds any of these.
            if text.contains(char::is_control) {
                return Err(HubError::Invalid("leave control characters out of the text to look for".to_owned()));
            }
        }
        Ok(())
    }
}

/// Returns the order as a word, which ties a cursor to it.
pub(crate) fn order_word(sort: RepoSort, direction: Direction) -> &'static str {
    match (sort, direction) {
        (RepoSort::Modified, Direction::Descending) => "modified-",
        (RepoSort::Modified, Direction::Ascending) => "modified+",
        (RepoSort::Created, Direction::Descending) => "created-",
        (RepoSort::Created, Direction::Ascending) => "created+",
        (RepoSort::Downloads, Direction::Descending) => "downloads-",
        (RepoSort::Downloads, Direction::Ascending) => "downloads+",
        (RepoSort::Likes, Direction::Descending) => "likes-",
        (RepoSort::Likes, Direction::Ascending) => "likes+",
        (RepoSort::Trending, Direction::Descending) => "trending-",
        (RepoSort::Trending, Direction::Ascending) => "trending+",
    }
}
