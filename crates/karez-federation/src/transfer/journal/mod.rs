//! What was received, on the local disk: nothing that came is asked for again.
//!
//! One folder per file, named by its sha256:
//! - `plan`: the layout, a digest of the recipe, and the generation `N` of the two files below. Written
//!   whole and renamed.
//! - `wire.N`: the wire bytes, a sparse file.
//! - `extents.N`: append-only [records] of what is in it, from whom, and what was verified.
//! - `chunks.N`: of a reconstruction, the hash and length of each chunk that was decoded.
//! - `lease`: who is at work here ([`Lease`](super::lease::Lease)).
//!
//! What is durable when: received bytes are in the system's hands (`pwrite`), and after them their record,
//! before anything else is done with them; so the death of the program loses nothing. At least every
//! [`SYNC_BYTES`] or [`SYNC_SECS`] the bytes are synced, then a record that says so: after the death of
//! the *machine*, records that are younger than that are not believed. Verified marks follow a sync.
//!
//! A recipe that differs after a restart keeps what lies in the same place of the same object: those bytes
//! are copied into a new generation, and the switch is the rename of `plan`.

mod plan_file;
mod records;
mod tags;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use karez_types::{ByteRange, Timestamp};
use sha2::Digest;

use super::extents::Extents;
use super::{Layout, Recipe};
use plan_file::PlanFile;
use records::{Loaded, Record};
use tags::Tags;

/// Bytes after which received data is synced: bounds what a power cut costs.
pub(super) const SYNC_BYTES: u64 = 64 << 20;

/// Seconds after which received data is synced.
pub(super) const SYNC_SECS: u64 = 5;

/// Length of `extents` past which it is written anew, with neighbours joined.
const RECORDS_BYTES_MAX: u64 = 1 << 20;

/// Whom bytes came from: the beginning of a hash of the remote's name, which stays the same across
/// restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SourceTag(pub(super) u64);

impl SourceTag {
    pub(super) fn of(name: &str) -> SourceTag {
        SourceTag(first_word(name.as_bytes()))
    }
}

/// One life of one machine's memory: what was written but not synced survives a process, not this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Boot(pub(super) u64);

impl Boot {
    /// Returns this machine's life.
    pub(super) fn current() -> Boot {
        match fs::read("/proc/sys/kernel/random/boot_id") {
            Ok(id) => Boot(first_word(&id)),
            // Never the same as before: then only what was synced is believed.
            Err(_) => Boot(u64::from(std::process::id()) << 32 | 1),
        }
    }
}

fn first_word(bytes: &[u8]) -> u64 {
    let hash: [u8; 32] = sha2::Sha256::digest(bytes).into();
    u64::from_le_bytes(*hash.first_chunk().expect("32 bytes begin with eight"))
}

/// How long a source that gave wrong bytes is not asked for the object, when the transfer begins anew: long enough that a
/// liar costs next to nothing, and not for ever, since most often it is a line or a disk that somebody mends.
const BAN_MILLIS: u64 = 60 * 60 * 1000;

/// The journal of one transfer. Shared by everyone who works at it; blocking.
pub(super) struct Journal {
    folder: PathBuf,
    generation: u64,
    wire: File,
    state: Mutex<State>,
}

struct State {
    records: File,
    records_bytes: u64,
    boot: Boot,
    have: Extents,
    tags: Tags,
    verified: Extents,
    banned: BTreeMap<SourceTag, Timestamp>,
    /// Received since the last sync.
    unsynced: Extents,
    /// Verified, but not recorded yet.
    unmarked: Extents,
    is_closed: bool,
}

impl Journal {
    /// Opens the journal of a folder for a plan, or begins it. Keeps what fits.
    ///
    /// # Errors
    /// When the file system fails; also when it is full. Nothing that was there is lost by that.
    pub(super) fn open(
        folder: &Path,
        layout: &Layout,
        recipe: &Recipe,
        boot: Boot,
        now: Timestamp,
    ) -> io::Result<Journal> {
        fs::create_dir_all(folder)?;
        let wanted = PlanFile { generation: 0, digest: plan_file::digest(recipe), layout: layout.clone() };
        let journal = match PlanFile::read(folder)? {
            None => Journal::begin(folder, PlanFile { generation: 1, ..wanted }, boot)?,
            Some(old) if old.layout == wanted.layout => {
                let journal = Journal::resume(folder, old.generation, boot)?;
                if old.digest != wanted.digest {
                    journal.forget_verified()?;
                    PlanFile { generation: old.generation, ..wanted }.write(folder)?;
                }
                journal
            }
            Some(old) => Journal::carry_over(folder, &old, wanted, boot)?,
        };
        journal.remove_other_generations()?;
        journal.end_bans(now)?;
        Ok(journal)
    }

