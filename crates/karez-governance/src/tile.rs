//! Tiles (C2SP tlog-tiles v0.1.0): the tree as files of up to 256 hashes, and entries in bundles.
//!
//! Tile `n` of level `l` holds the roots of the complete subtrees of height `8 l` from number `256 n` on.
//! A tile that is full never changes; the last of a level grows.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::decimal;
use crate::tree::{HashReader, TREE_SIZE_MAX, TreeError, TreeHash};

/// Hashes of a full tile, and entries of a full bundle.
pub const TILE_WIDTH: usize = 256;
/// Levels that a tree of the largest size has.
const LEVELS: u8 = 8;
/// Levels of the specification's paths.
const PATH_LEVEL_MAX: u8 = 63;
/// Longest path that is looked at, in bytes.
const PATH_BYTES_MAX: usize = 64;

/// Why a path or the bytes of a tile or bundle are not sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not a path of tlog-tiles.
    #[error("not the path of a tile")]
    Path,
    /// The bytes do not hold as many hashes or entries as they should.
    #[error("the tile or bundle does not have the right length")]
    Length,
}

/// One tile, of whatever width it has by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// Which level: 0 holds hashes of entries.
    pub level: u8,
    /// Which one of the level, from the left.
    pub index: u64,
}

impl TileId {
    /// Returns how many hashes this tile has in a tree of this size.
    pub fn width(self, size: u64) -> usize {
        let hashes = if self.level < LEVELS { size >> (8 * u32::from(self.level)) } else { 0 };
        hashes.saturating_sub(self.index.saturating_mul(TILE_WIDTH as u64)).min(TILE_WIDTH as u64) as usize
    }
}

/// What a path names: a tile or a bundle of entries, of a certain width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TilePath {
    /// Level of a tile; `None` for a bundle of entries.
    pub level: Option<u8>,
    /// Which one, from the left.
    pub index: u64,
    /// Hashes or entries in it: 1 to 256.
    pub width: u16,
}

impl TilePath {
    /// Reads what follows `tile/`: `0/x001/234`, `entries/000.p/7`.
    pub fn parse(path: &str) -> Result<TilePath, TileError> {
        let parsed = TilePath::read(path).ok_or(TileError::Path)?;
        // One address for each thing, or caches would hold it twice.
        if parsed.to_string() == path { Ok(parsed) } else { Err(TileError::Path) }
    }

    fn read(path: &str) -> Option<TilePath> {
        let (level, rest) = path.split_once('/').filter(|_| path.len() <= PATH_BYTES_MAX)?;
        let level = match level {
            "entries" => None,
            level => Some(u8::try_from(decimal(level)?).ok().filter(|&level| level <= PATH_LEVEL_MAX)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, u16::try_from(decimal(width)?).ok().filter(|w| (1..256).contains(w))?),
            None => (rest, TILE_WIDTH as u16),
        };
        let mut index = 0u64;
        for part in number.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            let value = (digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| digits.parse::<u64>().ok())??;
            index = index.checked_mul(1000)?.checked_add(value)?;
        }
        Some(TilePath { level, index, width })
    }

    /// Tells whether nothing can be added to it any more.
    pub fn is_full(&self) -> bool {
        usize::from(self.width) == TILE_WIDTH
    }
}

