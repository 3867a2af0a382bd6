//! `karez log verify`: the own log, or a file that somebody brought.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use karez_formats::log_entry::LogEntry;
use karez_governance::fork::EVIDENCE_BYTES_MAX;
use karez_governance::policy::POLICY_BYTES_MAX;
use karez_governance::{ForkEvidence, LogProof, Policy, VerifierKey};
use karez_hub::Hub;
use serde_json::json;

use super::cli::Verify;
use super::{entry_json, moment, words};
use crate::config::Settings;
use crate::{node, print};

/// Derives the log of this node anew and says whether all is well.
pub async fn own(hub: &Hub, as_json: bool) -> anyhow::Result<ExitCode> {
    let found = hub.log_verify().await?;
    let is_clean = found.problems.is_empty();
    let json = json!({
        "clean": is_clean,
        "origin": hub.log_keys().origin(),
        "entries": found.entries, "unsigned": found.unsigned, "tiles": found.tiles,
        "root": found.root.to_string(), "signers": found.signers, "problems": found.problems,
    });
    let mut lines = found.problems.clone();
    lines.push(format!(
        "Derived {} entries and {} tiles anew; root {}; signed by {}.",
        found.entries,
        found.tiles,
        found.root,
        found.signers.join(", ")
    ));
    lines.push(match found.problems.len() {
        0 => "Everything is in order.".to_owned(),
        count => format!("{count} problems."),
    });
    print::either(as_json, &json, &lines.join("\n"));
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whom the checker trusts.
struct Trust {
    keys: Vec<VerifierKey>,
    policy: Option<Policy>,
}

impl Trust {
    /// Keys and policy that were given; otherwise, where there is a node, its own keys and those of its peers.
    async fn of(command: &Verify, settings: &Settings) -> anyhow::Result<Trust> {
        if let Some(path) = &command.policy {
            let policy = Policy::parse(&read(path, POLICY_BYTES_MAX)?)
                .with_context(|| format!("{} is not a trust policy", path.display()))?;
            let keys = policy.logs().iter().chain(policy.witnesses()).map(|known| known.key.clone()).collect();
            return Ok(Trust { keys, policy: Some(policy) });
        }
        if !command.key.is_empty() {
            return Ok(Trust { keys: command.key.clone(), policy: None });
        }
        let hub = node::open_existing(settings).await.context(
            "whose log is it? Give the key with --key: the operator of that node prints it with karez log key",
        )?;
        let mut keys = vec![hub.log_keys().log_key().clone(), hub.log_keys().witness_key().clone()];
        keys.extend(hub.peer_log_keys().await?);
        keys.extend(hub.peer_witness_keys().await?);
        hub.catalog().close().await;
        Ok(Trust { keys, policy: None })
    }

    fn log(&self, origin: &str) -> anyhow::Result<&VerifierKey> {
        let key = self.keys.iter().find(|key| key.name() == origin);
        key.with_context(|| {
            format!("this is about the log {origin:?}, and its key is not among those that are trusted here")
        })
    }
}

/// Checks a proof, or evidence of a fork.
pub async fn file(command: &Verify, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let path = command.file.as_deref().context("there is no file to check")?;
    let bytes = read(path, EVIDENCE_BYTES_MAX)?;
    let trust = Trust::of(command, settings).await?;
    if bytes.starts_with(b"karez.log/fork@") {
        fork(&bytes, &trust, as_json)
    } else if bytes.starts_with(b"c2sp.org/tlog-proof@") {
        proof(&bytes, &trust, as_json)
    } else {
        bail!("{} is neither a proof of logging nor evidence of a fork", path.display())
    }
}

fn fork(bytes: &[u8], trust: &Trust, as_json: bool) -> anyhow::Result<ExitCode> {
    let evidence = ForkEvidence::parse(bytes)?;
    let found = evidence.verify(trust.log(evidence.origin())?)?;
    let (first, second) = (&found.first, &found.second);
    let json = json!({
        "valid": true, "kind": "fork", "origin": first.origin(),
        "first": { "size": first.size(), "root": first.root().to_string() },
        "second": { "size": second.size(), "root": second.root().to_string() },
    });
    let sentence = format!(
        "The evidence holds: the log {} has signed two histories that contradict each other.\n\
         {} entries with root {}\n{} entries with root {}",
        first.origin(),
        first.size(),
        first.root(),
        second.size(),
        second.root()
    );
    print::either(as_json, &json, &sentence);
    Ok(ExitCode::SUCCESS)
}

fn proof(bytes: &[u8], trust: &Trust, as_json: bool) -> anyhow::Result<ExitCode> {
    let proof = LogProof::parse(bytes)?;
    if let Some(policy) = &trust.policy {
        policy.verify(&proof.note)?;
    }
    let verified = proof.verify(trust.log(proof.origin())?, &trust.keys)?;
    let checkpoint = &verified.checkpoint;
    let entry = LogEntry::parse(&verified.entry);
    let signers = checkpoint.note().signers();
    let json = json!({
        "valid": true, "kind": "proof", "origin": checkpoint.origin(), "size": checkpoint.size(),
        "entry": entry_json(verified.index, entry.as_ref().ok()),
        "signers": signers.iter().map(|signer| json!({ "name": signer.key.name(), "time": signer.time_secs })).collect::<Vec<_>>(),
    });
    let what = entry.as_ref().map_or_else(|error| format!("something else: {error}"), words);
    let mut lines = vec![
        format!(
            "The proof holds: entry {} of {} in the log {} says",
            verified.index,
            checkpoint.size(),
            checkpoint.origin()
        ),
        format!("  {what}"),
    ];
    for signer in signers {
        let time =
            signer.time_secs.map(|secs| format!(", who saw it at {}", moment(i64::try_from(secs).unwrap_or(i64::MAX))));
        lines.push(format!("Signed by {}{}", signer.key.name(), time.unwrap_or_default()));
    }
    print::either(as_json, &json, &lines.join("\n"));
    Ok(ExitCode::SUCCESS)
}

/// Reads a file that may be anything.
fn read(path: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let context = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    let file = fs::File::open(path).with_context(context)?;
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).with_context(context)?;
    if bytes.len() > bytes_max {
        bail!("{} is too large for what it should be", path.display());
    }
    Ok(bytes)
}
