//! The chunks of a transfer, by their place in the remote's xorbs.
//!
//! A file's terms name chunks of xorbs, some of them more than once. *Runs* are the same chunks without
//! repetition. All that is done with chunks (verify, store, read) is done by runs, and the terms say in
//! which order the file wants them.

use std::collections::HashMap;

use karez_formats::xet::{CHUNK_BYTES_MAX, FRAME_HEADER_BYTES, XORB_CHUNKS_MAX};
use karez_types::XorbHash;

use super::layout::{Layout, LayoutError, XorbPlaces};
use super::{ChunkMap, XetTerm};

/// Consecutive chunks of one xorb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Number of the xorb in [`Runs::xorbs`].
    pub(super) xorb: u32,
    pub(super) chunk_start: u32,
    pub(super) chunk_end: u32,
    /// Where its frames begin and end in the xorb.
    pub(super) byte_start: u64,
    pub(super) byte_end: u64,
    /// Number of its first chunk in the table of chunks, in order of first use.
    pub(super) first: u64,
    /// Where its frames begin on the wire.
    pub(super) wire_at: u64,
}

impl Run {
    pub(super) fn wire_end(&self) -> u64 {
        self.wire_at + (self.byte_end - self.byte_start)
    }
}

/// A term of the file, with the number of its xorb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileTerm {
    pub(super) xorb: u32,
    pub(super) chunk_start: u32,
    pub(super) chunk_end: u32,
    /// Where its raw bytes begin in the file.
    pub(super) raw_at: u64,
    pub(super) raw_bytes: u64,
}

/// All chunks of a file, each once.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs {
    pub(super) xorbs: Vec<XorbHash>,
    /// Sorted by xorb and chunk.
    pub(super) runs: Vec<Run>,
    /// Numbers of runs, sorted by place on the wire; empty until [`Runs::place`].
    pub(super) by_wire: Vec<u32>,
    pub(super) terms: Vec<FileTerm>,
    /// Length of the file.
    pub(super) raw_bytes: u64,
    /// Chunks in the table.
    pub(super) chunk_count: u64,
    /// Whether touching runs can be asked for in one request.
    pub(super) may_join: bool,
}

/// Longest xorb: offsets in maps have 32 bits.
const XORB_END_MAX: u64 = u32::MAX as u64;

fn xorb_number(xorbs: &mut Vec<XorbHash>, numbers: &mut HashMap<XorbHash, u32>, xorb: XorbHash) -> u32 {
    *numbers.entry(xorb).or_insert_with(|| {
        xorbs.push(xorb);
        u32::try_from(xorbs.len() - 1).unwrap_or(u32::MAX)
    })
}

impl Runs {
    /// Reads a map once and finds its runs.
    pub(super) fn of_map(map: &dyn ChunkMap) -> Result<Runs, LayoutError> {
        let mut runs = Runs { may_join: true, ..Runs::default() };
        let mut numbers = HashMap::new();
        for term in map.terms() {
            let count = term.chunk_end.checked_sub(term.chunk_start).filter(|count| *count > 0);
            let count = count.ok_or(LayoutError::Broken("has a term without chunks"))?;
            if term.chunk_end as usize > XORB_CHUNKS_MAX {
                return Err(LayoutError::Broken("names a chunk that no xorb can have"));
            }
            let first = runs.chunk_count;
            let (mut frame_bytes, mut raw_bytes) = (0u64, 0u64);
            for chunk in map.chunks(first..first + u64::from(count))? {
                if chunk.frame_bytes as usize <= FRAME_HEADER_BYTES
                    || chunk.frame_bytes as usize > FRAME_HEADER_BYTES + 2 * CHUNK_BYTES_MAX
                    || !(1..=CHUNK_BYTES_MAX).contains(&(chunk.raw_bytes as usize))
                {
                    return Err(LayoutError::Broken("has a chunk of an impossible length"));
                }
                frame_bytes += u64::from(chunk.frame_bytes);
                raw_bytes += u64::from(chunk.raw_bytes);
            }
            let byte_start = u64::from(term.byte_start);
            if byte_start + frame_bytes > XORB_END_MAX {
                return Err(LayoutError::Broken("has a term beyond the end of any xorb"));
            }
            let xorb = xorb_number(&mut runs.xorbs, &mut numbers, term.xorb);
            let (chunk_start, chunk_end) = (term.chunk_start, term.chunk_end);
            runs.terms.push(FileTerm { xorb, chunk_start, chunk_end, raw_at: runs.raw_bytes, raw_bytes });
            let byte_end = byte_start + frame_bytes;
            runs.runs.push(Run { xorb, chunk_start, chunk_end, byte_start, byte_end, first, wire_at: 0 });
            runs.chunk_count += u64::from(count);
            runs.raw_bytes += raw_bytes;
        }
        runs.unite(map)?;
        Ok(runs)
    }

