//! The files of a split as one long table. Files are opened when their rows are wanted.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use crate::delimited::Delimited;
use crate::described::{Described, Named, Undescribed};
use crate::encoding::Origin;
use crate::error::{PreviewError, PreviewResult, Trouble};
use crate::folder::{Folder, FolderRows, is_metadata};
use crate::format::{Format, Packing, format_of_ending, packing_of};
use crate::json_rows::JsonRows;
use crate::look::Look;
use crate::media::MediaFolder;
use crate::options::ReaderOptions;
use crate::parquet_file::ParquetFile;
use crate::question::{FileBrief, Note, NoteKind, Request};
use crate::records::RecordFile;
use crate::source::Source;
use crate::table::{Column, Ended, Flow, Hint, Table, Visit};
use crate::text_rows::TextRows;

/// Files that are open at once: each holds its blocks and its footer.
const FILES_OPEN_MAX: usize = 16;
/// Bytes of a file that types are taken from at first: all of a small one. Of one whose bytes come from elsewhere, only
/// what a page needs anyway.
const SAMPLE_BYTES: u64 = 4 << 20;
const SAMPLE_FAR_BYTES: u64 = 256 << 10;
/// Columns of a split whose files have different ones.
const COLUMNS_MAX: usize = 20_000;
/// Oddities that are told.
const NOTES_MAX: usize = 5;

enum Opened {
    Parquet(ParquetFile),
    Other(Box<dyn Table>),
}

impl Opened {
    fn into_table(self) -> Box<dyn Table> {
        match self {
            Opened::Parquet(file) => Box::new(file),
            Opened::Other(table) => table,
        }
    }

    fn table(&mut self) -> &mut dyn Table {
        match self {
            Opened::Parquet(file) => file,
            Opened::Other(table) => table.as_mut(),
        }
    }
}

struct Member {
    /// Its number among the files of the question.
    number: usize,
    brief: FileBrief,
    source: Source,
    table: Option<Opened>,
    memory_bytes: u64,
    is_new: bool,
}

/// A split.
pub struct SplitTable {
    format: Format,
    members: Vec<Member>,
    /// Files that metadata names.
    named: Option<Named>,
    columns: Vec<Column>,
    options: ReaderOptions,
    /// What the values of the columns look like in all files as far as they were read, where no file says its types.
    looks: Vec<(String, Look)>,
    /// Numbers that columns must lie between; row groups that hold none are passed over.
    bounds: Vec<(String, f64, f64)>,
    open: usize,
}

