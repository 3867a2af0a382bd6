//! Witnessing the logs of peers, and taking in what witnesses say of this node's log.

use std::collections::BTreeMap;

use karez_catalog::{NewFork, Remote, Witnessed};
use karez_governance::note::parse_signatures;
use karez_governance::{AddCheckpoint, Checkpoint, Decision, Held, Note, Refusal, TreeHash, VerifierKey, witness};
use karez_types::Sha256;
use sha2::Digest as _;

use crate::{Hub, HubError, HubResult};

/// How often a request is decided anew because another one was stored meanwhile.
const ATTEMPTS_MAX: u32 = 8;

/// Answer of a witness, as the specification wants it over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessAnswer {
    /// 200, 400, 403, 404, 409 or 422.
    pub status: u16,
    /// Signature lines, or the size that is held, or a sentence.
    pub body: String,
    /// When the request showed that a log has two histories: the evidence, which is stored.
    pub fork: Option<String>,
}

/// The newest checkpoint that this node has seen of a log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SeenCheckpoint {
    /// Which log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The signed note.
    pub note: String,
}

impl Hub {
    /// Answers a request to cosign a checkpoint of a peer's log. What is cosigned is stored first; check and
    /// change are one step.
    pub async fn witness_add_checkpoint(&self, body: &[u8]) -> HubResult<WitnessAnswer> {
        let Some(request) = AddCheckpoint::parse(body) else { return Ok(refused(Refusal::Malformed, None)) };
        let Some(origin) = request.origin() else { return Ok(refused(Refusal::Malformed, None)) };
        let keys = self.peer_log_keys().await?;
        for _ in 0..ATTEMPTS_MAX {
            let held = self.catalog.witnessed_get(&origin).await?;
            let known = held.as_ref().map(held_of).transpose()?;
            match witness::decide(&request, &keys, known.as_ref()) {
                Decision::Refuse(refusal, evidence) => {
                    let evidence = match evidence {
                        Some(evidence) => Some(self.fork_keep(&origin, evidence.to_string()).await?),
                        None => None,
                    };
                    return Ok(refused(refusal, evidence));
                }
                Decision::Cosign(checkpoint) => {
                    let now = self.clock.now();
                    // The log's own signature and ours; what others have added is theirs to serve.
                    let damaged = |error: karez_governance::NoteError| HubError::Damaged(error.to_string());
                    let mut note = Note::new(checkpoint.note().text().to_owned()).map_err(damaged)?;
                    let signers = checkpoint.note().signers();
                    let lines = checkpoint.note().note().signatures();
                    let of_log = |name: &str, id| signers.iter().any(|s| s.key.name() == name && s.key.id() == id);
                    lines.iter().filter(|l| of_log(&l.name, l.key_id)).for_each(|line| note.add(line.clone()));
                    note.sign(&self.log.keys.witness, u64::try_from(now.unix_secs()).unwrap_or(0));
                    let ours = note.signatures().last().map(ToString::to_string).unwrap_or_default();
                    let new = Witnessed {
                        origin: origin.clone(),
                        size: checkpoint.size(),
                        root: checkpoint.root().0,
                        note: note.to_string(),
                        seen: now,
                    };
                    if self.catalog.witnessed_advance(held.map(|held| held.size), &new).await? {
                        return Ok(WitnessAnswer { status: 200, body: format!("{ours}\n"), fork: None });
                    }
                }
            }
        }
        Err(HubError::Busy)
    }

    /// Stores evidence of a fork, once.
    pub async fn fork_keep(&self, origin: &str, evidence: String) -> HubResult<String> {
        let sha256 = Sha256(sha2::Sha256::digest(&evidence).into());
        let fork = NewFork { origin: origin.to_owned(), evidence, sha256 };
        if self.catalog.fork_insert(&fork, self.clock.now()).await? {
            tracing::error!(log.origin = origin, "a log shows two histories; the evidence is kept: karez log show");
        }
        Ok(fork.evidence)
    }