/// Prints what follows `tile/`.
impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "{level}/")?,
            None => f.write_str("entries/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (place, group) in groups.iter().enumerate().rev() {
            if place > 0 { write!(f, "x{group:03}/")? } else { write!(f, "{group:03}")? }
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// Returns the tiles that lie on the right edge of a tree of this size and are not full: what has to be
/// at hand to append.
pub fn edge_tiles(size: u64) -> Vec<TileId> {
    let edge = |level: u8| TileId { level, index: (size >> (8 * u32::from(level))) / TILE_WIDTH as u64 };
    (0..LEVELS).map(edge).filter(|tile| tile.width(size) > 0).collect()
}

/// Writes the bytes of a tile.
pub fn encode_tile(hashes: &[TreeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Reads the bytes of a tile that has at least this many hashes; more are cut off.
pub fn parse_tile(bytes: &[u8], width: usize) -> Result<Vec<TreeHash>, TileError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || width == 0 || !(width..=TILE_WIDTH).contains(&hashes.len()) {
        return Err(TileError::Length);
    }
    Ok(hashes[..width].iter().map(|&hash| TreeHash(hash)).collect())
}

/// Entries as they travel: each behind its length in two bytes, big-endian.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryBundle {
    /// The entries in order.
    pub entries: Vec<Vec<u8>>,
}

impl EntryBundle {
    /// Writes a bundle.
    ///
    /// # Errors
    /// When an entry has more than 65,535 bytes, or there are more than 256.
    pub fn encode<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, TileError> {
        let mut bytes = Vec::new();
        for (at, entry) in entries.into_iter().enumerate() {
            let entry_bytes = u16::try_from(entry.len()).map_err(|_| TileError::Length)?;
            if at >= TILE_WIDTH {
                return Err(TileError::Length);
            }
            bytes.extend_from_slice(&entry_bytes.to_be_bytes());
            bytes.extend_from_slice(entry);
        }
        Ok(bytes)
    }

    /// Reads a bundle of this many entries.
    pub fn parse(mut bytes: &[u8], width: usize) -> Result<EntryBundle, TileError> {
        let mut entries = Vec::new();
        while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
            let entry = rest.get(..usize::from(u16::from_be_bytes(*length))).ok_or(TileError::Length)?;
            if entries.len() >= width.min(TILE_WIDTH) {
                return Err(TileError::Length);
            }
            entries.push(entry.to_vec());
            bytes = &rest[entry.len()..];
        }
        if bytes.is_empty() && entries.len() == width { Ok(EntryBundle { entries }) } else { Err(TileError::Length) }
    }
}

/// Tiles at hand, as a reader of hashes.
#[derive(Debug, Clone, Default)]
pub struct TileSet(BTreeMap<TileId, Vec<TreeHash>>);

impl TileSet {
    /// Adds a tile.
    pub fn insert(&mut self, tile: TileId, hashes: Vec<TreeHash>) {
        self.0.insert(tile, hashes);
    }

    /// Returns a tile.
    pub fn get(&self, tile: TileId) -> Option<&[TreeHash]> {
        self.0.get(&tile).map(Vec::as_slice)
    }
}

/// Where the hash of a subtree is: in which tile, at which place, and how many hashes it is made of.
fn place(level: u8, index: u64) -> Option<(TileId, usize, usize)> {
    let (tile_level, height) = (level / 8, level % 8);
    let first = index.checked_shl(u32::from(height)).filter(|first| first >> height == index)?;
    let tile = TileId { level: tile_level, index: first / TILE_WIDTH as u64 };
    Some((tile, (first % TILE_WIDTH as u64) as usize, 1 << height))
}

impl HashReader for TileSet {
    fn hash(&self, level: u8, index: u64) -> Result<TreeHash, TreeError> {
        let missing = TreeError::Missing { level, index };
        let (tile, start, count) = place(level, index).ok_or(missing.clone())?;
        let hashes = self.get(tile).and_then(|hashes| hashes.get(start..start + count)).ok_or(missing)?;
        let mut hashes = hashes.to_vec();
        while hashes.len() > 1 {
            hashes = hashes.chunks(2).map(|pair| TreeHash::of_two(pair[0], pair[1])).collect();
        }
        Ok(hashes[0])
    }
}

/// Says which tiles a piece of work reads: it is done once with hashes that mean nothing.
pub fn tiles_needed<T>(work: impl FnOnce(&TileRecorder) -> Result<T, TreeError>) -> Result<Vec<TileId>, TreeError> {
    let recorder = TileRecorder::default();
    work(&recorder)?;
    Ok(recorder.0.into_inner().into_iter().collect())
}

/// A reader that notes which tiles are asked for; see [`tiles_needed`].
#[derive(Debug, Default)]
pub struct TileRecorder(RefCell<BTreeSet<TileId>>);

impl HashReader for TileRecorder {
    fn hash(&self, level: u8, index: u64) -> Result<TreeHash, TreeError> {
        let (tile, ..) = place(level, index).ok_or(TreeError::Missing { level, index })?;
        self.0.borrow_mut().insert(tile);
        Ok(TreeHash([0; 32]))
    }
}

/// A tree that grows: entries go in, changed tiles come out.
#[derive(Debug, Clone)]
pub struct Growth {
    size: u64,
    tiles: BTreeMap<TileId, Vec<TreeHash>>,
    changed: BTreeSet<TileId>,
}

