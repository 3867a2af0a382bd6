//! The wire bytes of a transfer: one line of numbered bytes, cut into pieces that lie in the remote's
//! objects.
//!
//! Runs of chunks that touch each other in a xorb are one piece, whatever terms they belong to, and a run
//! that several terms name is there once. Pieces come in the order in which the file first needs them.

use std::collections::HashMap;
use std::io;

use karez_types::{ByteRange, XorbHash};

use super::runs::{Run, Runs};
use super::{ChunkMap, XetTerm};

/// Where a piece begins, in the remote's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// In a xorb, as stored.
    Xorb {
        /// The xorb.
        xorb: XorbHash,
        /// Offset in it.
        start: u64,
    },
    /// In the file itself.
    File {
        /// Offset in it.
        start: u64,
    },
}

/// A stretch of wire bytes that lies in one place. A request never crosses its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Piece {
    /// Number of its first wire byte.
    pub at: u64,
    /// Its length.
    pub bytes: u64,
    /// Where it is.
    pub place: Place,
}

impl Piece {
    /// Returns its wire bytes.
    pub fn range(&self) -> ByteRange {
        ByteRange { start: self.at, end: self.at + self.bytes }
    }
}

/// How the bytes of a transfer are laid out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// The pieces, without gaps: each begins where the one before it ends.
    pub pieces: Vec<Piece>,
    /// Length of all pieces.
    pub wire_bytes: u64,
}

