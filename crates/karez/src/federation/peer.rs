//! `karez peer`

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use karez_catalog::{Catalog, NewRemote, Remote, RemoteAdded, RemoteDeleted, RemoteKind, RemotePatch};
use karez_federation::peer::{Asked, Described, Polled, describe, log_key, wire_to};
use karez_federation::{Federation, PeerSettings, views};
use karez_hub::Hub;
use serde_json::{Value, json};

use super::cli::{Peer, PeerAdd};
use crate::config::Settings;
use crate::{node, print};

/// Longest name of a peer.
const NAME_BYTES_MAX: usize = 64;

/// Runs one command.
pub async fn run(command: Peer, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let code = match command {
        Peer::Add(add) => add_peer(&hub, settings, &add, as_json).await?,
        Peer::List => list(hub.catalog(), as_json).await?,
        Peer::Show { name } => show(hub.catalog(), &name, as_json).await?,
        Peer::Remove { name } => remove(&hub, &name, as_json).await?,
        Peer::Check { name } => check(&hub, settings, name.as_deref(), as_json).await?,
        Peer::Forgive { name } => forgive(hub.catalog(), &name, as_json).await?,
    };
    hub.catalog().close().await;
    Ok(code)
}

async fn add_peer(hub: &Arc<Hub>, settings: &Settings, add: &PeerAdd, as_json: bool) -> anyhow::Result<ExitCode> {
    let catalog = hub.catalog();
    let url = add.url.trim_end_matches('/');
    let wire =
        wire_to(url, add.allow_private, &super::http_options(settings)).map_err(|error| anyhow::anyhow!("{error}"))?;
    let described = describe(&wire).await.map_err(|error| {
        let hint = if add.allow_private { "" } else { ". If it is in a private network, add --allow-private" };
        anyhow::anyhow!("the node at {url} {error}{hint}")
    })?;
    let descriptor = &described.descriptor;
    let fingerprint = descriptor.log_key.fingerprint();
    if descriptor.log_key == *hub.log_keys().log_key() {
        bail!("{url} is this node itself");
    }
    let name = add.name.clone().unwrap_or_else(|| name_from(&descriptor.name));
    name_check(&name)?;
    confirm(add, &name, url, &fingerprint, as_json)?;
    let remotes = catalog.remote_list().await?;
    let same_key = |remote: &&Remote| log_key(remote).is_ok_and(|key| key == descriptor.log_key);
    let row = match remotes.iter().find(same_key) {
        Some(old) if old.is_removed() => come_back(catalog, old, add, url, &described).await?,
        Some(old) if old.url == url => bail!("this node is a peer already: {}", old.name),
        Some(old) => return moved(catalog, old, add, url, &described, as_json).await,
        None => {
            let new = NewRemote {
                name: name.clone(),
                kind: RemoteKind::Peer,
                url: url.to_owned(),
                log_key: Some(descriptor.log_key.to_string()),
                witness_key: Some(descriptor.witness_key.to_string()),
                token: None,
                line: add.line.clone(),
                settings: settings_of(&PeerSettings::default(), add, &described).to_value(),
            };
            match catalog.remote_insert(&new, hub.clock().now()).await? {
                RemoteAdded::Added(row) => row,
                RemoteAdded::Taken(row) => {
                    bail!("there is a remote {} already, at {}. Choose another name with --name", row.name, row.url)
                }
            }
        }
    };
    let json = json!({ "name": row.name, "url": row.url, "fingerprint": fingerprint, "own_name": descriptor.name });
    let sentence = format!(
        "{} is a peer now. It must add this node too before it cosigns: karez peer add ADDRESS, there.\n\
         This node's fingerprint: {}\n\
         Nothing is taken from it before a rule says so: karez follow add {} --keep whole",
        row.name,
        hub.log_keys().log_key().fingerprint(),
        row.name
    );
    print::either(as_json, &json, &sentence);
    Ok(ExitCode::SUCCESS)
}

fn settings_of(old: &PeerSettings, add: &PeerAdd, described: &Described) -> PeerSettings {
    PeerSettings {
        allow_private: add.allow_private,
        removed_secs: None,
        sequence: described.descriptor.sequence.max(old.sequence),
        own_name: described.descriptor.name.clone(),
        urls: described.descriptor.urls.clone(),
        note: described.note.clone(),
        ..old.clone()
    }
}

