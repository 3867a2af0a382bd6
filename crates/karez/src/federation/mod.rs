//! Other nodes at the command line: a file for each noun. Works on the node's database directly, also
//! while the node runs: it looks at what changed every few seconds.

pub mod cli;
pub mod cost;
pub mod follow;
pub mod goals;
pub mod incidents;
pub mod line;
pub mod names;
pub mod peer;
pub mod transfers;

use std::sync::Arc;

use anyhow::anyhow;
use karez_catalog::{Catalog, Remote, RemoteKind};
use karez_federation::FederationParts;
use karez_federation::net::{HttpOptions, ProxyChoice, Reach};
use karez_hub::Hub;
use karez_types::SystemEntropy;

use crate::config::Settings;

/// Returns how remotes are dialled.
pub fn http_options(settings: &Settings) -> HttpOptions {
    // How far is said again for each remote.
    let options = HttpOptions::new(Reach::Public);
    HttpOptions { proxy: ProxyChoice::of_setting(settings.federation.proxy.as_deref()), ..options }
}

/// Returns what the federation of this node is made of.
pub fn parts(hub: &Arc<Hub>, settings: &Settings) -> FederationParts {
    FederationParts {
        hub: Arc::clone(hub),
        settings: settings.federation.clone(),
        http: http_options(settings),
        entropy: Arc::new(SystemEntropy),
        ways: None,
    }
}

/// Finds a peer by its name.
async fn peer(catalog: &Catalog, name: &str) -> anyhow::Result<Remote> {
    let found = catalog.remote_get_by_name(name).await?.filter(|remote| remote.kind == RemoteKind::Peer);
    found.ok_or_else(|| anyhow!("there is no peer {name}. To see all: karez peer list"))
}
