//! From what somebody typed to a query of the engine.
//!
//! Each piece between spaces must be found: as a (beginning of a) name, as words of the text, or as a label
//! that leads to a code. Visibility and facets are clauses beside the pieces, without influence on the order.

use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, FuzzyTermQuery, Occur, PhrasePrefixQuery, Query,
    TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use karez_types::fold_name;

use crate::doc::Eyes;
use crate::fields::{ANY_TAG, Fields};
use crate::labels::{LABEL_WORDS_MAX, Label, labels_of};
use crate::query::{Facet, QUERY_WORDS_MAX, SearchQuery, Way};
use crate::stop::is_little;
use crate::text::{Part, name_atoms, name_grams, parts};

pub(crate) type Clause = Box<dyn Query>;

/// How much a hit in a name counts against one in the text.
const NAME_BOOST: f32 = 4.0;
/// The same for title, tags and summary.
const HEAD_BOOST: f32 = 3.0;
/// A stem against the word itself.
const STEM_BOOST: f32 = 0.7;
/// Score of a name that begins with what was typed, and of a code that a label leads to.
const PREFIX_SCORE: f32 = 1.0;
const CODE_SCORE: f32 = 4.0;
/// Score of a text with the label in another language than the one that was typed. The same for all: a label of
/// many pairs of characters would weigh more than the word that was typed.
const OTHER_LABEL_SCORE: f32 = 1.0;
/// Words shorter than this have no typos: too many other words are one letter away.
const TYPO_LETTERS_MIN: usize = 5;
/// Names that are tried as endings of one beginning.
const PREFIX_NAMES_MAX: u32 = 200;

/// What was typed, cut once for all ways of looking for it.
pub(crate) struct Wanted {
    pieces: Vec<Piece>,
    joined: String,
}

struct Piece {
    /// As it was typed.
    typed: String,
    atoms: Vec<String>,
    parts: Vec<Part>,
    labels: Vec<&'static Label>,
}

impl Wanted {
    pub(crate) fn of(text: &str) -> Wanted {
        let words: Vec<&str> = text.split_whitespace().take(QUERY_WORDS_MAX).collect();
        let has_large = words.iter().any(|word| !is_little(word));
        let mut pieces: Vec<Piece> = Vec::new();
        let mut rest = words.as_slice();
        while !rest.is_empty() {
            let (taken, labels) = longest_label(rest);
            if taken == 0 && has_large && is_little(rest[0]) {
                rest = &rest[1..];
                continue;
            }
            let text = rest[..taken.max(1)].join(" ");
            let parts = parts(&text);
            // Of signs alone nothing is left, and nothing is found by it.
            pieces.push(Piece { atoms: name_atoms(&text), parts, labels, typed: text });
            rest = &rest[taken.max(1)..];
        }
        Wanted { pieces, joined: words.join("") }
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// Returns how many of the next words are a label, and what it leads to.
fn longest_label(words: &[&str]) -> (usize, Vec<&'static Label>) {
    for count in (1..=words.len().min(LABEL_WORDS_MAX)).rev() {
        let labels = labels_of(&parts(&words[..count].join(" ")));
        if !labels.is_empty() {
            return (count, labels);
        }
    }
    (0, Vec::new())
}

/// Returns the query for one way, or nothing when this way cannot find more than those before.
pub(crate) fn plan(fields: &Fields, query: &SearchQuery, eyes: &Eyes, wanted: &Wanted, way: Way) -> Option<Clause> {
    let words: Clause = match way {
        _ if wanted.is_everything() => match way {
            Way::Words => Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0)),
            _ => return None,
        },
        Way::Words => all(wanted.pieces.iter().map(|piece| piece_clause(fields, piece, way))),
        Way::MostWords => {
            let count = wanted.pieces.len();
            let has_run =
                wanted.pieces.iter().flat_map(|piece| &piece.parts).any(|part| matches!(part, Part::Run { .. }));
            if count < 3 && !has_run {
                return None;
            }
            let clauses = wanted.pieces.iter().map(|piece| piece_clause(fields, piece, way)).collect();
            Box::new(BooleanQuery::union_with_minimum_required_clauses(
                clauses,
                if count < 3 { count } else { (count * 2).div_ceil(3) },
            ))
        }
        Way::PartOfName => {
            let grams = name_grams(&wanted.joined);
            if grams.is_empty() {
                return None;
            }
            let clause = all(grams.iter().map(|gram| term_clause(Term::from_field_text(fields.grams, gram))));
            Box::new(ConstScoreQuery::new(clause, 1.0))
        }
        Way::Typos => {
            let is_long =
                |part: &Part| matches!(part, Part::Word { word, .. } if word.chars().count() >= TYPO_LETTERS_MIN);
            if !wanted.pieces.iter().flat_map(|piece| &piece.parts).any(is_long) {
                return None;
            }
            all(wanted.pieces.iter().map(|piece| piece_clause(fields, piece, way)))
        }
    };
    let mut clauses = vec![words];
    clauses.extend(narrowing(fields, query, eyes));
    Some(all(clauses.into_iter()))
}

