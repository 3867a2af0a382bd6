//! A peer's log, read over the network in the files of tlog-tiles. Nothing here is believed: whoever reads
//! compares with a signed root.

use karez_formats::log_entry::LOG_ENTRY_BYTES_MAX;
use karez_governance::tile::{TILE_WIDTH, parse_tile, tiles_needed};
use karez_governance::tree::{consistency_proof, consistency_roots};
use karez_governance::{EntryBundle, TileId, TilePath, TileSet, TreeError, TreeHash, VerifiedCheckpoint};

use super::{PeerError, Wire, WireError};

/// Entries of a full bundle.
pub const BUNDLE_ENTRIES: u64 = TILE_WIDTH as u64;
/// Longest bundle in bytes: entries of this program are bounded, and each has its length before it.
const BUNDLE_BYTES_MAX: u64 = BUNDLE_ENTRIES * (LOG_ENTRY_BYTES_MAX as u64 + 2);
/// Longest tile in bytes.
const TILE_BYTES_MAX: u64 = BUNDLE_ENTRIES * 32;
/// Tiles that one proof may need: two for each of eight levels, with room.
const TILES_PER_PROOF_MAX: usize = 64;

/// Reads a log of a certain size.
pub struct LogReader<'a> {
    wire: &'a Wire,
    size: u64,
}

impl<'a> LogReader<'a> {
    /// Returns a reader of a log that has this many entries.
    pub fn new(wire: &'a Wire, size: u64) -> LogReader<'a> {
        LogReader { wire, size }
    }

    /// Fetches the entries of one bundle.
    pub async fn bundle(&self, index: u64) -> Result<Vec<Vec<u8>>, PeerError> {
        let start = index.saturating_mul(BUNDLE_ENTRIES);
        let width = self.size.saturating_sub(start).min(BUNDLE_ENTRIES) as usize;
        let path = TilePath { level: None, index, width: width as u16 };
        let path = format!("/log/tile/{path}");
        let answer = self.wire.get(&path, None, BUNDLE_BYTES_MAX).await?;
        let bundle = EntryBundle::parse(&answer.body, width).map_err(|error| wrong(&path, error))?;
        Ok(bundle.entries)
    }

    /// Returns what proves that the tree of a smaller size is the beginning of the log.
    pub async fn proof(&self, old: u64) -> Result<Vec<TreeHash>, PeerError> {
        let needed = tiles_needed(|recorder| consistency_proof(old, self.size, recorder)).map_err(unsound)?;
        if needed.len() > TILES_PER_PROOF_MAX {
            return Err(PeerError::Unsound("a proof needs too many tiles".to_owned()));
        }
        let mut tiles = TileSet::default();
        for tile in needed {
            tiles.insert(tile, self.tile(tile).await?);
        }
        consistency_proof(old, self.size, &tiles).map_err(unsound)
    }

    /// Returns the root that the log with this checkpoint had at a smaller size, by its own tiles, with the
    /// proof. The tiles are believed as far as they lead to the signed root.
    pub async fn root_at(
        &self,
        old: &VerifiedCheckpoint,
        new: &VerifiedCheckpoint,
    ) -> Result<(TreeHash, Vec<TreeHash>), PeerError> {
        let proof = self.proof(old.size()).await?;
        let (old_root, new_root) = consistency_roots(old.size(), old.root(), new.size(), &proof).map_err(unsound)?;
        if new_root == new.root() {
            return Ok((old_root, proof));
        }
        // A proof for a power of two does not repeat the old root: the other history's is read from tiles.
        if old.size().is_power_of_two() {
            let level = old.size().trailing_zeros() as u8;
            let needed = tiles_needed(|recorder| hash(recorder, level)).map_err(unsound)?;
            let mut tiles = TileSet::default();
            for tile in needed {
                tiles.insert(tile, self.tile(tile).await?);
            }
            let other = hash(&tiles, level).map_err(unsound)?;
            let roots = consistency_roots(old.size(), other, new.size(), &proof).map_err(unsound)?;
            if roots.1 == new.root() {
                return Ok((other, proof));
            }
        }
        Err(PeerError::Unsound("its tiles do not lead to the root that it signed".to_owned()))
    }

    async fn tile(&self, tile: TileId) -> Result<Vec<TreeHash>, PeerError> {
        let width = tile.width(self.size);
        let path = TilePath { level: Some(tile.level), index: tile.index, width: width as u16 };
        let path = format!("/log/tile/{path}");
        let answer = self.wire.get(&path, None, TILE_BYTES_MAX).await?;
        parse_tile(&answer.body, width).map_err(|error| wrong(&path, error).into())
    }
}

fn hash(reader: &impl karez_governance::HashReader, level: u8) -> Result<TreeHash, TreeError> {
    reader.hash(level, 0)
}

fn wrong(path: &str, error: impl std::fmt::Display) -> WireError {
    WireError::Wrong { path: path.to_owned(), what: error.to_string() }
}

fn unsound(error: TreeError) -> PeerError {
    PeerError::Unsound(error.to_string())
}
