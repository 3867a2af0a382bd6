//! Other nodes and hubs, and whose names they own here.

use karez_types::{AccountId, OwnerName, RemoteId, Timestamp};

/// What a remote is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RemoteKind {
    /// Any endpoint of the Hub API.
    Upstream,
    /// A node with a log key.
    Peer,
}

impl RemoteKind {
    /// Returns the word used in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            RemoteKind::Upstream => "upstream",
            RemoteKind::Peer => "peer",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<RemoteKind> {
        [RemoteKind::Upstream, RemoteKind::Peer].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A remote to add.
#[derive(Debug, Clone)]
pub struct NewRemote {
    /// What the operator calls it; unique.
    pub name: String,
    /// Upstream or peer.
    pub kind: RemoteKind,
    /// Where it answers.
    pub url: String,
    /// Key of its log, if it is a peer.
    pub log_key: Option<String>,
    /// Key of its witness, if it is a peer.
    pub witness_key: Option<String>,
    /// The node's own token for it, sealed.
    pub token: Option<Vec<u8>>,
    /// The line over which it is reached.
    pub line: String,
    /// Further settings, a JSON object.
    pub settings: serde_json::Value,
}

/// A remote that the operator added.
#[derive(Debug, Clone, PartialEq)]
pub struct Remote {
    /// Never given to another remote.
    pub id: RemoteId,
    /// What the operator calls it.
    pub name: String,
    /// Upstream or peer.
    pub kind: RemoteKind,
    /// Where it answers.
    pub url: String,
    /// Key of its log, if it is a peer.
    pub log_key: Option<String>,
    /// Key of its witness, if it is a peer.
    pub witness_key: Option<String>,
    /// The node's own token for it, sealed.
    pub token: Option<Vec<u8>>,
    /// The line over which it is reached.
    pub line: String,
    /// Further settings, a JSON object.
    pub settings: serde_json::Value,
    /// When it was added.
    pub added: Timestamp,
}

impl Remote {
    /// Tells whether the operator removed the remote, which stays only for where its mirrors come from: the
    /// setting `removed_secs` is there.
    pub fn is_removed(&self) -> bool {
        self.settings.get("removed_secs").is_some_and(|secs| !secs.is_null())
    }

    /// Tells whether repositories that the remote withdrew answer as missing, unless the operator
    /// decided otherwise for one: the setting `withdrawn` is `hide`.
    pub fn hides_withdrawn(&self) -> bool {
        self.settings.get("withdrawn").and_then(serde_json::Value::as_str) == Some("hide")
    }
}

/// What `remote_update` changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct RemotePatch {
    /// Where it answers.
    pub url: Option<String>,
    /// Key of its log.
    pub log_key: Option<String>,
    /// Key of its witness.
    pub witness_key: Option<String>,
    /// The node's own token, sealed; `Some(None)` removes it.
    pub token: Option<Option<Vec<u8>>>,
    /// The line over which it is reached.
    pub line: Option<String>,
    /// Further settings, in place of those that are there.
    pub settings: Option<serde_json::Value>,
}

/// How `remote_insert` ended.
#[derive(Debug, Clone, PartialEq)]
pub enum RemoteAdded {
    /// There is a new remote.
    Added(Remote),
    /// This remote has the name already.
    Taken(Remote),
}

/// How `remote_delete` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteDeleted {
    /// The remote and its bindings of names are gone.
    Deleted,
    /// This many repositories here still come from it; nothing was changed.
    HasMirrors(u64),
    /// There is no such remote.
    Missing,
}

/// An owner name on this node that belongs to a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerOrigin {
    /// The account that has the name here: an organization without members.
    pub account: AccountId,
    /// The name on this node.
    pub owner: OwnerName,
    /// Whose it is.
    pub remote: RemoteId,
    /// The name over there.
    pub remote_owner: OwnerName,
    /// Since when.
    pub bound: Timestamp,
}

/// How `owner_origin_bind` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerBound {
    /// The name belongs to the remote, now or since earlier.
    Bound(OwnerOrigin),
    /// The name belongs to something else over there; nothing was changed.
    Elsewhere(OwnerOrigin),
    /// The name is that of a person or organization of this node; nothing was changed.
    Own,
    /// The remote is gone.
    RemoteMissing,
}

/// How `owner_origin_unbind` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerUnbound {
    /// The name is free.
    Unbound,
    /// This many repositories under the name come from the remote; nothing was changed.
    HasMirrors(u64),
    /// The name is not bound.
    Missing,
}
