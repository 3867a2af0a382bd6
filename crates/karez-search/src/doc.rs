//! What the index is told about a repository.

use karez_types::{AccountId, RepoId, RepoKind, Timestamp};

/// Text of one card that is read, in bytes: the rest of a longer one is not searched.
pub const TEXT_BYTES_MAX: usize = 64 << 10;
/// Names of files, and of columns, of one repository that are searched.
pub const NAMES_MAX: usize = 500;
/// Values of one facet that a repository may have.
pub const FACET_VALUES_MAX: usize = 100;

/// One reader of a repository: whoever is any of its readers finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reader(u64);

impl Reader {
    /// Everybody, also without a token.
    pub const EVERYBODY: Reader = Reader(0);

    /// The account that owns it, and with an organisation all its members.
    pub fn account(id: AccountId) -> Reader {
        debug_assert!(id.0 > 0, "account ids start at 1; 0 is everybody");
        Reader(id.0.unsigned_abs())
    }

    /// Those whom the origin of this one restricted mirror lets in.
    pub fn granted(id: RepoId) -> Reader {
        Reader(id.0.unsigned_abs() | 1 << 63)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// For whose eyes a search is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Eyes {
    /// Sees everything: the node itself, or its administrator.
    All,
    /// Sees what any of these readers sees.
    Of(Vec<Reader>),
}

/// How much of a repository's large files is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Held {
    /// All of them; also when it has none.
    Whole,
    /// Some of them.
    Part,
    /// None of them.
    Nothing,
}

impl Held {
    /// Returns the value of the facet.
    pub fn as_str(self) -> &'static str {
        match self {
            Held::Whole => "yes",
            Held::Part => "part",
            Held::Nothing => "no",
        }
    }
}

/// One repository, as it is searched. Texts may be of any length; the index takes what its limits allow.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchDoc {
    /// The repository.
    pub id: RepoId,
    /// Model, dataset, space or kernel.
    pub kind: RepoKind,
    /// Name of the owner.
    pub owner: String,
    /// Name within the owner.
    pub name: String,
    /// Who finds it; nobody but [`Eyes::All`] when empty.
    pub readers: Vec<Reader>,
    /// What people call it.
    pub title: String,
    /// What it is in a sentence or two.
    pub summary: String,
    /// The card without its front matter.
    pub body: String,
    /// Paths of files.
    pub files: Vec<String>,
    /// Names of columns of a dataset.
    pub columns: Vec<String>,
    /// All tags, as listings filter by them.
    pub tags: Vec<String>,
    /// The tags that its author wrote, without those that follow from other fields.
    pub free_tags: Vec<String>,
    /// What else its card says in words: licences, library, size, what it was made from, goals.
    pub words: Vec<String>,
    /// What it is for, such as `translation`.
    pub tasks: Vec<String>,
    /// Licences.
    pub licences: Vec<String>,
    /// Languages as ISO 639-3, such as `swa`.
    pub languages: Vec<String>,
    /// How large it is, in words.
    pub size: Option<String>,
    /// Library that loads it.
    pub library: Option<String>,
    /// Sustainable development goals, 1 to 17.
    pub sdgs: Vec<u8>,
    /// Campaigns that it is part of.
    pub campaigns: Vec<String>,
    /// Name of the remote where its history is made; this node when unset.
    pub origin: Option<String>,
    /// How much of its large files is here.
    pub held: Held,
    /// Whether readers must ask for it.
    pub is_gated: bool,
    /// When it was created.
    pub created: Timestamp,
    /// When a branch last moved.
    pub modified: Timestamp,
    /// How often files were downloaded.
    pub downloads: u64,
    /// How many people like it.
    pub likes: u64,
    /// How much it is used now: the larger the more.
    pub trend: i64,
}

impl SearchDoc {
    /// Returns a repository of which only its place is known.
    pub fn new(id: RepoId, kind: RepoKind, owner: &str, name: &str) -> SearchDoc {
        SearchDoc {
            id,
            kind,
            owner: owner.to_owned(),
            name: name.to_owned(),
            readers: Vec::new(),
            title: String::new(),
            summary: String::new(),
            body: String::new(),
            files: Vec::new(),
            columns: Vec::new(),
            tags: Vec::new(),
            free_tags: Vec::new(),
            words: Vec::new(),
            tasks: Vec::new(),
            licences: Vec::new(),
            languages: Vec::new(),
            size: None,
            library: None,
            sdgs: Vec::new(),
            campaigns: Vec::new(),
            origin: None,
            held: Held::Whole,
            is_gated: false,
            created: Timestamp(0),
            modified: Timestamp(0),
            downloads: 0,
            likes: 0,
            trend: 0,
        }
    }
}
