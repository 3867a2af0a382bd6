//! Answering a query from an index.

use tantivy::Searcher;
use tantivy::collector::Count;

use crate::collect::{Gathered, PageCollector};
use crate::doc::Eyes;
use crate::error::SearchError;
use crate::index::SearchIndex;
use crate::plan::{Wanted, pieces, plan};
use crate::query::{Facet, PAGE_HITS_MAX, QUERY_BYTES_MAX, SearchCursor, SearchHit, SearchPage, SearchQuery, Way};

impl SearchIndex {
    /// Finds what fits a query and may be seen by these eyes.
    ///
    /// A text that is longer than [`QUERY_BYTES_MAX`] finds nothing.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn search(&self, query: &SearchQuery, eyes: &Eyes) -> Result<SearchPage, SearchError> {
        let nothing = SearchPage {
            hits: Vec::new(),
            total: 0,
            facets: Vec::new(),
            way: Way::Words,
            missing: Vec::new(),
            next: None,
        };
        if query.text.len() > QUERY_BYTES_MAX {
            return Ok(nothing);
        }
        let searcher = self.reader.searcher();
        let generation = searcher.generation().generation_id();
        let asked = (query.clone(), eyes.clone());
        if let Some(page) = self.pages.get(generation, &asked) {
            return Ok(page);
        }
        let wanted = Wanted::of(&query.text);
        // A following page takes the words as the first one did.
        let ways = match query.after {
            Some(after) => vec![after.way],
            None => Way::ALL.to_vec(),
        };
        let mut last = nothing;
        for way in ways {
            let Some(clause) = plan(&self.fields, query, eyes, &wanted, way) else { continue };
            let gathered = gather(&searcher, &*clause, query)?;
            let is_found = gathered.total > 0;
            last = page_of(gathered, query, way);
            if is_found {
                break;
            }
        }
        if last.total == 0 && query.after.is_none() {
            for (words, clause) in pieces(&self.fields, query, eyes, &wanted) {
                if searcher.search(&clause, &Count)? == 0 {
                    last.missing.push(words.to_owned());
                }
            }
        }
        self.pages.put(generation, asked, &last);
        Ok(last)
    }
}

fn gather(
    searcher: &Searcher,
    clause: &dyn tantivy::query::Query,
    query: &SearchQuery,
) -> Result<Gathered, SearchError> {
    let collector = PageCollector {
        order: query.order,
        // One more than the page holds tells whether there is a next one.
        hits_max: query.page_hits.min(PAGE_HITS_MAX) + 1,
        after: query.after.map(|after| after.key),
        facets: if query.facet_values == 0 { &[] } else { Facet::ALL },
        facet_values: query.facet_values,
    };
    Ok(searcher.search(clause, &collector)?)
}

fn page_of(gathered: Gathered, query: &SearchQuery, way: Way) -> SearchPage {
    let Gathered { hits, total, facets } = gathered;
    let page_hits = query.page_hits.min(PAGE_HITS_MAX);
    let has_more = hits.len() > page_hits;
    let hit = |(key, id)| SearchHit { id, cursor: SearchCursor { way, key } };
    let hits: Vec<SearchHit> = hits.into_iter().take(page_hits).map(hit).collect();
    let next = hits.last().filter(|_| has_more).map(|hit| hit.cursor);
    SearchPage { hits, total, facets, way, missing: Vec::new(), next }
}
