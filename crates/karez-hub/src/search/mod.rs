//! Search for people and programs: [`Hub::search`] finds repositories of all kinds by words and facets.
//!
//! The index follows the catalog (`follow.rs`), also what other processes of the node write. Whoever searches
//! sees what was committed before, unless that takes longer than [`FRESH_WAIT`]. While there is no index, or
//! it is being built, the names in the catalog answer, without counts. What the index finds is read from
//! the catalog with the caller's eyes once more: an index may lag, the catalog does not.

mod by_name;
mod desk;
mod follow;
mod gather;
mod listed;

use std::collections::HashMap;
use std::time::Duration;

use karez_catalog::{Repo, Viewer};
use karez_search::{Eyes, FacetCounts, QUERY_BYTES_MAX, Reader, SearchPage, SearchQuery, Way};
use karez_types::RepoId;

pub(crate) use desk::SearchDesk;
pub use follow::SearchProgress;
pub(crate) use gather::{README_BYTES_MAX, summary_of, title_of};

use crate::{Actor, Hub, HubError, HubResult, RepoField, RepoInfo};

/// How long a search waits for the index to take in what was committed before it.
const FRESH_WAIT: Duration = Duration::from_millis(300);
/// Restricted mirrors of which one person may have been told that they may read them.
const GRANTS_MAX: u64 = 1_000;
/// Facets and tags of one query.
const NARROWINGS_MAX: usize = 64;

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
    /// When nothing was found: those of several words that nothing has.
    pub missing: Vec<String>,
    /// Where the next page begins; nothing after the last one.
    pub next: Option<String>,
}

/// Ties cursors to the index: those of a list of names look the same from outside.
const ORDER: &str = "search";

impl Hub {
    /// Searches repositories that the caller may see. `cursor` is [`SearchResults::next`] of the page
    /// before; it takes the place of [`SearchQuery::after`].
    ///
    /// # Errors
    /// [`HubError::Invalid`] for an absurd search or a cursor that this node did not give out.
    pub async fn search(&self, actor: &Actor, query: &SearchQuery, cursor: Option<&str>) -> HubResult<SearchResults> {
        query_check(query)?;
        let after = match cursor.map(|cursor| self.cursor_open(ORDER, cursor)) {
            // It was given out before there was an index, and the list of names goes on; or it is forged.
            Some(Err(error)) if query.kinds.len() != 1 => return Err(error),
            Some(Err(_)) => return self.search_by_name(actor, query, cursor).await,
            Some(Ok(after)) => Some(after),
            None => None,
        };
        let query = SearchQuery { after, ..query.clone() };
        let Some((page, repos)) = self.found(actor, &query).await? else {
            return self.search_by_name(actor, &query, None).await;
        };
        let items = self.infos(repos, &RepoField::of_listing()).await?;
        let next = page.next.map(|next| self.cursor_seal(ORDER, &next));
        let SearchPage { total, facets, way, missing, .. } = page;
        Ok(SearchResults { items, total: Some(total), facets, way, missing, next })
    }

    /// Asks the index; nothing when there is none to ask.
    async fn found(&self, actor: &Actor, query: &SearchQuery) -> HubResult<Option<(SearchPage, Vec<Repo>)>> {
        if self.search.ready().is_none() {
            return Ok(None);
        }
        self.search_freshen().await;
        let Some(index) = self.search.ready() else { return Ok(None) };
        let viewer = self.viewer(actor);
        let (eyes, asked) = (self.eyes(&viewer).await?, query.clone());
        let answer = tokio::task::spawn_blocking(move || index.search(&asked, &eyes)).await;
        let page = match answer {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => {
                tracing::error!(error = %error, source = ?std::error::Error::source(&error), "the search index cannot be read");
                self.search.doubt();
                return Ok(None);
            }
            // A file that changed under the map shows as nonsense, and nonsense as a panic.
            Err(panic) => {
                tracing::error!(error = %panic, "the search index is damaged");
                self.search.doubt();
                return Ok(None);
            }
        };
        let ids: Vec<RepoId> = page.hits.iter().map(|hit| hit.id).collect();
        let repos = self.catalog.repos_visible(&ids, &viewer).await?;
        let mut repos: HashMap<RepoId, Repo> = repos.into_iter().map(|repo| (repo.id, repo)).collect();
        let repos = ids.iter().filter_map(|id| repos.remove(id)).collect();
        Ok(Some((page, repos)))
    }

    /// Lets the index take in what was committed until now, if that does not take long.
    async fn search_freshen(&self) {
        match tokio::time::timeout(FRESH_WAIT, self.search_catch_up()).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the search index is behind"),
        }
    }

    /// Returns for whose eyes a search is.
    async fn eyes(&self, viewer: &Viewer) -> HubResult<Eyes> {
        Ok(match viewer {
            Viewer::All => Eyes::All,
            Viewer::Anyone => Eyes::Of(vec![Reader::EVERYBODY]),
            Viewer::User { id, orgs, granted_since } => {
                let granted = self.catalog.mirror_grants_of(*id, *granted_since, GRANTS_MAX).await?;
                let accounts = std::iter::once(id).chain(orgs).map(|&account| Reader::account(account));
                Eyes::Of(
                    std::iter::once(Reader::EVERYBODY)
                        .chain(accounts)
                        .chain(granted.into_iter().map(Reader::granted))
                        .collect(),
                )
            }
        })
    }
}

/// Refuses what nobody types.
fn query_check(query: &SearchQuery) -> HubResult<()> {
    if query.tags.len() + query.facets.len() > NARROWINGS_MAX {
        return Err(HubError::Invalid(format!("give at most {NARROWINGS_MAX} filters")));
    }
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
