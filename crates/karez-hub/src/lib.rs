//! The application: one method of [`Hub`] per thing that a user can do.
//!
//! Every method takes the [`Actor`] first and authorises there, once. Below it, store and catalog
//! trust their caller; above it, the server only translates.
//!
//! Invariants:
//! - Bytes are durable and verified before the row that names them, and that before the answer.
//! - Bytes are reachable only through a revision that the caller may read; to know a hash is not enough.
//! - What a caller may not see answers exactly as what does not exist.
//! - Nothing here knows of HTTP or SQL.

#![forbid(unsafe_code)]

use std::sync::Arc;

use karez_catalog::Catalog;
use karez_store::Store;
use karez_types::{Clock, Entropy, Limits};
use tokio::sync::Semaphore;

mod access;
mod access_requests;
mod accounts;
mod actor;
mod collections;
mod commit;
mod commit_changes;
mod commit_tree;
mod commits;
mod dataset_files;
mod dedup;
mod discussions;
mod downloads;
mod duplicate;
mod error;
mod facts;
mod far;
mod file_map;
mod file_read;
mod first_commit;
mod first_run;
mod fsck;
mod garbage;
mod git_fetch;
mod ingest;
mod last_commit;
mod lfs;
mod likes;
mod listing;
mod log;
mod mirror;
mod objects;
mod ollama;
mod owned_repos;
mod passwords;
mod people_admin;
mod preupload;
mod preview;
mod publication;
mod push_access;
mod quota;
mod ready;
mod reconstruction;
mod refs;
mod repo_fields;
mod repo_info;
mod repos;
mod resolve;
mod revision;
mod safetensors_metadata;
mod savings;
mod sealed;
mod search;
mod sessions;
mod shards;
mod signer;
mod simple_commit;
mod squash;
mod table_columns;
mod tokens;
mod tree;
mod weights;
mod xet_token;
mod xorb_range;
mod xorbs;
mod yaml_check;

pub use access::{GRANT_SECS, token_hash};
pub use access_requests::Standing;
pub use accounts::{Me, OrgOverview, RepoCounts, UserOverview, new_organization, new_user};
pub use actor::{Actor, Guest, Right, SignedIn};
pub use collections::{COLLECTION_ITEMS_MAX, CollectionPage, CollectionView, CollectionWish, slug as collection_slug};
pub use commit::{CommitDraft, CommitMade};
pub use commit_changes::{ChangeSide, ChangesWanted, CommitChanges, FileChange};
pub use commits::{CommitInfo, HistoryPage};
pub use dataset_files::{DatasetFiles, HashedFile, Table};
pub use discussions::{DiscussionChange, DiscussionDetails, DiscussionPage, DiscussionWish, ProposalInfo};
pub use error::{HubError, HubResult};
pub use far::{FarFile, FarFiles, FileStream};
pub use file_map::MappedFile;
pub use fsck::{FsckCounts, FsckDepth, FsckProblem, FsckReport};
pub use garbage::{GarbageRound, GarbageSettings};
pub use git_fetch::{GitFetch, GitRefs, PackPlan};
pub use ingest::Expected;
pub use karez_catalog::{
    AccessRequest, AccessStatus, Account, AccountKind, Collection, CollectionItem, CollectionPatch, Direction,
    Discussion, DiscussionEvent, DiscussionFilter, DiscussionStatus, EventKind, FileBrief, Incident, Keep, Mirror,
    MirrorPatch, NewAccount, NewMirror, NewRemote, OpenBytes, OwnerOrigin, OwnerRoom, Publication, PublicationQuery,
    Quota, Remote, RemoteKind, Repo, RepoSort, SignInWay, SignIns, TokenBrief,
};
/// For the advice on cards.
pub use karez_formats::card::{Finding, LICENSE_IDS, YamlError};
pub use karez_formats::table_head::ColumnKind;
pub use karez_preview::{
    Answer, Column, Config, Format, Media, Note, NoteKind, PAGE_ROWS_MAX, PreviewError, Question, Row, Split, Trouble,
    media_of_bytes,
};
pub use karez_search::{
    Facet, FacetCounts, IndexPlace, OrderBy, SearchError, SearchOrder, SearchQuery, Way, label_name, language_code,
};
/// For sending stored bytes without copying them.
pub use karez_store::{FileBehind, file_behind};
pub use last_commit::LastCommit;
pub use lfs::{LfsAction, LfsAddress, LfsDownload, LfsObject, LfsOperation, LfsPlan, LfsTransfer};
pub use likes::Liking;
pub use listing::{RepoPage, RepoSearch};
pub use log::{
    DESCRIPTOR_DAYS, HighWater, HighWaterMark, LogBytes, LogKeys, LogPlace, LogState, LogVerified, NoHighWater,
    NodeWords, SeenCheckpoint, SignedHead, WitnessAnswer,
};
pub use mirror::{FileClaim, MirrorFile, MirrorUpdate, NameAlias, RepoOrigin};
pub use ollama::{OllamaBlob, OllamaImage, OllamaLayer};
pub use owned_repos::{OwnedPage, OwnedRepo};
pub use passwords::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
pub use preupload::{UploadAdvice, UploadMode, UploadPlan};
pub use preview::{DataView, Layout, PreviewChild, PreviewLauncher, PreviewProgram};
pub use publication::{Described, Published};
pub use push_access::{ChangeWay, PushPlace};
pub use quota::quota_of_words;
pub use reconstruction::{ChunkPlace, RECONSTRUCTION_FILES_MAX, Reconstruction, XorbFetch};
pub use refs::{BranchStart, NewTag, RefInfo, RefLists};
pub use repo_fields::RepoField;
pub use repo_info::{RepoInfo, Sibling, SiblingBlob, SiblingDetail};
pub use repos::{RepoSettings, RepoWish};
pub use resolve::Resolved;
pub use safetensors_metadata::{ParameterCounts, SafetensorsHeaders};
pub use sealed::SECRET_BYTES_MAX;
pub use search::{SearchProgress, SearchResults};
pub use sessions::SESSION_SECS;
pub use shards::ShardProgress;
pub use signer::{Purpose, Signer};
pub use simple_commit::SimpleChange;
pub use table_columns::TableFormat;
pub use tokens::NewToken;
pub use tree::{LargeFile, TreeItem, TreeKind, TreePage, TreeQuery};
pub use weights::WeightsHeader;
pub use xet_token::{XetGrant, XetScope, XetToken};
pub use xorb_range::SignedRanges;

