//! What an operator does with upstream hubs, at the command line and on the page of the administration: the
//! same checks and the same words for both.

use karez_catalog::{NewRemote, Remote, RemoteAdded, RemoteDeleted, RemoteKind, RemotePatch};
use karez_hub::{Actor, Hub, HubError, HubResult, SECRET_BYTES_MAX};
use karez_types::{RemoteId, RepoAddress};

use super::remotes::address_check;
use super::settings::{UpstreamSettings, token_context};
use crate::follow::DEFAULT_LINE;

/// Longest name of a remote.
const NAME_BYTES_MAX: usize = 40;
/// Longest address of a remote: what browsers and servers agree on.
const URL_BYTES_MAX: usize = 2_000;
/// Longest name of a line.
const LINE_BYTES_MAX: usize = 100;
/// Patterns of one list: each is looked at for whatever is asked of the remote.
const PATTERNS_MAX: usize = 1_000;
/// Mirrors fetched from the catalog at once.
const PAGE_MIRRORS: u64 = 1_000;

/// An upstream hub to add, as somebody typed it. Not to be printed: it may hold a token.
#[derive(Default)]
pub struct UpstreamWish {
    /// What to call it: small letters, digits and hyphens.
    pub name: String,
    /// Its address.
    pub url: String,
    /// The node's own token for it, for public reads.
    pub token: Option<String>,
    /// Only these repositories; none: all.
    pub allow: Vec<String>,
    /// Not these, even when allowed.
    pub deny: Vec<String>,
    /// Large files of these are passed on and not kept.
    pub pass_through: Vec<String>,
    /// Largest file that is fetched, such as `20 GB`.
    pub file_max: Option<String>,
    /// Largest repository of which large files are fetched, such as `500 GB`.
    pub repo_max: Option<String>,
    /// How long what is here counts as new, such as `10 min`.
    pub revalidate: Option<String>,
    /// Whether its address may be a private one.
    pub allow_private: bool,
    /// Whether tokens that this node does not know are tried there.
    pub pass_tokens: bool,
    /// The line over which it is reached; unset: the default line.
    pub line: Option<String>,
}

/// What is to be different about an upstream hub, as somebody typed it; unset: as it is. Not to be printed: it may hold a
/// token.
#[derive(Default)]
pub struct UpstreamChange {
    /// Where the same hub answers now.
    pub url: Option<String>,
    /// The node's own token for it; `Some(None)`: none any more.
    pub token: Option<Option<String>>,
    /// Only these repositories; an empty list: all.
    pub allow: Option<Vec<String>>,
    /// Not these, even when allowed.
    pub deny: Option<Vec<String>>,
    /// Large files of these are passed on and not kept.
    pub pass_through: Option<Vec<String>>,
    /// Largest file that is fetched, such as `20 GB`; `Some(None)`: any.
    pub file_max: Option<Option<String>>,
    /// Largest repository of which large files are fetched; `Some(None)`: any.
    pub repo_max: Option<Option<String>>,
    /// How long what is here counts as new, such as `10 min`.
    pub revalidate: Option<String>,
    /// Whether its address may be a private one.
    pub allow_private: Option<bool>,
    /// Whether tokens that this node does not know are tried there.
    pub pass_tokens: Option<bool>,
    /// The line over which it is reached.
    pub line: Option<String>,
}

/// What happens with the repositories that came from an upstream hub when that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TheirRepos {
    /// While there are any, the upstream hub stays.
    Keep,
    /// They are deleted with it.
    Delete,
}

/// Lists the upstream hubs in the order in which they are asked: as they were added. Only who administers the
/// node may.
///
/// # Errors
/// [`HubError::Forbidden`].
pub async fn list(hub: &Hub, actor: &Actor) -> HubResult<Vec<Remote>> {
    hub.node_admin_check(actor)?;
    let mut remotes = hub.catalog().remote_list().await?;
    remotes.retain(|remote| remote.kind == RemoteKind::Upstream);
    remotes.sort_by_key(|remote| remote.id);
    Ok(remotes)
}

