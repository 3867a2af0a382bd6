//! `karez upstream add`

use anyhow::bail;
use karez_catalog::{NewRemote, Remote, RemoteAdded, RemoteKind, RemotePatch};
use karez_federation::upstream::{UpstreamSettings, address_check, token_context};
use karez_hub::Hub;

use crate::cli::UpstreamAdd;

/// Longest name of a remote.
const NAME_BYTES_MAX: usize = 40;

/// Adds an upstream hub.
pub async fn add(hub: &Hub, wish: UpstreamAdd) -> anyhow::Result<Remote> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let name = wish.name.clone();
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('-') || !name.bytes().all(plain) {
        bail!(
            "`{}` cannot be a name: use up to {NAME_BYTES_MAX} small letters, digits and hyphens",
            name.escape_debug()
        );
    }
    let url = address_check(&wish.url, wish.allow_private).map_err(anyhow::Error::msg)?;
    let settings = settings(&wish)?;
    let token = if wish.token_stdin { Some(super::token_from_stdin()?) } else { None };
    let new = NewRemote {
        name: name.clone(),
        kind: RemoteKind::Upstream,
        url,
        log_key: None,
        witness_key: None,
        token: None,
        line: wish.line,
        settings: settings.to_json(),
    };
    let remote = match hub.catalog().remote_insert(&new, hub.clock().now()).await? {
        RemoteAdded::Added(remote) => remote,
        RemoteAdded::Taken(_) => bail!("the name {name} is taken. To see what it is: karez upstream show {name}"),
    };
    let Some(token) = token else { return Ok(remote) };
    // The seal names the row, which has its number only now.
    let sealed = hub.secret_seal(&token_context(remote.id), &token);
    let patch = RemotePatch { token: Some(Some(sealed)), ..RemotePatch::default() };
    Ok(hub.catalog().remote_update(remote.id, &patch).await?.unwrap_or(remote))
}

fn settings(wish: &UpstreamAdd) -> anyhow::Result<UpstreamSettings> {
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
    .map_err(anyhow::Error::msg)
}
