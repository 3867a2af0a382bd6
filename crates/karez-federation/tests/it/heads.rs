//! The beginnings of files come before the rest, and cost nothing twice.

use std::sync::Arc;
use std::time::Duration;

use karez_catalog::Keep;
use karez_federation::transfer::{Priority, TransferError, TransferState};
use karez_testkit::{Act, Cut, Link, LinkShape, Step, Trigger};
use karez_types::ByteRange;

use crate::peers::{befriend_at, node, person, poll, publish, rule};
use crate::sample::Sample;
use crate::source::{Behaviour, MemorySource};
use crate::world::{Fixed, World, finish, until, wanted};

const HEAD_BYTES: u64 = 200_000;

fn slow(sample: &Sample) -> Arc<MemorySource> {
    MemorySource::new("origin", &sample.objects, Behaviour { bytes_per_sec: 200_000, ..Behaviour::default() })
}

#[tokio::test(start_paused = true)]
async fn a_head_comes_alone_and_is_not_fetched_again() {
    let sample = Sample::new(61, 3_000_000, 100);
    let world = World::new();
    let source = slow(&sample);
    let planner = Fixed::new("origin", sample.mapped(), std::slice::from_ref(&source));
    let transfers = world.transfers();
    let transfer = transfers.start_head(wanted(&sample), planner.clone());
    let head = transfers.head(&transfer, |_| HEAD_BYTES).await.unwrap();
    assert!(head == sample.data[..HEAD_BYTES as usize]);
    let sent = source.sent();
    // Whole chunks, and no more than one beyond the end of each of the two parts.
    assert!((HEAD_BYTES..HEAD_BYTES + 3 * (128 << 10)).contains(&sent), "{sent} bytes were sent");
    assert!(transfers.find(sample.sha256).is_none());
    assert_eq!(transfer.progress().state, TransferState::Waiting);

    // Once more costs nothing, and the file goes on from there.
    let again = transfers.start_head(wanted(&sample), planner.clone());
    assert!(transfers.head(&again, |_| HEAD_BYTES).await.unwrap() == head);
    assert_eq!(source.sent(), sent);
    let whole = transfers.start(wanted(&sample), planner, Priority::Background);
    finish(&whole).await.unwrap();
    assert_eq!(source.sent(), sample.mapped().0.wire_bytes);
    assert!(world.sink.files.lock().unwrap().pop().unwrap() == sample.data);
}

#[tokio::test(start_paused = true)]
async fn a_head_goes_on_when_somebody_wants_the_file() {
    let sample = Sample::new(62, 3_000_000, 100);
    let world = World::new();
    let source = slow(&sample);
    let planner = Fixed::new("origin", sample.mapped(), std::slice::from_ref(&source));
    let transfers = world.transfers();
    let transfer = transfers.start_head(wanted(&sample), planner.clone());
    let head = transfers.head(&transfer, |_| HEAD_BYTES);
    let join = async {
        until(|| source.sent() > 0).await;
        transfers.start(wanted(&sample), planner.clone(), Priority::High)
    };
    let (head, joined) = tokio::join!(head, join);
    assert!(head.unwrap() == sample.data[..HEAD_BYTES as usize]);
    assert!(Arc::ptr_eq(&joined, &transfer));
    finish(&joined).await.unwrap();
    assert_eq!(source.sent(), sample.mapped().0.wire_bytes);
}