impl Growth {
    /// Begins at a tree of this size, whose [`edge_tiles`] are at hand.
    pub fn new(size: u64, edge: &TileSet) -> Result<Growth, TreeError> {
        let mut tiles = BTreeMap::new();
        for tile in edge_tiles(size) {
            let hashes = edge.get(tile).and_then(|hashes| hashes.get(..tile.width(size))).ok_or(TreeError::Edge)?;
            tiles.insert(tile, hashes.to_vec());
        }
        Ok(Growth { size, tiles, changed: BTreeSet::new() })
    }

    /// Appends an entry by its hash.
    pub fn append(&mut self, leaf: TreeHash) -> Result<(), TreeError> {
        if self.size >= TREE_SIZE_MAX {
            return Err(TreeError::Range);
        }
        let (mut hash, mut position) = (leaf, self.size);
        for level in 0..LEVELS {
            let tile = TileId { level, index: position / TILE_WIDTH as u64 };
            let hashes = self.tiles.entry(tile).or_default();
            hashes.push(hash);
            self.changed.insert(tile);
            if hashes.len() < TILE_WIDTH {
                break;
            }
            // Full: its root is one hash of the level above.
            let mut row = hashes.clone();
            while row.len() > 1 {
                row = row.chunks(2).map(|pair| TreeHash::of_two(pair[0], pair[1])).collect();
            }
            (hash, position) = (row[0], tile.index);
        }
        self.size += 1;
        Ok(())
    }

    /// Takes out the tiles that are full, which will not be needed any more: memory stays bounded.
    pub fn take_full(&mut self) -> Vec<(TileId, Vec<TreeHash>)> {
        let full = self.tiles.extract_if(.., |_, hashes| hashes.len() == TILE_WIDTH).collect::<Vec<_>>();
        for (tile, _) in &full {
            self.changed.remove(tile);
        }
        full
    }

    /// Takes out all tiles; the tree cannot grow any more.
    pub fn take_all(self) -> Vec<(TileId, Vec<TreeHash>)> {
        self.tiles.into_iter().collect()
    }

