//! Measures the index: `measure CARDS` builds one of so many cards in ten languages and asks it.
//!
//! Prints rows of a Markdown table, which `cargo xtask bench search` puts into `docs/benchmarks.md`. Cards are the
//! sentences of `tests/search/cards.jsonl`, mixed, with words of their own from a vocabulary with a long tail,
//! so that the index is as hard to pack and as hard to search as one of real cards.

use std::fs;
use std::time::{Duration, Instant};

use karez_search::{Batch, Eyes, Facet, IndexPlace, OrderBy, Reader, SearchDoc, SearchIndex, SearchOrder, SearchQuery};
use karez_types::{AccountId, RepoId, RepoKind, Timestamp};
use serde_json::Value;

const CARDS: &str = include_str!("../../../tests/search/cards.jsonl");
const QUERIES: &str = include_str!("../../../tests/search/queries.txt");

/// Cards in one batch, as a node builds its index.
const BATCH_CARDS: u64 = 2_000;
/// Words of one card besides its sentences.
const OWN_WORDS: u64 = 60;
/// Rounds over all queries.
const ROUNDS: usize = 3;

/// Makes a query of what somebody typed.
type Ask = Box<dyn Fn(&str) -> SearchQuery>;

fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let cards: Vec<Value> = CARDS.lines().map(|line| serde_json::from_str(line).expect("the cards are JSON")).collect();
    let index = SearchIndex::open(&IndexPlace::Folder(folder.path().to_owned())).expect("an index can be made");

    let (mut text_bytes, mut making) = (0, 0.0);
    let begun = cpu_secs();
    for first in (0..count).step_by(BATCH_CARDS as usize) {
        let before = cpu_secs_thread();
        let put: Vec<SearchDoc> = (first..count.min(first + BATCH_CARDS)).map(|number| card(number, &cards)).collect();
        text_bytes += put.iter().map(|doc| doc.body.len() as u64).sum::<u64>();
        making += cpu_secs_thread() - before;
        index.apply(&Batch { put, mark: format!("{first}"), ..Batch::default() }).expect("the disk holds it");
    }
    let build = cpu_secs() - begun - making;
    let peak_mib = status_kib("VmHWM") / 1024;
    index.settle().expect("merges end");
    let index = SearchIndex::open(&IndexPlace::Folder(folder.path().to_owned())).expect("it opens again");
    let bytes = folder_bytes(folder.path());
    let how_many = match (count / 1_000_000, count / 1_000 % 1_000) {
        (0, thousands) => format!("{thousands},000"),
        (millions, thousands) => format!("{millions},{thousands:03},000"),
    };
    println!(
        "| index of {how_many} cards, build | <= 30 CPU-s per 100,000 | {build:.1} CPU-s | {} MB of text; peak memory {peak_mib} MiB |",
        text_bytes / 1_000_000
    );
    println!(
        "| its size | <= 60 MB per 100,000 | {:.1} MB | {} bytes a card |",
        bytes as f64 / 1e6,
        bytes / count.max(1)
    );

    let someone = (1..6).map(|id| Reader::account(AccountId(id)));
    let eyes = Eyes::Of(std::iter::once(Reader::EVERYBODY).chain(someone).collect());
    let words: Vec<&str> = QUERIES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split('|').nth(1))
        .map(str::trim)
        .collect();
    let search = |facet_values: usize| move |text: &str| SearchQuery { facet_values, ..SearchQuery::of(text) };
    let rows: [(&str, &str, Ask); 5] = [
        ("search, 200 written queries", "p99 <= 50 ms", Box::new(search(0))),
        ("the same with counts of eleven facets", "p99 <= 50 ms", Box::new(search(10))),
        (
            "the same by date, narrowed to a language",
            "p99 <= 50 ms",
            Box::new(|text: &str| SearchQuery {
                order: SearchOrder::Descending(OrderBy::Modified),
                facets: vec![(Facet::Language, "swa".to_owned())],
                ..SearchQuery::of(text)
            }),
        ),
        (
            "listing without words, by date",
            "p99 <= 20 ms",
            Box::new(|_: &str| SearchQuery {
                order: SearchOrder::Descending(OrderBy::Modified),
                ..SearchQuery::of("")
            }),
        ),
        (
            "listing without words, with counts",
            "p99 <= 50 ms",
            Box::new(|_: &str| SearchQuery { facet_values: 10, ..SearchQuery::of("") }),
        ),
    ];
    for (name, target, query) in rows {
        let (mut times, mut found, begun) = (Vec::new(), 0, cpu_secs());
        for text in std::iter::repeat_n(&words, ROUNDS).flatten() {
            let query = query(text);
            // What was asked just before is answered from memory, and is no measure.
            index.pages_forget();
            let start = Instant::now();
            found += index.search(&query, &eyes).expect("the index answers").total;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        let at = |percent: usize| millis(times[(times.len() - 1) * percent / 100]);
        let cpu_ms = (cpu_secs() - begun) * 1_000.0 / times.len() as f64;
        println!(
            "| {name} | {target} | p50 {:.2}, p99 {:.2} ms | {cpu_ms:.2} ms CPU; {} found on average |",
            at(50),
            at(99),
            found / times.len() as u64
        );
    }
    let again = SearchQuery { facet_values: 10, ..SearchQuery::of("") };
    let begun = cpu_secs();
    // A thousand times, so that seconds are milliseconds of one.
    for _ in 0..1_000 {
        index.search(&again, &eyes).expect("the index answers");
    }
    println!("| the last, asked again before the index changes | | {:.3} ms CPU | |", cpu_secs() - begun);
    let one = Batch { put: vec![card(7, &cards)], mark: "again".to_owned(), ..Batch::default() };
    let mut times: Vec<Duration> = (0..20)
        .map(|_| {
            let start = Instant::now();
            index.apply(&one).expect("the disk holds it");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!(
        "| a change until it is found | <= 1 s | p50 {:.0}, most {:.0} ms | durable by then |",
        millis(times[10]),
        millis(times[19])
    );
    println!(
        "| memory while it answers (RSS) | | {} MiB | of which the index, mapped: as much as was read |",
        status_kib("VmRSS") / 1024
    );
}

/// Returns a card: of one topic and language, with sentences of others of its language, and words of its own.
fn card(number: u64, cards: &[Value]) -> SearchDoc {
    let mut random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut draw = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) % below.max(1)
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let base = &cards[draw(cards.len() as u64) as usize];
    let mut body = text(&base["body"]);
    for _ in 0..3 {
        let other = &cards[draw(cards.len() as u64) as usize];
        if other["lang"] == base["lang"] {
            body.push('\n');
            body.push_str(&text(&other["body"]));
        }
    }
    for _ in 0..OWN_WORDS {
        // The square of a draw favours small numbers: few words are everywhere, most are rare.
        let rank = draw(1_000) * draw(1_000) * draw(100) / 1_000;
        body.push(' ');
        body.push_str(&word(rank));
    }
    SearchDoc {
        readers: vec![if draw(10) == 0 { Reader::account(AccountId(1 + draw(50) as i64)) } else { Reader::EVERYBODY }],
        title: text(&base["title"]),
        summary: body.chars().take(200).collect(),
        body,
        files: (0..6).map(|file| format!("data/train-{file:05}-of-00006.parquet")).collect(),
        free_tags: vec![text(&base["topic"])],
        tags: vec![format!("language:{}", text(&base["lang"]))],
        tasks: vec![text(&base["task"])],
        licences: vec![["mit", "apache-2.0", "cc-by-4.0", "other"][draw(4) as usize].to_owned()],
        languages: vec![text(&base["lang"])],
        sdgs: vec![1 + draw(17) as u8],
        downloads: draw(1_000) * draw(1_000),
        modified: Timestamp(1_700_000_000_000 + draw(1 << 36) as i64),
        ..SearchDoc::new(
            RepoId(number as i64 + 1),
            RepoKind::Dataset,
            &word(draw(20_000)),
            &format!("{}-{}", word(draw(100_000)), draw(100)),
        )
    }
}

/// Returns a word that belongs to a number.
fn word(mut number: u64) -> String {
    const SYLLABLES: [&str; 16] =
        ["ka", "re", "zu", "mo", "ti", "lan", "der", "sho", "pi", "na", "gu", "bel", "vor", "si", "tam", "qo"];
    let mut word = String::new();
    loop {
        word.push_str(SYLLABLES[(number % 16) as usize]);
        number /= 16;
        if number == 0 {
            return word;
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// CPU seconds of all threads of this process, user and kernel.
fn cpu_secs() -> f64 {
    stat_secs("/proc/self/stat")
}

/// CPU seconds of this thread.
fn cpu_secs_thread() -> f64 {
    stat_secs("/proc/thread-self/stat")
}

fn stat_secs(path: &str) -> f64 {
    let stat = fs::read_to_string(path).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Fields 14 and 15 of the whole line, in hundredths of a second on Linux.
    [11, 12].iter().filter_map(|&at| fields.get(at)?.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn status_kib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or_default()
}

fn folder_bytes(folder: &std::path::Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}