#[tokio::test(start_paused = true)]
async fn a_part_brings_itself_and_spoils_nothing() {
    let sample = Sample::new(63, 3_000_000, 100);
    let world = World::new();
    let source = slow(&sample);
    let planner = Fixed::new("origin", sample.mapped(), std::slice::from_ref(&source));
    let transfers = world.transfers();
    // The end first, as a footer; then a range in the middle.
    let transfer = transfers.start_part(wanted(&sample), planner.clone());
    for (start, end) in [(2_990_000, 3_000_000), (1_000_000, 1_200_000), (1_000_000, 1_000_001)] {
        let part = transfers.part(&transfer, ByteRange { start, end }).await.unwrap();
        assert!(part == sample.data[start as usize..end as usize]);
    }
    let sent = source.sent();
    assert!(sent < 210_000 + 5 * (128 << 10), "{sent} bytes were sent");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(source.sent(), sent, "nothing comes by itself");
    let again = transfers.start_part(wanted(&sample), planner.clone());
    transfers.part(&again, ByteRange { start: 1_000_000, end: 1_100_000 }).await.unwrap();
    assert_eq!(source.sent(), sent);
    // It goes when nobody looks any more.
    assert_eq!(again.done().await, Err(TransferError::NotKept));
    until(|| transfers.find(sample.sha256).is_none()).await;

    // What waits to be kept is not lost by a look at it.
    let head = transfers.start_head(wanted(&sample), planner.clone());
    let before = source.sent();
    transfers.head(&head, |_| HEAD_BYTES).await.unwrap();
    let look = transfers.start_part(wanted(&sample), planner.clone());
    let part = transfers.part(&look, ByteRange { start: 0, end: 1_000 }).await.unwrap();
    assert!(part == sample.data[..1_000] && transfers.find(sample.sha256).is_none());
    tokio::time::sleep(Duration::from_secs(600)).await;
    let whole = transfers.start(wanted(&sample), planner, Priority::Background);
    finish(&whole).await.unwrap();
    assert_eq!(source.sent() - before, sample.mapped().0.wire_bytes, "nothing came twice");
}

/// A shard: a header as safetensors have it, and weights.
fn shard(seed: u64) -> Vec<u8> {
    let names: Vec<String> = (0..300)
        .map(|n| {
            format!(
                r#""layer.{n}":{{"dtype":"U8","shape":[10000],"data_offsets":[{},{}]}}"#,
                n * 10_000,
                (n + 1) * 10_000
            )
        })
        .collect();
    let header = format!("{{{}}}", names.join(","));
    let mut shard = (header.len() as u64).to_le_bytes().to_vec();
    shard.extend_from_slice(header.as_bytes());
    shard.extend_from_slice(&crate::pull_through::noise(seed, 3_000_000));
    shard
}

/// A person can see what is in all shards while the first weights come.
#[tokio::test]
async fn headers_of_all_shards_come_before_weights() {
    let (a, b) = (node(63).await, node(64).await);
    let amina = person(&a, "amina").await;
    publish(&a, &amina, "amina/base").await;
    for number in 1..=3 {
        let path = format!("model-0000{number}-of-00003.safetensors");
        amina.commit("models/amina/base", "main", &[(&path, &shard(number))]).await.expect(200);
    }
    a.hub.log_advance().await.unwrap();
    let line = Link::to(a.url(), 1).await;
    befriend_at(&b, &line.url(), "a").await;
    rule(&b, "{}", Keep::Whole, None).await;
    poll(&b, "a").await.unwrap();
    // Two of nine million bytes come, and no more until all headers are here.
    line.set(LinkShape { down_bytes_per_sec: Some(1_000_000), ..LinkShape::default() });
    line.script([Step::new(Trigger::DownBytes(2_000_000), Act::Cut(Cut::BlackHole))]);
    let passes = async {
        for _ in 0..600 {
            b.federation().follow_pass().await.unwrap();
            let rows = b.hub.catalog().transfer_list(10).await.unwrap();
            if rows.iter().filter(|row| row.done_bytes > 0).count() == 3 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    };
    assert!(passes.await, "all three are on their way after two million bytes");
    line.script([]);
    line.heal();
    for _ in 0..600 {
        if b.federation().follow_pass().await.unwrap().done == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(b.federation().follow_pass().await.unwrap().waiting == 0);
    let carried = line.counts().down_body_bytes;
    assert!((9_000_000..9_500_000).contains(&carried), "{carried} bytes came for nine million");
}
