//! Other nodes at the command line: a file for each noun. Works on the node's database directly, also
//! while the node runs: it looks at what changed every few seconds.

pub mod cli;
pub mod follow;
pub mod incidents;
pub mod line;
pub mod names;
pub mod transfers;

use anyhow::anyhow;
use karez_catalog::{Catalog, Remote, RemoteKind};

/// Finds a peer by its name.
async fn peer(catalog: &Catalog, name: &str) -> anyhow::Result<Remote> {
    let found = catalog.remote_get_by_name(name).await?.filter(|remote| remote.kind == RemoteKind::Peer);
    found.ok_or_else(|| anyhow!("there is no peer {name}. To see all: karez peer list"))
}
