//! Whose owner names are whose: what an owner of a peer is called here, and which names clash.
//!
//! A name is taken for a peer's owner when nobody else has or claims it. Everything else is for the
//! operator to decide: an alias, or a refusal. Nothing is ever renamed silently.

use std::collections::BTreeMap;

use karez_catalog::{Catalog, CatalogError, FeedOwner, Remote};
use karez_types::{OwnerName, RemoteId, Timestamp, fold_name};
use serde::Serialize;

use crate::peer_settings::PeerSettings;

/// Owner names that are looked at in one go.
const PAGE_OWNERS: u64 = 1_000;

/// What an owner of a peer is called on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalName {
    /// The name is bound to it.
    Bound(OwnerName),
    /// The name is free, and nobody else claims it.
    Free(OwnerName),
    /// The operator refused the owner.
    Refused,
    /// Somebody else has the name, or claims it; says who.
    Clash(String),
}

/// Finds what an owner of a peer is called here.
pub async fn local_name(
    catalog: &Catalog,
    remotes: &[Remote],
    remote: &Remote,
    owner: &OwnerName,
) -> Result<LocalName, CatalogError> {
    if let Some(alias) = catalog.owner_origin_aliases(remote.id, owner).await?.into_iter().next() {
        return Ok(LocalName::Bound(alias.owner));
    }
    if PeerSettings::of(remote).refuses(owner.as_str()) {
        return Ok(LocalName::Refused);
    }
    if let Some(origin) = catalog.owner_origin_get(owner).await? {
        let holder = name_of(remotes, origin.remote);
        return Ok(LocalName::Clash(format!("the name belongs to the owner {} of {holder}", origin.remote_owner)));
    }
    if catalog.account_by_name(owner.as_str()).await?.is_some() {
        return Ok(LocalName::Clash("an account of this node has the name".to_owned()));
    }
    for claim in catalog.feed_owner(owner.as_str()).await? {
        if claim.remote == remote.id {
            continue;
        }
        let Some(other) = remotes.iter().find(|other| other.id == claim.remote) else { continue };
        let settings = PeerSettings::of(other);
        let is_settled = other.is_removed()
            || settings.refuses(&claim.owner)
            || !catalog.owner_origin_aliases(other.id, owner).await?.is_empty();
        if !is_settled {
            return Ok(LocalName::Clash(format!("{} publishes under the name too", other.name)));
        }
    }
    Ok(LocalName::Free(owner.clone()))
}

fn name_of(remotes: &[Remote], id: RemoteId) -> &str {
    remotes.iter().find(|remote| remote.id == id).map_or("a remote that is gone", |remote| remote.name.as_str())
}

/// How an owner name of another node stands here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameView {
    /// The name here; unset while there is none.
    pub local: Option<String>,
    /// Name of the remote.
    pub remote: String,
    /// The name over there.
    pub owner: String,
    /// Public repositories that the peer publishes under it.
    pub repos: u64,
    /// `bound`, `free`, `refused` or `clash`.
    pub state: &'static str,
    /// Why it is a clash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Since when it is bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<Timestamp>,
}

/// Lists all owner names of other nodes: those that are bound here, and those that peers publish under.
pub async fn names(catalog: &Catalog) -> Result<Vec<NameView>, CatalogError> {
    let remotes = catalog.remote_list().await?;
    let mut views: BTreeMap<(String, String), NameView> = BTreeMap::new();
    let mut after: Option<OwnerName> = None;
    loop {
        let page = catalog.owner_origin_list(after.as_ref(), PAGE_OWNERS).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.owner.clone());
        for origin in page {
            let remote = name_of(&remotes, origin.remote).to_owned();
            let key = (fold_name(origin.remote_owner.as_str()), remote.clone());
            let view = NameView {
                local: Some(origin.owner.to_string()),
                remote,
                owner: origin.remote_owner.to_string(),
                repos: 0,
                state: "bound",
                why: None,
                bound: Some(origin.bound),
            };
            views.insert(key, view);
        }
    }
    let mut after: Option<FeedOwner> = None;
    loop {
        let place = after.as_ref().map(|last| (last.owner.as_str(), last.remote));
        let page = catalog.feed_owners(place, PAGE_OWNERS).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        for claim in page {
            let Some(remote) = remotes.iter().find(|remote| remote.id == claim.remote) else { continue };
            let key = (fold_name(&claim.owner), remote.name.clone());
            if let Some(view) = views.get_mut(&key) {
                view.repos = claim.repos;
                continue;
            }
            if remote.is_removed() {
                continue;
            }
            let Ok(owner) = claim.owner.parse::<OwnerName>() else { continue };
            let (state, why) = match local_name(catalog, &remotes, remote, &owner).await? {
                LocalName::Bound(_) => ("bound", None),
                LocalName::Free(_) => ("free", None),
                LocalName::Refused => ("refused", None),
                LocalName::Clash(why) => ("clash", Some(why)),
            };
            let view = NameView {
                local: None,
                remote: remote.name.clone(),
                owner: claim.owner,
                repos: claim.repos,
                state,
                why,
                bound: None,
            };
            views.insert(key, view);
        }
    }
    Ok(views.into_values().collect())
}
