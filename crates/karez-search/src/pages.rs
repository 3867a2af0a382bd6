//! Pages that were made lately.
//!
//! Lists are asked for again and again between two changes of the index, and to count their facets every document
//! is looked at. A page is good as long as the index is the same, for the same query and the same eyes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::doc::Eyes;
use crate::query::{SearchPage, SearchQuery};

/// Pages in memory: of 20 hits and 11 facets each about 4 KiB, so 2 MiB.
const PAGES_MAX: usize = 512;
/// Hits and values of facets of a page that is kept.
const PAGE_ITEMS_MAX: usize = 400;

#[derive(Default)]
struct Kept {
    /// The state of the index that the pages are of.
    generation: u64,
    pages: HashMap<(SearchQuery, Eyes), SearchPage>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Pages(Mutex<Kept>);

impl Pages {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.lock().pages.clear();
    }

    /// Returns the page of a query in this state of the index.
    pub(crate) fn get(&self, generation: u64, asked: &(SearchQuery, Eyes)) -> Option<SearchPage> {
        let kept = self.lock();
        if kept.generation != generation {
            return None;
        }
        kept.pages.get(asked).cloned()
    }

    /// Keeps a page; pages of another state of the index go.
    pub(crate) fn put(&self, generation: u64, asked: (SearchQuery, Eyes), page: &SearchPage) {
        let items = page.hits.len() + page.facets.iter().map(|facet| facet.values.len()).sum::<usize>();
        if items > PAGE_ITEMS_MAX {
            return;
        }
        let mut kept = self.lock();
        // A search that took long must not bring back what has gone.
        if generation < kept.generation {
            return;
        }
        if generation > kept.generation || kept.pages.len() >= PAGES_MAX {
            kept.pages.clear();
            kept.generation = generation;
        }
        kept.pages.insert(asked, page.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Way;

    fn page(total: u64) -> SearchPage {
        SearchPage { hits: Vec::new(), total, facets: Vec::new(), way: Way::Words, missing: Vec::new(), next: None }
    }

    fn asked(text: &str) -> (SearchQuery, Eyes) {
        (SearchQuery::of(text), Eyes::All)
    }

    #[test]
    fn a_page_is_good_for_one_state_of_the_index() {
        let pages = Pages::default();
        pages.put(3, asked("a"), &page(1));
        assert_eq!(pages.get(3, &asked("a")).map(|page| page.total), Some(1));
        assert!(pages.get(4, &asked("a")).is_none() && pages.get(3, &asked("b")).is_none());
        pages.put(4, asked("b"), &page(2));
        assert!(pages.get(3, &asked("a")).is_none());
        // Too late.
        pages.put(3, asked("c"), &page(3));
        assert!(pages.get(4, &asked("c")).is_none() && pages.get(4, &asked("b")).is_some());
    }

    #[test]
    fn pages_are_bounded() {
        let pages = Pages::default();
        for n in 0..3 * PAGES_MAX {
            pages.put(1, asked(&n.to_string()), &page(1));
            assert!(pages.lock().pages.len() <= PAGES_MAX);
        }
    }
}