impl SplitTable {
    /// Opens a split by its first file.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(request: &Request, sources: Vec<Source>) -> PreviewResult<SplitTable> {
        let format = request.format;
        let files = request.files.iter().cloned().zip(sources).enumerate();
        let mut members: Vec<Member> = files
            .map(|(number, (brief, source))| Member {
                number,
                brief,
                source,
                table: None,
                memory_bytes: 0,
                is_new: false,
            })
            .collect();
        let mut named = None;
        if let Some(folder) = &request.folder {
            named = Some(of_folder(&mut members, folder, format == Format::Sounds)?);
        }
        let mut split = SplitTable {
            format,
            members,
            named,
            columns: Vec::new(),
            options: request.options.clone(),
            looks: Vec::new(),
            bounds: Vec::new(),
            open: 0,
        };
        if split.members.is_empty() {
            return Err(PreviewError::malformed("the split has no files"));
        }
        split.columns = split.table(0)?.columns().to_vec();
        split.widen();
        Ok(split)
    }

    /// Takes types that hold all values that were read; tells whether any is another now. What was read before does
    /// not fit those.
    pub fn widen(&mut self) -> bool {
        if self.named.is_some() || !self.format.is_guessed() {
            return false;
        }
        let mut looks = self.members[0].brief.hint.looks.clone();
        let mut places: HashMap<String, usize> =
            looks.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
        for (name, look) in self.members[1..].iter().flat_map(|member| &member.brief.hint.looks) {
            match places.get(name) {
                Some(&place) => looks[place].1.merge(look),
                // A column of CSV that the first file lacks is in no row.
                None if self.format == Format::Json && looks.len() < COLUMNS_MAX => {
                    places.insert(name.clone(), looks.len());
                    looks.push((name.clone(), look.clone()));
                }
                None => {}
            }
        }
        if looks == self.looks {
            return false;
        }
        self.looks = looks;
        for member in &mut self.members {
            if let Some(opened) = &mut member.table {
                opened.table().adopt(&self.looks);
            }
        }
        let feature = |look: &Look| match self.format {
            Format::Json => look.feature(),
            _ => json!({ "dtype": look.plain().dtype(), "_type": "Value" }),
        };
        let column = |(name, look): &(String, Look)| Column { name: name.clone(), feature: feature(look) };
        let columns: Vec<Column> = self.looks.iter().map(column).collect();
        let is_changed = columns != self.columns;
        self.columns = columns;
        is_changed
    }

    /// Tells whether the types are those of all values, and what the `datasets` library makes of them too.
    pub fn are_types_sure(&self) -> bool {
        let is_guessed = match &self.named {
            Some(_) => self.members.iter().any(|member| !member.brief.path.to_ascii_lowercase().ends_with(".parquet")),
            None => self.format.is_guessed(),
        };
        let is_known = |member: &Member| {
            let hint = &member.brief.hint;
            hint.is_whole() && !hint.is_utf16 && !hint.is_not_utf8 && hint.ragged_row.is_none()
        };
        let is_other = |look: &Look| match self.format {
            Format::Json => look.is_other_to_library(),
            _ => look.cannot_be_told(),
        };
        !is_guessed || (self.members.iter().all(is_known) && !self.looks.iter().any(|(_, look)| is_other(look)))
    }

    /// Tells whether the rows of a page can be read again without reading all before them.
    pub fn is_quick(&self) -> bool {
        self.members
            .iter()
            .all(|member| packing_of(&member.brief.path) == Packing::Plain && !member.brief.hint.is_utf16)
    }

    /// Returns what is odd about the files that were looked into.
    pub fn notes(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        for member in &self.members {
            let mut note = |kind| notes.push(Note { path: member.brief.path.clone(), kind });
            let hint = &member.brief.hint;
            if hint.is_not_utf8 {
                note(NoteKind::NotUtf8);
            }
            if hint.is_utf16 {
                note(NoteKind::Utf16);
            }
            if let Some(row) = hint.ragged_row {
                note(NoteKind::Ragged { row });
            }
        }
        notes.truncate(NOTES_MAX);
        notes
    }

    /// Returns the columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Sets what columns must lie between for a row to be wanted.
    pub fn prune(&mut self, bounds: Vec<(String, f64, f64)>) {
        self.bounds = bounds;
    }

    fn table(&mut self, number: usize) -> PreviewResult<&mut dyn Table> {
        if self.members[number].table.is_none() {
            if self.open >= FILES_OPEN_MAX {
                for (_, member) in self.members.iter_mut().enumerate().filter(|(other, _)| *other != number) {
                    member.table = None;
                }
                self.open = 0;
            }
            self.open += 1;
            let format = self.format;
            let named = self.named.clone();
            let member = &mut self.members[number];
            let path = member.brief.path.clone();
            let opened = match named {
                Some(named) => open_metadata(member).and_then(|inner| {
                    let is_sound = format == Format::Sounds;
                    let described = Described::new(inner.into_table(), &path, named, is_sound)?;
                    Ok(Opened::Other(Box::new(described)))
                }),
                None => open(format, member, &self.options),
            };
            let mut opened = opened.map_err(|error| of_file(&path, error))?;
            let table = opened.table();
            table.adopt(&self.looks);
            let hint = table.hint();
            if member.brief.hint != hint && !hint.looks.is_empty() {
                member.brief.hint = hint;
                member.is_new = true;
            }
            if let Some(rows) = table.rows_known()
                && member.brief.hint.rows != Some(rows)
            {
                member.brief.hint.rows = Some(rows);
                member.is_new = true;
            }
            member.memory_bytes = table.memory_bytes().unwrap_or(member.brief.file_bytes);
            member.table = Some(opened);
        }
        Ok(self.members[number].table.as_mut().expect("it was just opened").table())
    }

    /// Returns the number of rows of a file, counting them if need be; nothing when time ran out.
    fn rows_of(&mut self, number: usize, is_over: &dyn Fn() -> bool) -> PreviewResult<(u64, bool)> {
        if let Some(rows) = self.members[number].brief.hint.rows {
            return Ok((rows, true));
        }
        let member = &self.members[number];
        if is_over() || (member.brief.is_far && member.table.is_none()) {
            return Ok((0, false));
        }
        let table = self.table(number)?;
        if let Some(rows) = table.rows_known() {
            return Ok((rows, true));
        }
        let member = &self.members[number];
        if member.brief.is_far {
            // To count them is to fetch them.
            return Ok((member.brief.hint.rows_seen, false));
        }
        let table = self.table(number)?;
        let mut seen = 0;
        let ended = table.read(u64::MAX, 0, &[], &mut |row, _| {
            seen = row;
            Ok(if is_over() { Flow::Stop } else { Flow::On })
        });
        let hint = table.hint();
        let ended = ended.map_err(|error| of_file(&self.members[number].brief.path, error))?;
        self.remember(number, hint);
        Ok(match (ended, self.members[number].brief.hint.rows) {
            (Ended::End, Some(rows)) => (rows, true),
            _ => (seen, false),
        })
    }

    fn remember(&mut self, number: usize, hint: Hint) {
        let member = &mut self.members[number];
        if member.brief.hint != hint {
            member.brief.hint = hint;
            member.is_new = true;
        }
    }

    /// Returns how many rows there are, and whether all were counted.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn count(&mut self, is_over: &dyn Fn() -> bool) -> PreviewResult<(u64, bool)> {
        let mut all = 0u64;
        for number in 0..self.members.len() {
            let (rows, is_whole) = self.rows_of(number, is_over)?;
            all = all.saturating_add(rows);
            if !is_whole {
                return Ok((all, false));
            }
        }
        Ok((all, true))
    }

    /// Reads rows from a number on, at most so many; returns whether it came to its end in time.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(
        &mut self,
        from: u64,
        rows_max: u64,
        columns: &[usize],
        is_over: &dyn Fn() -> bool,
        visit: Visit<'_>,
    ) -> PreviewResult<bool> {
        let end = from.saturating_add(rows_max);
        let mut start = 0u64;
        for number in 0..self.members.len() {
            if start >= end {
                break;
            }
            // Only what lies before the first wanted row must be counted.
            if let Some(rows) = self.members[number].brief.hint.rows
                && start.saturating_add(rows) <= from
            {
                start += rows;
                continue;
            }
            if is_over() {
                return Ok(false);
            }
            let inside = from.saturating_sub(start);
            let known = self.table(number)?.rows_known();
            // Of a file that is elsewhere nothing is read only to be counted.
            if known.is_none() && inside > 0 && !self.members[number].brief.is_far {
                let (rows, is_whole) = self.rows_of(number, is_over)?;
                if !is_whole && start.saturating_add(rows) <= from {
                    return Ok(false);
                }
                if is_whole && rows <= inside {
                    start += rows;
                    continue;
                }
            }
            let wanted = end - start.max(from);
            let names = self.names_at(number, columns)?;
            let bounds = self.bounds.clone();
            let member_start = start;
            let mut watched = |row: u64, batch| {
                let flow = visit(member_start + row, batch)?;
                Ok(if flow == Flow::Stop || is_over() { Flow::Stop } else { Flow::On })
            };
            self.table(number)?;
            let path = self.members[number].brief.path.clone();
            let opened = self.members[number].table.as_mut().expect("it was just opened");
            let ended = match &mut *opened {
                Opened::Parquet(file) if !bounds.is_empty() => {
                    pruned(file, inside, wanted, &names, &bounds, &mut watched)
                }
                opened => opened.table().read(inside, wanted, &names, &mut watched),
            };
            let ended = ended.map_err(|error| of_file(&path, error))?;
            let hint = opened.table().hint();
            self.remember(number, hint);
            if ended == Ended::Stopped {
                return Ok(false);
            }
            match self.members[number].brief.hint.rows {
                Some(rows) => start = start.saturating_add(rows),
                None => break,
            }
        }
        Ok(true)
    }

    /// Returns the places of columns in one file: usually those of the first.
    fn names_at(&mut self, number: usize, columns: &[usize]) -> PreviewResult<Vec<usize>> {
        let wanted: Vec<String> = columns.iter().map(|&column| self.columns[column].name.clone()).collect();
        let path = self.members[number].brief.path.clone();
        let own = self.table(number)?.columns();
        let place = |(name, &column): (&String, &usize)| {
            if own.get(column).is_some_and(|own| own.name == *name) {
                return Ok(column);
            }
            let found = own.iter().position(|own| own.name == *name);
            found.ok_or_else(|| {
                PreviewError::malformed(format!("{path} has no column {name:?}, which other files of the split have"))
            })
        };
        wanted.iter().zip(columns).map(place).collect()
    }

    /// Returns bytes that the rows take in memory, of the files that were looked into.
    pub fn memory_bytes(&self) -> u64 {
        self.members.iter().map(|member| member.memory_bytes).fold(0, u64::saturating_add)
    }

    /// Returns what is newly known of files.
    pub fn hints(&self) -> Vec<(usize, Hint)> {
        let new = self.members.iter().filter(|member| member.is_new);
        new.map(|member| (member.number, member.brief.hint.clone())).collect()
    }
}

