//! Search by the names in the catalog, for the time without an index.

use karez_search::{SearchQuery, Way};
use karez_types::RepoKind;

use super::SearchResults;
use crate::{Actor, Hub, HubResult, RepoSearch};

/// Kinds that are searched when none is named.
const KINDS: [RepoKind; 3] = [RepoKind::Model, RepoKind::Dataset, RepoKind::Space];

impl Hub {
    /// Finds repositories whose names contain the words, newest change first. One kind has pages; of
    /// several there is one page.
    pub(super) async fn search_by_name(
        &self,
        actor: &Actor,
        query: &SearchQuery,
        cursor: Option<&str>,
    ) -> HubResult<SearchResults> {
        let kinds = if query.kinds.is_empty() { KINDS.as_slice() } else { query.kinds.as_slice() };
        let (mut items, mut next) = (Vec::new(), None);
        for &kind in kinds {
            let search = RepoSearch {
                search: Some(query.text.clone()).filter(|text| !text.trim().is_empty()),
                author: query.owner.clone(),
                tags: query.tags.clone(),
                gated: query.gated,
                page_items: Some(query.page_hits.max(1) as u64),
                cursor: cursor.filter(|_| kinds.len() == 1).map(str::to_owned),
                ..RepoSearch::all(kind)
            };
            let page = self.repo_list(actor, search).await?;
            items.extend(page.items);
            next = page.next.filter(|_| kinds.len() == 1);
        }
        items.sort_by_key(|info| std::cmp::Reverse((info.modified, info.repo.id)));
        items.truncate(query.page_hits.max(1));
        Ok(SearchResults { items, total: None, facets: Vec::new(), way: Way::Words, next })
    }
}
