//! Search over the cards of repositories: full text in any script, facets with counts, a fixed order.
//!
//! [`SearchDoc`] is what the index is told, [`SearchQuery`] what somebody looks for, [`SearchPage`] what is
//! found. Who may find a repository is part of the document ([`Reader`]) and of the query ([`Eyes`]), and
//! is looked up with the words: what somebody may not see is neither found nor counted.
//!
//! Invariants:
//! - The index is derived: whoever loses it builds it again from the catalog, and loses nothing.
//! - The only I/O is the folder of the index. Nothing here knows of the catalog, the hub, HTTP or SQL.
//! - The same index gives the same answer: scores are taken in steps, and ties have an order.
//! - Cards and queries are cut by the same code, so a text is found by any of its own words.

#![forbid(unsafe_code)]

mod collect;
mod doc;
mod error;
mod fields;
mod index;
mod labels;
mod language;
mod pages;
mod plan;
mod query;
mod search;
mod stop;
mod text;

pub use doc::{Eyes, FACET_VALUES_MAX, Held, NAMES_MAX, Reader, SearchDoc, TEXT_BYTES_MAX};
pub use error::SearchError;
pub use index::{Batch, IndexPlace, SearchIndex};
pub use labels::label_name;
pub use language::language_code;
pub use query::{
    CursorError, Facet, FacetCounts, OrderBy, PAGE_HITS_MAX, QUERY_BYTES_MAX, QUERY_WORDS_MAX, SearchCursor, SearchHit,
    SearchOrder, SearchPage, SearchQuery, Way,
};