/// A peer that was removed and is added again is the same one: what came from it stays its.
async fn come_back(
    catalog: &Catalog,
    old: &Remote,
    add: &PeerAdd,
    url: &str,
    described: &Described,
) -> anyhow::Result<Remote> {
    let patch = RemotePatch {
        url: Some(url.to_owned()),
        witness_key: Some(described.descriptor.witness_key.to_string()),
        line: Some(add.line.clone()),
        settings: Some(settings_of(&PeerSettings::of(old), add, described).to_value()),
        ..RemotePatch::default()
    };
    catalog.feed_look_again(Some(old.id)).await?;
    catalog.remote_update(old.id, &patch).await?.context("the peer was deleted meanwhile")
}

/// A peer is its key: at another address it is the same one. Its name, its line and the rules about it stay.
async fn moved(
    catalog: &Catalog,
    old: &Remote,
    add: &PeerAdd,
    url: &str,
    described: &Described,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let patch = RemotePatch {
        url: Some(url.to_owned()),
        settings: Some(settings_of(&PeerSettings::of(old), add, described).to_value()),
        ..RemotePatch::default()
    };
    let row = catalog.remote_update(old.id, &patch).await?.context("the peer was deleted meanwhile")?;
    let json = json!({ "name": row.name, "url": row.url, "before": old.url });
    let sentence = format!("{} is asked at {} from now on. Before: {}", row.name, row.url, old.url);
    print::either(as_json, &json, &sentence);
    Ok(ExitCode::SUCCESS)
}

/// Makes a name for here of the one that a node gives itself: lower case, no blanks.
fn name_from(own: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    let name: String = own.chars().map(plain).take(NAME_BYTES_MAX).collect();
    name.trim_matches(['-', '.']).to_owned()
}

fn name_check(name: &str) -> anyhow::Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(plain) {
        bail!("a peer needs a name of 1 to {NAME_BYTES_MAX} letters, digits, `-`, `_` or `.`: give one with --name");
    }
    Ok(())
}

/// Makes sure that a person, or a fingerprint that a person gave, says that this is the right node.
fn confirm(add: &PeerAdd, name: &str, url: &str, fingerprint: &str, as_json: bool) -> anyhow::Result<()> {
    if let Some(expected) = &add.fingerprint {
        let digits = |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_lowercase();
        if digits(expected) != digits(fingerprint) {
            bail!("the node at {url} has another fingerprint: {fingerprint}. It was not added");
        }
        return Ok(());
    }
    if add.yes {
        return Ok(());
    }
    if as_json || !std::io::stdin().is_terminal() {
        bail!(
            "the node at {url} has the fingerprint\n    {fingerprint}\n\
             If its operator says the same, by telephone for example, add: --fingerprint \"{fingerprint}\""
        );
    }
    print!("The node at {url} calls itself {name}. Its fingerprint is\n\n    {fingerprint}\n\n");
    print!(
        "Ask its operator, by telephone for example, whether it is the same (karez log key, there). Is it? [yes/no] "
    );
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if !answer.trim().eq_ignore_ascii_case("yes") {
        bail!("the node was not added");
    }
    Ok(())
}

async fn list(catalog: &Catalog, as_json: bool) -> anyhow::Result<ExitCode> {
    let peers = views::peers(catalog).await?;
    let json = Value::Array(peers.iter().map(|(remote, feed)| views::peer_json(remote, feed.as_ref())).collect());
    let cells: Vec<Vec<String>> = peers
        .iter()
        .map(|(remote, feed)| {
            let read = feed.as_ref().map_or(0, |feed| feed.tree.size).to_string();
            let asked = feed.as_ref().filter(|feed| feed.polled.0 > 0);
            let asked = asked.map_or("never".to_owned(), |feed| feed.polled.to_string().chars().take(16).collect());
            vec![remote.name.clone(), remote.url.clone(), read, asked, views::peer_state(remote, feed.as_ref())]
        })
        .collect();
    let when_empty = "There are no peers. To add one: karez peer add https://...";
    print::table(as_json, &json, &["PEER", "ADDRESS", "ENTRIES", "ASKED", "STATE"], &cells, when_empty);
    Ok(ExitCode::SUCCESS)
}

