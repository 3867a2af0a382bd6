//! Wrong bytes: who gave them, and what follows.
//!
//! A wrong chunk that one source gave whole: the source is banned for the object. A wrong chunk of several
//! sources is fetched whole from one, and what each had given is compared with the right bytes. When two
//! sources give the same bytes and they are wrong, it is the map that lies, and who made it is named.
//! Without chunk hashes only the whole can be judged: of several sources the bytes of one are kept, and that
//! one gives the rest; if that is wrong it is the liar, and the others get their turn.

use std::collections::BTreeMap;

use karez_types::ByteRange;

use super::content::{Content, Table};
use super::engine::Engine;
use super::handle::TransferError;
use super::journal::SourceTag;
use super::run::disk_trouble;
use super::verify::{BadBytes, Verifier};
use super::{IncidentKind, SourceId};

/// Wrong chunks of several sources that are remembered; 128 KiB each, so 2 MiB.
const SUSPECTS_MAX: usize = 16;

/// A wrong chunk, and who gave which part.
pub(super) struct Suspect {
    end: u64,
    bytes: Vec<u8>,
    parts: Vec<(ByteRange, SourceTag)>,
}

fn failed(error: std::io::Error) -> TransferError {
    TransferError::Failed(disk_trouble(&error))
}

impl Engine {
    fn all(&self) -> ByteRange {
        ByteRange { start: 0, end: self.layout.wire_bytes }
    }

    fn source_of(&self, tag: SourceTag) -> Option<SourceId> {
        self.slots.iter().position(|slot| slot.tag == tag).map(|number| SourceId(number as u32))
    }

    /// Who gave which part of a range, and nobody else.
    fn givers(&self, range: ByteRange) -> BTreeMap<SourceTag, u64> {
        let mut givers = BTreeMap::new();
        for (part, tag) in self.work.journal.received_from(range) {
            *givers.entry(tag).or_insert(0) += part.byte_count();
        }
        givers
    }

    /// Bans a source for this object and names it.
    pub(super) async fn ban(&mut self, id: SourceId, kind: IncidentKind, what: &str) -> Result<(), TransferError> {
        let slot = &self.slots[id.0 as usize];
        let (name, tag) = (slot.source.name().to_owned(), slot.tag);
        let now = self.transfer.services.clock.now();
        let is_new = !self.work.journal.is_banned(tag);
        self.cancel_source(id);
        self.work.schedule().ban(id);
        self.work.journal.ban(tag, now).map_err(failed)?;
        self.transfer.inner().meter.share(&name).is_banned = true;
        if is_new {
            self.transfer.incident(&name, kind, what).await;
        }
        self.transfer
            .set_trouble(Some(format!("{name} {what}; nothing more of this file is taken from it for an hour")));
        if !self.work.content.is_mapped() {
            // Its other bytes cannot be checked one by one.
            self.lose_of(|giver| giver == tag)?;
        }
        Ok(())
    }

    /// Takes back what some sources gave.
    fn lose_of(&mut self, is_lost: impl Fn(SourceTag) -> bool) -> Result<(), TransferError> {
        for (part, tag) in self.work.journal.received_from(self.all()) {
            if is_lost(tag) {
                self.lose(part, false)?;
            }
        }
        self.transfer.inner().retractions += 1;
        Ok(())
    }

    fn lose(&mut self, range: ByteRange, is_whole: bool) -> Result<(), TransferError> {
        self.work.journal.lose(range).map_err(failed)?;
        if let Content::Chunked(chunked) = &*self.work.content
            && let Table::Decoded(decoded) = &chunked.table
        {
            for number in chunked.runs.on_wire(range.start, range.end) {
                let run = &chunked.runs.runs[*number as usize];
                decoded.reset(*number as usize, run);
                // What is left of the run is decoded again.
                self.backlog.insert(ByteRange { start: run.wire_at, end: run.wire_at + 1 });
            }
        }
        self.backlog.remove(range);
        self.work.schedule().lost(range, is_whole);
        Ok(())
    }

    /// Judges bytes that the verifier found to be wrong.
    pub(super) async fn blame(&mut self, bad: BadBytes) -> Result<(), TransferError> {
        let givers = self.givers(bad.range);
        let is_mapped = self.work.content.is_mapped();
        let Some((&tag, _)) = givers.first_key_value() else { return Ok(()) };
        if givers.len() > 1 {
            if !is_mapped {
                return self.blame_for_all(&bad.what).await;
            }
            self.suspect(&bad)?;
            return self.lose(bad.range, true);
        }
        if let (Some(actual), Some((earlier, other))) = (bad.actual, self.evidence.get(&bad.range.start).copied())
            && actual == earlier
            && other != tag
        {
            return self.blame_map(other).await;
        }
        if let Some(actual) = bad.actual {
            self.evidence.insert(bad.range.start, (actual, tag));
        }
        self.lose(bad.range, is_mapped)?;
        match self.source_of(tag) {
            Some(id) => self.ban(id, IncidentKind::WrongBytes, &bad.what).await,
            // From a source of an earlier plan, which is not asked any more.
            None => Ok(()),
        }
    }