    fn begin(folder: &Path, plan: PlanFile, boot: Boot) -> io::Result<Journal> {
        let wire_path = folder.join(format!("wire.{}", plan.generation));
        let records_path = folder.join(format!("extents.{}", plan.generation));
        File::create(&wire_path)?.sync_all()?;
        File::create(&records_path)?.sync_all()?;
        plan.write(folder)?;
        Journal::resume(folder, plan.generation, boot)
    }

    fn resume(folder: &Path, generation: u64, boot: Boot) -> io::Result<Journal> {
        // Both may be missing after the death of the machine: then nothing is here.
        let open = |name: &str| {
            let path = folder.join(format!("{name}.{generation}"));
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
        };
        let (wire, records) = (open("wire")?, open("extents")?);
        let Loaded { have, tags, verified, banned, whole_bytes } =
            records::load(&records, boot, wire.metadata()?.len())?;
        records.set_len(whole_bytes)?;
        let state = State {
            records,
            records_bytes: whole_bytes,
            boot,
            have,
            tags,
            verified,
            banned,
            unsynced: Extents::new(),
            unmarked: Extents::new(),
            is_closed: false,
        };
        let journal = Journal { folder: folder.to_owned(), generation, wire, state: Mutex::new(state) };
        // What an earlier life of this machine's memory left unsynced is settled now.
        journal.lock().rewrite(&journal)?;
        Ok(journal)
    }

    /// Begins a new generation with those bytes of the old one that lie in the same places.
    fn carry_over(folder: &Path, old: &PlanFile, wanted: PlanFile, boot: Boot) -> io::Result<Journal> {
        let from = Journal::resume(folder, old.generation, boot)?;
        let plan = PlanFile { generation: old.generation + 1, ..wanted };
        // Left over from a carry that was not finished.
        for name in ["wire", "extents", "chunks"] {
            remove_if_there(&folder.join(format!("{name}.{}", plan.generation)))?;
        }
        let to = Journal::resume(folder, plan.generation, boot)?;
        let mut buffer = Vec::new();
        for (old_at, new_at, bytes) in plan_file::common(&old.layout, &plan.layout) {
            let old_range = ByteRange { start: old_at, end: old_at + bytes };
            for (part, tag) in from.received_from(old_range) {
                let mut at = part.start;
                while at < part.end {
                    let step = ByteRange { start: at, end: part.end.min(at + (1 << 20)) };
                    from.read(step, &mut buffer)?;
                    to.write(new_at + (at - old_at), &[Bytes::copy_from_slice(&buffer)], tag)?;
                    at = step.end;
                }
            }
        }
        for (tag, since) in &from.lock().banned {
            to.ban(*tag, *since)?;
        }
        to.sync()?;
        plan.write(folder)?;
        Ok(to)
    }

    /// Ends bans that are old: such a source is asked again, and what it gave that nobody verified is forgotten. A
    /// moment far ahead is that of a clock that was wrong.
    fn end_bans(&self, now: Timestamp) -> io::Result<()> {
        let banned = self.lock().banned.clone();
        let is_over = |since: &Timestamp| since.0.abs_diff(now.0) >= BAN_MILLIS;
        let over: Vec<SourceTag> = banned.iter().filter(|(_, since)| is_over(since)).map(|(tag, _)| *tag).collect();
        if over.is_empty() {
            return Ok(());
        }
        for range in self.unverified() {
            for (part, _) in self.received_from(range).into_iter().filter(|(_, tag)| over.contains(tag)) {
                self.lose(part)?;
            }
        }
        let mut state = self.lock();
        state.banned.retain(|tag, _| !over.contains(tag));
        state.rewrite(self)
    }