    /// Returns the tiles that have changed, as they are now.
    pub fn changed(&self) -> impl Iterator<Item = (TileId, &[TreeHash])> {
        self.changed.iter().filter_map(|tile| Some((*tile, self.tiles.get(tile)?.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::Whole;
    use crate::tree::{Frontier, consistency_proof, inclusion_proof};
    use proptest::prelude::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        for (path, level, index, width) in [
            ("0/000", Some(0), 0, 256),
            ("0/x001/x234/067", Some(0), 1_234_067, 256),
            ("1/x001/000.p/17", Some(1), 1000, 17),
            ("63/999", Some(63), 999, 256),
            ("entries/x273/112.p/1", None, 273_112, 1),
        ] {
            let parsed = TilePath { level, index, width };
            assert_eq!(TilePath::parse(path), Ok(parsed));
            assert_eq!(parsed.to_string(), path);
        }
        for path in [
            "",
            "/",
            "0",
            "0/",
            "0/0",
            "0/00",
            "0/0000",
            "0/x000/001",
            "00/000",
            "64/000",
            "-1/000",
            "+0/000",
            "x/000",
            "0/000/",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/",
            "0/000.p",
            "0/001/000",
            "0/x001",
            "0/x001/x000",
            "0/../000",
            "0/000.p/1.p/1",
            "entries/",
            "Entries/000",
            "0/0x0/000",
            "0/x+01/000",
            "0/x018/x446/x744/x073/x709/x551/616",
            "0/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(TilePath::parse(path), Err(TileError::Path), "{path}");
        }
    }

    #[test]
    fn widths_are_those_of_the_specification() {
        // The example: 273 full tiles of level 0 and one of 112, one full and one of 17, one of 1.
        let size = 70_000;
        let width = |level: u8, index: u64| TileId { level, index }.width(size);
        assert_eq!([width(0, 272), width(0, 273), width(0, 274)], [256, 112, 0]);
        assert_eq!([width(1, 0), width(1, 1), width(1, 2)], [256, 17, 0]);
        assert_eq!([width(2, 0), width(2, 1), width(3, 0), width(200, 0)], [1, 0, 0, 0]);
        assert_eq!(edge_tiles(size).len(), 3);
        assert_eq!(edge_tiles(0), []);
        assert_eq!(edge_tiles(256), [TileId { level: 1, index: 0 }]);
        assert_eq!(TileId { level: 0, index: u64::MAX }.width(u64::MAX), 0);
    }

    #[test]
    fn a_growing_tree_gives_the_tiles_of_its_definition_in_steps_of_any_length() {
        let whole = Whole::of(70_000);
        let (mut stored, mut frontier, mut size) = (TileSet::default(), Frontier::default(), 0u64);
        for step in [0, 1, 254, 1, 1, 300, 4096, 65_536 - 4653, 5, 70_000 - 65_541] {
            let mut growth = Growth::new(size, &stored).unwrap();
            for leaf in &whole.0[size as usize..(size + step) as usize] {
                growth.append(*leaf).unwrap();
                frontier.append(*leaf).unwrap();
            }
            size += step;
            growth.changed().for_each(|(tile, hashes)| stored.insert(tile, hashes.to_vec()));
            assert_eq!(Frontier::read(size, &stored).unwrap(), frontier, "{size}");
        }
        assert_eq!(size, 70_000);
        for (tile, hashes) in &stored.0 {
            assert_eq!(hashes.len(), tile.width(size));
        }
        assert_eq!(stored.get(TileId { level: 1, index: 1 }).unwrap()[0], whole.hash(8, 256).unwrap());
        // Proofs from tiles alone, with only those that they say they need.
        for (index, tree) in [(0, 70_000), (69_999, 70_000), (65_535, 65_536), (65_536, 70_000), (300, 555)] {
            let needed = tiles_needed(|reader| inclusion_proof(index, tree, reader)).unwrap();
            let mut some = TileSet::default();
            needed.iter().for_each(|&tile| some.insert(tile, stored.get(tile).unwrap().to_vec()));
            assert_eq!(inclusion_proof(index, tree, &some), inclusion_proof(index, tree, &whole));
            assert!(needed.len() <= 5, "{needed:?}");
            assert_eq!(consistency_proof(index, tree, &stored), consistency_proof(index, tree, &whole));
        }
    }

    #[test]
    fn growth_needs_its_edge() {
        assert!(matches!(Growth::new(5, &TileSet::default()), Err(TreeError::Edge)));
        let mut short = TileSet::default();
        short.insert(TileId { level: 0, index: 0 }, vec![TreeHash([0; 32]); 4]);
        assert!(matches!(Growth::new(5, &short), Err(TreeError::Edge)));
    }

    #[test]
    fn tiles_and_bundles_have_exact_lengths() {
        let hashes = vec![TreeHash([7; 32]); 3];
        let bytes = encode_tile(&hashes);
        assert_eq!(parse_tile(&bytes, 3), Ok(hashes.clone()));
        assert_eq!(parse_tile(&bytes, 2), Ok(hashes[..2].to_vec()));
        for (bytes, width) in [(&bytes[..], 4), (&bytes[..95], 3), (&bytes[..], 0), (&[0; 257 * 32], 256)] {
            assert_eq!(parse_tile(bytes, width), Err(TileError::Length));
        }
        let bundle = EntryBundle::encode([&b"one"[..], b"", b"three"]).unwrap();
        assert_eq!(bundle, b"\0\x03one\0\0\0\x05three");
        assert_eq!(EntryBundle::parse(&bundle, 3).unwrap().entries, [&b"one"[..], b"", b"three"]);
        for (bytes, width) in [(&bundle[..], 2), (&bundle[..], 4), (&bundle[..11], 3), (&bundle[..6], 2), (&[], 1)] {
            assert_eq!(EntryBundle::parse(bytes, width), Err(TileError::Length), "{width}");
        }
        assert_eq!(EntryBundle::parse(&[0; 514], 257), Err(TileError::Length));
        assert_eq!(EntryBundle::encode([&[0; 65_536][..]]), Err(TileError::Length));
        assert_eq!(EntryBundle::encode(vec![&b""[..]; 257]), Err(TileError::Length));
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_that_prints_the_same_or_an_error(path in "(entries|[0-9]{1,3})/(x[0-9]{3}/){0,7}[0-9]{3}(\\.p/[0-9]{1,3})?") {
            if let Ok(parsed) = TilePath::parse(&path) {
                prop_assert_eq!(parsed.to_string(), path);
            }
        }

        #[test]
        fn any_bytes_are_a_bundle_or_an_error(bytes in proptest::collection::vec(0u8..4, 0..60), width in 0usize..30) {
            if let Ok(bundle) = EntryBundle::parse(&bytes, width) {
                prop_assert_eq!(EntryBundle::encode(bundle.entries.iter().map(Vec::as_slice)).unwrap(), bytes);
            }
        }
    }
}