/// Returns each piece of several, as it was typed, with the query for it alone: to tell which of them nothing has.
pub(crate) fn pieces<'a>(
    fields: &'a Fields,
    query: &'a SearchQuery,
    eyes: &'a Eyes,
    wanted: &'a Wanted,
) -> impl Iterator<Item = (&'a str, Clause)> {
    let several = if wanted.pieces.len() > 1 { wanted.pieces.as_slice() } else { &[] };
    several.iter().map(move |piece| {
        let clauses = std::iter::once(piece_clause(fields, piece, Way::Words)).chain(narrowing(fields, query, eyes));
        (piece.typed.as_str(), all(clauses))
    })
}

/// Everything that narrows and does not order: who looks, kind, owner, tags, facets.
fn narrowing(fields: &Fields, query: &SearchQuery, eyes: &Eyes) -> Vec<Clause> {
    let mut clauses: Vec<Clause> = Vec::new();
    let mut exact = |property: &str, value: &str| clauses.push(term_clause(fields.exact_term(property, value)));
    if let Some(owner) = &query.owner {
        exact("owner", &fold_name(owner));
    }
    if let Some(gated) = query.gated {
        exact("gated", if gated { "yes" } else { "no" });
    }
    query.tags.iter().for_each(|tag| exact(ANY_TAG, tag));
    query.facets.iter().for_each(|(facet, value)| exact(facet.as_str(), value));
    match query.kinds.as_slice() {
        [] => {}
        [kind] => exact(Facet::Kind.as_str(), kind.as_str()),
        kinds => {
            let terms = kinds.iter().map(|kind| fields.exact_term(Facet::Kind.as_str(), kind.as_str()));
            clauses.push(Box::new(TermSetQuery::new(terms)));
        }
    }
    match eyes {
        Eyes::All => {}
        Eyes::Of(readers) => match readers.as_slice() {
            [] => clauses.push(Box::new(EmptyQuery)),
            [one] => clauses.push(term_clause(Term::from_field_u64(fields.readers, one.number()))),
            several => {
                let terms = several.iter().map(|one| Term::from_field_u64(fields.readers, one.number()));
                clauses.push(Box::new(TermSetQuery::new(terms)));
            }
        },
    }
    clauses.into_iter().map(|clause| Box::new(ConstScoreQuery::new(clause, 0.0)) as Clause).collect()
}

/// One piece: as a name, or as words, or through its labels.
fn piece_clause(fields: &Fields, piece: &Piece, way: Way) -> Clause {
    let mut ways: Vec<Clause> = Vec::new();
    ways.extend(name_clauses(fields, &piece.atoms));
    if !piece.parts.is_empty() {
        ways.push(all(piece.parts.iter().map(|part| part_clause(fields, part, way))));
    }
    if piece.typed.contains(':') {
        // A tag as listings write it: `sdg:13`.
        let tag = term_clause(fields.exact_term(ANY_TAG, &piece.typed));
        ways.push(Box::new(ConstScoreQuery::new(tag, CODE_SCORE)));
    }
    for label in &piece.labels {
        let code = term_clause(fields.exact_term(label.property, label.value));
        ways.push(Box::new(ConstScoreQuery::new(code, CODE_SCORE)));
        let typed: Vec<String> = piece.parts.iter().map(Part::key).collect();
        for name in label.names.iter().filter(|name| !name.iter().map(Part::key).eq(typed.iter().cloned())) {
            let words = all(name.iter().map(|part| part_clause(fields, part, Way::Words)));
            ways.push(Box::new(ConstScoreQuery::new(words, OTHER_LABEL_SCORE)));
        }
    }
    any(ways)
}

