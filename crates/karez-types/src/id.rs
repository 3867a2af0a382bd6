//! Row ids and trust zones.

use std::fmt;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id_type!(
    /// Row id of an account: a person or an organisation.
    AccountId
);
id_type!(
    /// Row id of a repository; stays the same when the repository moves.
    RepoId
);
id_type!(
    /// Row id of an access token.
    TokenId
);

id_type!(
    /// Row id of a remote: another node (peer) or hub (upstream).
    RemoteId
);

/// A trust zone: whose bytes may be spoken of to whom.
///
/// Stored xorbs and files belong to the zone of the owner who pushed them, and to the public zone
/// once a public repository names them. Deduplication answers and "already stored" answers come
/// only from the public zone and the zone of the repository being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Zone(pub i64);

impl Zone {
    /// What everyone may know of.
    pub const PUBLIC: Zone = Zone(0);

    /// The zone of one owner.
    pub fn of_owner(owner: AccountId) -> Zone {
        debug_assert!(owner.0 > 0, "account ids start at 1; 0 is the public zone");
        Zone(owner.0)
    }
}
