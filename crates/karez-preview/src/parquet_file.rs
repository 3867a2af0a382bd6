//! Parquet: rows at any place by the footer's counts, decoding only the pages that hold them.

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::statistics::Statistics;
use serde_json::Value;

use crate::arrow_cell::feature_of;
use crate::error::{PreviewError, PreviewResult};
use crate::source::Source;
use crate::table::{Batch, Column, Ended, Flow, Table, Visit};

/// Rows that are decoded at once, at most: enough that a column is worth the call.
const BATCH_ROWS: usize = 1_024;
/// Bytes that are decoded at once, by what the footer says of a row on average: pictures and long texts come in fewer rows.
const BATCH_BYTES: u64 = 8 << 20;
/// Columns of one file. 10,000 are known in the field.
const COLUMNS_MAX: usize = 20_000;
/// Bytes of a footer: 10,000 columns in some row groups take 20 MB.
const FOOTER_BYTES_MAX: u64 = 64 << 20;

/// A Parquet file.
pub struct ParquetFile {
    source: Source,
    metadata: ArrowReaderMetadata,
    columns: Vec<Column>,
    /// Number of the first row of each row group, and of the one behind the last.
    starts: Vec<u64>,
}

impl ParquetFile {
    /// Opens a file: reads its footer.
    ///
    /// # Errors
    /// When it is no Parquet file, or one with a footer beyond the bounds.
    pub fn open(source: Source) -> PreviewResult<ParquetFile> {
        let bytes = source.file_bytes();
        if bytes < 12 {
            return Err(PreviewError::malformed("this is not a Parquet file: it is too short"));
        }
        let tail = source.bytes(bytes - 8, 8)?;
        if &tail[4..] != b"PAR1" {
            return Err(PreviewError::malformed("this is not a Parquet file: it does not end as one"));
        }
        let footer_bytes = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
        if footer_bytes > FOOTER_BYTES_MAX {
            return Err(PreviewError::too_large("its description of itself is too long"));
        }
        // Where pages are is worth reading when the file says so; what is in them is not.
        let options = ArrowReaderOptions::new()
            .with_column_index_policy(PageIndexPolicy::Skip)
            .with_offset_index_policy(PageIndexPolicy::Skip);
        let metadata = ArrowReaderMetadata::load(&source, options)?;
        let mut starts = vec![0u64];
        for group in metadata.metadata().row_groups() {
            let rows = u64::try_from(group.num_rows())
                .map_err(|_| PreviewError::malformed("a row group has a negative number of rows"))?;
            let next = starts.last().and_then(|start| start.checked_add(rows));
            starts.push(next.ok_or_else(|| PreviewError::malformed("it has more rows than there are numbers"))?);
        }
        let columns = columns_of(&metadata)?;
        Ok(ParquetFile { source, metadata, columns, starts })
    }

