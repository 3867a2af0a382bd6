//! The fields of the index, and how a document fills them.
//!
//! Texts live in three fields, because every field costs every query: `name` (pieces of the name with their
//! places, for phrases and beginnings), `head` (title, tags, summary: counts three times), `text`
//! (everything). What narrows results is one exact field of `property:value`. Nothing is stored: what a
//! repository is, the catalog knows.

use karez_types::fold_name;
use tantivy::schema::{FAST, INDEXED, NumericOptions};
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer, TokenizerManager};
use tantivy::{Index, TantivyDocument, Term};

use crate::doc::{FACET_VALUES_MAX, NAMES_MAX, SearchDoc, TEXT_BYTES_MAX};
use crate::query::{Facet, OrderBy};
use crate::text::{name_atoms, name_grams, name_joined, name_pieces, terms};

/// Raised when what is written here changes, or how text is cut: an index of another number is built anew.
pub(crate) const FORMAT: u32 = 3;

const TEXT_TOKENIZER: &str = "karez-text";
const NAME_TOKENIZER: &str = "karez-name";
const EXACT_TOKENIZER: &str = "raw";

/// The fields, by what they are for.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub schema: Schema,
    pub id: Field,
    pub readers: Field,
    pub exact: Field,
    pub name: Field,
    pub grams: Field,
    pub head: Field,
    pub text: Field,
    modified: Field,
    created: Field,
    downloads: Field,
    likes: Field,
    trend: Field,
    facets: Vec<(Facet, Field)>,
}

impl Fields {
    pub(crate) fn new() -> Fields {
        let mut schema = Schema::builder();
        let indexed = |tokenizer: &str, record: IndexRecordOption, norms: bool| {
            let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(record);
            TextOptions::default().set_indexing_options(indexing.set_fieldnorms(norms))
        };
        let number: NumericOptions = FAST.into();
        let facet = TextOptions::default().set_fast(EXACT_TOKENIZER);
        Fields {
            id: schema.add_u64_field("id", FAST | INDEXED),
            readers: schema.add_u64_field("readers", INDEXED),
            exact: schema.add_text_field("exact", indexed(EXACT_TOKENIZER, IndexRecordOption::Basic, false)),
            name: schema
                .add_text_field("name", indexed(NAME_TOKENIZER, IndexRecordOption::WithFreqsAndPositions, true)),
            grams: schema.add_text_field("grams", indexed(EXACT_TOKENIZER, IndexRecordOption::Basic, false)),
            head: schema.add_text_field("head", indexed(TEXT_TOKENIZER, IndexRecordOption::WithFreqs, true)),
            text: schema.add_text_field("text", indexed(TEXT_TOKENIZER, IndexRecordOption::WithFreqs, true)),
            modified: schema.add_i64_field(order_word(OrderBy::Modified), number.clone()),
            created: schema.add_i64_field(order_word(OrderBy::Created), number.clone()),
            downloads: schema.add_i64_field(order_word(OrderBy::Downloads), number.clone()),
            likes: schema.add_i64_field(order_word(OrderBy::Likes), number.clone()),
            trend: schema.add_i64_field(order_word(OrderBy::Trending), number),
            facets: Facet::ALL
                .iter()
                .map(|&one| (one, schema.add_text_field(&facet_word(one), facet.clone())))
                .collect(),
            schema: schema.build(),
        }
    }

    /// Makes the tokenizers known to an index.
    pub(crate) fn register(index: &Index) {
        let manager: &TokenizerManager = index.tokenizers();
        manager.register(TEXT_TOKENIZER, Cutter { is_name: false });
        manager.register(NAME_TOKENIZER, Cutter { is_name: true });
    }

    /// Returns the term that names a repository.
    pub(crate) fn id_term(&self, id: karez_types::RepoId) -> Term {
        Term::from_field_u64(self.id, id.0.unsigned_abs())
    }

    /// Returns the term of a property that narrows results.
    pub(crate) fn exact_term(&self, property: &str, value: &str) -> Term {
        Term::from_field_text(self.exact, &format!("{property}:{value}"))
    }

