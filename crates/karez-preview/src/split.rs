//! The files of a split as one long table. Files are opened when their rows are wanted.

use std::sync::Arc;

use crate::delimited::Delimited;
use crate::described::{Described, Named, Undescribed};
use crate::error::{PreviewError, PreviewResult};
use crate::folder::{Folder, FolderRows, is_metadata};
use crate::format::{Format, format_of_ending, packing_of};
use crate::json_rows::JsonRows;
use crate::media::MediaFolder;
use crate::parquet_file::ParquetFile;
use crate::question::{FileBrief, Request};
use crate::records::RecordFile;
use crate::source::Source;
use crate::table::{Column, Ended, Flow, Hint, Table, Visit};
use crate::text_rows::TextRows;

/// Files that are open at once: each holds its blocks and its footer.
const FILES_OPEN_MAX: usize = 16;

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
        let mut split = SplitTable { format, members, named, columns: Vec::new(), bounds: Vec::new(), open: 0 };
        if split.members.is_empty() {
            return Err(PreviewError::malformed("the split has no files"));
        }
        split.columns = split.table(0)?.columns().to_vec();
        Ok(split)
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
            let mut opened = match named {
                Some(named) => {
                    let inner = open_metadata(member)?.into_table();
                    let is_sound = format == Format::Sounds;
                    Opened::Other(Box::new(Described::new(inner, &member.brief.path, named, is_sound)?))
                }
                None => open(format, member)?,
            };
            let table = opened.table();
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
        if is_over() {
            return Ok((0, false));
        }
        let table = self.table(number)?;
        if let Some(rows) = table.rows_known() {
            return Ok((rows, true));
        }
        let mut seen = 0;
        let ended = table.read(u64::MAX, 0, &[], &mut |row, _| {
            seen = row;
            Ok(if is_over() { Flow::Stop } else { Flow::On })
        })?;
        let hint = table.hint();
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
            if known.is_none() && inside > 0 {
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
            let opened = self.members[number].table.as_mut().expect("it was just opened");
            let ended = match &mut *opened {
                Opened::Parquet(file) if !bounds.is_empty() => {
                    pruned(file, inside, wanted, &names, &bounds, &mut watched)?
                }
                opened => opened.table().read(inside, wanted, &names, &mut watched)?,
            };
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
        if number == 0 {
            return Ok(columns.to_vec());
        }
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
    let hint = Hint { rows: table.rows_known(), marks: Vec::new() };
    let brief = FileBrief { path: String::new(), file_bytes: 0, hint };
    let source = Source::new(bytes::Bytes::new());
    let opened = Some(Opened::Other(table));
    members.push(Member { number: 0, brief, source, table: opened, memory_bytes: 0, is_new: false });
    Ok(Named::default())
}

/// Opens a metadata file by the ending of its name.
fn open_metadata(member: &Member) -> PreviewResult<Opened> {
    let ending = member.brief.path.rsplit('.').next().unwrap_or_default();
    open(format_of_ending(ending).unwrap_or(Format::Csv), member)
}

fn open(format: Format, member: &Member) -> PreviewResult<Opened> {
    let (source, packing) = (member.source.clone(), packing_of(&member.brief.path));
    let hint = member.brief.hint.clone();
    let table: Box<dyn Table> = match format {
        Format::Parquet => return Ok(Opened::Parquet(ParquetFile::open(source)?)),
        Format::Csv | Format::Tsv => {
            let separator = if format == Format::Tsv { b'\t' } else { b',' };
            let records = Delimited::open(&source, packing, separator)?;
            Box::new(RecordFile::new(source, packing, records, hint))
        }
        Format::Json => {
            let records = JsonRows::open(&source, packing)?;
            Box::new(RecordFile::new(source, packing, records, hint))
        }
        Format::Text => Box::new(RecordFile::new(source, packing, TextRows::default(), hint)),
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