/// The name has these atoms one after another, and the last one may go on; or it begins like all of them
/// written together.
fn name_clauses(fields: &Fields, atoms: &[String]) -> Vec<Clause> {
    let Some(last) = atoms.last() else { return Vec::new() };
    let term = |text: &str| Term::from_field_text(fields.name, text);
    let mut clauses: Vec<Clause> = Vec::new();
    if let [only] = atoms {
        clauses.push(boosted(freq_clause(term(only)), NAME_BOOST));
    } else {
        let mut phrase = PhrasePrefixQuery::new(atoms.iter().map(|atom| term(atom)).collect());
        phrase.set_max_expansions(PREFIX_NAMES_MAX);
        clauses.push(boosted(Box::new(phrase), NAME_BOOST));
    }
    let joined = atoms.concat();
    // One letter begins too many names to mean one of them.
    if joined.chars().count() >= 2 && !last.is_empty() {
        let beginning = PhrasePrefixQuery::new(vec![term(&joined)]);
        clauses.push(Box::new(ConstScoreQuery::new(Box::new(beginning), PREFIX_SCORE)));
    }
    clauses
}

/// One part in the texts: a word or its stem, or enough of the pairs of a run.
fn part_clause(fields: &Fields, part: &Part, way: Way) -> Clause {
    match part {
        Part::Word { word, stem } => {
            let mut ways = in_texts(fields, word, 1.0);
            if let Some(stem) = stem {
                ways.extend(in_texts(fields, stem, STEM_BOOST));
            }
            if way == Way::Typos && may_be_mistyped(word) {
                for field in [fields.name, fields.head, fields.text] {
                    let near = FuzzyTermQuery::new(Term::from_field_text(field, word), 1, true);
                    ways.push(Box::new(ConstScoreQuery::new(Box::new(near), STEM_BOOST)));
                }
            }
            any(ways)
        }
        Part::Run { grams } => {
            let clauses: Vec<Clause> = grams.iter().map(|gram| any(in_texts(fields, gram, 1.0))).collect();
            // A long run is several words, and between two of them are pairs that no text has.
            let needed = match grams.len() {
                count @ 0..=2 if way == Way::Words => count,
                count if way == Way::Words => (count * 3).div_ceil(4),
                count => count.div_ceil(2),
            };
            match needed == clauses.len() {
                true => all(clauses.into_iter()),
                false => Box::new(BooleanQuery::union_with_minimum_required_clauses(clauses, needed)),
            }
        }
    }
}

/// Tells whether a word is looked for with a letter changed. A number in a name is no mistake.
fn may_be_mistyped(word: &str) -> bool {
    word.chars().count() >= TYPO_LETTERS_MIN && !word.contains(char::is_numeric)
}

fn in_texts(fields: &Fields, word: &str, boost: f32) -> Vec<Clause> {
    let in_field = |field: Field, boost: f32| boosted(freq_clause(Term::from_field_text(field, word)), boost);
    vec![in_field(fields.head, HEAD_BOOST * boost), in_field(fields.text, boost)]
}

fn freq_clause(term: Term) -> Clause {
    Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
}

fn term_clause(term: Term) -> Clause {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn boosted(clause: Clause, boost: f32) -> Clause {
    Box::new(BoostQuery::new(clause, boost))
}

fn all(clauses: impl Iterator<Item = Clause>) -> Clause {
    one_or(clauses.collect(), Occur::Must)
}

fn any(clauses: Vec<Clause>) -> Clause {
    one_or(clauses, Occur::Should)
}

fn one_or(mut clauses: Vec<Clause>, occur: Occur) -> Clause {
    match clauses.len() {
        0 => Box::new(EmptyQuery),
        1 => clauses.remove(0),
        _ => Box::new(BooleanQuery::new(clauses.into_iter().map(|clause| (occur, clause)).collect())),
    }
}