    /// Writes a document as the index takes it.
    pub(crate) fn document(&self, doc: &SearchDoc) -> TantivyDocument {
        let mut out = TantivyDocument::new();
        out.add_u64(self.id, doc.id.0.unsigned_abs());
        for reader in &doc.readers {
            out.add_u64(self.readers, reader.number());
        }
        out.add_i64(self.modified, doc.modified.0);
        out.add_i64(self.created, doc.created.0);
        out.add_i64(self.downloads, i64::try_from(doc.downloads).unwrap_or(i64::MAX));
        out.add_i64(self.likes, i64::try_from(doc.likes).unwrap_or(i64::MAX));
        out.add_i64(self.trend, doc.trend);

        let id = format!("{}/{}", doc.owner, doc.name);
        out.add_text(self.name, &id);
        for gram in name_grams(&id) {
            out.add_text(self.grams, &gram);
        }
        let head = [doc.title.as_str(), &doc.free_tags.join(" "), &doc.tasks.join(" "), &doc.summary].join("\n");
        out.add_text(self.head, bounded(&head, TEXT_BYTES_MAX));
        let mut text = format!("{head}\n{}\n", bounded(&doc.body, TEXT_BYTES_MAX));
        let lists = [&doc.words, &doc.files, &doc.columns].into_iter().flat_map(|list| list.iter().take(NAMES_MAX));
        for name in lists {
            text.push_str(name);
            text.push('\n');
        }
        // `roofMaterial` and `pop2020` are typed as the words that they are made of.
        for name in doc.columns.iter().take(NAMES_MAX).filter(|name| name.is_ascii()) {
            let pieces = name_pieces(name);
            if pieces.len() > 1 {
                text.push_str(&pieces.join(" "));
                text.push('\n');
            }
        }
        out.add_text(self.text, &text);

        let owner = fold_name(&doc.owner);
        out.add_text(self.exact, format!("owner:{owner}"));
        out.add_text(self.exact, if doc.is_gated { "gated:yes" } else { "gated:no" });
        for tag in &doc.tags {
            out.add_text(self.exact, format!("{ANY_TAG}:{tag}"));
        }
        for (facet, field) in &self.facets {
            for value in facet_values(doc, *facet).into_iter().take(FACET_VALUES_MAX) {
                out.add_text(self.exact, format!("{}:{value}", facet.as_str()));
                if *facet == Facet::Tag {
                    // Labels are looked up without regard to how the author wrote the tag.
                    out.add_text(self.exact, format!("{CODE}:{}", value.to_lowercase()));
                }
                out.add_text(*field, value);
            }
        }
        out
    }
}

/// Property of every tag by which listings filter, also of those that are no facet.
pub(crate) const ANY_TAG: &str = "any-tag";
/// Property of a tag in lower case, to which labels lead.
pub(crate) const CODE: &str = "code";

/// Returns the name of the column of a number.
pub(crate) fn order_word(by: OrderBy) -> &'static str {
    match by {
        OrderBy::Modified => "modified",
        OrderBy::Created => "created",
        OrderBy::Downloads => "downloads",
        OrderBy::Likes => "likes",
        OrderBy::Trending => "trend",
    }
}

/// Returns the name of the column of a facet.
pub(crate) fn facet_word(facet: Facet) -> String {
    format!("facet-{}", facet.as_str())
}

/// Returns the values that a document has of a facet, each once.
fn facet_values(doc: &SearchDoc, facet: Facet) -> Vec<String> {
    let mut values: Vec<String> = match facet {
        Facet::Kind => vec![doc.kind.as_str().to_owned()],
        Facet::Task => doc.tasks.clone(),
        Facet::Language => doc.languages.clone(),
        Facet::Licence => doc.licences.clone(),
        Facet::Size => doc.size.clone().into_iter().collect(),
        Facet::Library => doc.library.clone().into_iter().collect(),
        Facet::Tag => doc.free_tags.clone(),
        Facet::Sdg => doc.sdgs.iter().map(u8::to_string).collect(),
        Facet::Campaign => doc.campaigns.clone(),
        Facet::Origin => vec![doc.origin.clone().unwrap_or_else(|| "here".to_owned())],
        Facet::Held => vec![doc.held.as_str().to_owned()],
    };
    values.retain(|value| !value.is_empty());
    values.sort_unstable();
    values.dedup();
    values
}

/// Returns the beginning of a text, cut between characters.
fn bounded(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Hands what text is cut into to the index.
#[derive(Debug, Clone)]
struct Cutter {
    is_name: bool,
}

struct Cut {
    tokens: std::vec::IntoIter<Token>,
    current: Token,
}

impl Tokenizer for Cutter {
    type TokenStream<'a> = Cut;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Cut {
        let mut tokens = Vec::new();
        let mut add = |text: String, gap: usize| {
            let position = tokens.len() + gap;
            tokens.push(Token { position, text, ..Token::default() });
        };
        if self.is_name {
            name_atoms(text).into_iter().for_each(|atom| add(atom, 0));
            let name = text.split_once('/').map_or(text, |(_, name)| name);
            // Far from the atoms, so that no phrase reaches from one into the other.
            add(name_joined(name), 1_000);
        } else {
            terms(text, &mut |term| add(term.to_owned(), 0));
        }
        Cut { tokens: tokens.into_iter(), current: Token::default() }
    }
}

impl TokenStream for Cut {
    fn advance(&mut self) -> bool {
        match self.tokens.next() {
            Some(token) => {
                self.current = token;
                true
            }
            None => false,
        }
    }

    fn token(&self) -> &Token {
        &self.current
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.current
    }
}
