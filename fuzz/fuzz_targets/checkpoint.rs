//! Any text as a checkpoint, the path of a tile or an entry of a log: never a panic, and what parses
//! prints the same.
#![no_main]

use karez_formats::log_entry::LogEntry;
use karez_governance::{Checkpoint, EntryBundle, Frontier, TilePath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(checkpoint) = Checkpoint::parse(&text) {
        assert_eq!(checkpoint.text(), text);
    }
    if let Ok(path) = TilePath::parse(&text) {
        assert_eq!(path.to_string(), text);
    }
    if let Ok(entry) = LogEntry::parse(bytes) {
        assert_eq!(entry.encode(), bytes);
    }
    if let Ok(edge) = Frontier::decode(bytes) {
        edge.root();
        assert_eq!(edge.encode(), bytes);
    }
    let _ = EntryBundle::parse(bytes, 3);
});