    fn remove_other_generations(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let Some((kind, generation)) = name.to_str().and_then(|name| name.rsplit_once('.')) else { continue };
            let is_ours = matches!(kind, "wire" | "extents" | "chunks");
            if is_ours && generation != self.generation.to_string() {
                remove_if_there(&self.folder.join(&name))?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns where the table of decoded chunks belongs.
    pub(super) fn chunks_path(&self) -> PathBuf {
        self.folder.join(format!("chunks.{}", self.generation))
    }

    /// Writes received bytes, and after them their record. Bytes that are here already are not touched:
    /// they may be verified. Returns the ranges that are new.
    ///
    /// # Errors
    /// When the file system fails or is full: then nothing of it is recorded, and it can be tried again.
    pub(super) fn write(&self, at: u64, pieces: &[Bytes], tag: SourceTag) -> io::Result<Vec<ByteRange>> {
        let mut state = self.lock();
        state.check_open()?;
        let bytes: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        let fresh = state.have.gaps(ByteRange { start: at, end: at + bytes });
        for gap in &fresh {
            let mut start = at;
            for piece in pieces {
                let end = start + piece.len() as u64;
                let (from, to) = (gap.start.max(start), gap.end.min(end));
                if from < to {
                    self.wire.write_all_at(&piece[(from - start) as usize..(to - start) as usize], from)?;
                }
                start = end;
            }
        }
        for gap in &fresh {
            state.append(&Record::Got(*gap, tag))?;
            state.have.insert(*gap);
            state.tags.insert(*gap, tag);
            state.unsynced.insert(*gap);
        }
        if state.records_bytes > RECORDS_BYTES_MAX.max(2 * state.rewritten_bytes()) {
            state.rewrite(self)?;
        }
        Ok(fresh)
    }

    /// Returns what tells recipes apart: with another one, what was verified has to be verified again.
    pub(super) fn digest(recipe: &Recipe) -> [u8; 32] {
        plan_file::digest(recipe)
    }

    /// Reads wire bytes that are here.
    pub(super) fn read(&self, range: ByteRange, buffer: &mut Vec<u8>) -> io::Result<()> {
        let length = usize::try_from(range.byte_count()).map_err(|_| io::ErrorKind::InvalidInput)?;
        buffer.resize(length, 0);
        self.wire.read_exact_at(buffer, range.start)
    }

    /// Returns how many bytes came since the last sync.
    pub(super) fn unsynced_bytes(&self) -> u64 {
        self.lock().unsynced.byte_count()
    }

    /// Puts what came on the disk, then the records of it, then the marks of what was verified.
    ///
    /// # Errors
    /// When the file system fails. What came since the last sync may then be lost, so it is not believed
    /// any more: the answer of [`Journal::have`] is smaller.
    pub(super) fn sync(&self) -> io::Result<()> {
        let (covered, marks, records_count) = {
            let mut state = self.lock();
            state.check_open()?;
            if state.unsynced.is_empty() && state.unmarked.is_empty() {
                return Ok(());
            }
            let records_count = state.records_bytes / records::RECORD_BYTES;
            (std::mem::take(&mut state.unsynced), std::mem::take(&mut state.unmarked), records_count)
        };
        let synced = self.wire.sync_data();
        let mut state = self.lock();
        if let Err(error) = synced {
            for range in covered.iter() {
                state.forget(range);
            }
            return Err(error);
        }
        let outcome = state.settle(&marks, records_count);
        if outcome.is_err() {
            // The data is there; only its records are not. The next sync says it again.
            state.unsynced.extend(covered.iter());
            state.unmarked.extend(marks.iter());
        }
        outcome
    }

    /// Takes back bytes that are wrong.
    pub(super) fn lose(&self, range: ByteRange) -> io::Result<()> {
        // So that no older record of these bytes can be settled after this one.
        self.sync()?;
        let mut state = self.lock();
        state.forget(range);
        state.append(&Record::Lost(range))?;
        state.records.sync_data()
    }

    /// Remembers that bytes were verified; recorded at the next sync.
    pub(super) fn mark_verified(&self, range: ByteRange) {
        let mut state = self.lock();
        if state.have.contains(range) {
            state.verified.insert(range);
            state.unmarked.insert(range);
        }
    }

    pub(super) fn forget_verified(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.verified = Extents::new();
        state.rewrite(self)
    }

    /// Remembers that a source gave wrong bytes now.
    pub(super) fn ban(&self, tag: SourceTag, now: Timestamp) -> io::Result<()> {
        let mut state = self.lock();
        state.banned.insert(tag, now);
        state.append(&Record::Banned(tag, now))?;
        state.records.sync_data()
    }

    /// Takes bans back.
    pub(super) fn pardon(&self, tag: SourceTag) -> io::Result<()> {
        let mut state = self.lock();
        state.banned.remove(&tag);
        state.rewrite(self)
    }

    /// Tells whether a source gave wrong bytes.
    pub(super) fn is_banned(&self, tag: SourceTag) -> bool {
        self.lock().banned.contains_key(&tag)
    }

    /// Returns what is here.
    pub(super) fn have(&self) -> Extents {
        self.lock().have.clone()
    }

    pub(super) fn has(&self, range: ByteRange) -> bool {
        self.lock().have.contains(range)
    }

    #[cfg(test)]
    pub(super) fn have_bytes(&self) -> u64 {
        self.lock().have.byte_count()
    }

    /// Returns how far the bytes from here on are there.
    pub(super) fn reach(&self, from: u64) -> u64 {
        self.lock().have.reach(from)
    }

    pub(super) fn is_verified(&self, range: ByteRange) -> bool {
        self.lock().verified.contains(range)
    }

    /// Returns what is here and not verified.
    pub(super) fn unverified(&self) -> Vec<ByteRange> {
        let state = self.lock();
        state.have.iter().flat_map(|range| state.verified.gaps(range)).collect()
    }

    /// Returns who gave which part of a range.
    pub(super) fn received_from(&self, range: ByteRange) -> Vec<(ByteRange, SourceTag)> {
        self.lock().tags.within(range)
    }

    /// Refuses everything from now on: somebody else has this folder, or will.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
    }

    /// Removes the folder: the file is held, or was a lie.
    pub(super) fn remove(&self) -> io::Result<()> {
        self.close();
        // The plan first: without it the rest is nothing.
        remove_if_there(&self.folder.join(plan_file::NAME))?;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name != super::lease::NAME) {
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }
}

impl State {
    fn check_open(&self) -> io::Result<()> {
        if self.is_closed { Err(io::Error::other("the transfer was stopped")) } else { Ok(()) }
    }

