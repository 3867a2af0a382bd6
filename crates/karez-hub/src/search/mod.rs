//! Search for people and programs: [`Hub::search`] finds repositories of all kinds by words and facets.
//!
//! While there is no index, or it is being built, the names in the catalog answer, without counts.

mod by_name;

use karez_search::{FacetCounts, QUERY_BYTES_MAX, SearchQuery, Way};

use crate::{Actor, Hub, HubError, HubResult, RepoInfo};

/// One page of what was found.
#[derive(Debug, Clone)]
pub struct SearchResults {
    /// Repositories that the caller may see, best first.
    pub items: Vec<RepoInfo>,
    /// How many there are on all pages; unknown while names alone are searched.
    pub total: Option<u64>,
    /// Counts of facets over all pages, if they were asked for and there is an index.
    pub facets: Vec<FacetCounts>,
    /// How the words were taken: people are told when it was not as they typed them.
    pub way: Way,
    /// Where the next page begins; nothing after the last one.
    pub next: Option<String>,
}

impl Hub {
    /// Searches repositories that the caller may see. `cursor` is [`SearchResults::next`] of the page
    /// before; it takes the place of [`SearchQuery::after`].
    ///
    /// # Errors
    /// [`HubError::Invalid`] for an absurd search or a cursor that this node did not give out.
    pub async fn search(&self, actor: &Actor, query: &SearchQuery, cursor: Option<&str>) -> HubResult<SearchResults> {
        query_check(query)?;
        self.search_by_name(actor, query, cursor).await
    }
}

/// Refuses what nobody types.
fn query_check(query: &SearchQuery) -> HubResult<()> {
    let texts = [Some(&query.text), query.owner.as_ref()].into_iter().flatten().chain(&query.tags);
    for text in texts.chain(query.facets.iter().map(|(_, value)| value)) {
        if text.len() > QUERY_BYTES_MAX {
            return Err(HubError::Invalid(format!("give at most {QUERY_BYTES_MAX} bytes of text to look for")));
        }
        if text.contains(char::is_control) {
            return Err(HubError::Invalid("leave control characters out of the text to look for".to_owned()));
        }
    }
    Ok(())
}
