//! What an operator sets about federation, beside the remotes, rules and lines that are in the catalog.

use serde::{Deserialize, Serialize};

/// Settings of federation: the section `[federation]` of `karez.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FederationSettings {
    /// Seconds between two questions to a peer whether its log has grown. A question that finds nothing
    /// new costs about 850 bytes with its connection, so a minute is 37 MB a month for each peer, and an
    /// hour 0.6 MB.
    pub poll_secs: u64,
    /// Bytes of large files that mirrors may hold together; beyond it those that are worth least go.
    /// 0: no bound.
    pub cache_bytes_max: u64,
    /// Address of a proxy for all requests to remotes: `http://host:port` or `socks5://host:port`. Or
    /// `environment`: what `HTTPS_PROXY` and its kin say, which is looked at in no other case.
    pub proxy: Option<String>,
    /// Files that following fetches at the same time. Few: a slow line is full with one, and what is
    /// finished can be used.
    pub transfers_at_once_max: u64,
}

impl Default for FederationSettings {
    fn default() -> FederationSettings {
        FederationSettings { poll_secs: 60, cache_bytes_max: 0, proxy: None, transfers_at_once_max: 2 }
    }
}

impl FederationSettings {
    /// Checks what a type alone does not say.
    ///
    /// # Errors
    /// With the name of the setting and what to write instead.
    pub fn check(&self) -> Result<(), String> {
        if self.poll_secs == 0 {
            return Err("the setting federation.poll_secs must be at least 1".to_owned());
        }
        if self.transfers_at_once_max == 0 {
            return Err("the setting federation.transfers_at_once_max must be at least 1".to_owned());
        }
        if let Some(proxy) = self.proxy.as_ref().filter(|proxy| *proxy != "environment") {
            let known = ["http://", "https://", "socks5://", "socks5h://"];
            if !known.iter().any(|scheme| proxy.starts_with(scheme)) || url::Url::parse(proxy).is_err() {
                return Err("the setting federation.proxy must look like http://proxy.example.org:3128".to_owned());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_settings_are_named() {
        let ok = FederationSettings::default();
        assert_eq!(ok.check(), Ok(()));
        for proxy in ["environment", "http://proxy.example.org:3128", "socks5://10.0.0.1:1080"] {
            assert_eq!(FederationSettings { proxy: Some(proxy.into()), ..ok.clone() }.check(), Ok(()));
        }
        let wrong = [
            (FederationSettings { poll_secs: 0, ..ok.clone() }, "poll_secs"),
            (FederationSettings { transfers_at_once_max: 0, ..ok.clone() }, "transfers_at_once_max"),
            (FederationSettings { proxy: Some("proxy:3128".into()), ..ok.clone() }, "federation.proxy"),
            (FederationSettings { proxy: Some("ftp://proxy".into()), ..ok }, "federation.proxy"),
        ];
        for (settings, name) in wrong {
            assert!(settings.check().unwrap_err().contains(name), "{name}");
        }
    }
}