    /// Removes what runs have in common, and checks that they agree about where it is.
    fn unite(&mut self, map: &dyn ChunkMap) -> Result<(), LayoutError> {
        self.runs.sort_unstable_by_key(|run| (run.xorb, run.chunk_start, run.chunk_end, run.first));
        let mut united: Vec<Run> = Vec::with_capacity(self.runs.len());
        for run in &self.runs {
            let mut run = *run;
            if let Some(last) = united.last()
                && last.xorb == run.xorb
            {
                if run.chunk_end <= last.chunk_end {
                    continue;
                }
                if run.chunk_start < last.chunk_end {
                    let common = u64::from(last.chunk_end - run.chunk_start);
                    let chunks = map.chunks(run.first..run.first + common)?;
                    run.byte_start += chunks.iter().map(|chunk| u64::from(chunk.frame_bytes)).sum::<u64>();
                    run.chunk_start = last.chunk_end;
                    run.first += common;
                }
                let touches = run.chunk_start == last.chunk_end;
                if run.byte_start < last.byte_end || touches && run.byte_start != last.byte_end {
                    return Err(LayoutError::Broken("has terms that disagree about the places of chunks"));
                }
            }
            united.push(run);
        }
        self.runs = united;
        Ok(())
    }

    /// Finds the runs of a reconstruction. Their chunks get numbers in the table of chunks that is filled
    /// while they are decoded.
    pub(super) fn of_terms(terms: &[XetTerm]) -> Result<Runs, LayoutError> {
        let mut runs = Runs::default();
        let mut numbers = HashMap::new();
        let mut known: HashMap<(u32, u32), Run> = HashMap::new();
        for term in terms {
            let is_inside = term.run_chunk_start <= term.chunk_start
                && term.chunk_start < term.chunk_end
                && term.chunk_end <= term.run_chunk_end
                && term.run_chunk_end as usize <= XORB_CHUNKS_MAX;
            if !is_inside || term.raw_bytes == 0 {
                return Err(LayoutError::Broken("has a term outside of the run that holds it"));
            }
            let count = u64::from(term.run_chunk_end - term.run_chunk_start);
            let (byte_start, byte_end) = (u64::from(term.run_byte_start), u64::from(term.run_byte_end));
            if byte_end < byte_start + count * (FRAME_HEADER_BYTES as u64 + 1) {
                return Err(LayoutError::Broken("has a run that is too short for its chunks"));
            }
            let xorb = xorb_number(&mut runs.xorbs, &mut numbers, term.xorb);
            let run = Run {
                xorb,
                chunk_start: term.run_chunk_start,
                chunk_end: term.run_chunk_end,
                byte_start,
                byte_end,
                first: runs.chunk_count,
                wire_at: 0,
            };
            let earlier = *known.entry((xorb, term.run_chunk_start)).or_insert_with(|| {
                runs.chunk_count += count;
                runs.runs.push(run);
                run
            });
            if (Run { first: earlier.first, ..run }) != earlier {
                return Err(LayoutError::Broken("has runs that disagree about the places of chunks"));
            }
            let raw_bytes = u64::from(term.raw_bytes);
            let (chunk_start, chunk_end) = (term.chunk_start, term.chunk_end);
            runs.terms.push(FileTerm { xorb, chunk_start, chunk_end, raw_at: runs.raw_bytes, raw_bytes });
            runs.raw_bytes += raw_bytes;
        }
        runs.runs.sort_unstable_by_key(|run| (run.xorb, run.chunk_start));
        let overlap = |pair: &[Run]| {
            pair[0].xorb == pair[1].xorb
                && (pair[1].chunk_start < pair[0].chunk_end || pair[1].byte_start < pair[0].byte_end)
        };
        if runs.runs.windows(2).any(overlap) {
            return Err(LayoutError::Broken("has runs that overlap"));
        }
        Ok(runs)
    }

    /// Looks up where each run is on the wire.
    pub(super) fn place(&mut self, layout: &Layout) -> Result<(), LayoutError> {
        let places = XorbPlaces::of(layout);
        for run in &mut self.runs {
            let xorb = self.xorbs[run.xorb as usize];
            let found = places.wire_at(xorb, run.byte_start, run.byte_end);
            run.wire_at = found.ok_or(LayoutError::Broken("has chunks that its layout does not have"))?;
        }
        self.by_wire = (0..self.runs.len() as u32).collect();
        let runs = &self.runs;
        self.by_wire.sort_unstable_by_key(|number| runs[*number as usize].wire_at);
        Ok(())
    }

    /// Returns the run that has this chunk of a xorb.
    pub(super) fn of_chunk(&self, xorb: u32, chunk: u32) -> Option<&Run> {
        let after = self.runs.partition_point(|run| (run.xorb, run.chunk_start) <= (xorb, chunk));
        self.runs[..after].last().filter(|run| run.xorb == xorb && chunk < run.chunk_end)
    }

    /// Returns the numbers of the runs that touch these wire bytes, in order.
    pub(super) fn on_wire(&self, start: u64, end: u64) -> &[u32] {
        let run = |number: &u32| &self.runs[*number as usize];
        let from = self.by_wire.partition_point(|number| run(number).wire_end() <= start);
        let to = self.by_wire.partition_point(|number| run(number).wire_at < end);
        self.by_wire.get(from..to).unwrap_or_default()
    }
}
