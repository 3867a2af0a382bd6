//! Giving entries their place in the tree, and signing it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use karez_catalog::{LogTile, LogTree};
use karez_governance::tile::{edge_tiles, encode_tile, parse_tile};
use karez_governance::{Checkpoint, Frontier, Growth, Note, TileSet, TreeHash, VerifiedCheckpoint};

use super::HighWaterMark;
use crate::{Hub, HubError, HubResult};

/// Entries for one signature. Bounds the memory: an entry has at most 4 KiB.
pub(super) const BATCH_ENTRIES: u64 = 4096;
/// How often a tree is computed anew because another process stored one meanwhile.
const ATTEMPTS_MAX: u32 = 64;

/// How far the log is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    /// Entries under the newest checkpoint.
    pub signed: u64,
    /// Entries that this call has signed.
    pub added: u64,
}

/// The signed tree as it is at hand to go on from.
struct Base {
    tree: Option<Arc<LogTree>>,
    frontier: Frontier,
    /// Whether the note is this key's; a new key begins by signing what is there.
    is_ours: bool,
}

impl Hub {
    /// Signs entries that are not under a checkpoint yet, if there are any: the cheap question comes first.
    /// Before the first entry it signs the empty log.
    ///
    /// # Errors
    /// [`HubError::LogBehind`] when the database is older than what was signed; then nothing is signed until
    /// the newer one is back.
    pub async fn log_advance(&self) -> HubResult<LogState> {
        let size = self.catalog.log_size().await?;
        if self.log.guarded.load(Ordering::Acquire) == size + 1 {
            return Ok(LogState { signed: size, added: 0 });
        }
        let _turn = self.log.turn.lock().await;
        let (mut added, mut signed) = (0, 0);
        for _ in 0..ATTEMPTS_MAX {
            let base = self.log_base().await?;
            let size = self.catalog.log_size().await?;
            if base.is_ours && base.frontier.size() == size {
                self.guards_check(&base, size).await?;
                self.log.guarded.store(size + 1, Ordering::Release);
                return Ok(LogState { signed: size, added });
            }
            let began = base.frontier.size();
            if let Some(size) = self.log_sign(base, size).await? {
                (signed, added) = (size, added + size - began);
            }
        }
        // Others sign all the time; whatever is left, they or the next call will sign.
        Ok(LogState { signed, added })
    }

    /// Reads the tree that was signed last, and checks that it is whole.
    async fn log_base(&self) -> HubResult<Base> {
        let Some(tree) = self.catalog.log_tree().await? else {
            return Ok(Base { tree: None, frontier: Frontier::default(), is_ours: false });
        };
        let damaged = |what: &str| HubError::Damaged(format!("the signed tree of the log: {what}"));
        let frontier = Frontier::decode(&tree.frontier).map_err(|error| damaged(&error.to_string()))?;
        let note = Note::parse(tree.note.as_bytes()).map_err(|error| damaged(&error.to_string()))?;
        let said = Checkpoint::parse(note.text()).map_err(|error| damaged(&error.to_string()))?;
        if (said.size, said.root) != (frontier.size(), frontier.root()) || tree.size != said.size {
            return Err(damaged("its note and its right edge do not fit"));
        }
        let is_ours = VerifiedCheckpoint::open(&note, self.log.keys.log_key(), &[]).is_ok();
        if !is_ours && said.origin == self.log.keys.origin() {
            return Err(damaged("its signature is wrong"));
        }
        Ok(Base { tree: Some(Arc::new(tree)), frontier, is_ours })
    }

    /// Checks both guards; returns the mark that the new tree must pass through, when it is ahead.
    async fn guards_check(&self, base: &Base, entries: u64) -> HubResult<Option<HighWaterMark>> {
        let signed = base.frontier.size();
        let floor = self.catalog.log_floor(self.log.keys.origin()).await?;
        if floor > signed {
            return Err(HubError::LogBehind { signed: floor, here: signed });
        }
        let Some(mark) = self.high_water_get().await? else { return Ok(None) };
        if mark.size > entries || (mark.size == signed && mark.root != base.frontier.root()) {
            return Err(HubError::LogBehind { signed: mark.size, here: entries.min(mark.size) });
        }
        Ok(Some(mark).filter(|mark| mark.size > signed))
    }

