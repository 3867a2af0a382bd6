//! A source that keeps the chunks of the file in other places than the plan says.
//!
//! Two nodes may pack one file in different ways: a repository that was uploaded at once has xorbs with chunks of
//! several files, and who took the files one by one packed them anew. Their maps name the same chunks in the same
//! order, so a place in the one leads to a place in the other, wherever the chunk travels as a frame of the same
//! length. Neither map has to be believed: each chunk is checked when its bytes are there.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use karez_formats::file_map::MapChunk;
use karez_types::{ByteRange, XorbHash};

use super::extents::Extents;
use super::layout::XorbPlaces;
use super::{ByteStream, ChunkMap, CostClass, Layout, Place, Source, SourceError};

/// Stretches of one translation, 24 bytes each: 1.5 MiB. Files that were packed chunk by chunk in two orders have
/// more; what goes beyond counts as not there.
const STRETCHES_MAX: usize = 1 << 16;

/// Wire bytes that lie side by side at the other source, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    /// Number of the first wire byte.
    at: u64,
    bytes: u32,
    /// Number of the xorb there.
    xorb: u32,
    /// Where it begins in that.
    start: u32,
}

impl Stretch {
    fn range(&self) -> ByteRange {
        ByteRange { start: self.at, end: self.at + u64::from(self.bytes) }
    }
}

/// Where the wire bytes of a plan are at another source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Translation {
    xorbs: Vec<XorbHash>,
    /// Sorted; they do not overlap.
    stretches: Vec<Stretch>,
}

/// Chunks of a map in file order: each with its place. Reads the map term by term.
struct Walk<'a> {
    map: &'a dyn ChunkMap,
    term: usize,
    /// Of the term, those chunks that are still to come, the last first.
    rest: Vec<MapChunk>,
    read: u64,
    byte: u64,
}

/// A chunk and where its frame begins.
struct Step {
    chunk: MapChunk,
    term: usize,
    start: u64,
}

impl<'a> Walk<'a> {
    fn new(map: &'a dyn ChunkMap) -> Walk<'a> {
        Walk { map, term: 0, rest: Vec::new(), read: 0, byte: 0 }
    }

    fn next(&mut self) -> io::Result<Option<Step>> {
        while self.rest.is_empty() {
            let Some(term) = self.map.terms().get(self.term) else { return Ok(None) };
            let count = u64::from(term.chunk_end.saturating_sub(term.chunk_start));
            self.rest = self.map.chunks(self.read..self.read + count)?;
            self.rest.reverse();
            self.read += count;
            self.byte = u64::from(term.byte_start);
            self.term += 1;
        }
        let Some(chunk) = self.rest.pop() else { return Ok(None) };
        let start = self.byte;
        self.byte += u64::from(chunk.frame_bytes);
        Ok(Some(Step { chunk, term: self.term - 1, start }))
    }
}

impl Translation {
    /// Compares two maps of one file; `layout` is that of ours. Blocking: both are read once, a term of each is in
    /// memory.
    ///
    /// # Errors
    /// When a map cannot be read.
    pub(super) fn of(layout: &Layout, ours: &dyn ChunkMap, theirs: &dyn ChunkMap) -> io::Result<Translation> {
        let mut found = Translation::default();
        if ours.file_hash() != theirs.file_hash() {
            return Ok(found);
        }
        let places = XorbPlaces::of(layout);
        let mut numbers = HashMap::new();
        // Chunks that the file has twice are on the wire once.
        let mut seen = Extents::new();
        let (mut here, mut there) = (Walk::new(ours), Walk::new(theirs));
        while let (Some(own), Some(other)) = (here.next()?, there.next()?) {
            let frame_bytes = own.chunk.frame_bytes;
            if own.chunk.hash != other.chunk.hash || frame_bytes != other.chunk.frame_bytes {
                continue;
            }
            let own_end = own.start + u64::from(frame_bytes);
            let Some(at) = places.wire_at(ours.terms()[own.term].xorb, own.start, own_end) else { continue };
            let Ok(start) = u32::try_from(other.start) else { continue };
            if seen.insert(ByteRange { start: at, end: at + u64::from(frame_bytes) }) != u64::from(frame_bytes) {
                continue;
            }
            let name = theirs.terms()[other.term].xorb;
            let xorb = *numbers.entry(name).or_insert_with(|| {
                found.xorbs.push(name);
                (found.xorbs.len() - 1) as u32
            });
            if !found.lengthen(at, xorb, start, frame_bytes) {
                break;
            }
        }
        found.stretches.sort_unstable_by_key(|stretch| stretch.at);
        Ok(found)
    }

