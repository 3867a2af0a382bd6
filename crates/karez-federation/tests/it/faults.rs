//! Lines and sources that fail: the file comes all the same, and no byte twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use karez_federation::transfer::{
    CostClass, LineRule, Lines, MapOnDisk, Pace, Priority, Recipe, SourceError, Transfer, TransferError, TransferState,
};
use karez_types::ByteRange;
use tokio::time::{Instant, sleep};

use crate::sample::Sample;
use crate::source::{Behaviour, Fault, MemorySource};
use crate::world::{Fixed, World, finish, until, wanted};

/// Body bytes that may travel, of a thousand that must (network.md, section 6).
const SENT_MAX_PER_MILLE: u64 = 1_005;

fn assert_sent_once(sample_bytes: u64, sources: &[Arc<MemorySource>]) {
    let sent: u64 = sources.iter().map(|source| source.sent()).sum();
    assert!(sent * 1000 <= sample_bytes * SENT_MAX_PER_MILLE, "{sent} bytes sent for {sample_bytes}");
}

#[tokio::test(start_paused = true)]
async fn files_come_by_every_recipe() {
    for (seed, bytes, xorb_chunks) in [(1, 1, 4), (2, 70_000, 4), (3, 3_000_000, 8), (4, 9_000_000, 40)] {
        let sample = Sample::new(seed, bytes, xorb_chunks);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map");
        std::fs::write(&path, sample.map.encode()).unwrap();
        let on_disk = Recipe::Mapped(Arc::new(MapOnDisk::open(&path).unwrap()));
        for plan in [sample.mapped(), (sample.mapped().0, on_disk), sample.reconstructed(), sample.plain()] {
            let world = World::new();
            let source = MemorySource::new("origin", &sample.objects, Behaviour::default());
            let wire_bytes = plan.0.wire_bytes;
            let planner = Fixed::new("origin", plan, std::slice::from_ref(&source));
            let data = world.fetch(&sample, &planner).await.unwrap();
            assert!(data == sample.data, "{bytes} bytes by {:?}", planner.recipe);
            assert_eq!(source.sent(), wire_bytes, "{bytes} bytes by {:?}", planner.recipe);
            assert!(world.reports.wrongs().is_empty());
            let last = world.reports.progress.lock().unwrap().last().unwrap().clone();
            assert_eq!((last.state, last.done_bytes, last.trouble), (TransferState::Done, wire_bytes, None));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whole_xorbs_keep_their_name_and_parts_are_packed_anew() {
    let sample = Sample::new(5, 6_000_000, 12);
    let world = World::new();
    let source = MemorySource::new("origin", &sample.objects, Behaviour::default());
    world.fetch(&sample, &Fixed::new("origin", sample.mapped(), &[source])).await.unwrap();
    let stored = world.sink.xorbs.lock().unwrap();
    let kept = stored.keys().filter(|name| sample.indexes.contains_key(name)).count();
    assert!(kept >= 3 && kept < stored.len(), "{kept} of {}", stored.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_held_does_not_travel() {
    let sample = Sample::new(6, 6_000_000, 12);
    for plan in [sample.mapped(), sample.reconstructed()] {
        let world = World::new();
        let mut held_bytes = 0;
        for (name, index) in sample.indexes.iter().take(2) {
            world.sink.add(*name, &sample.objects.xorbs[name], index);
            let of_file = plan.0.pieces.iter().filter(
                |piece| matches!(piece.place, karez_federation::transfer::Place::Xorb { xorb, .. } if xorb == *name),
            );
            held_bytes += of_file.map(|piece| piece.bytes).sum::<u64>();
        }
        assert!(held_bytes > 500_000);
        let wire_bytes = plan.0.wire_bytes;
        let source = MemorySource::new("origin", &sample.objects, Behaviour::default());
        let planner = Fixed::new("origin", plan, std::slice::from_ref(&source));
        assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
        assert_eq!(source.sent(), wire_bytes - held_bytes);
    }
}

/// What was here when a transfer was planned, and is deleted before its end, is fetched like the rest; a reader that
/// comes across it is told to ask again, and then gets it.
#[tokio::test(start_paused = true)]
async fn what_was_held_and_is_gone_travels_after_all() {
    use futures::StreamExt;
    use karez_types::ByteRange;

    let sample = Sample::new(6, 6_000_000, 12);
    for is_read in [false, true] {
        for plan in [sample.mapped(), sample.reconstructed()] {
            let world = World::new();
            for (name, index) in sample.indexes.iter().take(2) {
                world.sink.add(*name, &sample.objects.xorbs[name], index);
            }
            let wire_bytes = plan.0.wire_bytes;
            let behaviour = Behaviour { bytes_per_sec: 1_000_000, ..Behaviour::default() };
            let source = MemorySource::new("origin", &sample.objects, behaviour);
            let planner = Fixed::new("origin", plan, std::slice::from_ref(&source));
            let transfers = world.transfers();
            let transfer = transfers.start(wanted(&sample), planner, Priority::Background);
            until(|| source.sent() > 0).await;
            world.sink.xorbs.lock().unwrap().clear();
            if is_read {
                let whole = ByteRange { start: 0, end: sample.data.len() as u64 };
                let mut tries = 0;
                let read = loop {
                    tries += 1;
                    let parts: Vec<_> = transfer.stream(whole).collect().await;
                    if let Ok(parts) = parts.into_iter().collect::<Result<Vec<_>, _>>() {
                        break parts.concat();
                    }
                    sleep(Duration::from_millis(50)).await;
                };
                assert!(read == sample.data && tries > 1, "{tries}");
            }
            finish(&transfer).await.unwrap();
            assert!(world.sink.files.lock().unwrap().pop().unwrap() == sample.data);
            assert_eq!(source.sent(), wire_bytes, "each byte once");
            assert!(world.reports.wrongs().is_empty(), "nobody is blamed");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_faults_cost_no_byte_twice() {
    let sample = Sample::new(7, 24_000_000, 100);
    let faults = vec![
        (Fault::Cut, 150),
        (Fault::Stall, 60),
        (Fault::Short, 60),
        (Fault::Status(503), 60),
        (Fault::Status(429), 30),
    ];
    for plan in [sample.mapped(), sample.reconstructed(), sample.plain()] {
        let world = World::new();
        let wire_bytes = plan.0.wire_bytes;
        let behaviour = |cost, latency_ms, bytes_per_sec| Behaviour {
            cost,
            latency_ms,
            bytes_per_sec,
            faults: faults.clone(),
            // What is under way when a span ends early came in vain: as small as packets are.
            item_bytes: 4 << 10,
            ..Behaviour::default()
        };
        let sources = [
            MemorySource::new("near", &sample.objects, behaviour(CostClass::OnNet, 20, 700_000)),
            MemorySource::new("middle", &sample.objects, behaviour(CostClass::OnNet, 300, 400_000)),
            MemorySource::new("far away", &sample.objects, behaviour(CostClass::Metered, 600, 250_000)),
        ];
        let planner = Fixed::new("near", plan, &sources);
        assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
        assert_sent_once(wire_bytes, &sources);
        assert!(sources[0].sent() > 0 && sources[1].sent() > 0);
        assert!(world.reports.wrongs().is_empty(), "failing is not lying");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_noticed_and_over_soon_after_its_end() {
    let sample = Sample::new(8, 8_000_000, 100);
    let world = World::new();
    let behaviour = Behaviour { latency_ms: 300, bytes_per_sec: 1_000_000, ..Behaviour::default() };
    let source = MemorySource::new("origin", &sample.objects, behaviour);
    let planner = Fixed::new("origin", sample.plain(), std::slice::from_ref(&source));
    let transfers = world.transfers();
    let transfer = transfers.start(wanted(&sample), planner, Priority::Normal);
    until(|| source.sent() > 3_000_000).await;
    source.is_cut.store(true, Ordering::SeqCst);
    let cut = Instant::now();
    until(|| source.redials.load(Ordering::SeqCst) > 0).await;
    assert!(cut.elapsed() < Duration::from_millis(3_500), "{:?}", cut.elapsed());
    until(|| transfer.progress().trouble.is_some_and(|trouble| trouble.starts_with("origin: "))).await;
    sleep(Duration::from_secs(20)).await;
    let sent = source.sent();
    source.is_cut.store(false, Ordering::SeqCst);
    let healed = Instant::now();
    until(|| source.sent() > sent).await;
    assert!(healed.elapsed() < Duration::from_secs(3), "{:?}", healed.elapsed());
    finish(&transfer).await.unwrap();
    assert_sent_once(sample.data.len() as u64, &[source]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_drip_is_left_for_another_source() {
    let sample = Sample::new(9, 3_000_000, 100);
    let world = World::new();
    let drip = Behaviour { cost: CostClass::Lan, bytes_per_sec: 200, item_bytes: 100, ..Behaviour::default() };
    let sources = [
        MemorySource::new("drip", &sample.objects, drip),
        MemorySource::new("other", &sample.objects, Behaviour { cost: CostClass::Metered, ..Behaviour::default() }),
    ];
    let began = Instant::now();
    let planner = Fixed::new("drip", sample.mapped(), &sources);
    assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(sources[1].sent() > 2_900_000);
}

#[tokio::test(start_paused = true)]
async fn expired_addresses_are_planned_again() {
    let sample = Sample::new(10, 12_000_000, 100);
    let world = World::new();
    let behaviour = Behaviour { faults: vec![(Fault::Expired, 200)], ..Behaviour::default() };
    let source = MemorySource::new("origin", &sample.objects, behaviour);
    let planner = Fixed::new("origin", sample.mapped(), std::slice::from_ref(&source));
    planner.fails_first.lock().unwrap().extend([SourceError::Unreachable("cut".to_owned()), SourceError::Stalled]);
    let wire_bytes = planner.layout.wire_bytes;
    assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
    assert!(planner.asked.load(Ordering::SeqCst) > 4);
    assert_sent_once(wire_bytes, &[source]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_is_said() {
    let sample = Sample::new(11, 1_000_000, 10);
    let world = World::new();
    let behaviour = Behaviour { faults: vec![(Fault::Gone, 1000)], ..Behaviour::default() };
    let source = MemorySource::new("origin", &sample.objects, behaviour);
    let outcome = world
        .transfers()
        .start(wanted(&sample), Fixed::new("origin", sample.plain(), &[source]), Priority::Normal)
        .done()
        .await;
    assert!(matches!(&outcome, Err(TransferError::NoSource(text)) if text.contains("origin")), "{outcome:?}");
    let none = Fixed::new("empty", sample.plain(), &[]);
    let outcome = world.transfers().start(wanted(&sample), none, Priority::Normal).done().await;
    assert!(matches!(outcome, Err(TransferError::NoSource(_))), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_joined_transfer_asks_the_next_remote_when_the_first_fails() {
    let sample = Sample::new(12, 1_000_000, 10);
    let world = World::new();
    let gone = Behaviour { latency_ms: 2_000, faults: vec![(Fault::Gone, 1000)], ..Behaviour::default() };
    let first = Fixed::new("first", sample.plain(), &[MemorySource::new("first", &sample.objects, gone)]);
    let good = MemorySource::new("second", &sample.objects, Behaviour::default());
    let second = Fixed::new("second", sample.mapped(), &[good]);
    let transfers = world.transfers();
    let one = transfers.start(wanted(&sample), first, Priority::Background);
    let two = transfers.start(wanted(&sample), second, Priority::High);
    assert!(Arc::ptr_eq(&one, &two));
    finish(&one).await.unwrap();
    assert_eq!(world.sink.files.lock().unwrap()[0], sample.data);
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_whatever_the_line_brings() {
    let sample = Sample::new(13, 100_000_000, 800);
    let world = World::new();
    let fast =
        Behaviour { latency_ms: 1, bytes_per_sec: 10_000_000_000, item_bytes: 256 << 10, ..Behaviour::default() };
    let sources =
        [MemorySource::new("one", &sample.objects, fast.clone()), MemorySource::new("two", &sample.objects, fast)];
    let planner = Fixed::new("one", sample.mapped(), &sources);
    assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
    for source in &sources {
        let most = source.buffers.most.load(Ordering::SeqCst);
        assert!(most <= 24 << 20, "{most} bytes of one source in memory");
        assert_eq!(source.buffers.bytes.load(Ordering::SeqCst), 0);
    }
}

/// Connections and a rate for the one line there is.
struct Narrow;

impl Lines for Narrow {
    fn rule(&self, _line: &str, _priority: Priority) -> LineRule {
        LineRule { connections_max: 3, closed: None }
    }

    fn received(&self, _line: &str, bytes: u64) -> Pace {
        Pace { pause: Duration::from_micros(bytes * 10), ..Pace::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn lines_bound_connections_and_rates_and_who_waits_goes_first() {
    let world = World::new();
    let start = |seed: u64, bytes: usize, priority| {
        let sample = Sample::new(seed, bytes, 100);
        let source = MemorySource::new("origin", &sample.objects, Behaviour::default());
        let planner = Fixed::new("origin", sample.plain(), std::slice::from_ref(&source));
        (wanted(&sample), planner, priority, source)
    };
    let transfers = world.transfers_in(world.folder.path().to_owned(), world.sink.clone(), Arc::new(Narrow));
    let (file, planner, priority, slow) = start(14, 8_000_000, Priority::Background);
    let file_bytes = file.file_bytes;
    let background = transfers.start(file, planner, priority);
    until(|| slow.sent() > 1_000_000).await;
    assert!(slow.open.load(Ordering::SeqCst) <= 3);
    let (file, planner, priority, urgent) = start(15, 2_000_000, Priority::High);
    let high = transfers.start(file, planner, priority);
    until(|| urgent.sent() > 100_000).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(slow.open.load(Ordering::SeqCst), 0, "its connections are closed while somebody waits");
    let began = Instant::now();
    finish(&high).await.unwrap();
    assert!(high.progress().state == TransferState::Done && background.progress().state == TransferState::Running);
    // 10 microseconds a byte on each of three connections.
    assert!(began.elapsed() > Duration::from_secs(5), "{:?}", began.elapsed());
    finish(&background).await.unwrap();
    assert_sent_once(file_bytes, &[slow]);
}

/// A line that nothing may come over now.
struct Closed;

impl Lines for Closed {
    fn rule(&self, _line: &str, _priority: Priority) -> LineRule {
        LineRule { connections_max: 3, closed: Some("the line is closed until 22:00".to_owned()) }
    }

    fn received(&self, _line: &str, _bytes: u64) -> Pace {
        Pace::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_line_says_why() {
    let world = World::new();
    let sample = Sample::new(16, 1_000_000, 100);
    let source = MemorySource::new("origin", &sample.objects, Behaviour::default());
    let planner = Fixed::new("origin", sample.plain(), std::slice::from_ref(&source));
    let transfers = world.transfers_in(world.folder.path().to_owned(), world.sink.clone(), Arc::new(Closed));
    let transfer: Arc<Transfer> = transfers.start(wanted(&sample), planner, Priority::Background);
    until(|| transfer.progress().trouble.is_some_and(|trouble| trouble.contains("22:00"))).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(source.sent(), 0);
    transfers.stop().await;
    assert_eq!(transfer.done().await.map(|_| ()), Err(TransferError::Stopped));
}

#[tokio::test(start_paused = true)]
async fn who_reads_over_a_closed_line_is_told_soon() {
    let world = World::new();
    let sample = Sample::new(17, 1_000_000, 100);
    let source = MemorySource::new("origin", &sample.objects, Behaviour::default());
    let planner = Fixed::new("origin", sample.plain(), std::slice::from_ref(&source));
    let transfers = world.transfers_in(world.folder.path().to_owned(), world.sink.clone(), Arc::new(Closed));
    let transfer: Arc<Transfer> = transfers.start(wanted(&sample), planner, Priority::High);
    let mut stream = transfer.stream(ByteRange { start: 0, end: 1_000_000 });
    let began = Instant::now();
    let told = tokio::time::timeout(Duration::from_secs(60), stream.next()).await.expect("an answer");
    assert_eq!(told.unwrap().unwrap_err(), TransferError::Closed("the line is closed until 22:00".to_owned()));
    // A line that is only being looked up is open again before that.
    assert!((1..4).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    transfers.stop().await;
}