    /// Signs the tree over one more batch of entries, and stores it. `None`: another process was faster.
    async fn log_sign(&self, base: Base, entries: u64) -> HubResult<Option<u64>> {
        let mark = self.guards_check(&base, entries).await?;
        let mut frontier = base.frontier.clone();
        let mut growth = self.log_growth(frontier.size()).await?;
        let tree_error = |error: karez_governance::TreeError| HubError::Damaged(error.to_string());
        loop {
            let batch = self.catalog.log_entries(frontier.size(), BATCH_ENTRIES).await?;
            if batch.is_empty() {
                break;
            }
            for entry in &batch {
                let leaf = TreeHash::of_entry(entry);
                frontier.append(leaf).map_err(tree_error)?;
                growth.append(leaf).map_err(tree_error)?;
                if mark.is_some_and(|mark| mark.size == frontier.size() && mark.root != frontier.root()) {
                    return Err(HubError::LogBehind { signed: frontier.size(), here: base.frontier.size() });
                }
            }
            // A crash may have come between the mark and the database: only what has it may be signed.
            if mark.is_none_or(|mark| frontier.size() >= mark.size) {
                break;
            }
        }
        if mark.is_some_and(|mark| frontier.size() < mark.size) {
            return Err(HubError::Damaged("entries of the log are missing".to_owned()));
        }
        let note = self.log_note(frontier.size(), frontier.root())?;
        let tree = LogTree { size: frontier.size(), frontier: frontier.encode(), note };
        let tiles: Vec<LogTile> = growth
            .changed()
            .map(|(tile, hashes)| LogTile { level: tile.level, index: tile.index, hashes: encode_tile(hashes) })
            .collect();
        self.high_water_set(HighWaterMark { size: frontier.size(), root: frontier.root() }).await?;
        let expected = base.tree.as_ref().map(|tree| tree.note.as_str());
        if !self.catalog.log_tree_advance(expected, &tree, &tiles).await? {
            return Ok(None);
        }
        let signed = tree.size;
        self.log.newest_set(Some(Arc::new(tree)));
        Ok(Some(signed))
    }

    /// Returns the signed text of a checkpoint.
    fn log_note(&self, size: u64, root: TreeHash) -> HubResult<String> {
        let origin = self.log.keys.origin().to_owned();
        let text = Checkpoint { origin, size, root, extensions: Vec::new() }.text();
        let mut note = Note::new(text).map_err(|error| HubError::Damaged(error.to_string()))?;
        note.sign(&self.log.keys.log, 0);
        Ok(note.to_string())
    }

    /// Returns the growing tree at this size, from the tiles of its edge.
    async fn log_growth(&self, size: u64) -> HubResult<Growth> {
        let mut edge = TileSet::default();
        for tile in edge_tiles(size) {
            let bytes = self.catalog.log_tile(tile.level, tile.index).await?;
            let hashes = bytes.and_then(|bytes| parse_tile(&bytes, tile.width(size)).ok());
            let missing = || HubError::Damaged(format!("tile {}/{} of the log is not whole", tile.level, tile.index));
            edge.insert(tile, hashes.ok_or_else(missing)?);
        }
        Growth::new(size, &edge).map_err(|error| HubError::Damaged(error.to_string()))
    }

    async fn high_water_get(&self) -> HubResult<Option<HighWaterMark>> {
        let (place, keys) = (Arc::clone(&self.log.high_water), self.log.keys.clone());
        let read = tokio::task::spawn_blocking(move || place.get(keys.origin())).await;
        read.map_err(std::io::Error::other).and_then(|read| read).map_err(HubError::HighWater)
    }

    async fn high_water_set(&self, mark: HighWaterMark) -> HubResult<()> {
        let (place, keys) = (Arc::clone(&self.log.high_water), self.log.keys.clone());
        let written = tokio::task::spawn_blocking(move || place.set(keys.origin(), mark)).await;
        written.map_err(std::io::Error::other).and_then(|written| written).map_err(HubError::HighWater)
    }

    /// Says that others have seen a checkpoint of this size, as a witness does that answers 409. Below it
    /// nothing is signed any more. Whoever says so must be trusted: see [`Hub::log_own_seen`] for proof.
    pub async fn log_floor_raise(&self, size: u64) -> HubResult<()> {
        self.catalog.log_floor_raise(self.log.keys.origin(), size).await?;
        self.log.guarded.store(0, Ordering::Release);
        Ok(())
    }

    /// Looks at a checkpoint of this node's own log that others hold. When the log has lost what it says,
    /// nothing is signed any more. Tells whether the checkpoint is one that this log knows.
    ///
    /// # Errors
    /// [`HubError::Invalid`] when this node's key has not signed it: then it says nothing.
    pub async fn log_own_seen(&self, note: &[u8]) -> HubResult<bool> {
        let seen = VerifiedCheckpoint::parse(note, self.log.keys.log_key(), &[])
            .map_err(|error| HubError::Invalid(error.to_string()))?;
        let signed = self.catalog.log_tree().await?.map_or(0, |tree| tree.size);
        if seen.size() <= signed && self.log_root_at(seen.size()).await? == seen.root() {
            return Ok(true);
        }
        // Ahead of this log, or beside it: either way this log is not what the world has seen.
        self.log_floor_raise(seen.size().max(signed + 1)).await?;
        Ok(false)
    }

    /// Returns the root that the signed tree had at this size.
    pub(super) async fn log_root_at(&self, size: u64) -> HubResult<TreeHash> {
        let frontier =
            self.log_read(|reader| Frontier::read(size, reader), |tiles| Frontier::read(size, tiles)).await?;
        Ok(frontier.root())
    }
}
