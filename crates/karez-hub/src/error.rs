//! What can go wrong, in the user's words. Knows nothing of HTTP; the server maps it once.

use karez_catalog::CatalogError;
use karez_store::StoreError;
use karez_types::{GitOid, RepoAddress};

/// Why the hub did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The token is unknown, revoked or expired.
    #[error("Invalid credentials in Authorization header")]
    TokenInvalid,
    /// Nobody is signed in, and this needs somebody.
    #[error("{0}")]
    SignInNeeded(String),
    /// Somebody is signed in who may not do this, and may know that it exists.
    #[error("{0}")]
    Forbidden(String),
    /// The repository does not exist, or the caller may not know that it does.
    #[error("Repository not found: {address}. Check the spelling, and that your token may read it.")]
    RepoMissing {
        /// What was asked for.
        address: String,
        /// Whether the caller gave no token: then a token might help.
        anonymous: bool,
    },
    /// The repository was moved.
    #[error("the repository {from} is now {to}")]
    RepoMoved {
        /// Where it was asked for.
        from: RepoAddress,
        /// Where it is.
        to: RepoAddress,
    },
    /// The repository is there, the revision is not.
    #[error("Invalid rev id: {revision}")]
    RevisionMissing {
        /// What was asked for.
        revision: String,
    },
    /// The revision is there, the file or folder is not.
    #[error("Entry not found: {path}")]
    EntryMissing {
        /// What was asked for.
        path: String,
        /// The commit that was searched; clients remember the absence under it.
        commit: Option<GitOid>,
    },
    /// What a commit should delete is not there.
    #[error("A file with this name doesn't exist: {path}")]
    NothingToDelete {
        /// What should be deleted.
        path: String,
        /// The commit that was searched.
        commit: GitOid,
    },
    /// Something else with a name is not there.
    #[error("{0}")]
    Missing(String),
    /// A repository of that name is there already.
    #[error("You already created this {kind} repo: {id}", kind = .0.kind, id = .0.id())]
    RepoExists(RepoAddress),
    /// The owner has a collection of this title already.
    #[error("You already have a collection of this title: {slug}")]
    CollectionExists {
        /// Its address.
        slug: String,
    },
    /// Something else of that name is there already.
    #[error("{0}")]
    Exists(String),
    /// A name belongs to another origin: this node itself, or another remote.
    #[error("{0}")]
    NameClash(String),
    /// The branch moved since the caller looked.
    #[error("The branch was updated since you opened this page. Please refresh and try again.")]
    BranchMoved,
    /// The request does not make sense.
    #[error("{0}")]
    Invalid(String),
    /// What should be a name is none.
    #[error("{0}")]
    BadName(String),
    /// The present password, which a change asks for, is another one.
    #[error("the present password is not right; nothing was changed")]
    PasswordWrong,
    /// A password may not be chosen.
    #[error("{0}")]
    PasswordWeak(String),
    /// An invitation was used, is over, or never was.
    #[error("this invitation was used or is over; ask the operator for a new one")]
    InvitationOver,
    /// The account may not be signed in with.
    #[error("this account is blocked; ask the operator of the node")]
    Blocked,
    /// The request makes sense but must not be done, such as a path that escapes.
    #[error("{0}")]
    Refused(String),
    /// An organisation would be left without anybody who administers it.
    #[error("{0} keeps at least one administrator; make somebody else one first")]
    LastAdmin(String),
    /// Over a named limit.
    #[error("{what} is larger than this node accepts: at most {limit} (setting limits.{setting})")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// The bound, with its unit.
        limit: String,
        /// Name of the setting.
        setting: &'static str,
    },
    /// The owner would have more bytes of large files than allowed; the words say whom to ask.
    #[error("{0}")]
    OverQuota(String),
    /// The range asked for lies outside the file.
    #[error("the range lies outside the file, which has {total_bytes} bytes")]
    RangeOutside {
        /// Size of the file.
        total_bytes: u64,
    },
    /// A Xet token is missing, forged, expired, or for another repository or right.
    #[error("{0}")]
    XetTokenInvalid(String),
    /// A signed address is forged, expired, or does not cover the bytes asked for.
    #[error("{0}")]
    SignatureInvalid(String),
    /// The sender stopped sending, or sent too slowly.
    #[error("the upload stopped before its end: {0}")]
    BodyBroken(String),
    /// A file is said to use a xorb that is not stored here, or not any more.
    #[error("the file refers to xorb {0}, which is not stored here; upload the xorb first")]
    XorbMissing(karez_types::XorbHash),
    /// No room on the disk. What was stored before stays readable.
    #[error("the node has no room left to store this; tell its operator. Nothing of this request was kept.")]
    StorageFull,
    /// The node is busy; the same request may work in a moment.
    #[error("the node is busy; try again in a moment")]
    Busy,
    /// Who asks has too much under way; it works again when some of that is done.
    #[error("{0}; try again in a moment")]
    TooMany(String),
    /// The origin of a repository did not answer, or not in time; what is held here still works.
    #[error("{0}")]
    OriginSilent(String),
    /// The repository is gated where it comes from, and the caller has no right there.
    #[error(
        "Access to {address} is restricted and you are not in the authorized list. Ask for access where it comes from, \
         at {origin}. Then let the operator of this node keep a token that you have there (karez upstream login {origin} \
         YOUR-NAME), and sign in here with your own token"
    )]
    Gated {
        /// What was asked for.
        address: String,
        /// Name of the remote that it comes from.
        origin: String,
        /// Whether the caller gave no token: then a token might help.
        anonymous: bool,
    },
    /// Its owner gives the files of the repository on request, and the caller was not let in.
    #[error(
        "Access to {address} is restricted and you are not in the authorized list. Sign in on its page in a browser, \
         and ask for access there"
    )]
    OnRequest {
        /// What was asked for.
        address: String,
        /// Whether the caller gave no token: then a token might help.
        anonymous: bool,
    },
    /// There is no preview: the file is not what it seems, asks for too much, or the question does not fit it.
    #[error("{0}")]
    Preview(karez_preview::PreviewError),
    /// Stored bytes do not match their hash. Never served.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The search index fails.
    #[error("the search index failed")]
    Search(#[from] karez_search::SearchError),
    /// The log has signed more than the database knows of; nothing is signed until that is back.
    #[error(
        "the log was signed up to {signed} entries, and this database knows {here} of them: it is from an older backup. \
         Nothing is signed, so that nobody sees two histories. Bring back the newer database; if it is lost for good, \
         remove keys/log.key and keys/log.size: the node then has a new identity, and its peers must add it again"
    )]
    LogBehind {
        /// How many entries were signed.
        signed: u64,
        /// How many of them the database has.
        here: u64,
    },
    /// The mark of how far the log was signed cannot be read or written.
    #[error("cannot note how far the log was signed")]
    HighWater(#[source] std::io::Error),
    /// The database failed.
    #[error("the catalog failed")]
    Catalog(#[source] CatalogError),
    /// The object storage failed.
    #[error("the object storage failed")]
    Store(#[source] StoreError),
}

/// Result of everything the hub does.
pub type HubResult<T> = Result<T, HubError>;

impl From<CatalogError> for HubError {
    fn from(error: CatalogError) -> HubError {
        match error {
            CatalogError::Busy(_) => HubError::Busy,
            CatalogError::Full(_) => HubError::StorageFull,
            other => HubError::Catalog(other),
        }
    }
}

impl From<StoreError> for HubError {
    fn from(error: StoreError) -> HubError {
        match error {
            StoreError::Full { .. } => HubError::StorageFull,
            other => HubError::Store(other),
        }
    }
}

/// A revision that breaks its grammar is an invalid request.
macro_rules! invalid_from {
    ($($error:ty),+) => {
        $(impl From<$error> for HubError {
            fn from(error: $error) -> HubError {
                HubError::Invalid(error.to_string())
            }
        })+
    };
}
invalid_from!(karez_types::RevisionError);

impl From<karez_types::NameError> for HubError {
    fn from(error: karez_types::NameError) -> HubError {
        HubError::BadName(error.to_string())
    }
}

/// A path that escapes is refused rather than invalid: clients tell the two apart (422, not 400).
impl From<karez_types::PathError> for HubError {
    fn from(error: karez_types::PathError) -> HubError {
        HubError::Refused(error.to_string())
    }
}
