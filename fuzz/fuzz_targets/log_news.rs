//! Any bytes as the news of a log: never a panic, never more memory than the bound, and what parses
//! survives the round trip. The entries are tried as they are and packed, or no input would get so far.
#![no_main]

use karez_formats::log_news::{LogNews, NEWS_ENTRIES_MAX, NEWS_ENTRY_BYTES_MAX};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(news) = LogNews::parse(bytes) {
        assert!(news.entries.len() <= NEWS_ENTRIES_MAX);
        assert!(news.entries.iter().map(|entry| entry.len() + 2).sum::<usize>() <= NEWS_ENTRY_BYTES_MAX);
        assert_eq!(LogNews::parse(&news.encode().expect("it was not too large")), Ok(news));
    }
    let entries: Vec<Vec<u8>> = bytes.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
    let size = entries.len() as u64;
    let news = LogNews { size, root: [1; 32], signature: [2; 64], tags: Default::default(), from: 0, entries };
    if let Some(written) = news.encode() {
        assert_eq!(LogNews::parse(&written), Ok(news));
    }
});
