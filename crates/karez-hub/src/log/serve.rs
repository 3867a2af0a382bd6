//! What the log serves: the checkpoint, tiles, bundles of entries. Nothing beyond the newest checkpoint.

use std::sync::Arc;

use bytes::Bytes;
use karez_catalog::LogTree;
use karez_governance::tile::{TileRecorder, parse_tile, tiles_needed};
use karez_governance::{Checkpoint, EntryBundle, Note, TileId, TilePath, TileSet, TreeError, TreeHash};

use crate::{Hub, HubError, HubResult};

/// Bytes of a tile or bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBytes {
    /// The bytes.
    pub bytes: Bytes,
    /// Whether they compress: entries do, hashes do not.
    pub is_text: bool,
}

/// How far the log is signed: with the log's key, this is the newest checkpoint without its cosignatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// Entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: TreeHash,
    /// The log's signature over the text of the checkpoint.
    pub signature: [u8; 64],
}

impl Hub {
    /// Returns the keys of this node's log.
    pub fn log_keys(&self) -> &super::LogKeys {
        &self.log.keys
    }

    /// Returns the newest checkpoint, as a signed note; `None` before the first.
    pub async fn log_checkpoint(&self) -> HubResult<Option<String>> {
        Ok(self.log_newest().await?.map(|tree| tree.note.clone()))
    }

    /// Returns how far the log is signed; `None` before the first checkpoint under this node's key.
    pub async fn log_head(&self) -> HubResult<Option<SignedHead>> {
        let Some(tree) = self.log_newest().await? else { return Ok(None) };
        let damaged = |what: &str| HubError::Damaged(format!("the newest checkpoint of the log: {what}"));
        let note = Note::parse(tree.note.as_bytes()).map_err(|error| damaged(&error.to_string()))?;
        let said = Checkpoint::parse(note.text()).map_err(|error| damaged(&error.to_string()))?;
        let key = self.log.keys.log_key();
        let ours = note.signatures().iter().find(|line| line.name == key.name() && line.key_id == key.id());
        let signature = ours.and_then(|line| <[u8; 64]>::try_from(line.bytes.as_slice()).ok());
        Ok(signature.map(|signature| SignedHead { size: said.size, root: said.root, signature }))
    }

    /// Returns the entries from one index up to another, all of which must be signed.
    pub async fn log_entries_between(&self, from: u64, size: u64) -> HubResult<Vec<Vec<u8>>> {
        let count = size.saturating_sub(from);
        let entries = self.catalog.log_entries(from, count).await?;
        if entries.len() as u64 == count {
            return Ok(entries);
        }
        Err(HubError::Damaged(format!("entries of the log from {from} to {size} are missing")))
    }

    /// Returns the tree that was signed last, from memory when it was looked at a moment ago.
    async fn log_newest(&self) -> HubResult<Option<Arc<LogTree>>> {
        if let Some(tree) = self.log.newest() {
            return Ok(Some(tree));
        }
        let tree = self.catalog.log_tree().await?.map(Arc::new);
        self.log.newest_set(tree.clone());
        Ok(tree)
    }

    /// Returns the tree that was signed last.
    pub(super) async fn log_signed(&self) -> HubResult<Arc<LogTree>> {
        let tree = self.catalog.log_tree().await?;
        tree.map(Arc::new).ok_or_else(|| HubError::Missing("this node has not signed its log yet".to_owned()))
    }

    /// Returns a tile or a bundle of entries, of exactly the width that the path names; `None` when the
    /// signed tree does not reach so far.
    pub async fn log_tile(&self, path: &TilePath) -> HubResult<Option<LogBytes>> {
        let Some(tree) = self.log_newest().await? else { return Ok(None) };
        let (tile, width) = (TileId { level: path.level.unwrap_or(0), index: path.index }, usize::from(path.width));
        if tile.width(tree.size) < width {
            return Ok(None);
        }
        if path.level.is_none() {
            let bytes = self.log_bundle(path.index, width).await?;
            return Ok(Some(LogBytes { bytes, is_text: true }));
        }
        let damaged = || HubError::Damaged(format!("the tile {path} of the log is not whole"));
        let mut bytes = self.catalog.log_tile(tile.level, tile.index).await?.ok_or_else(damaged)?;
        if bytes.len() < width * 32 {
            return Err(damaged());
        }
        bytes.truncate(width * 32);
        Ok(Some(LogBytes { bytes: bytes.into(), is_text: false }))
    }

    /// Returns the first `width` entries of a bundle, which must be signed.
    async fn log_bundle(&self, index: u64, width: usize) -> HubResult<Bytes> {
        let entries = self.catalog.log_entries(index * 256, width as u64).await?;
        let bundle = EntryBundle::encode(entries.iter().map(Vec::as_slice));
        match bundle {
            Ok(bundle) if entries.len() == width => Ok(bundle.into()),
            _ => Err(HubError::Damaged(format!("entries of bundle {index} of the log are missing"))),
        }
    }

    /// Does a piece of work that reads hashes of the signed tree: once to learn which tiles it needs, then
    /// with those tiles.
    pub(super) async fn log_read<T>(
        &self,
        needs: impl FnOnce(&TileRecorder) -> Result<T, TreeError>,
        work: impl FnOnce(&TileSet) -> Result<T, TreeError>,
    ) -> HubResult<T> {
        let damaged = |error: TreeError| HubError::Damaged(format!("the tiles of the log: {error}"));
        let mut tiles = TileSet::default();
        for tile in tiles_needed(needs).map_err(damaged)? {
            let Some(bytes) = self.catalog.log_tile(tile.level, tile.index).await? else { continue };
            if let Ok(hashes) = parse_tile(&bytes, bytes.len() / 32) {
                tiles.insert(tile, hashes);
            }
        }
        work(&tiles).map_err(damaged)
    }
}
