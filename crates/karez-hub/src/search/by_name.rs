//! Search by the names in the catalog, for the time without an index.

use karez_catalog::{Direction, RepoSort};
use karez_search::{Facet, OrderBy, SearchOrder, SearchQuery, Way};
use karez_types::RepoKind;

use super::SearchResults;
use crate::{Actor, Hub, HubError, HubResult, RepoSearch};

/// Kinds that are searched when none is named.
const KINDS: [RepoKind; 3] = [RepoKind::Model, RepoKind::Dataset, RepoKind::Space];

impl Hub {
    /// Finds repositories whose names contain the words, newest change first unless the query has an order of
    /// its own. One kind has pages; of several there is one page.
    ///
    /// # Errors
    /// [`HubError::Busy`] for a facet that the catalog has no column for: to pass over it would answer with what
    /// was not asked for.
    pub(super) async fn search_by_name(
        &self,
        actor: &Actor,
        query: &SearchQuery,
        cursor: Option<&str>,
    ) -> HubResult<SearchResults> {
        let kinds = if query.kinds.is_empty() { KINDS.as_slice() } else { query.kinds.as_slice() };
        let (sort, direction) = order_of(query.order);
        let (mut items, mut next) = (Vec::new(), None);
        for &kind in kinds {
            let search = RepoSearch {
                search: Some(query.text.clone()).filter(|text| !text.trim().is_empty()),
                author: query.owner.clone(),
                tags: query.tags.clone(),
                gated: query.gated,
                sort,
                direction,
                page_items: Some(query.page_hits.max(1) as u64),
                cursor: cursor.filter(|_| kinds.len() == 1).map(str::to_owned),
                ..RepoSearch::all(kind)
            };
            let Some(search) = narrowed(search, &query.facets)? else { continue };
            let page = self.repo_list(actor, search).await?;
            items.extend(page.items);
            next = page.next.filter(|_| kinds.len() == 1);
        }
        if kinds.len() > 1 {
            items.sort_by_key(|info| std::cmp::Reverse((info.modified, info.repo.id)));
            items.truncate(query.page_hits.max(1));
        }
        Ok(SearchResults { items, total: None, facets: Vec::new(), way: Way::Words, missing: Vec::new(), next })
    }
}

fn order_of(order: SearchOrder) -> (Option<RepoSort>, Direction) {
    let sort = |by| match by {
        OrderBy::Modified => RepoSort::Modified,
        OrderBy::Created => RepoSort::Created,
        OrderBy::Downloads => RepoSort::Downloads,
        OrderBy::Likes => RepoSort::Likes,
        OrderBy::Trending => RepoSort::Trending,
    };
    match order {
        SearchOrder::Relevance => (None, Direction::Descending),
        SearchOrder::Descending(by) => (Some(sort(by)), Direction::Descending),
        SearchOrder::Ascending(by) => (Some(sort(by)), Direction::Ascending),
    }
}

/// Says facets as the catalog can answer them; nothing when no repository of the kind can have them.
fn narrowed(mut search: RepoSearch, facets: &[(Facet, String)]) -> HubResult<Option<RepoSearch>> {
    for (facet, value) in facets {
        match facet {
            Facet::Kind if value == search.kind.as_str() => {}
            Facet::Kind => return Ok(None),
            Facet::Task if search.kind == RepoKind::Dataset => search.tags.push(format!("task_categories:{value}")),
            Facet::Task => search.pipeline_tag = Some(value.clone()),
            Facet::Library => search.library = Some(value.clone()),
            Facet::Licence => search.tags.push(format!("license:{value}")),
            Facet::Sdg => search.tags.push(format!("sdg:{value}")),
            Facet::Campaign => search.tags.push(format!("campaign:{value}")),
            Facet::Tag => search.tags.push(value.clone()),
            Facet::Language | Facet::Size | Facet::Origin | Facet::Held => return Err(HubError::Busy),
        }
    }
    Ok(Some(search))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facets_are_answered_or_refused() {
        let of = |facet, value: &str| narrowed(RepoSearch::all(RepoKind::Dataset), &[(facet, value.to_owned())]);
        assert_eq!(of(Facet::Task, "translation").unwrap().unwrap().tags, ["task_categories:translation"]);
        assert_eq!(of(Facet::Sdg, "3").unwrap().unwrap().tags, ["sdg:3"]);
        assert!(of(Facet::Kind, "model").unwrap().is_none());
        assert!(of(Facet::Kind, "dataset").unwrap().is_some());
        assert!(matches!(of(Facet::Language, "swa"), Err(HubError::Busy)));
    }
}
