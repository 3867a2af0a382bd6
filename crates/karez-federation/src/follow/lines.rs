//! Lines as they are kept: settings and months in the catalog, decisions in [`policy`](crate::policy).

use std::collections::BTreeMap;

use karez_catalog::{Catalog, CatalogError};
use karez_types::Timestamp;

use crate::policy::budget::{Month, Settled, settle};
use crate::policy::line::{Allowance, CostClass, Line};

/// The line of remotes that name none.
pub const DEFAULT_LINE: &str = "default";

/// Returns a line as the operator set it. A line that was never set may always be used; what its bytes
/// cost is not known, so they count as dear.
pub async fn line_load(catalog: &Catalog, name: &str) -> Result<Line, CatalogError> {
    Ok(match catalog.line_get(name).await? {
        Some(settings) => line_read(name, &settings),
        None => Line::open(name, CostClass::Metered),
    })
}

/// Reads the settings of a line. What cannot be read, from a newer program perhaps, closes it: bytes that
/// cost money do not flow by mistake.
pub fn line_read(name: &str, settings: &str) -> Line {
    serde_json::from_str(settings).unwrap_or_else(|error| {
        tracing::error!(line = name, %error, "the settings of a line cannot be read; it stays closed");
        let line = Line::open(name, CostClass::Metered);
        Line { month_bytes_max: Some(0), ..line }
    })
}

/// Says what a line allows now.
pub async fn line_allowance(catalog: &Catalog, line: &Line, now: Timestamp) -> Result<Allowance, CatalogError> {
    let settled = line_settle(catalog, line, now, 0).await?;
    Ok(line.allowance_in(now, settled.month, settled.used_bytes))
}

/// Returns the bytes that came over a line in the month that counts now.
pub async fn line_used(catalog: &Catalog, line: &Line, now: Timestamp) -> Result<u64, CatalogError> {
    Ok(line_settle(catalog, line, now, 0).await?.used_bytes)
}

/// Charges bytes that came over a line to the month that counts now.
pub async fn line_charge(catalog: &Catalog, line: &Line, now: Timestamp, bytes: u64) -> Result<(), CatalogError> {
    line_settle(catalog, line, now, bytes).await.map(drop)
}

async fn line_settle(catalog: &Catalog, line: &Line, now: Timestamp, bytes: u64) -> Result<Settled, CatalogError> {
    let rows = catalog.line_use_rows(&line.name).await?;
    let rows: BTreeMap<Month, u64> = rows.into_iter().map(|(month, bytes)| (Month(month), bytes)).collect();
    let settled = settle(&rows, line.month(now));
    let changes: Vec<(i64, Option<u64>)> = settled.changes.iter().map(|&(month, bytes)| (month.0, bytes)).collect();
    if !changes.is_empty() || bytes > 0 {
        catalog.line_use_settle(&line.name, &changes, settled.month.0, bytes).await?;
    }
    Ok(settled)
}
