//! The line does what it says, before a real node.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::*;
use crate::TestClient;

const FILE: &str = "/alice/line/resolve/main/file.txt";
const FILE_BYTES: usize = 300_000;

fn content() -> Vec<u8> {
    let entropy = karez_types::SeededEntropy::new(5);
    (0..FILE_BYTES).map(|_| b'a' + (entropy.next_u64() % 26) as u8).collect()
}

/// A node behind a line, with one file.
async fn linked(seed: u64) -> LinkedNode {
    let linked = LinkedNode::start(NodeOptions { seed, ..NodeOptions::default() }).await;
    let alice = linked.node.client("alice");
    alice.repo_create("model", "alice/line", "public").await;
    alice.commit("models/alice/line", "main", &[("file.txt", &content())]).await.expect(200);
    linked
}

fn client(linked: &LinkedNode) -> TestClient {
    TestClient::new(&linked.url(), None)
}

/// A connection that has asked for the file and hears no more than what it reads itself.
async fn asking(linked: &LinkedNode) -> TcpStream {
    let mut stream = TcpStream::connect(linked.link.address).await.unwrap();
    let request = format!("GET {FILE} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", linked.link.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_perfect_line_changes_nothing_and_counts() {
    let linked = linked(1).await;
    let answer = client(&linked).get(FILE).await.expect(200);
    assert_eq!(answer.body, content());
    client(&linked).head(FILE).await.expect(200);
    let counts = linked.link.counts();
    assert_eq!((counts.connections, counts.down_body_bytes, counts.bits_flipped), (2, FILE_BYTES as u64, 0));
    assert!(counts.down_bytes > FILE_BYTES as u64 + 200 && counts.up_bytes > 100, "{counts:?}");
    assert_eq!(linked.link.requests(), [format!("GET {FILE}"), format!("HEAD {FILE}")]);
    linked.node.stop().await;
}

#[tokio::test]
async fn a_rate_is_shared_by_all_connections() {
    let linked = linked(2).await;
    linked.link.set(LinkShape { down_bytes_per_sec: Some(1_000_000), ..LinkShape::default() });
    let begun = Instant::now();
    let (one, two) = (client(&linked), client(&linked));
    let (first, second) = tokio::join!(one.get(FILE), two.get(FILE));
    assert_eq!((first.expect(200).body.len(), second.expect(200).body.len()), (FILE_BYTES, FILE_BYTES));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(595), "600,000 bytes at 1 MB/s in {took:?}");
}

#[tokio::test]
async fn a_delay_is_paid_each_way() {
    let linked = linked(3).await;
    linked.link.set(LinkShape { delay: Duration::from_millis(60), ..LinkShape::default() });
    let begun = Instant::now();
    client(&linked).head(FILE).await.expect(200);
    assert!(begun.elapsed() >= Duration::from_millis(120), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_black_hole_after_n_bytes_lets_exactly_n_through() {
    let linked = linked(4).await;
    linked.link.script([Step::new(Trigger::DownBytes(100_000), Act::Cut(Cut::BlackHole))]);
    let mut stream = asking(&linked).await;
    let mut head = vec![0; 100_000];
    stream.read_exact(&mut head).await.unwrap();
    linked.link.script_done().await;
    let mut byte = [0];
    // The connection is neither ended nor alive.
    assert!(timeout(Duration::from_millis(100), stream.read(&mut byte)).await.is_err());
    assert_eq!(linked.link.counts().down_bytes, 100_000);
    linked.link.heal();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    head.extend(rest);
    assert!(head.ends_with(&content()));
}

#[tokio::test]
async fn nobody_connects_through_a_black_hole() {
    let linked = linked(5).await;
    linked.link.cut(Cut::BlackHole);
    // The queue is full a moment after the cut, when the line has heard of it; an attempt made before is held, and carries nothing.
    let mut refused = false;
    let mut held = Vec::new();
    for _ in 0..20 {
        match timeout(Duration::from_millis(200), TcpStream::connect(linked.link.address)).await {
            Ok(stream) => held.push(stream.unwrap()),
            Err(_) => {
                refused = true;
                break;
            }
        }
    }
    assert!(refused, "{} attempts were answered", held.len());
    linked.link.heal();
    let answer = client(&linked).get(FILE).await.expect(200);
    assert_eq!(answer.body.len(), FILE_BYTES);
}

#[tokio::test]
async fn a_reset_ends_old_and_new_connections() {
    let linked = linked(6).await;
    linked.link.script([Step::new(Trigger::DownBytes(50_000), Act::Cut(Cut::Reset))]);
    let mut stream = asking(&linked).await;
    let mut got = Vec::new();
    let error = stream.read_to_end(&mut got).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(got.len() <= 50_000);
    let mut late = asking(&linked).await;
    assert!(late.read(&mut [0]).await.is_err());
    linked.link.heal();
    client(&linked).get(FILE).await.expect(200);
}

#[tokio::test]
async fn a_script_cuts_and_heals_by_itself() {
    let linked = linked(7).await;
    linked.link.script([
        Step::new(Trigger::DownBytes(10_000), Act::Cut(Cut::BlackHole)),
        Step::new(Trigger::After(Duration::from_millis(150)), Act::Heal),
        Step::new(Trigger::DownBytes(10_000), Act::Cut(Cut::BlackHole)),
        Step::new(Trigger::After(Duration::from_millis(150)), Act::Heal),
    ]);
    let begun = Instant::now();
    let answer = client(&linked).get(FILE).await.expect(200);
    assert_eq!(answer.body, content());
    assert!(begun.elapsed() >= Duration::from_millis(300));
    linked.link.script_done().await;
}

#[tokio::test]
async fn a_stranded_connection_stays_open_and_dead() {
    let linked = linked(8).await;
    linked.link.script([Step::new(Trigger::DownBytes(20_000), Act::Strand)]);
    let mut stream = asking(&linked).await;
    let mut got = vec![0; 20_000];
    stream.read_exact(&mut got).await.unwrap();
    client(&linked).get(FILE).await.expect(200);
    assert!(timeout(Duration::from_millis(50), stream.read(&mut [0])).await.is_err());
}

#[tokio::test]
async fn a_drip_is_slow() {
    let linked = linked(9).await;
    linked.link.drip(100);
    let mut stream = asking(&linked).await;
    let begun = Instant::now();
    stream.read_exact(&mut [0; 20]).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(190), "{:?}", begun.elapsed());
}

/// Places where the answer differs from the file, with the flipped bits.
async fn flipped(linked: &LinkedNode) -> Vec<(usize, u8)> {
    let answer = client(linked).get(FILE).await.expect(200);
    let pairs = answer.body.iter().zip(content()).enumerate();
    pairs.filter(|(_, (got, sent))| *got != sent).map(|(at, (got, sent))| (at, got ^ sent)).collect()
}

#[tokio::test]
async fn single_bits_flip_at_places_of_the_seed() {
    let mut runs = Vec::new();
    for seed in [10, 10, 11] {
        let linked = linked(seed).await;
        let corruption = Corruption { bytes_apart: 20_000, path_part: "/resolve/".into() };
        linked.link.set(LinkShape { corruption: Some(corruption), ..LinkShape::default() });
        let found = flipped(&linked).await;
        assert!(found.iter().all(|(_, bits)| bits.count_ones() == 1), "{found:?}");
        assert!((8..=30).contains(&found.len()), "15 were to be expected: {found:?}");
        assert_eq!(linked.link.counts().bits_flipped, found.len() as u64);
        // Other paths are left alone.
        client(&linked).get("/api/models/alice/line").await.expect(200).json();
        assert_eq!(linked.link.counts().bits_flipped, found.len() as u64);
        runs.push(found);
    }
    assert_eq!(runs[0], runs[1], "the same seed flips the same bits");
    assert_ne!(runs[0], runs[2], "another seed flips others");
}