/// What a hub is made of.
pub struct HubParts {
    /// Where rows are.
    pub catalog: Catalog,
    /// Where bytes are.
    pub store: Store,
    /// The bounds on what comes from outside.
    pub limits: Limits,
    /// The key under which tokens and addresses are signed. Shared by all processes of one node.
    pub signing_key: [u8; 32],
    /// The keys that sign the node's log and cosign those of others. Shared by all processes of one node.
    pub log_keys: LogKeys,
    /// Where it is noted, outside of the database, how far the log was signed.
    pub high_water: Arc<dyn HighWater>,
    /// Where the present comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
}

/// The hub. Shared by all requests behind an [`Arc`].
pub struct Hub {
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    pub(crate) signer: Signer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Bounds the memory of uploads: each holds about 4 MiB, or one xorb when the store has no place for
    /// unfinished ones.
    pub(crate) uploads: Semaphore,
    pub(crate) objects: objects::Objects,
    pub(crate) commit_turns: commit::CommitTurns,
    pub(crate) downloads: downloads::Downloads,
    pub(crate) ollama: ollama::OllamaFacts,
    pub(crate) parameter_counts: safetensors_metadata::CountsCache,
    pub(crate) readiness: ready::Readiness,
    pub(crate) mapped_files: file_map::MappedFiles,
    pub(crate) garbage: garbage::Seen,
    pub(crate) far: far::Bringer,
    pub(crate) log: log::LogDesk,
    pub(crate) search: search::SearchDesk,
    pub(crate) hash_desk: passwords::HashDesk,
    pub(crate) blob_hashes: dataset_files::BlobHashes,
    pub(crate) columns: table_columns::TableColumns,
    pub(crate) preview: preview::PreviewDesk,
    pub(crate) savings: savings::SavingsDesk,
}

/// Uploads at once when the store takes bytes as they come. Many: senders on slow lines each hold a place
/// for minutes, and must not keep others waiting.
const STREAMED_UPLOADS_MAX: usize = 256;

impl Hub {
    /// Puts a hub together.
    pub fn new(parts: HubParts) -> Hub {
        let uploads_at_once = if parts.store.holds_staged_in_memory() {
            usize::try_from(parts.limits.uploads_at_once_max).unwrap_or(usize::MAX)
        } else {
            STREAMED_UPLOADS_MAX
        };
        let owner_bytes_max = Some(parts.limits.owner_bytes_max).filter(|bytes| *bytes > 0);
        Hub {
            signer: Signer::new(&parts.signing_key),
            log: log::LogDesk::new(parts.log_keys, parts.high_water),
            uploads: Semaphore::new(uploads_at_once.clamp(1, Semaphore::MAX_PERMITS)),
            catalog: parts.catalog.with_owner_bytes_max(owner_bytes_max),
            store: parts.store,
            limits: parts.limits,
            clock: parts.clock,
            entropy: parts.entropy,
            objects: objects::Objects::default(),
            commit_turns: commit::CommitTurns::default(),
            downloads: downloads::Downloads::default(),
            ollama: ollama::OllamaFacts::default(),
            parameter_counts: safetensors_metadata::CountsCache::default(),
            readiness: ready::Readiness::default(),
            mapped_files: file_map::MappedFiles::default(),
            garbage: garbage::Seen::default(),
            far: far::Bringer::default(),
            search: search::SearchDesk::default(),
            hash_desk: passwords::HashDesk::default(),
            blob_hashes: dataset_files::BlobHashes::default(),
            columns: table_columns::TableColumns::default(),
            preview: preview::PreviewDesk::default(),
            savings: savings::SavingsDesk::default(),
        }
    }

    /// Returns the bounds on what comes from outside.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Returns the catalog, for the command line and checks that stand outside of requests.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Returns the store, for checks that stand outside of requests.
    pub fn store(&self) -> &Store {
        &self.store
    }
}