/// Says of which file an error is.
fn of_file(path: &str, error: PreviewError) -> PreviewError {
    let is_of_file = matches!(error.trouble, Trouble::Malformed | Trouble::TooLarge);
    if !is_of_file || path.is_empty() || error.words.contains(path) {
        return error;
    }
    PreviewError { words: format!("{path}: {}", error.words), ..error }
}

/// Makes members of the files of a folder: its metadata files, or one that stands for all files. Returns what metadata
/// files name.
fn of_folder(members: &mut Vec<Member>, folder: &Folder, is_sound: bool) -> PreviewResult<Named> {
    let describing = if folder.described_by.is_some() { members.pop() } else { None };
    let (metadata, files): (Vec<Member>, Vec<Member>) =
        std::mem::take(members).into_iter().partition(|member| is_metadata(&member.brief.path));
    let is_described = folder.rows == FolderRows::Metadata;
    let named: Vec<(String, Source)> = files.into_iter().map(|member| (member.brief.path, member.source)).collect();
    if is_described && !metadata.is_empty() {
        *members = metadata;
        return Ok(Arc::new(named.into_iter().collect()));
    }
    let files: Box<dyn Table> = Box::new(MediaFolder::new(named, folder, is_sound));
    let table = match &describing {
        Some(member) => {
            let inner = open_metadata(member)?.into_table();
            let other = Described::new(inner, &member.brief.path, Named::default(), is_sound)?;
            Box::new(Undescribed::new(other.columns().to_vec(), (!is_described).then_some(files)))
        }
        None => files,
    };
    let hint = Hint { rows: table.rows_known(), ..Hint::default() };
    let brief = FileBrief { path: String::new(), file_bytes: 0, is_far: false, hint };
    let source = Source::new(bytes::Bytes::new());
    let opened = Some(Opened::Other(table));
    members.push(Member { number: 0, brief, source, table: opened, memory_bytes: 0, is_new: false });
    Ok(Named::default())
}

