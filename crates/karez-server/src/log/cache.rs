//! Tiles and bundles that were asked for lately, also packed.

use std::sync::Arc;

use bytes::Bytes;
use karez_formats::gzip;
use karez_governance::TilePath;
use karez_hub::LogBytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// Bytes of memory for tiles and bundles: the right edge of the log, that followers ask for, is far less.
const CACHE_BYTES_MAX: u64 = 16 << 20;
/// Things in the cache, about.
const CACHE_ITEMS: usize = 1024;

/// A tile or bundle.
pub(crate) struct Cached {
    /// As it is.
    pub(crate) plain: Bytes,
    /// Packed with gzip, for what gets smaller by it.
    pub(crate) packed: Option<Bytes>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<TilePath, Arc<Cached>> for ByBytes {
    fn weight(&self, _: &TilePath, entry: &Arc<Cached>) -> u64 {
        let packed = entry.packed.as_ref().map_or(0, Bytes::len);
        (entry.plain.len() + packed + size_of::<Cached>()) as u64
    }
}

/// What lies under one address of a log never changes, so whatever is here is right.
pub(crate) struct LogCache(Cache<TilePath, Arc<Cached>, ByBytes>);

impl Default for LogCache {
    fn default() -> LogCache {
        LogCache(Cache::with_weighter(CACHE_ITEMS, CACHE_BYTES_MAX, ByBytes))
    }
}

impl LogCache {
    pub(crate) fn get(&self, path: &TilePath) -> Option<Arc<Cached>> {
        self.0.get(path)
    }

    pub(crate) fn put(&self, path: TilePath, bytes: LogBytes) -> Arc<Cached> {
        let packed = bytes.is_text.then(|| Bytes::from(gzip::pack(&bytes.bytes)));
        let packed = packed.filter(|packed| packed.len() < bytes.bytes.len());
        let entry = Arc::new(Cached { plain: bytes.bytes, packed });
        self.0.insert(path, Arc::clone(&entry));
        entry
    }
}
