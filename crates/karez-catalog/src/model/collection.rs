//! Lists of repositories that somebody put together.

use karez_types::{AccountId, OwnerName, RepoId, Timestamp};

/// A collection without its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Its id.
    pub id: i64,
    /// The end of its address: 24 hexadecimal digits, which never change.
    pub mark: String,
    /// Whose it is.
    pub owner_id: AccountId,
    /// The name of the owner.
    pub owner: OwnerName,
    /// What it is called.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// A colour, in the word of clients.
    pub theme: String,
    /// Whether only its owner sees it.
    pub is_private: bool,
    /// Its place among those of its owner.
    pub position: u64,
    /// When it last changed.
    pub modified: Timestamp,
}

/// What a collection is to be.
#[derive(Debug, Clone)]
pub struct NewCollection {
    /// The end of its address.
    pub mark: String,
    /// Whose it is.
    pub owner: AccountId,
    /// What it is called.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Whether only its owner sees it.
    pub is_private: bool,
}

/// What is to be changed of a collection; nothing of what is unset.
#[derive(Debug, Clone, Default)]
pub struct CollectionPatch {
    /// What it is called.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// A colour, in the word of clients.
    pub theme: Option<String>,
    /// Whether only its owner sees it.
    pub is_private: Option<bool>,
    /// Its place among those of its owner.
    pub position: Option<u64>,
}

/// A repository in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionItem {
    /// Id of the item.
    pub id: i64,
    /// The repository.
    pub repo: RepoId,
    /// What the owner says of it.
    pub note: String,
    /// Its place.
    pub position: u64,
}

/// Which collections to list.
#[derive(Debug, Clone, Default)]
pub struct CollectionQuery {
    /// Only of this owner.
    pub owner: Option<AccountId>,
    /// Only those that hold this repository.
    pub repo: Option<RepoId>,
    /// Private ones too, of these owners; of all when unset.
    pub private_of: Option<Vec<AccountId>>,
    /// Time and id of the last one of the page before.
    pub after: Option<(Timestamp, i64)>,
    /// At most so many.
    pub limit: u64,
}
