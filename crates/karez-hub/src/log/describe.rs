//! What the node says of itself, signed by its log key.

use std::sync::PoisonError;

use karez_governance::Descriptor;

use crate::{Hub, HubError, HubResult};

/// For how long a description is valid, in days. Peers ask again long before.
pub const DESCRIPTOR_DAYS: u64 = 30;
/// A description is made anew when this much of its time is over, in seconds.
const RENEW_SECS: u64 = 86_400;

/// What a node calls itself, and where it can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeWords {
    /// What people call it.
    pub name: String,
    /// Its addresses.
    pub urls: Vec<String>,
    /// What runs there, with its version.
    pub software: String,
}

/// A description that was signed and is good for a while.
#[derive(Clone)]
pub(crate) struct Described {
    words: NodeWords,
    until_secs: u64,
    sequence: u64,
    note: String,
}

impl Hub {
    /// Returns the signed description of the node. Its sequence number grows when the words change; it is
    /// signed anew once a day.
    ///
    /// # Errors
    /// [`HubError::Invalid`] when the words are not fit to be described.
    pub async fn node_describe(&self, words: &NodeWords) -> HubResult<String> {
        Ok(self.node_described(words).await?.note)
    }

    /// Returns the sequence number of the description with these words.
    ///
    /// # Errors
    /// As [`Hub::node_describe`].
    pub async fn node_sequence(&self, words: &NodeWords) -> HubResult<u64> {
        Ok(self.node_described(words).await?.sequence)
    }

    async fn node_described(&self, words: &NodeWords) -> HubResult<Described> {
        let now_secs = u64::try_from(self.clock.now().unix_secs()).unwrap_or(0);
        {
            let described = self.log.described.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = described.as_ref().filter(|it| it.words == *words && now_secs < it.until_secs);
            if let Some(fresh) = fresh {
                return Ok(fresh.clone());
            }
        }
        let keys = &self.log.keys;
        let content = serde_json::json!([words.name, words.urls, words.software, keys.witness_key().to_string()]);
        let sequence = self.catalog.descriptor_sequence(keys.origin(), &content.to_string()).await?;
        let descriptor = Descriptor {
            name: words.name.clone(),
            log_key: keys.log_key().clone(),
            witness_key: keys.witness_key().clone(),
            urls: words.urls.clone(),
            sequence,
            expires: now_secs + DESCRIPTOR_DAYS * 86_400,
            software: words.software.clone(),
        };
        let note = descriptor.sign(&keys.log).map_err(|error| HubError::Invalid(error.to_string()))?.to_string();
        let described = Described { words: words.clone(), until_secs: now_secs + RENEW_SECS, sequence, note };
        *self.log.described.lock().unwrap_or_else(PoisonError::into_inner) = Some(described.clone());
        Ok(described)
    }
}
