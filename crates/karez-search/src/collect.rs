//! Gathering what matched: the best of it in a fixed order, how many there are, and counts of facets.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use karez_types::RepoId;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use crate::fields::{facet_word, order_word};
use crate::query::{Facet, FacetCounts, OrderBy, SearchOrder};

/// Steps of relevance from one doubling of the score to the next: what differs by less than five percent
/// is equal, and downloads decide.
const STEPS_PER_DOUBLING: f32 = 14.0;
/// How many doublings of relevance every tenfold of downloads is worth.
const DOUBLINGS_PER_TENFOLD: f32 = 0.25;

/// The order of a hit: the larger comes first.
pub(crate) type Key = [i64; 4];

/// Gathers one page.
pub(crate) struct PageCollector<'a> {
    pub order: SearchOrder,
    pub hits_max: usize,
    /// Hits from here on, itself not included.
    pub after: Option<Key>,
    pub facets: &'a [Facet],
    pub facet_values: usize,
}

/// What was gathered.
pub(crate) struct Gathered {
    pub hits: Vec<(Key, RepoId)>,
    pub total: u64,
    pub facets: Vec<FacetCounts>,
}

impl Collector for PageCollector<'_> {
    type Fruit = Gathered;
    type Child = SegmentPage;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentPage> {
        let columns = segment.fast_fields();
        let number = |by: OrderBy| columns.i64(order_word(by));
        let (primary, secondary) = match self.order {
            SearchOrder::Relevance => (number(OrderBy::Downloads)?, Some(number(OrderBy::Modified)?)),
            SearchOrder::Ascending(by) | SearchOrder::Descending(by) => (number(by)?, None),
        };
        let mut facets = Vec::new();
        for &facet in self.facets {
            if let Some(column) = columns.str(&facet_word(facet))? {
                let counts = vec![0; column.dictionary().num_terms()];
                facets.push(SegmentFacet { facet, column, counts });
            }
        }
        Ok(SegmentPage {
            order: self.order,
            hits_max: self.hits_max,
            after: self.after,
            ids: columns.u64("id")?,
            primary,
            secondary,
            facets,
            best: BinaryHeap::new(),
            total: 0,
        })
    }

    fn requires_scoring(&self) -> bool {
        self.order == SearchOrder::Relevance
    }

    fn merge_fruits(&self, segments: Vec<tantivy::Result<Gathered>>) -> tantivy::Result<Gathered> {
        let mut hits = Vec::new();
        let mut total = 0;
        let mut counts: HashMap<Facet, HashMap<String, u64>> = HashMap::new();
        for segment in segments {
            let segment = segment?;
            hits.extend(segment.hits);
            total += segment.total;
            for FacetCounts { facet, values } in segment.facets {
                let counts = counts.entry(facet).or_default();
                values.into_iter().for_each(|(value, count)| *counts.entry(value).or_default() += count);
            }
        }
        hits.sort_unstable_by_key(|hit| Reverse(*hit));
        hits.truncate(self.hits_max);
        let facets = self.facets.iter().map(|&facet| {
            let mut values: Vec<(String, u64)> = counts.remove(&facet).unwrap_or_default().into_iter().collect();
            values.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            values.truncate(self.facet_values);
            FacetCounts { facet, values }
        });
        Ok(Gathered { hits, total, facets: facets.collect() })
    }
}

struct SegmentFacet {
    facet: Facet,
    column: StrColumn,
    counts: Vec<u64>,
}

/// Gathers one segment of the index.
pub(crate) struct SegmentPage {
    order: SearchOrder,
    hits_max: usize,
    after: Option<Key>,
    ids: Column<u64>,
    primary: Column<i64>,
    secondary: Option<Column<i64>>,
    facets: Vec<SegmentFacet>,
    best: BinaryHeap<Reverse<(Key, RepoId)>>,
    total: u64,
}

impl SegmentCollector for SegmentPage {
    type Fruit = tantivy::Result<Gathered>;

    fn collect(&mut self, doc: DocId, score: Score) {
        self.total += 1;
        for facet in &mut self.facets {
            for value in facet.column.term_ords(doc) {
                if let Some(count) = usize::try_from(value).ok().and_then(|value| facet.counts.get_mut(value)) {
                    *count += 1;
                }
            }
        }
        let id = i64::try_from(self.ids.first(doc).unwrap_or_default()).unwrap_or(i64::MAX);
        let primary = self.primary.first(doc).unwrap_or_default();
        let key = match self.order {
            SearchOrder::Relevance => {
                let modified = self.secondary.as_ref().and_then(|column| column.first(doc)).unwrap_or_default();
                [relevance(score, primary), primary, modified, -id]
            }
            SearchOrder::Descending(_) => [primary, id, 0, 0],
            SearchOrder::Ascending(_) => [primary.saturating_neg(), -id, 0, 0],
        };
        if self.after.is_some_and(|after| key >= after) {
            return;
        }
        let hit = Reverse((key, RepoId(id)));
        if self.best.len() < self.hits_max {
            self.best.push(hit);
        } else if self.best.peek().is_some_and(|worst| hit.0 > worst.0) {
            self.best.pop();
            self.best.push(hit);
        }
    }

    fn harvest(self) -> tantivy::Result<Gathered> {
        let mut facets = Vec::with_capacity(self.facets.len());
        for SegmentFacet { facet, column, counts } in self.facets {
            let mut values = Vec::new();
            for (value, &count) in (0u64..).zip(&counts).filter(|(_, count)| **count > 0) {
                let mut text = String::new();
                column.ord_to_str(value, &mut text)?;
                values.push((text, count));
            }
            facets.push(FacetCounts { facet, values });
        }
        let hits = self.best.into_iter().map(|Reverse(hit)| hit).collect();
        Ok(Gathered { hits, total: self.total, facets })
    }
}

/// Returns the step of relevance: the score and, damped, how much it is used.
fn relevance(score: Score, downloads: i64) -> i64 {
    if score <= 0.0 {
        return 0;
    }
    let used = (downloads.max(0) as f32 + 1.0).log10() * DOUBLINGS_PER_TENFOLD;
    ((score.log2() + used) * STEPS_PER_DOUBLING).round() as i64
}