/// A remote's recipe makes no sense: the remote is to blame.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// It contradicts itself or a bound.
    #[error("the recipe {0}")]
    Broken(&'static str),
    /// The map could not be read here.
    #[error("the file map cannot be read")]
    Io(#[from] io::Error),
}

impl Layout {
    /// Returns the layout of a file of which nothing is known.
    pub fn plain(file_bytes: u64) -> Layout {
        let mut layout = Layout::default();
        layout.push(file_bytes, Place::File { start: 0 });
        layout
    }

    /// Returns the layout of a mapped file. Reads the whole map once.
    ///
    /// # Errors
    /// [`LayoutError`] when the map cannot be read or contradicts itself.
    pub fn of_map(map: &dyn ChunkMap) -> Result<Layout, LayoutError> {
        Ok(Layout::of_runs(&Runs::of_map(map)?))
    }

    /// Returns the layout of a reconstruction: its runs, each once.
    ///
    /// # Errors
    /// [`LayoutError::Broken`] when a term lies outside its run, or runs contradict each other.
    pub fn of_terms(terms: &[XetTerm]) -> Result<Layout, LayoutError> {
        Ok(Layout::of_runs(&Runs::of_terms(terms)?))
    }

    fn of_runs(runs: &Runs) -> Layout {
        // Runs are sorted by xorb and place; those that touch become one piece.
        let mut pieces: Vec<(u64, Run)> = Vec::new();
        for run in &runs.runs {
            match pieces.last_mut() {
                Some((first_use, last))
                    if runs.may_join && last.xorb == run.xorb && last.byte_end == run.byte_start =>
                {
                    last.byte_end = run.byte_end;
                    *first_use = (*first_use).min(run.first);
                }
                _ => pieces.push((run.first, *run)),
            }
        }
        pieces.sort_unstable_by_key(|(first_use, _)| *first_use);
        let mut layout = Layout::default();
        for (_, run) in pieces {
            let xorb = runs.xorbs[run.xorb as usize];
            layout.push(run.byte_end - run.byte_start, Place::Xorb { xorb, start: run.byte_start });
        }
        layout
    }

    fn push(&mut self, bytes: u64, place: Place) {
        if bytes > 0 {
            self.pieces.push(Piece { at: self.wire_bytes, bytes, place });
            self.wire_bytes += bytes;
        }
    }

    /// Tells whether the pieces follow one another without gaps and add up.
    pub fn is_sound(&self) -> bool {
        let mut at = 0u64;
        for piece in &self.pieces {
            let start = match piece.place {
                Place::Xorb { start, .. } | Place::File { start } => start,
            };
            if piece.at != at || piece.bytes == 0 || start.checked_add(piece.bytes).is_none() {
                return false;
            }
            let Some(next) = at.checked_add(piece.bytes) else { return false };
            at = next;
        }
        at == self.wire_bytes
    }

    /// Returns the piece that holds this wire byte.
    pub fn piece_at(&self, wire: u64) -> Option<&Piece> {
        let after = self.pieces.partition_point(|piece| piece.at <= wire);
        self.pieces[..after].last().filter(|piece| wire < piece.at + piece.bytes)
    }
}

/// Finds wire bytes by their place in a xorb.
pub(super) struct XorbPlaces(HashMap<XorbHash, Vec<(u64, u64, u64)>>);

impl XorbPlaces {
    pub(super) fn of(layout: &Layout) -> XorbPlaces {
        let mut places: HashMap<XorbHash, Vec<(u64, u64, u64)>> = HashMap::new();
        for piece in &layout.pieces {
            if let Place::Xorb { xorb, start } = piece.place {
                places.entry(xorb).or_default().push((start, start + piece.bytes, piece.at));
            }
        }
        places.values_mut().for_each(|list| list.sort_unstable());
        XorbPlaces(places)
    }

    /// Returns where these bytes of a xorb are on the wire, if one piece has them all.
    pub(super) fn wire_at(&self, xorb: XorbHash, start: u64, end: u64) -> Option<u64> {
        let list = self.0.get(&xorb)?;
        let after = list.partition_point(|(piece_start, ..)| *piece_start <= start);
        let (piece_start, piece_end, at) = *list[..after].last()?;
        (end <= piece_end).then(|| at + (start - piece_start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::map::tests::{Sample, term};

    #[test]
    fn touching_runs_are_one_piece_and_repeated_ones_are_there_once() {
        // Chunks of 10 raw and 18 frame bytes; xorb 1 is used in two runs that touch, then again, then
        // with a gap; xorb 2 in between.
        let map = Sample::new(&[(1, 4, 6), (2, 0, 3), (1, 6, 8), (1, 5, 7), (1, 9, 10)]);
        let layout = Layout::of_map(&map).unwrap();
        assert!(layout.is_sound());
        let places: Vec<(u64, Place)> = layout.pieces.iter().map(|piece| (piece.bytes, piece.place)).collect();
        let xorb = |n: u8| XorbHash([n; 32]);
        assert_eq!(
            places,
            [
                (4 * 18, Place::Xorb { xorb: xorb(1), start: 4 * 18 }),
                (3 * 18, Place::Xorb { xorb: xorb(2), start: 0 }),
                (18, Place::Xorb { xorb: xorb(1), start: 9 * 18 }),
            ]
        );
        let finder = XorbPlaces::of(&layout);
        assert_eq!(finder.wire_at(xorb(1), 5 * 18, 8 * 18), Some(18));
        assert_eq!(finder.wire_at(xorb(1), 9 * 18, 10 * 18), Some(7 * 18));
        assert_eq!(finder.wire_at(xorb(1), 7 * 18, 9 * 18), None);
        assert_eq!(layout.piece_at(4 * 18).unwrap().place, Place::Xorb { xorb: xorb(2), start: 0 });
        assert_eq!(layout.piece_at(layout.wire_bytes), None);
    }

    #[test]
    fn terms_that_disagree_about_places_are_refused() {
        let mut map = Sample::new(&[(1, 4, 6), (1, 5, 8)]);
        map.terms[1].byte_start += 1;
        assert!(matches!(Layout::of_map(&map), Err(LayoutError::Broken(_))));
        let mut map = Sample::new(&[(1, 0, 2)]);
        map.terms[0] = term(1, 2, 2);
        assert!(matches!(Layout::of_map(&map), Err(LayoutError::Broken(_))));
        let mut map = Sample::new(&[(1, 0, 2)]);
        map.terms[0].chunk_end = u32::MAX;
        assert!(Layout::of_map(&map).is_err());
        let mut map = Sample::new(&[(1, 0, 2)]);
        map.terms[0].byte_start = u32::MAX;
        assert!(Layout::of_map(&map).is_err());
    }

    #[test]
    fn runs_of_a_reconstruction_are_pieces() {
        let xet = |n: u8, chunks: (u32, u32), run: (u32, u32), bytes: (u32, u32)| XetTerm {
            xorb: XorbHash([n; 32]),
            chunk_start: chunks.0,
            chunk_end: chunks.1,
            raw_bytes: 10,
            run_chunk_start: run.0,
            run_chunk_end: run.1,
            run_byte_start: bytes.0,
            run_byte_end: bytes.1,
        };
        let terms = [
            xet(1, (2, 3), (0, 5), (0, 90)),
            xet(2, (0, 1), (0, 1), (0, 18)),
            xet(1, (0, 1), (0, 5), (0, 90)),
            xet(1, (5, 6), (5, 6), (90, 108)),
        ];
        let layout = Layout::of_terms(&terms).unwrap();
        let lengths: Vec<u64> = layout.pieces.iter().map(|piece| piece.bytes).collect();
        // Not joined: each run has an address of its own.
        assert_eq!(lengths, [90, 18, 18]);
        for broken in [
            xet(1, (4, 6), (0, 5), (0, 90)),
            xet(1, (1, 1), (0, 5), (0, 90)),
            xet(1, (1, 2), (0, 5), (90, 90)),
            xet(1, (1, 2), (0, 5), (0, 20)),
        ] {
            assert!(Layout::of_terms(&[broken]).is_err(), "{broken:?}");
        }
        assert!(Layout::of_terms(&[terms[0], xet(1, (0, 1), (0, 4), (0, 90))]).is_err());
    }
}