/// Finds an upstream hub by its name. Only who administers the node may.
///
/// # Errors
/// [`HubError::Forbidden`] or [`HubError::Missing`].
pub async fn find(hub: &Hub, actor: &Actor, name: &str) -> HubResult<Remote> {
    hub.node_admin_check(actor)?;
    let found = hub.catalog().remote_get_by_name(name).await?;
    found.filter(|remote| remote.kind == RemoteKind::Upstream).ok_or_else(|| {
        let shown: String = name.chars().take(NAME_BYTES_MAX).flat_map(char::escape_debug).collect();
        HubError::Missing(format!("there is no upstream hub named {shown}. To see all: karez upstream list"))
    })
}

/// Adds an upstream hub. Nothing is asked of it yet. Only who administers the node may.
///
/// A crash half way leaves it without its token.
///
/// # Errors
/// [`HubError::Forbidden`]; [`HubError::Invalid`] says what to write instead; [`HubError::Exists`] when the name
/// is taken.
pub async fn add(hub: &Hub, actor: &Actor, wish: UpstreamWish) -> HubResult<Remote> {
    hub.node_admin_check(actor)?;
    name_check(&wish.name)?;
    bounds_check(&wish.url, wish.line.as_deref(), [&wish.allow, &wish.deny, &wish.pass_through])?;
    let url = address_check(&wish.url, wish.allow_private).map_err(HubError::Invalid)?;
    let settings = settings_of(&wish)?;
    let token = wish.token.as_deref().map(token_of).transpose()?;
    let new = NewRemote {
        name: wish.name,
        kind: RemoteKind::Upstream,
        url,
        log_key: None,
        witness_key: None,
        token: None,
        line: wish.line.unwrap_or_else(|| DEFAULT_LINE.to_owned()),
        settings: settings.to_json(),
    };
    let remote = match hub.catalog().remote_insert(&new, hub.clock().now()).await? {
        RemoteAdded::Added(remote) => remote,
        RemoteAdded::Taken(other) => {
            let what = if other.kind == RemoteKind::Peer { "peer" } else { "upstream hub" };
            let (name, url) = (other.name, other.url);
            return Err(HubError::Exists(format!("the name {name} is taken by the {what} at {url}; choose another")));
        }
    };
    let Some(token) = token else { return Ok(remote) };
    // The seal names the row, which has its number only now.
    let sealed = hub.secret_seal(&token_context(remote.id), token);
    let patch = RemotePatch { token: Some(Some(sealed)), ..RemotePatch::default() };
    Ok(hub.catalog().remote_update(remote.id, &patch).await?.unwrap_or(remote))
}

/// Changes what is set for an upstream hub; what came from it stays. Only who administers the node may.
///
/// # Errors
/// [`HubError::Forbidden`] or [`HubError::Missing`]; [`HubError::Invalid`] says what to write instead.
pub async fn change(hub: &Hub, actor: &Actor, name: &str, change: UpstreamChange) -> HubResult<Remote> {
    let remote = find(hub, actor, name).await?;
    let lists = [&change.allow, &change.deny, &change.pass_through];
    let url = change.url.as_deref().unwrap_or(&remote.url);
    bounds_check(url, change.line.as_deref(), lists.into_iter().flatten())?;
    let settings = UpstreamSettings::of(&remote).with(&change).map_err(HubError::Invalid)?;
    // Also when only the permission was taken back.
    let url = address_check(url, settings.allow_private).map_err(HubError::Invalid)?;
    let seal = |token: &str| token_of(token).map(|token| hub.secret_seal(&token_context(remote.id), token));
    let token = change.token.as_ref().map(|token| token.as_deref().map(seal).transpose()).transpose()?;
    let patch = RemotePatch {
        url: Some(url),
        token,
        line: change.line,
        settings: Some(settings.to_json()),
        ..RemotePatch::default()
    };
    let changed = hub.catalog().remote_update(remote.id, &patch).await?;
    changed.ok_or_else(|| HubError::Missing(format!("the upstream hub {name} was removed meanwhile")))
}