    fn suspect(&mut self, bad: &BadBytes) -> Result<(), TransferError> {
        if self.suspects.len() < SUSPECTS_MAX {
            let mut bytes = Vec::new();
            self.work.journal.read(bad.range, &mut bytes).map_err(failed)?;
            let parts = self.work.journal.received_from(bad.range);
            self.suspects.insert(bad.range.start, Suspect { end: bad.range.end, bytes, parts });
        }
        Ok(())
    }

    /// Compares what several sources gave for a chunk with the right bytes, once those are here.
    pub(super) async fn compare_suspects(&mut self) -> Result<(), TransferError> {
        let is_known = |start: &u64, suspect: &Suspect| {
            self.work.journal.is_verified(ByteRange { start: *start, end: suspect.end })
        };
        let known: Vec<u64> =
            self.suspects.iter().filter(|(start, suspect)| is_known(start, suspect)).map(|(start, _)| *start).collect();
        for start in known {
            let Some(suspect) = self.suspects.remove(&start) else { continue };
            let mut right = Vec::new();
            self.work.journal.read(ByteRange { start, end: suspect.end }, &mut right).map_err(failed)?;
            for (part, tag) in suspect.parts {
                let inside = (part.start - start) as usize..(part.end - start) as usize;
                let id = self.source_of(tag).filter(|_| right[inside.clone()] != suspect.bytes[inside]);
                if let Some(id) = id {
                    self.ban(id, IncidentKind::WrongBytes, "sent wrong bytes for a part of a chunk").await?;
                }
            }
        }
        Ok(())
    }

    /// Two sources gave the same bytes, and the map says they are wrong.
    async fn blame_map(&mut self, other: SourceTag) -> Result<(), TransferError> {
        self.work.journal.pardon(other).map_err(failed)?;
        if let Some(id) = self.source_of(other) {
            self.work.schedule().pardon(id);
            let name = self.slots[id.0 as usize].source.name().to_owned();
            self.transfer.inner().meter.share(&name).is_banned = false;
        }
        self.blame_planner("says how to put the file together, but two sources agree on other bytes").await
    }

    async fn blame_planner(&mut self, what: &str) -> Result<(), TransferError> {
        let remote = self.planner.name().to_owned();
        self.transfer.incident(&remote, IncidentKind::WrongRecipe, what).await;
        // Verified against a lie: worth nothing.
        self.work.journal.remove().map_err(failed)?;
        Err(TransferError::Wrong { remote, what: what.to_owned() })
    }

    /// All bytes are here, and together they are wrong.
    pub(super) async fn blame_for_all(&mut self, what: &str) -> Result<(), TransferError> {
        let givers = self.givers(self.all());
        let present = givers.iter().filter_map(|(tag, bytes)| Some((*bytes, *tag, self.source_of(*tag)?)));
        let Some((_, keeper, id)) = present.max() else {
            return self.lose_of(|_| true);
        };
        if givers.len() == 1 {
            self.work.schedule().only(None);
            return self.ban(id, IncidentKind::WrongBytes, what).await;
        }
        self.work.schedule().only(Some(id));
        let others: Vec<SourceId> = (0..self.slots.len() as u32).map(SourceId).filter(|other| *other != id).collect();
        others.into_iter().for_each(|other| self.cancel_source(other));
        self.lose_of(|tag| tag != keeper)
    }

    /// The hub says that the file is not what it should be.
    pub(super) async fn blame_for_file(&mut self, what: &str) -> Result<(), TransferError> {
        let Content::Chunked(chunked) = &*self.work.content else {
            return self.blame_for_all("sent bytes that are not the file").await;
        };
        if matches!(chunked.table, Table::Mapped(_)) {
            // Did our own disk change what was verified?
            self.work.journal.forget_verified().map_err(failed)?;
            let (content, journal, all) = (self.work.content.clone(), self.work.journal.clone(), self.all());
            let check = move || Verifier::new(content, journal).check(all);
            let found = tokio::task::spawn_blocking(check).await.map_err(std::io::Error::other).flatten();
            let damaged = found.map_err(failed)?;
            if !damaged.is_empty() {
                tracing::error!(file.sha256 = %self.transfer.wanted.sha256, "received bytes have changed on the disk");
                return damaged.iter().try_for_each(|bad| self.lose(bad.range, false));
            }
        }
        let what = format!("says how to put the file together, but that makes another file: {what}");
        self.blame_planner(&what).await
    }
}