    /// Returns the footer.
    pub fn footer(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// Returns how many rows of a group are decoded at once, when these columns are wanted.
    fn batch_rows(&self, group: usize, columns: &[usize]) -> usize {
        let schema = self.footer().file_metadata().schema_descr();
        let group = &self.footer().row_groups()[group];
        let chunks = group.columns().iter().enumerate();
        let wanted = chunks.filter(|(leaf, _)| columns.binary_search(&schema.get_column_root_idx(*leaf)).is_ok());
        let bytes = wanted.map(|(_, chunk)| u64::try_from(chunk.uncompressed_size()).unwrap_or_default());
        let bytes = bytes.fold(0, u64::saturating_add);
        let row_bytes = (bytes / u64::try_from(group.num_rows()).unwrap_or_default().max(1)).max(1);
        usize::try_from(BATCH_BYTES / row_bytes).unwrap_or(usize::MAX).clamp(1, BATCH_ROWS)
    }

    /// Tells whether a row group may hold a number between these in a column, by what the writer says of it.
    pub fn group_may_hold(&self, group: usize, column: &str, low: f64, high: f64) -> bool {
        let group = &self.footer().row_groups()[group];
        let path = |chunk: &&parquet::file::metadata::ColumnChunkMetaData| matches!(chunk.column_path().parts(), [one] if one == column);
        let Some(statistics) = group.columns().iter().find(path).and_then(|chunk| chunk.statistics()) else {
            return true;
        };
        let bounds = match statistics {
            Statistics::Int32(one) => one.min_opt().zip(one.max_opt()).map(|(a, b)| (f64::from(*a), f64::from(*b))),
            Statistics::Int64(one) => one.min_opt().zip(one.max_opt()).map(|(a, b)| (*a as f64, *b as f64)),
            Statistics::Float(one) => one.min_opt().zip(one.max_opt()).map(|(a, b)| (f64::from(*a), f64::from(*b))),
            Statistics::Double(one) => one.min_opt().zip(one.max_opt()).map(|(a, b)| (*a, *b)),
            _ => None,
        };
        bounds.is_none_or(|(min, max)| !(max < low || min > high))
    }

    /// Returns the first row of each row group, and the one behind the last.
    pub fn starts(&self) -> &[u64] {
        &self.starts
    }
}

/// Returns the columns: as whoever wrote the file with `datasets` described them, or else by their types.
fn columns_of(metadata: &ArrowReaderMetadata) -> PreviewResult<Vec<Column>> {
    let schema = metadata.schema();
    if schema.fields().len() > COLUMNS_MAX {
        return Err(PreviewError::too_large(format!("it has more than {COLUMNS_MAX} columns")));
    }
    let pairs = metadata.metadata().file_metadata().key_value_metadata();
    let described = pairs
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == "huggingface")?.value.as_deref())
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    let features = described.as_ref().and_then(|value| value.pointer("/info/features")?.as_object());
    let column = |field: &std::sync::Arc<arrow_schema::Field>| {
        let feature = match features.and_then(|features| features.get(field.name())) {
            Some(feature) if feature.is_object() => feature.clone(),
            _ => feature_of(field.data_type(), 0)?,
        };
        Ok(Column { name: field.name().clone(), feature })
    };
    schema.fields().iter().map(column).collect()
}

impl Table for ParquetFile {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn rows_known(&self) -> Option<u64> {
        self.starts.last().copied()
    }

    fn memory_bytes(&self) -> Option<u64> {
        let groups = self.footer().row_groups().iter();
        Some(
            groups.map(|group| u64::try_from(group.total_byte_size()).unwrap_or_default()).fold(0, u64::saturating_add),
        )
    }

    fn read(&mut self, from: u64, rows_max: u64, columns: &[usize], visit: Visit<'_>) -> PreviewResult<Ended> {
        let end = from.saturating_add(rows_max).min(self.starts.last().copied().unwrap_or(0));
        let mut next = from;
        // The order of a projection is that of the file; the caller's order is put back for each batch.
        let mut sorted = columns.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let places: Vec<usize> =
            columns.iter().map(|column| sorted.binary_search(column).expect("it was put there")).collect();
        while next < end {
            let group = self.starts.partition_point(|start| *start <= next) - 1;
            let (start, group_end) = (self.starts[group], self.starts[group + 1]);
            let (skip, take) = (next - start, end.min(group_end) - next);
            let builder =
                ParquetRecordBatchReaderBuilder::new_with_metadata(self.source.clone(), self.metadata.clone());
            let mask = ProjectionMask::roots(builder.parquet_schema(), sorted.iter().copied());
            let selection = RowSelection::from(vec![
                RowSelector::skip(usize::try_from(skip).unwrap_or(usize::MAX)),
                RowSelector::select(usize::try_from(take).unwrap_or(usize::MAX)),
            ]);
            let batch_rows = usize::try_from(take).unwrap_or(usize::MAX).min(self.batch_rows(group, &sorted));
            let mut builder = builder.with_row_groups(vec![group]).with_projection(mask).with_batch_size(batch_rows);
            if skip > 0 || end < group_end {
                builder = builder.with_row_selection(selection);
            }
            for batch in builder.build()? {
                let batch = batch?;
                let rows = batch.num_rows() as u64;
                // What a damaged file holds beyond its own count is not shown.
                if next + rows > group_end {
                    return Err(PreviewError::malformed("a row group holds more rows than it says"));
                }
                let batch = batch.project(&places)?;
                let flow = visit(next, Batch::Arrow(batch))?;
                next += rows;
                if flow == Flow::Stop {
                    return Ok(Ended::Stopped);
                }
            }
            if next < end.min(group_end) {
                return Err(PreviewError::malformed("a row group holds fewer rows than it says"));
            }
        }
        Ok(Ended::End)
    }
}