    /// Adds a frame. Returns whether there was room.
    fn lengthen(&mut self, at: u64, xorb: u32, start: u32, bytes: u32) -> bool {
        if let Some(last) = self.stretches.last_mut()
            && (last.range().end, last.xorb) == (at, xorb)
            && last.start.checked_add(last.bytes) == Some(start)
            && let Some(longer) = last.bytes.checked_add(bytes)
        {
            last.bytes = longer;
            return true;
        }
        let has_room = self.stretches.len() < STRETCHES_MAX;
        if has_room {
            self.stretches.push(Stretch { at, bytes, xorb, start });
        }
        has_room
    }

    /// Returns the wire bytes that are there.
    pub(super) fn has(&self) -> Extents {
        let mut has = Extents::new();
        has.extend(self.stretches.iter().map(Stretch::range));
        has
    }

    /// Returns where these wire bytes are there, in order; `None` when not all of them are.
    fn places(&self, wire: ByteRange) -> Option<Vec<(Place, ByteRange)>> {
        let mut next = self.stretches.partition_point(|stretch| stretch.range().end <= wire.start);
        let mut at = wire.start;
        let mut places = Vec::new();
        while at < wire.end {
            let stretch = self.stretches.get(next).filter(|stretch| stretch.at <= at)?;
            let end = stretch.range().end.min(wire.end);
            let place = Place::Xorb { xorb: self.xorbs[stretch.xorb as usize], start: u64::from(stretch.start) };
            places.push((place, ByteRange { start: at - stretch.at, end: end - stretch.at }));
            (at, next) = (end, next + 1);
        }
        Some(places)
    }
}

/// A source behind a translation: it is asked for the places of the plan, and asks for its own.
pub(super) struct Translated {
    source: Arc<dyn Source>,
    /// Of the plan.
    places: XorbPlaces,
    translation: Arc<Translation>,
}

impl Translated {
    pub(super) fn new(source: Arc<dyn Source>, layout: &Layout, translation: &Arc<Translation>) -> Translated {
        Translated { source, places: XorbPlaces::of(layout), translation: translation.clone() }
    }
}

impl Source for Translated {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn cost(&self) -> CostClass {
        self.source.cost()
    }

    fn line(&self) -> &str {
        self.source.line()
    }

    fn encodings(&self) -> &[&'static str] {
        self.source.encodings()
    }

    fn fills_line_alone(&self) -> bool {
        self.source.fills_line_alone()
    }

