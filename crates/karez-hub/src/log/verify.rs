//! Deriving the whole log anew from its entries, as whoever follows it would.

use karez_formats::log_entry::LogEntry;
use karez_governance::tile::encode_tile;
use karez_governance::{Frontier, Growth, Note, TileSet, TreeHash, VerifiedCheckpoint};

use super::sequencer::BATCH_ENTRIES;
use crate::{Hub, HubError, HubResult};

/// Problems that are told in full; more are counted.
const PROBLEMS_TOLD_MAX: usize = 100;

/// What the check of the log has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogVerified {
    /// Entries under the newest checkpoint.
    pub entries: u64,
    /// Entries that wait to be signed.
    pub unsigned: u64,
    /// Tiles that were derived and compared.
    pub tiles: u64,
    /// Root over the entries.
    pub root: TreeHash,
    /// Who has signed the checkpoint: names of keys, the log's and those of known witnesses.
    pub signers: Vec<String>,
    /// What is wrong, in sentences; empty when all is well.
    pub problems: Vec<String>,
}

impl Hub {
    /// Derives root and tiles anew from the entries, compares them with what is stored, and verifies the
    /// signatures. Reads the whole log, with a bounded part of it in memory.
    pub async fn log_verify(&self) -> HubResult<LogVerified> {
        let entries = self.catalog.log_size().await?;
        let tree = self.log_signed().await?;
        let mut told = Told::default();
        let (mut frontier, mut tiles) = (Frontier::default(), 0);
        let mut growth = Growth::new(0, &TileSet::default()).map_err(|error| HubError::Damaged(error.to_string()))?;
        while frontier.size() < tree.size {
            let limit = BATCH_ENTRIES.min(tree.size - frontier.size());
            let batch = self.catalog.log_entries(frontier.size(), limit).await?;
            if batch.is_empty() {
                told.problem(format!("entries from {} on are missing", frontier.size()));
                break;
            }
            for entry in &batch {
                if let Err(error) = LogEntry::parse(entry) {
                    told.problem(format!("entry {}: {error}", frontier.size()));
                }
                let leaf = TreeHash::of_entry(entry);
                let grown = frontier.append(leaf).and_then(|()| growth.append(leaf));
                grown.map_err(|error| HubError::Damaged(error.to_string()))?;
            }
            tiles += self.tiles_compare(growth.take_full(), &mut told).await?;
        }
        tiles += self.tiles_compare(growth.take_all(), &mut told).await?;
        let signers = self.signers_check(&tree.note, &frontier, &mut told).await?;
        if tree.frontier != frontier.encode() {
            told.problem("the stored right edge is not that of the entries".to_owned());
        }
        Ok(LogVerified {
            entries: frontier.size(),
            unsigned: entries.saturating_sub(tree.size),
            tiles,
            root: frontier.root(),
            signers,
            problems: told.finish(),
        })
    }

    async fn tiles_compare(
        &self,
        derived: Vec<(karez_governance::TileId, Vec<TreeHash>)>,
        told: &mut Told,
    ) -> HubResult<u64> {
        let count = derived.len() as u64;
        for (tile, hashes) in derived {
            let stored = self.catalog.log_tile(tile.level, tile.index).await?;
            // Another process may have signed more since.
            let wanted = encode_tile(&hashes);
            if !stored.is_some_and(|stored| stored.starts_with(&wanted)) {
                told.problem(format!("tile {}/{} is not that of the entries", tile.level, tile.index));
            }
        }
        Ok(count)
    }

    async fn signers_check(&self, note: &str, frontier: &Frontier, told: &mut Told) -> HubResult<Vec<String>> {
        let witnesses = self.peer_witness_keys().await?;
        let opened = Note::parse(note.as_bytes())
            .map_err(karez_governance::CheckpointError::from)
            .and_then(|note| VerifiedCheckpoint::open(&note, self.log.keys.log_key(), &witnesses));
        match opened {
            Ok(checkpoint) => {
                if (checkpoint.size(), checkpoint.root()) != (frontier.size(), frontier.root()) {
                    told.problem("the signed root is not that of the entries".to_owned());
                }
                Ok(checkpoint.note().signers().iter().map(|signer| signer.key.name().to_owned()).collect())
            }
            Err(error) => {
                told.problem(format!("the checkpoint: {error}"));
                Ok(Vec::new())
            }
        }
    }
}

#[derive(Default)]
struct Told {
    problems: Vec<String>,
    more: u64,
}

impl Told {
    fn problem(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_TOLD_MAX { self.problems.push(problem) } else { self.more += 1 }
    }

    fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.problems.push(format!("and {} more", self.more));
        }
        self.problems
    }
}