/// Opens a metadata file by the ending of its name.
fn open_metadata(member: &Member) -> PreviewResult<Opened> {
    let ending = member.brief.path.rsplit('.').next().unwrap_or_default();
    open(format_of_ending(ending).unwrap_or(Format::Csv), member, &ReaderOptions::default())
}

fn open(format: Format, member: &Member, options: &ReaderOptions) -> PreviewResult<Opened> {
    let (source, packing) = (member.source.clone(), packing_of(&member.brief.path));
    let hint = member.brief.hint.clone();
    let sample_bytes = if member.brief.is_far { SAMPLE_FAR_BYTES } else { SAMPLE_BYTES };
    let origin = || Origin::open(&source, packing, options.encoding.as_deref());
    let table: Box<dyn Table> = match format {
        Format::Parquet => return Ok(Opened::Parquet(ParquetFile::open(source)?)),
        Format::Csv | Format::Tsv => {
            let separator = if format == Format::Tsv { b'\t' } else { b',' };
            let origin = origin()?;
            let (records, hint) = Delimited::open(&origin, separator, options, hint, sample_bytes)?;
            Box::new(RecordFile::new(origin, records, hint))
        }
        Format::Json => {
            let origin = origin()?;
            let (records, hint) = JsonRows::open(&origin, options.field.clone(), hint, sample_bytes)?;
            Box::new(RecordFile::new(origin, records, hint))
        }
        Format::Text => {
            let origin = origin()?;
            let hint = Hint { is_utf16: origin.is_utf16, ..hint };
            Box::new(RecordFile::new(origin, TextRows::default(), hint))
        }
        Format::Images | Format::Sounds => return Err(PreviewError::malformed("the split has no files")),
    };
    Ok(Opened::Other(table))
}

/// Reads a Parquet file but for the row groups that hold nothing between the bounds.
fn pruned(
    file: &mut ParquetFile,
    from: u64,
    rows_max: u64,
    columns: &[usize],
    bounds: &[(String, f64, f64)],
    visit: Visit<'_>,
) -> PreviewResult<Ended> {
    let end = from.saturating_add(rows_max);
    let starts = file.starts().to_vec();
    for (group, pair) in starts.windows(2).enumerate() {
        let (start, stop) = (pair[0].max(from), pair[1].min(end));
        let may_hold = bounds.iter().all(|(name, low, high)| file.group_may_hold(group, name, *low, *high));
        if start < stop && may_hold && file.read(start, stop - start, columns, visit)? == Ended::Stopped {
            return Ok(Ended::Stopped);
        }
    }
    Ok(Ended::End)
}
