//! Readers of a file that is on its way.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, future};
use karez_federation::transfer::{FileWanted, Priority, TransferError};
use karez_types::ByteRange;
use tokio::time::Instant;

use crate::sample::Sample;
use crate::source::{Behaviour, Fault, MemorySource};
use crate::world::{Fixed, World, finish, wanted};

#[tokio::test(start_paused = true)]
async fn many_readers_read_one_fetch() {
    let sample = Sample::new(40, 8_000_000, 40);
    let length = sample.data.len() as u64;
    for plan in [sample.mapped(), sample.reconstructed(), sample.plain()] {
        let world = World::new();
        let source = MemorySource::new("origin", &sample.objects, Behaviour::default());
        let planner = Fixed::new("origin", plan, std::slice::from_ref(&source));
        let transfers = world.transfers();
        let transfer = transfers.start(wanted(&sample), planner.clone(), Priority::High);
        let ranges = [(0, length), (0, 1), (5_000_000, 5_300_000), (length - 10, length), (7, 7), (1_000_000, length)];
        let read = |(start, end): (u64, u64)| {
            let (transfer, data) = (transfer.clone(), &sample.data);
            async move {
                let parts: Vec<_> = transfer.stream(ByteRange { start, end }).try_collect().await.unwrap();
                assert!(parts.concat() == data[start as usize..end as usize], "{start}..{end}");
            }
        };
        future::join_all((0..4).flat_map(|_| ranges).map(read)).await;
        finish(&transfer).await.unwrap();
        assert_eq!(source.sent(), planner.layout.wire_bytes);
        let late: Vec<_> = transfer.stream(ByteRange { start: 3, end: 70_003 }).try_collect().await.unwrap();
        assert!(late.concat() == sample.data[3..70_003], "also after the end");
        let outside = transfer.stream(ByteRange { start: 0, end: length + 1 }).next().await;
        assert!(matches!(outside, Some(Err(TransferError::RangeOutside))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_far_behind_the_front_is_served_first() {
    let sample = Sample::new(41, 30_000_000, 400);
    let world = World::new();
    let behaviour = Behaviour { bytes_per_sec: 1_000_000, ..Behaviour::default() };
    let source = MemorySource::new("origin", &sample.objects, behaviour);
    let planner = Fixed::new("origin", sample.mapped(), &[source]);
    let transfers = world.transfers();
    let transfer = transfers.start(wanted(&sample), planner, Priority::High);
    let began = Instant::now();
    let range = ByteRange { start: 25_000_000, end: 25_100_000 };
    let parts: Vec<_> = transfer.stream(range).try_collect().await.unwrap();
    assert!(parts.concat() == sample.data[25_000_000..25_100_000]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn unverified_ends_are_held_back() {
    let sample = Sample::new(42, 3_000_000, 40);
    let length = sample.data.len() as u64;
    for plan in [sample.reconstructed(), sample.plain()] {
        let world = World::new();
        let liar = Behaviour { wrong_every: Some(1_500_000), ..Behaviour::default() };
        let source = MemorySource::new("liar", &sample.objects, liar);
        let transfers = world.transfers();
        let transfer = transfers.start(wanted(&sample), Fixed::new("liar", plan, &[source]), Priority::High);
        let mut got = 0;
        let part = transfer.stream(ByteRange { start: length / 2, end: length }).try_collect::<Vec<_>>();
        let whole = async {
            let mut stream = transfer.stream(ByteRange { start: 0, end: length });
            loop {
                match stream.next().await.expect("an end without an error would be a lie") {
                    Ok(bytes) => got += bytes.len() as u64,
                    Err(error) => break error,
                }
            }
        };
        let (part, error) = future::join(part, whole).await;
        assert!(part.is_err());
        assert!(got > 0 && got < length, "{got} of {length} were given");
        assert!(matches!(error, TransferError::Retracted | TransferError::NoSource(_)), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_map_gives_no_reader_a_whole_file() {
    let (sample, other) = (Sample::new(45, 2_000_000, 30), Sample::new(46, 2_000_000, 30));
    let file = FileWanted { file_bytes: other.data.len() as u64, ..wanted(&sample) };
    let world = World::new();
    let source = MemorySource::new("carrier", &other.objects, Behaviour::default());
    let transfers = world.transfers();
    let planner = Fixed::new("poisoner", other.mapped(), &[source]);
    let transfer = transfers.start(file.clone(), planner, Priority::High);
    let whole = ByteRange { start: 0, end: file.file_bytes };
    let outcome: Result<Vec<_>, _> = transfer.stream(whole).try_collect().await;
    assert!(matches!(outcome, Err(TransferError::Retracted | TransferError::Wrong { .. })), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_began_with_one_plan_goes_on_with_another_or_fails() {
    let sample = Sample::new(47, 3_000_000, 30);
    let length = sample.data.len() as u64;
    for second in [sample.mapped(), sample.plain()] {
        let world = World::new();
        let gone = MemorySource::new("first", &sample.objects, Behaviour::default());
        let good = MemorySource::new("second", &sample.objects, Behaviour::default());
        let transfers = world.transfers();
        let first = Fixed::new("first", sample.reconstructed(), std::slice::from_ref(&gone));
        let transfer = transfers.start(wanted(&sample), first, Priority::High);
        transfers.start(wanted(&sample), Fixed::new("second", second, &[good]), Priority::High);
        let mut stream = transfer.stream(ByteRange { start: 0, end: length });
        let mut got = stream.next().await.unwrap().unwrap().to_vec();
        gone.behaviour.lock().unwrap().faults = vec![(Fault::Gone, 1000)];
        let error = loop {
            match stream.next().await {
                Some(Ok(bytes)) => got.extend_from_slice(&bytes),
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        finish(&transfer).await.unwrap();
        assert!(error == Some(TransferError::Retracted) || got == sample.data, "{error:?}");
        assert!(got == sample.data[..got.len()]);
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_chunks_are_never_given_when_their_hashes_are_known() {
    let sample = Sample::new(43, 5_000_000, 40);
    let world = World::new();
    let liar = Behaviour { wrong_every: Some(70_000), ..Behaviour::default() };
    let sources = [
        MemorySource::new("liar", &sample.objects, liar),
        MemorySource::new("honest", &sample.objects, Behaviour::default()),
    ];
    let transfers = world.transfers();
    let planner = Fixed::new("honest", sample.mapped(), &sources);
    let transfer = transfers.start(wanted(&sample), planner, Priority::High);
    let length = sample.data.len() as u64;
    let parts: Vec<_> = transfer.stream(ByteRange { start: 0, end: length }).try_collect().await.unwrap();
    assert!(parts.concat() == sample.data);
}

#[tokio::test(start_paused = true)]
async fn held_chunks_are_read_where_they_are() {
    let sample = Sample::new(44, 5_000_000, 20);
    for plan in [sample.mapped(), sample.reconstructed()] {
        let world = World::new();
        for (name, index) in sample.indexes.iter().take(2) {
            world.sink.add(*name, &sample.objects.xorbs[name], index);
        }
        let source = MemorySource::new("origin", &sample.objects, Behaviour::default());
        let transfers = world.transfers();
        let transfer = transfers.start(wanted(&sample), Fixed::new("origin", plan, &[source]), Priority::High);
        let range = ByteRange { start: 10, end: sample.data.len() as u64 };
        let parts: Vec<_> = Arc::clone(&transfer).stream(range).try_collect().await.unwrap();
        assert!(parts.concat() == sample.data[10..]);
    }
}

/// Others wait for large files on the same line; whoever opens one more does not wait for their share of it.
#[tokio::test(start_paused = true)]
async fn who_has_nothing_yet_goes_first() {
    let (large, opened) = (Sample::new(48, 20_000_000, 400), Sample::new(49, 8_000_000, 100));
    let world = World::new();
    let behaviour = Behaviour { bytes_per_sec: 250_000, latency_ms: 300, line: "sat", ..Behaviour::default() };
    let busy = MemorySource::new("origin", &large.objects, behaviour.clone());
    let asked = MemorySource::new("origin", &opened.objects, behaviour);
    let transfers = world.transfers();
    let first = transfers.start(
        wanted(&large),
        Fixed::new("origin", large.mapped(), std::slice::from_ref(&busy)),
        Priority::High,
    );
    let mut reading = first.stream(ByteRange { start: 0, end: large.data.len() as u64 });
    let mut has = 0;
    while has < 2_000_000 {
        has += reading.next().await.unwrap().unwrap().len();
    }
    let before = busy.sent();
    let second = transfers.start(
        wanted(&opened),
        Fixed::new("origin", opened.mapped(), std::slice::from_ref(&asked)),
        Priority::High,
    );
    let begun = Instant::now();
    let head: Vec<_> = second.stream(ByteRange { start: 0, end: 65_536 }).try_collect().await.unwrap();
    assert!(head.concat() == opened.data[..65_536]);
    let (took, meanwhile) = (begun.elapsed(), busy.sent() - before);
    // A chunk or two over 250 kB/s, a round trip, and the look of the transfer that has to give way.
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    assert!(meanwhile < 100_000, "{meanwhile} bytes of the other file came meanwhile");
    assert!(asked.sent() < 400_000, "{} bytes came of what nobody waits for", asked.sent());
    // Then both go on.
    assert!(reading.next().await.unwrap().is_ok());
    finish(&second).await.unwrap();
    drop(reading);
    finish(&first).await.unwrap();
}
