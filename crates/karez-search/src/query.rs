//! What somebody looks for, and what was found.

use std::fmt;
use std::str::FromStr;

use karez_types::{RepoId, RepoKind};

/// Longest text that is looked for, in bytes.
pub const QUERY_BYTES_MAX: usize = 512;
/// Words of one query that are looked for; more are passed over.
pub const QUERY_WORDS_MAX: usize = 16;
/// Hits on one page.
pub const PAGE_HITS_MAX: usize = 10_000;

macro_rules! facets {
    ($($variant:ident = $word:literal, $doc:literal;)+) => {
        /// A property by which what is found can be narrowed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Facet { $(#[doc = $doc] $variant),+ }

        impl Facet {
            /// Every facet, in the order in which people are shown them.
            pub const ALL: &[Facet] = &[$(Facet::$variant),+];

            /// Returns the word used in addresses and in the index.
            pub fn as_str(self) -> &'static str {
                match self { $(Facet::$variant => $word),+ }
            }
        }
    };
}

facets! {
    Kind = "type", "`model`, `dataset`, `space` or `kernel`.";
    Task = "task", "What it is for, such as `translation`.";
    Language = "language", "ISO 639-3, such as `swa`.";
    Licence = "licence", "Such as `apache-2.0`.";
    Size = "size", "How large it is.";
    Library = "library", "What loads it.";
    Tag = "tag", "A tag that its author wrote.";
    Sdg = "sdg", "A sustainable development goal, `1` to `17`.";
    Campaign = "campaign", "A campaign that it is part of.";
    Origin = "origin", "The remote where its history is made; `here` for this node.";
    Held = "held", "Whether its large files are here: `yes`, `part` or `no`.";
}

impl Facet {
    /// Returns the facet that this word names.
    pub fn from_word(word: &str) -> Option<Facet> {
        Facet::ALL.iter().copied().find(|facet| facet.as_str() == word)
    }
}

/// A number that results can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderBy {
    /// When a branch last moved.
    Modified,
    /// When it was created.
    Created,
    /// How often files were downloaded.
    Downloads,
    /// How many people like it.
    Likes,
    /// How much it is used now.
    Trending,
}

/// The order of what was found. It is the same for the same index: nothing is left to chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SearchOrder {
    /// What fits best, in steps; then downloads, then the newest change, then the older repository.
    Relevance,
    /// Largest or newest first, then the newer repository.
    Descending(OrderBy),
    /// Smallest or oldest first, then the older repository.
    Ascending(OrderBy),
}

/// What somebody looks for. Everything that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SearchQuery {
    /// Words, in any language; empty finds everything.
    pub text: String,
    /// Kinds of repositories; any when empty.
    pub kinds: Vec<RepoKind>,
    /// Name of the owner, without regard to case.
    pub owner: Option<String>,
    /// Tags, exactly as listings filter by them.
    pub tags: Vec<String>,
    /// Values of facets.
    pub facets: Vec<(Facet, String)>,
    /// Only gated repositories, or only the others.
    pub gated: Option<bool>,
    /// What comes first.
    pub order: SearchOrder,
    /// Hits on the page.
    pub page_hits: usize,
    /// Where the page begins: [`SearchPage::next`] of the page before.
    pub after: Option<SearchCursor>,
    /// Values to count of each facet; 0 counts nothing, which is faster.
    pub facet_values: usize,
}

impl SearchQuery {
    /// Returns a search for words in repositories of all kinds: one page of 20, without counts.
    pub fn of(text: &str) -> SearchQuery {
        SearchQuery {
            text: text.to_owned(),
            kinds: Vec::new(),
            owner: None,
            tags: Vec::new(),
            facets: Vec::new(),
            gated: None,
            order: SearchOrder::Relevance,
            page_hits: 20,
            after: None,
            facet_values: 0,
        }
    }
}

/// How the words of a query were taken. The next way is tried only when one finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// Every word occurs.
    Words,
    /// Two thirds of three words or more occur, and half of a run of a script without spaces.
    MostWords,
    /// The name contains what was typed.
    PartOfName,
    /// Every word occurs, or one that differs from it by a letter.
    Typos,
}

impl Way {
    /// Every way, in the order in which they are tried.
    pub const ALL: [Way; 4] = [Way::Words, Way::MostWords, Way::PartOfName, Way::Typos];
}

/// The place after a hit. Text to hand out and to take back; a forged one only begins somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SearchCursor {
    pub(crate) way: Way,
    pub(crate) key: [i64; 4],
}

impl fmt::Display for SearchCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.key;
        write!(f, "{}_{a}_{b}_{c}_{d}", self.way as u8)
    }
}

/// A text that should have been a cursor was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that this node gave out; start again without it")]
pub struct CursorError;

impl FromStr for SearchCursor {
    type Err = CursorError;
    fn from_str(text: &str) -> Result<Self, CursorError> {
        let numbers: Vec<i64> =
            text.split('_').map(|part| part.parse().map_err(|_| CursorError)).collect::<Result<_, _>>()?;
        let [way, key @ ..] = numbers.as_slice() else { return Err(CursorError) };
        let way = usize::try_from(*way).ok().and_then(|way| Way::ALL.get(way).copied()).ok_or(CursorError)?;
        Ok(SearchCursor { way, key: key.try_into().map_err(|_| CursorError)? })
    }
}

/// How many of what was found have each value of a facet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetCounts {
    /// The facet.
    pub facet: Facet,
    /// Values and how many have them: most first, then by value.
    pub values: Vec<(String, u64)>,
}

/// One repository that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchHit {
    /// The repository.
    pub id: RepoId,
    /// The place after it, for a page that ends here.
    pub cursor: SearchCursor,
}

/// One page of what was found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchPage {
    /// Repositories, best first.
    pub hits: Vec<SearchHit>,
    /// How many there are on all pages.
    pub total: u64,
    /// Counts of facets over all pages, if they were asked for.
    pub facets: Vec<FacetCounts>,
    /// How the words were taken.
    pub way: Way,
    /// When nothing was found: the words, as they were typed, that nothing has.
    pub missing: Vec<String>,
    /// Where the next page begins; nothing after the last one.
    pub next: Option<SearchCursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back() {
        let cursor = SearchCursor { way: Way::Typos, key: [-4, i64::MAX, 0, i64::MIN] };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "0", "0_1_2_3", "9_1_2_3_4", "0_1_2_3_4_5", "0_a_2_3_4", "-1_1_1_1_1"] {
            assert_eq!(text.parse::<SearchCursor>(), Err(CursorError), "{text}");
        }
    }

    #[test]
    fn facets_have_one_word_each() {
        for &facet in Facet::ALL {
            assert_eq!(Facet::from_word(facet.as_str()), Some(facet));
        }
    }
}
