//! What is kept of a peer beside its keys: a JSON object of its row in the catalog.

use karez_catalog::Remote;
use karez_types::fold_name;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Settings of a peer. Keys that are not known here are kept as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerSettings {
    /// Whether its addresses may be private ones, as the operator said.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_private: bool,
    /// When the operator removed it, in seconds since 1970. Its row stays while mirrors come from it:
    /// where they come from must still be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_secs: Option<i64>,
    /// Sequence of the newest descriptor that was believed; an older one is not.
    #[serde(skip_serializing_if = "is_zero")]
    pub sequence: u64,
    /// What the node calls itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub own_name: String,
    /// Further addresses that its descriptor named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// The newest signed description that was believed, as the node wrote it; given out to other peers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// How many proofs of two histories the operator has seen and wants to go on after.
    #[serde(skip_serializing_if = "is_zero")]
    pub forks_forgiven: u64,
    /// Owner names of the peer that are not taken, in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused_owners: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl PeerSettings {
    /// Reads the settings of a peer. What was not written by this program counts as not said.
    pub fn of(remote: &Remote) -> PeerSettings {
        serde_json::from_value(remote.settings.clone()).unwrap_or_default()
    }

    /// Returns the JSON to keep.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("settings are plain data")
    }

    /// Tells whether an owner of the peer is not taken.
    pub fn refuses(&self, owner: &str) -> bool {
        self.refused_owners.contains(&fold_name(owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_others_wrote_is_kept() {
        let value = json!({ "withdrawn": "hide", "sequence": 4, "allow_private": true });
        let settings: PeerSettings = serde_json::from_value(value.clone()).unwrap();
        assert!(settings.allow_private && settings.removed_secs.is_none());
        assert_eq!(settings.to_value(), value);
        let settings = PeerSettings { refused_owners: vec!["amina".into()], ..settings };
        assert!(settings.refuses("Amina") && !settings.refuses("karim"));
        assert_eq!(settings.to_value()["withdrawn"], "hide");
    }
}