/// Removes an upstream hub with the token that was kept for it. Only who administers the node may.
///
/// A crash half way leaves the upstream hub and some of its repositories; the same again goes on.
///
/// # Errors
/// [`HubError::Forbidden`] or [`HubError::Missing`]; [`HubError::Refused`] while repositories came from it that
/// are to be kept.
pub async fn remove(hub: &Hub, actor: &Actor, name: &str, repos: TheirRepos) -> HubResult<()> {
    let remote = find(hub, actor, name).await?;
    if repos == TheirRepos::Delete {
        for address in mirrors(hub, remote.id).await? {
            match hub.repo_delete(actor, &address).await {
                // Somebody else was quicker.
                Ok(()) | Err(HubError::RepoMissing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    match hub.catalog().remote_delete(remote.id).await? {
        RemoteDeleted::Deleted | RemoteDeleted::Missing => Ok(()),
        RemoteDeleted::HasMirrors(count) => Err(HubError::Refused(format!(
            "repositories that came from {name} are here: {count}. They need it to say where from. Delete them with it (at \
             the command line: --with-repositories), or leave it here"
        ))),
    }
}

/// Returns the addresses of all repositories here that came from a remote.
///
/// # Errors
/// When the catalog fails.
pub async fn mirrors(hub: &Hub, remote: RemoteId) -> HubResult<Vec<RepoAddress>> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = hub.catalog().mirror_list(Some(remote), after, PAGE_MIRRORS).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(last.id);
        found.extend(page.iter().map(|(repo, _)| repo.address()));
    }
}

/// Returns a token as it was typed, without the space around it.
///
/// # Errors
/// [`HubError::Invalid`] for what no token is.
pub fn token_of(text: &str) -> HubResult<&str> {
    let token = text.trim();
    if token.is_empty() || token.len() > SECRET_BYTES_MAX || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = "the token is empty, too long, or has characters that no token has; copy it again";
        return Err(HubError::Invalid(what.to_owned()));
    }
    Ok(token)
}

fn name_check(name: &str) -> HubResult<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('-') || !name.bytes().all(plain) {
        let shown: String = name.chars().take(NAME_BYTES_MAX).flat_map(char::escape_debug).collect();
        return Err(HubError::Invalid(format!(
            "`{shown}` cannot be a name: use up to {NAME_BYTES_MAX} small letters, digits and hyphens"
        )));
    }
    Ok(())
}

fn bounds_check<'a>(url: &str, line: Option<&str>, lists: impl IntoIterator<Item = &'a Vec<String>>) -> HubResult<()> {
    let what = if url.len() > URL_BYTES_MAX {
        format!("the address is longer than {URL_BYTES_MAX} bytes")
    } else if line.is_some_and(|line| line.len() > LINE_BYTES_MAX) {
        format!("the name of a line has at most {LINE_BYTES_MAX} bytes")
    } else if lists.into_iter().any(|list| list.len() > PATTERNS_MAX) {
        format!("a list has at most {PATTERNS_MAX} patterns; a star stands for many names")
    } else {
        return Ok(());
    };
    Err(HubError::Invalid(what))
}

fn settings_of(wish: &UpstreamWish) -> HubResult<UpstreamSettings> {
    UpstreamSettings::parse(
        &wish.allow,
        &wish.deny,
        wish.file_max.as_deref(),
        wish.repo_max.as_deref(),
        wish.revalidate.as_deref(),
        wish.allow_private,
        wish.pass_tokens,
    )
    .and_then(|settings| settings.passing(&wish.pass_through))
    .map_err(HubError::Invalid)
}
