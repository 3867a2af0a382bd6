//! Lists with words (`/api/models?search=`) through the index.

use karez_catalog::{Direction, RepoSort};
use karez_search::{Facet, OrderBy, SearchCursor, SearchOrder, SearchQuery};

use crate::listing::order_word;
use crate::{Actor, Hub, HubResult, RepoPage, RepoSearch};

impl Hub {
    /// Answers a list through the index, when it has words and there is an index.
    pub(crate) async fn repo_search(
        &self,
        actor: &Actor,
        search: &RepoSearch,
        page_items: u64,
    ) -> HubResult<Option<RepoPage>> {
        let Some(text) = search.search.as_ref().filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let (order, word) = order_of(search);
        let after = match search.cursor.as_deref().map(|cursor| self.cursor_open::<SearchCursor>(&word, cursor)) {
            // Not of the index: either it goes on with a list of names, or it is refused there.
            Some(Err(_)) => return Ok(None),
            Some(Ok(after)) => Some(after),
            None => None,
        };
        let facet = |facet: Facet, value: &Option<String>| value.clone().map(|value| (facet, value));
        let facets = [facet(Facet::Task, &search.pipeline_tag), facet(Facet::Library, &search.library)];
        let query = SearchQuery {
            kinds: vec![search.kind],
            owner: search.author.clone(),
            tags: search.tags.clone(),
            facets: facets.into_iter().flatten().collect(),
            gated: search.gated,
            order,
            page_hits: usize::try_from(page_items).unwrap_or(usize::MAX),
            after,
            ..SearchQuery::of(text)
        };
        let Some((page, repos)) = self.found(actor, &query).await? else { return Ok(None) };
        let listed = repos.len();
        let items = self.infos(repos, &search.fields).await?;
        // A page that ends early, because of its files, goes on behind its last item.
        let cut = items.last().filter(|_| items.len() < listed).map(|info| info.repo.id);
        let next = match cut {
            Some(last) => page.hits.iter().find(|hit| hit.id == last).map(|hit| hit.cursor),
            None => page.next,
        };
        Ok(Some(RepoPage { items, next: next.map(|next| self.cursor_seal(&word, &next)) }))
    }
}

/// Returns the order of a list, and the word that ties its cursors to it.
fn order_of(search: &RepoSearch) -> (SearchOrder, String) {
    let sort = match (search.sort, search.direction) {
        (None, Direction::Descending) => return (SearchOrder::Relevance, "found".to_owned()),
        (None, Direction::Ascending) => RepoSort::Modified,
        (Some(sort), _) => sort,
    };
    let by = match sort {
        RepoSort::Modified => OrderBy::Modified,
        RepoSort::Created => OrderBy::Created,
        RepoSort::Downloads => OrderBy::Downloads,
        RepoSort::Likes => OrderBy::Likes,
        RepoSort::Trending => OrderBy::Trending,
    };
    let order = match search.direction {
        Direction::Descending => SearchOrder::Descending(by),
        Direction::Ascending => SearchOrder::Ascending(by),
    };
    (order, format!("found-{}", order_word(sort, search.direction)))
}
