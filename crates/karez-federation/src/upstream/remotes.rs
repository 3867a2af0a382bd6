//! The remotes of the node, as a running node knows them: read again every few seconds, so that what the
//! operator types takes effect without a restart, and a node without remotes pays next to nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use karez_catalog::{Remote, RemoteKind};
use karez_hub::{Hub, HubResult};
use karez_types::{OwnerName, RemoteId, fold_name};
use tokio::time::Instant;
use url::Url;

use super::failure::PullFailure;
use super::rights::Credential;
use super::settings::{UpstreamSettings, token_context};
use crate::net::guard::url_check;
use crate::net::{HttpClient, HttpOptions, ProxyChoice, Reach};

/// How old what is known may be.
const KNOWN_FOR: Duration = Duration::from_secs(2);

/// A remote with its settings read and its token opened.
pub(crate) struct KnownRemote {
    /// As the catalog has it.
    pub row: Remote,
    /// What the operator set.
    pub settings: UpstreamSettings,
    /// The node's own token: for public reads only.
    pub token: Option<Credential>,
    /// Its connections and its address; or why there can be none.
    connection: Result<(HttpClient, Url), String>,
}

impl KnownRemote {
    /// Reads a remote.
    pub(crate) fn new(hub: &Hub, row: Remote, proxy: &ProxyChoice) -> KnownRemote {
        let opened = row.token.as_ref().map(|sealed| hub.secret_open(&token_context(row.id), sealed));
        if matches!(opened, Some(None)) {
            tracing::error!(
                remote = row.name,
                "the token for a remote does not open with this node's key: asking without"
            );
        }
        let token = opened.flatten().map(|token| Credential::new(&token));
        let settings = UpstreamSettings::of(&row);
        let connection = connect(&row.url, settings.allow_private, proxy);
        KnownRemote { settings, token, connection, row }
    }