    fn open<'a>(
        &'a self,
        place: &'a Place,
        bytes: ByteRange,
        encoding: &'static str,
    ) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        Box::pin(async move {
            let Place::Xorb { xorb, start } = *place else { return Err(SourceError::Gone) };
            let wire = self.places.wire_at(xorb, start + bytes.start, start + bytes.end);
            let wire = wire.map(|at| ByteRange { start: at, end: at + bytes.byte_count() });
            let mut places = wire.and_then(|wire| self.translation.places(wire)).ok_or(SourceError::Gone)?.into_iter();
            let Some((first, range)) = places.next() else { return Ok(stream::empty().boxed()) };
            let first = self.source.open(&first, range, encoding).await?;
            let source = self.source.clone();
            let rest = stream::iter(places).then(move |(place, range)| {
                let source = source.clone();
                async move { source.open(&place, range, encoding).await }
            });
            Ok(first.chain(rest.try_flatten()).boxed())
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, SourceError>> {
        self.source.probe()
    }

    fn redial(&self) {
        self.source.redial();
    }
}

#[cfg(test)]
mod tests {
    use karez_formats::file_map::MapTerm;
    use karez_types::{ChunkHash, FileHash};

    use super::*;
    use crate::transfer::map::tests::term;

    /// Chunks by number, in terms; frames of 18 bytes but for those that are named.
    struct Packed {
        file: u8,
        terms: Vec<MapTerm>,
        chunks: Vec<MapChunk>,
    }

    impl Packed {
        fn new(terms: &[(u8, u32, u32)], numbers: &[u8], longer: &[u8]) -> Packed {
            let terms: Vec<MapTerm> = terms.iter().map(|(xorb, start, end)| term(*xorb, *start, *end)).collect();
            let chunk = |number: &u8| MapChunk {
                hash: ChunkHash([*number; 32]),
                frame_bytes: if longer.contains(number) { 19 } else { 18 },
                raw_bytes: 10,
            };
            assert_eq!(terms.iter().map(MapTerm::chunk_count).sum::<u32>() as usize, numbers.len());
            Packed { file: 7, terms, chunks: numbers.iter().map(chunk).collect() }
        }
    }

    impl ChunkMap for Packed {
        fn file_hash(&self) -> FileHash {
            FileHash([self.file; 32])
        }

        fn terms(&self) -> &[MapTerm] {
            &self.terms
        }

        fn chunks(&self, range: std::ops::Range<u64>) -> io::Result<Vec<MapChunk>> {
            let chunks = self.chunks.get(range.start as usize..range.end as usize);
            chunks.map(<[MapChunk]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn place(xorb: u8, chunk: u32) -> Place {
        Place::Xorb { xorb: XorbHash([xorb; 32]), start: u64::from(chunk) * 18 }
    }

    fn frames(start: u64, end: u64) -> ByteRange {
        ByteRange { start: start * 18, end: end * 18 }
    }

    #[test]
    fn places_lead_to_places_wherever_frames_are_as_long() {
        // Chunk 3 comes twice; on our wire are 0 1 2 3 4 5 6.
        let numbers = [0, 1, 2, 3, 4, 3, 5, 6];
        let ours = Packed::new(&[(1, 0, 5), (1, 3, 4), (2, 10, 12)], &numbers, &[]);
        let layout = Layout::of_map(&ours).unwrap();
        let theirs = Packed::new(&[(8, 20, 22), (9, 0, 3), (9, 1, 2), (8, 22, 24)], &numbers, &[]);
        let all = Translation::of(&layout, &ours, &theirs).unwrap();
        assert_eq!(all.has(), Extents::of(frames(0, 7)));
        assert_eq!(
            all.places(frames(1, 7)).unwrap(),
            [(place(8, 20), frames(1, 2)), (place(9, 0), frames(0, 3)), (place(8, 22), frames(0, 2))]
        );
        assert_eq!(
            all.places(ByteRange { start: 40, end: 41 }).unwrap(),
            [(place(9, 0), ByteRange { start: 4, end: 5 })]
        );

        // Chunk 2 is packed in another way there.
        let mut theirs = Packed::new(&[(8, 0, 2), (9, 0, 1), (9, 3, 5), (9, 3, 4), (9, 5, 7)], &numbers, &[2]);
        let some = Translation::of(&layout, &ours, &theirs).unwrap();
        assert_eq!(some.has().gaps(frames(0, 7)), [frames(2, 3)]);
        assert_eq!(some.places(frames(1, 3)), None);
        assert_eq!(some.places(frames(3, 7)).unwrap(), [(place(9, 3), frames(0, 4))], "what touches is one request");

        // Nothing of another file; and a map that cannot be read is no translation.
        theirs.file = 8;
        assert!(Translation::of(&layout, &ours, &theirs).unwrap().has().is_empty());
        theirs.file = 7;
        theirs.chunks.pop();
        assert!(Translation::of(&layout, &ours, &theirs).is_err());
    }

    #[test]
    fn a_translation_has_a_bound() {
        // Every other chunk comes from another xorb there: one stretch for each.
        let count = 2 * STRETCHES_MAX as u32 + 10;
        let chunk = |number: u32| {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&number.to_le_bytes());
            MapChunk { hash: ChunkHash(hash), frame_bytes: 18, raw_bytes: 10 }
        };
        let chunks: Vec<MapChunk> = (0..count).map(chunk).collect();
        let xorbs_of =
            |length: u32| (0..count.div_ceil(length)).map(move |xorb| (xorb, length.min(count - xorb * length)));
        let named = |(xorb, length): (u32, u32)| {
            let mut name = [0; 32];
            name[..4].copy_from_slice(&xorb.to_le_bytes());
            MapTerm { xorb: XorbHash(name), chunk_start: 0, chunk_end: length, byte_start: 0 }
        };
        let ours = Packed { file: 7, terms: xorbs_of(1000).map(named).collect(), chunks: chunks.clone() };
        let theirs = Packed { file: 7, terms: xorbs_of(1).map(named).collect(), chunks };
        let layout = Layout::of_map(&ours).unwrap();
        let found = Translation::of(&layout, &ours, &theirs).unwrap();
        assert_eq!(found.stretches.len(), STRETCHES_MAX);
        assert_eq!(found.has(), Extents::of(frames(0, STRETCHES_MAX as u64)));
    }
}
