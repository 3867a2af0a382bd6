//! From names to addresses, through the guard.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::NetError;
use super::guard::{Reach, Refusal, address_check};

/// Looks names up. A trait, because tests need a DNS that lies.
pub trait Lookup: Send + Sync {
    /// Returns the addresses of a name, best first.
    ///
    /// # Errors
    /// When there are none, or nobody can be asked.
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The machine's own way to look names up.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// Gives the client only addresses that may be dialled. The client connects to one of them: there is no
/// second look at the name.
pub(super) struct GuardedLookup {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) reach: Reach,
    /// The hosts of the operator's proxies, which may be anywhere.
    pub(super) proxy_hosts: Vec<String>,
}

impl Resolve for GuardedLookup {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, reach) = (Arc::clone(&self.lookup), self.reach);
        let is_proxy = self.proxy_hosts.iter().any(|host| host == name.as_str());
        Box::pin(async move {
            let name = name.as_str();
            let found = lookup.lookup(name).await?;
            let addresses = if is_proxy { found } else { allowed(name, found, reach)? };
            let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Returns those of the addresses that may be dialled; there is at least one.
pub(super) fn allowed(name: &str, found: Vec<IpAddr>, reach: Reach) -> Result<Vec<IpAddr>, NetError> {
    let mut refused = None;
    let mut allowed = Vec::with_capacity(found.len());
    for ip in found {
        match address_check(ip, reach) {
            Ok(()) => allowed.push(ip),
            Err(what) => refused = Some(Refusal::Address { host: name.to_owned(), ip, what }),
        }
    }
    match refused {
        _ if !allowed.is_empty() => Ok(allowed),
        Some(refusal) => Err(refusal.into()),
        None => Err(NetError::Unreachable(format!("{name} has no address"))),
    }
}