    fn append(&mut self, record: &Record) -> io::Result<()> {
        self.check_open()?;
        // At a place, not at the end: a record that was written in part is written over.
        self.records.write_all_at(&record.encode(), self.records_bytes)?;
        self.records_bytes += records::RECORD_BYTES;
        Ok(())
    }

    fn forget(&mut self, range: ByteRange) {
        self.have.remove(range);
        self.tags.remove(range);
        self.verified.remove(range);
        self.unsynced.remove(range);
        self.unmarked.remove(range);
    }

    /// Records that all before `records_count` is on the disk.
    fn settle(&mut self, marks: &Extents, records_count: u64) -> io::Result<()> {
        self.records.sync_data()?;
        self.append(&Record::Synced(records_count))?;
        for range in marks.iter() {
            if self.verified.contains(range) {
                self.append(&Record::Verified(range))?;
            }
        }
        self.records.sync_data()
    }

    fn rewritten_bytes(&self) -> u64 {
        let ranges = self.tags.range_count() + self.verified.range_count() + self.banned.len();
        (ranges as u64 + 2) * records::RECORD_BYTES
    }

    /// Writes the records anew: fewer, and all settled.
    fn rewrite(&mut self, journal: &Journal) -> io::Result<()> {
        journal.wire.sync_data()?;
        let mut bytes = Vec::new();
        bytes.extend(Record::Opened(self.boot).encode());
        for (range, tag) in self.tags.iter() {
            bytes.extend(Record::Got(range, tag).encode());
        }
        bytes.extend(Record::Synced(bytes.len() as u64 / records::RECORD_BYTES).encode());
        for range in self.verified.iter() {
            bytes.extend(Record::Verified(range).encode());
        }
        for (tag, since) in &self.banned {
            bytes.extend(Record::Banned(*tag, *since).encode());
        }
        let name = format!("extents.{}", journal.generation);
        let file = write_renamed(&journal.folder, &name, &bytes)?;
        self.records = file;
        self.records_bytes = bytes.len() as u64;
        self.unsynced = Extents::new();
        self.unmarked = Extents::new();
        Ok(())
    }
}

/// Writes a file under another name, syncs it, and gives it its name. Returns it, open.
fn write_renamed(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<File> {
    let temporary = folder.join(format!("{name}.new"));
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&temporary)?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
