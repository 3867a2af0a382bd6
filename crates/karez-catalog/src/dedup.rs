//! Global deduplication: from the hash of a chunk to the xorbs that a client may reuse.
//!
//! Most questions are about chunks that nobody has stored. A set of the first eight bytes of every
//! stored key answers them from memory. It is filled in the background after the first question, and
//! every question before that goes to the database. It serves SQLite only, where this process is the
//! only one that stores keys; a false "perhaps" costs a query, and there is no false "no".

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use karez_types::{ChunkHash, FileHash, XorbHash, Zone};

use crate::engine::{Engine, Pool, args};
use crate::list::placeholders;
use crate::model::DedupHit;
use crate::value::Value;
use crate::{Catalog, CatalogError};

/// Keys that the filter holds at most, 16 bytes each. With one key per 64 MiB that is 128 TiB of
/// large files; beyond it every question goes to the database.
const FILTER_KEYS_MAX: usize = 2_000_000;
/// Keys read at once while the filter is filled.
const FILTER_PAGE_KEYS: u64 = 10_000;

impl Catalog {
    /// Finds the xorb that holds a chunk, and the other xorbs of a file that uses it, at most
    /// `xorbs_max` in all; only members of the zones, and nothing that is condemned.
    pub async fn dedup_lookup(
        &self,
        chunk: &ChunkHash,
        zones: &[Zone],
        xorbs_max: u64,
    ) -> Result<Option<DedupHit>, CatalogError> {
        if zones.is_empty() || self.dedup_filter.excludes(chunk, &self.pool) {
            return Ok(None);
        }
        // The largest file in these zones that uses the xorb spares the asker most, should it be the same.
        let list = placeholders(2, zones.len());
        let sql = format!(
            "SELECT d.xorb, x.file, x.place
             FROM dedup_chunk d JOIN zone_xorb z ON z.hash = d.xorb AND z.zone IN ({list})
             LEFT JOIN file_xorb x ON x.xorb = d.xorb
             LEFT JOIN xet_file f ON f.hash = x.file
             LEFT JOIN zone_file m ON m.sha256 = f.sha256 AND m.zone IN ({list})
             WHERE d.chunk = $1 AND NOT EXISTS (SELECT 1 FROM xorb_condemned c WHERE c.hash = d.xorb)
             ORDER BY CASE WHEN m.sha256 IS NULL THEN 1 ELSE 0 END, f.file_bytes DESC, f.created DESC, x.file LIMIT 1"
        );
        let mut values: Vec<Value> = vec![chunk.into()];
        values.extend(zones.iter().map(|&zone| Value::from(zone)));
        let Some(row) = self.pool.row(sqlx::AssertSqlSafe(sql), &values).await? else { return Ok(None) };
        let xorb = row.hash("dedup_chunk", 0, XorbHash::from_slice)?;
        let Some(file) = row.opt_blob(1)?.as_deref().and_then(FileHash::from_slice) else {
            return Ok(Some(DedupHit { xorb, xorbs: vec![xorb] }));
        };
        let xorbs = self.xorbs_around(&file, row.int(2)?, zones, xorbs_max).await?;
        Ok(Some(DedupHit { xorb, xorbs }))
    }

    /// Returns the xorbs of a file from this place on, then those before it.
    async fn xorbs_around(
        &self,
        file: &FileHash,
        place: i64,
        zones: &[Zone],
        xorbs_max: u64,
    ) -> Result<Vec<XorbHash>, CatalogError> {
        let list = placeholders(4, zones.len());
        let sql = format!(
            "SELECT x.xorb FROM file_xorb x
             WHERE x.file = $1 AND EXISTS (SELECT 1 FROM zone_xorb z WHERE z.hash = x.xorb AND z.zone IN ({list}))
                 AND NOT EXISTS (SELECT 1 FROM xorb_condemned c WHERE c.hash = x.xorb)
             ORDER BY CASE WHEN x.place >= $2 THEN 0 ELSE 1 END, x.place LIMIT $3"
        );
        let mut values = args![file, place, xorbs_max].to_vec();
        values.extend(zones.iter().map(|&zone| Value::from(zone)));
        let rows = self.pool.rows(sqlx::AssertSqlSafe(sql), &values).await?;
        rows.iter().map(|row| row.hash("file_xorb", 0, XorbHash::from_slice)).collect()
    }
}

/// What is known without asking the database.
#[derive(Clone, Default)]
pub(crate) struct DedupFilter(Arc<Mutex<Filter>>);

#[derive(Default)]
struct Filter {
    stage: Stage,
    keys: HashSet<u64, BuildHasherDefault<AsItIs>>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Empty,
    Filling,
    Whole,
    /// Too many keys, or another process stores keys too.
    Off,
}

/// The keys are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// The first bytes, not the last: those of a sampled key are alike (divisible by 1,024).
fn key_of(chunk: &ChunkHash) -> u64 {
    u64::from_le_bytes(chunk.0[..8].try_into().expect("a hash has 32 bytes"))
}

impl DedupFilter {
    /// Adds keys that are stored from now on.
    pub(crate) fn add<'a>(&self, chunks: impl Iterator<Item = &'a ChunkHash>) {
        let mut filter = self.lock();
        if matches!(filter.stage, Stage::Filling | Stage::Whole) {
            filter.keys.extend(chunks.map(key_of));
            filter.turn_off_when_too_large();
        }
    }

    /// Tells whether the chunk is certainly not stored as a key.
    fn excludes(&self, chunk: &ChunkHash, pool: &Pool) -> bool {
        let mut filter = self.lock();
        match filter.stage {
            Stage::Whole => !filter.keys.contains(&key_of(chunk)),
            Stage::Filling | Stage::Off => false,
            Stage::Empty if pool.engine() == Engine::Postgres => {
                filter.stage = Stage::Off;
                false
            }
            Stage::Empty => {
                // From here on every new key is added, so the reading below may miss none.
                filter.stage = Stage::Filling;
                let (this, pool) = (self.clone(), pool.clone());
                tokio::spawn(async move { this.fill(pool).await });
                false
            }
        }
    }

    async fn fill(self, pool: Pool) {
        let mut after = Vec::new();
        loop {
            let sql = "SELECT DISTINCT chunk FROM dedup_chunk WHERE chunk > $1 ORDER BY chunk LIMIT $2";
            let page = match pool.rows(sql, args![&after, FILTER_PAGE_KEYS]).await {
                Ok(rows) => rows.iter().map(|row| row.blob(0)).collect::<Result<Vec<_>, _>>(),
                Err(error) => Err(error),
            };
            let mut filter = self.lock();
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(error = %error, "could not read the deduplication keys; every question is a query");
                    filter.stage = Stage::Off;
                    return;
                }
            };
            filter
                .keys
                .extend(page.iter().filter_map(|chunk| ChunkHash::from_slice(chunk)).map(|chunk| key_of(&chunk)));
            filter.turn_off_when_too_large();
            match page.into_iter().next_back() {
                _ if filter.stage == Stage::Off => return,
                Some(last) => after = last,
                None => {
                    filter.stage = Stage::Whole;
                    return;
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Filter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filter {
    fn turn_off_when_too_large(&mut self) {
        if self.keys.len() > FILTER_KEYS_MAX {
            self.keys = HashSet::default();
            self.stage = Stage::Off;
        }
    }
}