    /// Returns how to reach it.
    pub(crate) fn connection(&self) -> Result<(&HttpClient, &Url), PullFailure> {
        match &self.connection {
            Ok((http, url)) => Ok((http, url)),
            Err(why) => Err(PullFailure::Silent(format!("cannot be asked: {why}"))),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.row.name
    }
}

fn connect(url: &str, allow_private: bool, proxy: &ProxyChoice) -> Result<(HttpClient, Url), String> {
    let url = Url::parse(url).map_err(|_| "its address is none".to_owned())?;
    let reach = Reach::of(&url, allow_private);
    url_check(&url, reach).map_err(|refusal| refusal.to_string())?;
    let options = HttpOptions { proxy: proxy.clone(), ..HttpOptions::new(reach) };
    Ok((HttpClient::new(options).map_err(|error| error.to_string())?, url))
}

/// Checks the address of a remote that somebody types.
///
/// # Errors
/// In words for the operator.
pub fn address_check(text: &str, allow_private: bool) -> Result<String, String> {
    let shown: String = text.chars().take(100).flat_map(char::escape_debug).collect();
    let url = Url::parse(text).map_err(|_| format!("`{shown}` is not an address: write https://hub.example.org"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`{shown}` is not the address of a hub: leave out what stands after `?` or `#`"));
    }
    url_check(&url, Reach::of(&url, allow_private)).map_err(|refusal| match allow_private {
        true => refusal.to_string(),
        false => format!(
            "{refusal}. If it is in your own network, allow private addresses for it (at the command line: --allow-private)"
        ),
    })?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// All remotes.
#[derive(Default)]
pub(crate) struct Remotes {
    all: HashMap<RemoteId, Arc<KnownRemote>>,
    /// Upstream hubs in the order in which they are asked: as they were added.
    upstreams: Vec<Arc<KnownRemote>>,
}

impl Remotes {
    /// Reads all remotes; those that are as they were keep their connections.
    fn new(hub: &Hub, rows: Vec<Remote>, proxy: &ProxyChoice, before: Option<&Remotes>) -> Remotes {
        let mut remotes = Remotes::default();
        for row in rows {
            let same = before.and_then(|before| before.get(row.id)).filter(|known| known.row == row);
            let known = match same {
                Some(known) => Arc::clone(known),
                None => Arc::new(KnownRemote::new(hub, row, proxy)),
            };
            if known.row.kind == RemoteKind::Upstream {
                remotes.upstreams.push(Arc::clone(&known));
            }
            remotes.all.insert(known.row.id, known);
        }
        remotes.upstreams.sort_by_key(|known| known.row.id);
        remotes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn get(&self, id: RemoteId) -> Option<&Arc<KnownRemote>> {
        self.all.get(&id)
    }

    pub(crate) fn upstreams(&self) -> &[Arc<KnownRemote>] {
        &self.upstreams
    }
}

/// Whose an owner name is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnerPlace {
    /// The node's own: nobody is asked.
    Own,
    /// A remote's.
    Bound(RemoteId, OwnerName),
    /// Nobody's yet.
    Free,
}

/// What was read, and when.
struct Read {
    at: Instant,
    is_stale: bool,
    remotes: Arc<Remotes>,
    /// Owner names met since, in lower case.
    owners: HashMap<String, OwnerPlace>,
}

/// Owner names that are remembered between two readings.
const OWNERS_MAX: usize = 10_000;

/// What is known of the remotes and of whose names are.
pub(crate) struct Shelf {
    proxy: ProxyChoice,
    read: Mutex<Option<Read>>,
    turn: tokio::sync::Mutex<()>,
}

impl Shelf {
    pub(crate) fn new(proxy: ProxyChoice) -> Shelf {
        Shelf { proxy, read: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    pub(crate) fn proxy(&self) -> &ProxyChoice {
        &self.proxy
    }

    fn known(&self, age_max: Duration) -> Option<Arc<Remotes>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |read: &&Read| age_max == Duration::MAX || !read.is_stale && read.at.elapsed() <= age_max;
        read.as_ref().filter(is_new).map(|read| Arc::clone(&read.remotes))
    }

    /// Returns the remotes, read from the catalog when what is known is too old.
    pub(crate) async fn remotes(&self, hub: &Hub) -> HubResult<Arc<Remotes>> {
        if let Some(remotes) = self.known(KNOWN_FOR) {
            return Ok(remotes);
        }
        let turn = self.turn.try_lock();
        // Somebody reads already: what was known until now is good enough meanwhile.
        if turn.is_err()
            && let Some(remotes) = self.known(Duration::MAX)
        {
            return Ok(remotes);
        }
        let _turn = match turn {
            Ok(turn) => turn,
            Err(_) => self.turn.lock().await,
        };
        if let Some(remotes) = self.known(KNOWN_FOR) {
            return Ok(remotes);
        }
        let rows = hub.catalog().remote_list().await?;
        let before = self.known(Duration::MAX);
        let remotes = Arc::new(Remotes::new(hub, rows, &self.proxy, before.as_deref()));
        let read = Read { at: Instant::now(), is_stale: false, remotes: Arc::clone(&remotes), owners: HashMap::new() };
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        Ok(remotes)
    }

    /// Forgets what is known: the next question reads again.
    pub(crate) fn forget(&self) {
        if let Some(read) = &mut *self.read.lock().unwrap_or_else(PoisonError::into_inner) {
            read.is_stale = true;
        }
    }

    /// Returns whose an owner name is.
    pub(crate) async fn owner(&self, hub: &Hub, owner: &OwnerName) -> HubResult<OwnerPlace> {
        let folded = fold_name(owner.as_str());
        if let Some(read) = &*self.read.lock().unwrap_or_else(PoisonError::into_inner)
            && let Some(place) = read.owners.get(&folded)
        {
            return Ok(place.clone());
        }
        let place = match hub.catalog().owner_origin_get(owner).await? {
            Some(origin) => OwnerPlace::Bound(origin.remote, origin.remote_owner),
            None if hub.catalog().account_by_name(owner.as_str()).await?.is_some() => OwnerPlace::Own,
            None => OwnerPlace::Free,
        };
        // A free name may be taken at any moment; the other two change rarely.
        if place != OwnerPlace::Free
            && let Some(read) = &mut *self.read.lock().unwrap_or_else(PoisonError::into_inner)
            && read.owners.len() < OWNERS_MAX
        {
            read.owners.insert(folded, place.clone());
        }
        Ok(place)
    }
}
