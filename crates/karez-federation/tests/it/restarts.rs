//! The program dies and starts anew on the same journals.

use std::sync::Arc;
use std::time::Duration;

use karez_federation::transfer::{OpenLines, Priority, TransferError, TransferState};
use karez_types::SeededEntropy;

use crate::sample::Sample;
use crate::source::{Behaviour, Fault, MemorySource};
use crate::world::{Fixed, World, finish, until, wanted};

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_twice_after_many_deaths() {
    let sample = Sample::new(30, 20_000_000, 60);
    for (plan, seed) in [(sample.mapped(), 1), (sample.reconstructed(), 2), (sample.plain(), 3)] {
        let world = World::new();
        let draw = SeededEntropy::new(seed);
        let behaviour = Behaviour { faults: vec![(Fault::Cut, 50)], bytes_per_sec: 600_000, ..Behaviour::default() };
        let sources = [
            MemorySource::new("one", &sample.objects, behaviour.clone()),
            MemorySource::new("other", &sample.objects, behaviour),
        ];
        let planner = Fixed::new("one", plan, &sources);
        let sent = || sources.iter().map(|source| source.sent()).sum::<u64>();
        let mut deaths = 0;
        while sent() < 18_000_000 {
            let transfers = world.transfers();
            transfers.start(wanted(&sample), planner.clone(), Priority::Normal);
            let next = (sent() + 500_000 + draw.next_u64() % 3_000_000).min(18_500_000);
            until(|| sent() >= next).await;
            transfers.stop().await;
            deaths += 1;
        }
        assert!(deaths > 5);
        let wire_bytes = planner.layout.wire_bytes;
        assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
        // What a stop catches between the source's hand and ours is at most one item for each connection.
        assert!(sent() * 1000 <= wire_bytes * 1_005 + deaths * 8 * 32_768 * 1000, "{} of {wire_bytes}", sent());
        assert!(world.reports.wrongs().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn another_plan_after_a_restart_keeps_what_is_the_same() {
    let sample = Sample::new(31, 8_000_000, 30);
    let world = World::new();
    let source = MemorySource::new("origin", &sample.objects, Behaviour::default());
    let (first, second) = (sample.reconstructed(), sample.mapped());
    assert_ne!(first.0, second.0, "else this shows nothing");
    let planner = Fixed::new("origin", first, std::slice::from_ref(&source));
    let transfers = world.transfers();
    transfers.start(wanted(&sample), planner, Priority::Normal);
    until(|| source.sent() > 5_000_000).await;
    transfers.stop().await;
    let planner = Fixed::new("origin", second, std::slice::from_ref(&source));
    let wire_bytes = planner.layout.wire_bytes;
    assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
    assert!(source.sent() < wire_bytes + 600_000, "{} of {wire_bytes}", source.sent());
}

#[tokio::test(start_paused = true)]
async fn a_ban_outlives_the_program() {
    let sample = Sample::new(32, 6_000_000, 30);
    let world = World::new();
    let liar = Behaviour { wrong_every: Some(50_000), ..Behaviour::default() };
    let sources = [
        MemorySource::new("liar", &sample.objects, liar),
        MemorySource::new("honest", &sample.objects, Behaviour { bytes_per_sec: 300_000, ..Behaviour::default() }),
    ];
    let planner = Fixed::new("honest", sample.mapped(), &sources);
    let transfers = world.transfers();
    transfers.start(wanted(&sample), planner.clone(), Priority::Normal);
    until(|| !world.reports.wrongs().is_empty()).await;
    transfers.stop().await;
    let sent = sources[0].sent();
    assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
    assert_eq!(sources[0].sent(), sent);
    assert_eq!(world.reports.wrongs().len(), 1, "reported once");
}

#[tokio::test(start_paused = true)]
async fn a_ban_ends_after_an_hour() {
    let sample = Sample::new(34, 2_000_000, 30);
    let world = World::new();
    let garbled = Behaviour { wrong_every: Some(50_000), ..Behaviour::default() };
    let origin = |behaviour| {
        let source = MemorySource::new("origin", &sample.objects, behaviour);
        Fixed::new("origin", sample.mapped(), std::slice::from_ref(&source))
    };
    let said = world.fetch(&sample, &origin(garbled)).await.unwrap_err().to_string();
    assert!(said.contains("wrong bytes came from origin, which is asked again an hour later"), "{said}");
    // Whatever garbled the bytes is mended.
    let mended = origin(Behaviour::default());
    world.clock.forward_secs(3_500);
    assert!(matches!(world.fetch(&sample, &mended).await, Err(TransferError::NoSource(_))));
    world.clock.forward_secs(200);
    assert!(world.fetch(&sample, &mended).await.unwrap() == sample.data);
}

#[tokio::test(start_paused = true)]
async fn two_processes_do_not_fetch_the_same_file() {
    let sample = Sample::new(33, 4_000_000, 30);
    let world = World::new();
    let source = MemorySource::new("origin", &sample.objects, Behaviour::default());
    let planner = Fixed::new("origin", sample.plain(), std::slice::from_ref(&source));
    let (one, two) = (world.transfers(), world.transfers());
    let first = one.start(wanted(&sample), planner.clone(), Priority::Normal);
    until(|| source.sent() > 0).await;
    let second = two.start(wanted(&sample), planner, Priority::Normal);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (ours, theirs) = (first.progress(), second.progress());
    assert!(ours.done_bytes > 0 && ours.state == TransferState::Running, "{ours:?}");
    assert!(theirs.sources.is_empty() && theirs.state == TransferState::Waiting, "it waits for the first: {theirs:?}");
    one.stop().await;
    assert!(first.done().await.is_err());
    finish(&second).await.unwrap();
    assert!(source.sent() < 4_300_000, "and goes on from where the first was: {}", source.sent());
}

/// A machine with a clock of its own, which stands still while nobody drives it.
fn machine() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[test]
fn the_work_of_a_machine_that_went_silent_is_taken_over_on_a_shared_folder() {
    let sample = Sample::new(34, 6_000_000, 30);
    for plan in [sample.mapped(), sample.plain()] {
        let world = World::new();
        let behaviour = Behaviour { bytes_per_sec: 400_000, ..Behaviour::default() };
        let source = MemorySource::new("origin", &sample.objects, behaviour);
        let planner = Fixed::new("origin", plan, std::slice::from_ref(&source));
        let wire_bytes = planner.layout.wire_bytes;
        let (one, two) = (machine(), machine());
        let first = one.block_on(async {
            let transfers = world.transfers();
            let first = transfers.start(wanted(&sample), planner.clone(), Priority::Normal);
            until(|| source.sent() > 4_000_000).await;
            (transfers, first)
        });
        // From here on it does nothing any more, and has given nothing back: its lease lies in the folder.
        let began = source.sent();
        two.block_on(async {
            let transfers = world.transfers();
            let second = transfers.start(wanted(&sample), planner.clone(), Priority::Normal);
            tokio::time::sleep(Duration::from_secs(25)).await;
            assert_eq!(source.sent(), began, "a heart that was silent for so short a time may beat again");
            finish(&second).await.unwrap();
        });
        assert!(source.sent() < wire_bytes + 300_000, "{} of {wire_bytes}: what was there came again", source.sent());
        // The first wakes up, sees whose the work is now, and stops.
        let (transfers, first) = first;
        one.block_on(async { finish(&first).await.unwrap_err() });
        drop(transfers);
        assert_eq!(
            std::fs::read_dir(world.folder.path()).unwrap().count(),
            0,
            "nothing is left, and nothing comes back"
        );
        assert!(world.reports.wrongs().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_hub_is_asked_again() {
    let sample = Sample::new(34, 2_000_000, 30);
    let world = World::new();
    *world.sink.full.lock().unwrap() = 3;
    let source = MemorySource::new("origin", &sample.objects, Behaviour::default());
    let planner = Fixed::new("origin", sample.mapped(), std::slice::from_ref(&source));
    let transfers = world.transfers_in(world.folder.path().to_owned(), world.sink.clone(), Arc::new(OpenLines));
    let transfer = transfers.start(wanted(&sample), planner.clone(), Priority::Normal);
    until(|| transfer.progress().trouble.is_some_and(|trouble| trouble.contains("no room"))).await;
    finish(&transfer).await.unwrap();
    assert_eq!(source.sent(), planner.layout.wire_bytes);
}