    /// Adds cosignatures of known peers to the newest checkpoint. Lines of others, and lines over another
    /// checkpoint, are passed over. Returns how many were added.
    pub async fn log_cosignatures_add(&self, lines: &str) -> HubResult<usize> {
        let lines = parse_signatures(lines).map_err(|error| HubError::Invalid(error.to_string()))?;
        let keys = self.peer_witness_keys().await?;
        for _ in 0..ATTEMPTS_MAX {
            let tree = self.log_signed().await?;
            let mut note = Note::parse(tree.note.as_bytes()).map_err(|error| HubError::Damaged(error.to_string()))?;
            let mut added = 0;
            for line in &lines {
                let mut alone =
                    Note::new(note.text().to_owned()).map_err(|error| HubError::Damaged(error.to_string()))?;
                alone.add(line.clone());
                if alone.verify(&keys).is_ok() {
                    note.add(line.clone());
                    added += 1;
                }
            }
            let new = note.to_string();
            if new == tree.note {
                return Ok(0);
            }
            if self.catalog.log_note_set(&tree.note, &new).await? {
                self.log.newest_set(None);
                return Ok(added);
            }
        }
        Err(HubError::Busy)
    }

    /// Returns the newest checkpoint that this node has signed, then of every other log the newest that it
    /// has cosigned or followed, in the order of their origins.
    pub async fn log_checkpoints_seen(&self) -> HubResult<Vec<SeenCheckpoint>> {
        let own = self.catalog.log_tree().await?.map(|tree| SeenCheckpoint {
            origin: self.log.keys.origin().to_owned(),
            size: tree.size,
            note: tree.note,
        });
        let witnessed = self.catalog.witnessed_list().await?;
        let witnessed =
            witnessed.into_iter().map(|row| SeenCheckpoint { origin: row.origin, size: row.size, note: row.note });
        let followed = self.catalog.feed_list().await?.into_iter().filter_map(|feed| followed_of(feed.tree.note));
        let mut newest: BTreeMap<String, SeenCheckpoint> = BTreeMap::new();
        // Of two that are as large the cosigned one stays, which comes first.
        for seen in witnessed.chain(followed) {
            if newest.get(&seen.origin).is_none_or(|known| known.size < seen.size) {
                newest.insert(seen.origin.clone(), seen);
            }
        }
        newest.remove(self.log.keys.origin());
        Ok(own.into_iter().chain(newest.into_values()).collect())
    }

    /// Returns the newest checkpoint of a log that this node has cosigned, by the SHA-256 of its origin.
    pub async fn witnessed_by_hash(&self, origin_sha256: &str) -> HubResult<Option<String>> {
        let is_it = |origin: &str| Sha256(sha2::Sha256::digest(origin).into()).to_string() == origin_sha256;
        let all = self.catalog.witnessed_list().await?;
        Ok(all.into_iter().find(|row| is_it(&row.origin)).map(|row| row.note))
    }

    /// Returns the log keys of the peers.
    pub async fn peer_log_keys(&self) -> HubResult<Vec<VerifierKey>> {
        Ok(self.peers().await?.iter().filter_map(|peer| peer.log_key.as_deref()?.parse().ok()).collect())
    }

    /// Returns the keys under which the peers cosign.
    pub async fn peer_witness_keys(&self) -> HubResult<Vec<VerifierKey>> {
        Ok(self.peers().await?.iter().filter_map(|peer| peer.witness_key.as_deref()?.parse().ok()).collect())
    }

    /// Returns the remotes that the operator has not removed.
    async fn peers(&self) -> HubResult<Vec<Remote>> {
        let mut remotes = self.catalog.remote_list().await?;
        remotes.retain(|remote| !remote.is_removed());
        Ok(remotes)
    }
}

/// Reads the checkpoint up to which a log was followed; `None` before the first.
fn followed_of(note: String) -> Option<SeenCheckpoint> {
    let checkpoint = Checkpoint::parse(Note::parse(note.as_bytes()).ok()?.text()).ok()?;
    Some(SeenCheckpoint { origin: checkpoint.origin, size: checkpoint.size, note })
}

fn held_of(row: &Witnessed) -> HubResult<Held> {
    let note = Note::parse(row.note.as_bytes());
    let note = note.map_err(|error| HubError::Damaged(format!("what was witnessed of {}: {error}", row.origin)))?;
    Ok(Held { size: row.size, root: TreeHash(row.root), note })
}

fn refused(refusal: Refusal, fork: Option<String>) -> WitnessAnswer {
    let body = match refusal {
        Refusal::Malformed => "this is not a request to add a checkpoint\n".to_owned(),
        Refusal::Unsigned => "the checkpoint is not signed by the key of its log\n".to_owned(),
        Refusal::Unknown => "this node does not follow that log\n".to_owned(),
        Refusal::Conflict { held_size } => format!("{held_size}\n"),
        Refusal::Inconsistent => "the checkpoint does not continue the one that this node has cosigned\n".to_owned(),
    };
    WitnessAnswer { status: refusal.status(), body, fork }
}
