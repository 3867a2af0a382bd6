//! `karez log`: the node's log at the command line, also while the node runs. Nothing here signs.

pub mod cli;
mod forks;
mod verify;

use std::process::ExitCode;

use anyhow::Context;
use karez_formats::log_entry::{LogAct, LogEntry};
use karez_governance::{Note, VerifiedCheckpoint};
use karez_hub::{Actor, Hub};
use karez_types::{Revision, Timestamp};
use serde_json::{Value, json};

use crate::config::Settings;
use crate::{admin, node, print};
use cli::{Log, Prove};

/// Runs one command.
pub async fn run(command: Log, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = match command {
        Log::Verify(command) if command.file.is_some() => return verify::file(&command, settings, as_json).await,
        _ => node::open_existing(settings).await?,
    };
    let code = match command {
        Log::Show(command) => show(&hub, command.limit, as_json).await?,
        Log::Key => key(&hub, as_json),
        Log::Verify(_) => verify::own(&hub, as_json).await?,
        Log::Forks(command) => forks::list(&hub, &command, as_json).await?,
        Log::Prove(command) => prove(&hub, &command, as_json).await?,
    };
    hub.catalog().close().await;
    Ok(code)
}

fn key(hub: &Hub, as_json: bool) -> ExitCode {
    let keys = hub.log_keys();
    let json = json!({
        "origin": keys.origin(),
        "log_key": keys.log_key().to_string(),
        "fingerprint": keys.log_key().fingerprint(),
        "witness_key": keys.witness_key().to_string(),
    });
    let sentence = format!(
        "Key of the log:\n  {}\nFingerprint, to compare by voice:\n  {}\nKey under which this node cosigns the logs of others:\n  {}",
        keys.log_key(),
        keys.log_key().fingerprint(),
        keys.witness_key(),
    );
    print::either(as_json, &json, &sentence);
    ExitCode::SUCCESS
}

async fn show(hub: &Hub, limit: u64, as_json: bool) -> anyhow::Result<ExitCode> {
    let (catalog, keys) = (hub.catalog(), hub.log_keys());
    let size = catalog.log_size().await?;
    let witnesses = hub.peer_witness_keys().await?;
    let signed = hub.log_checkpoint().await?.and_then(|note| {
        let note = Note::parse(note.as_bytes()).ok()?;
        VerifiedCheckpoint::open(&note, keys.log_key(), &witnesses).ok()
    });
    let signers = signed.as_ref().map_or(&[][..], |signed| signed.note().signers());
    let from = size.saturating_sub(limit);
    let entries = catalog.log_entries(from, limit).await?;
    let entries: Vec<(u64, Option<LogEntry>)> =
        (from..).zip(entries).map(|(index, bytes)| (index, LogEntry::parse(&bytes).ok())).collect();
    let forks = catalog.fork_list().await?;
    let witnessed = catalog.witnessed_list().await?;
    let json = json!({
        "origin": keys.origin(),
        "entries": size,
        "signed": signed.as_ref().map(VerifiedCheckpoint::size),
        "root": signed.as_ref().map(|signed| signed.root().to_string()),
        "signers": signers.iter().map(|signer| json!({ "name": signer.key.name(), "time": signer.time_secs })).collect::<Vec<_>>(),
        "witnessed": witnessed.iter().map(|row| json!({ "origin": row.origin, "size": row.size, "seen": row.seen })).collect::<Vec<_>>(),
        "forks": forks.iter().map(|row| json!({ "origin": row.origin, "found": row.found, "evidence": row.evidence })).collect::<Vec<_>>(),
        "newest": entries.iter().map(|(index, entry)| entry_json(*index, entry.as_ref())).collect::<Vec<_>>(),
    });
    if as_json {
        print::lines(&format!("{json:#}"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut lines = vec![format!("Log {}", keys.origin())];
    lines.push(match &signed {
        Some(signed) => format!("{size} entries, {} of them signed; root {}", signed.size(), signed.root()),
        None => format!("{size} entries, none of them signed yet. A running node signs every second."),
    });
    for signer in signers {
        let time = signer.time_secs.map(|secs| format!(" at {}", moment(i64::try_from(secs).unwrap_or(i64::MAX))));
        lines.push(format!("Signed by {}{}", signer.key.name(), time.unwrap_or_default()));
    }
    for row in &witnessed {
        lines.push(format!("This node has cosigned {} entries of {} at {}", row.size, row.origin, row.seen));
    }
    for row in &forks {
        lines.push(format!("FORK: the log {} has shown two histories, found at {}", row.origin, row.found));
    }
    if !forks.is_empty() {
        lines.push("To write the evidence into files: karez log forks --output FOLDER".to_owned());
    }
    for (index, entry) in entries.iter().rev() {
        lines.push(format!("{index}  {}", entry.as_ref().map_or("not readable by this program".to_owned(), words)));
    }
    print::lines(&lines.join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn entry_json(index: u64, entry: Option<&LogEntry>) -> Value {
    let value = entry.and_then(|entry| serde_json::from_slice(&entry.encode()).ok());
    json!({ "index": index, "entry": value.unwrap_or(Value::Null) })
}

/// Says what an entry records.
fn words(entry: &LogEntry) -> String {
    let repo = &entry.repo;
    let act = match &entry.act {
        LogAct::Publish { head: Some(head), .. } => format!("{repo} is public, at {head}"),
        LogAct::Publish { head: None, .. } => format!("{repo} is public"),
        LogAct::Ref { name, target, .. } => format!("{repo}: {} is {target}", name.short()),
        LogAct::Unref { name, .. } => format!("{repo}: {} is deleted", name.short()),
        LogAct::Withdraw => format!("{repo} is not public any more"),
        LogAct::Move { to } => format!("{repo} is now {to}"),
        LogAct::Delete => format!("{repo} is deleted"),
    };
    format!("{}  {act}", moment(entry.at_secs))
}

fn moment(secs: i64) -> String {
    Timestamp(secs.saturating_mul(1000)).to_string()
}

async fn prove(hub: &Hub, command: &Prove, as_json: bool) -> anyhow::Result<ExitCode> {
    let (repo, revision) = command.revision.rsplit_once('@').unwrap_or((&command.revision, "main"));
    let address = admin::repo::address(repo)?;
    let revision: Revision = revision.parse()?;
    let place = hub.log_place(&Actor::Operator, &address, &revision).await?;
    let proof = hub.log_proof(place.index).await?.to_string();
    let Some(path) = &command.output else {
        let json = json!({ "index": place.index, "commit": place.commit, "proof": proof });
        print::either(as_json, &json, proof.trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::write(path, &proof).with_context(|| format!("cannot write {}", path.display()))?;
    let key = hub.log_keys().log_key();
    let file = path.display();
    let json = json!({ "index": place.index, "commit": place.commit, "file": path, "key": key.to_string() });
    let sentence = format!(
        "Wrote {file}: commit {} of {address} is entry {} of the log.\nTo check it anywhere: karez log verify {file} --key {key}",
        place.commit, place.index
    );
    print::either(as_json, &json, &sentence);
    Ok(ExitCode::SUCCESS)
}