async fn show(catalog: &Catalog, name: &str, as_json: bool) -> anyhow::Result<ExitCode> {
    let remote = super::peer(catalog, name).await?;
    let feed = catalog.feed_get(remote.id).await?;
    let json = views::peer_json(&remote, feed.as_ref());
    if as_json {
        print::lines(&format!("{json:#}"));
    } else {
        for (key, value) in json.as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            print::lines(&format!("{:16}{text}", key.replace('_', " ")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn remove(hub: &Hub, name: &str, as_json: bool) -> anyhow::Result<ExitCode> {
    let catalog = hub.catalog();
    let remote = super::peer(catalog, name).await?;
    let mirrors = match catalog.remote_delete(remote.id).await? {
        RemoteDeleted::Deleted => 0,
        RemoteDeleted::Missing => bail!("there is no peer {name}"),
        RemoteDeleted::HasMirrors(mirrors) => {
            // Where they come from must still be said, so the row stays; nothing is asked of it any more.
            let settings =
                PeerSettings { removed_secs: Some(hub.clock().now().unix_secs()), ..PeerSettings::of(&remote) };
            let patch = RemotePatch { settings: Some(settings.to_value()), ..RemotePatch::default() };
            catalog.remote_update(remote.id, &patch).await?;
            mirrors
        }
    };
    let json = json!({ "removed": name, "repositories_kept": mirrors });
    let kept = if mirrors == 0 {
        String::new()
    } else {
        format!(" {mirrors} repositories that came from it stay, and people can read them.")
    };
    print::either(as_json, &json, &format!("{name} is not a peer any more.{kept}"));
    Ok(ExitCode::SUCCESS)
}

async fn check(hub: &Arc<Hub>, settings: &Settings, name: Option<&str>, as_json: bool) -> anyhow::Result<ExitCode> {
    if let Some(name) = name {
        super::peer(hub.catalog(), name).await?;
    }
    let federation = Federation::new(super::parts(hub, settings));
    let table = federation.refresh().await?;
    let (mut json, mut cells, mut all_well) = (Vec::new(), Vec::new(), true);
    for peer in table.all().iter().filter(|peer| name.is_none_or(|name| peer.remote.name == name)) {
        let log = match federation.poll_peer(peer).await {
            Ok(Polled::Grew { from, to }) => format!("fine: {} new entries", to - from),
            Ok(Polled::Same | Polled::Overtaken) => "fine: nothing new".to_owned(),
            Err(error) => {
                all_well = false;
                error.to_string()
            }
        };
        let witness = match federation.witness_one(peer).await {
            Ok(Asked::Cosigned(_) | Asked::Nothing) => "cosigns".to_owned(),
            Ok(Asked::NotFollowed) => "has not added this node".to_owned(),
            Ok(Asked::Behind { seen }) => format!("has seen {seen} entries of this node's log that are not here"),
            Err(error) => {
                all_well = false;
                error.to_string()
            }
        };
        json.push(json!({ "name": peer.remote.name, "url": peer.remote.url, "log": log, "witness": witness }));
        cells.push(vec![peer.remote.name.clone(), log, witness]);
    }
    print::table(as_json, &Value::Array(json), &["PEER", "LOG", "WITNESS"], &cells, "There are no peers to ask.");
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn forgive(catalog: &Catalog, name: &str, as_json: bool) -> anyhow::Result<ExitCode> {
    let remote = super::peer(catalog, name).await?;
    let origin = log_key(&remote).map_err(|error| anyhow::anyhow!("{name} {error}"))?;
    let forks = catalog.fork_list().await?.iter().filter(|fork| fork.origin == origin.name()).count() as u64;
    if forks == 0 {
        bail!("there is no proof that {name} showed two histories");
    }
    let settings = PeerSettings { forks_forgiven: forks, ..PeerSettings::of(&remote) };
    let patch = RemotePatch { settings: Some(settings.to_value()), ..RemotePatch::default() };
    catalog.remote_update(remote.id, &patch).await?;
    let sentence = format!("The log of {name} is followed again from where it was. The {forks} proofs stay.");
    print::either(as_json, &json!({ "name": name, "forks_forgiven": forks }), &sentence);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_what_nodes_call_themselves() {
        assert_eq!(name_from("Hub of Dushanbe"), "hub-of-dushanbe");
        assert_eq!(name_from("hub.example.org"), "hub.example.org");
        assert_eq!(name_from("Хуҷанд"), "");
        assert!(name_check("").is_err() && name_check("a b").is_err() && name_check("a.b-c_1").is_ok());
    }

    #[test]
    fn a_wrong_fingerprint_is_refused() {
        let add = |fingerprint: Option<&str>, yes| PeerAdd {
            url: "https://x".into(),
            name: None,
            yes,
            fingerprint: fingerprint.map(str::to_owned),
            allow_private: false,
            line: "default".into(),
        };
        let confirm = |add: PeerAdd| confirm(&add, "x", "https://x", "0123 4567 89ab", true);
        assert!(confirm(add(Some("0123456789AB"), false)).is_ok());
        assert!(confirm(add(Some("0123 4567 89ac"), false)).is_err());
        assert!(confirm(add(None, true)).is_ok());
        let said = confirm(add(None, false)).unwrap_err().to_string();
        assert!(said.contains("--fingerprint \"0123 4567 89ab\""), "{said}");
    }
}
